//! Why a page cannot be served.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// An error before the first request.
#[derive(Debug, Error)]
pub(crate) enum ServeError {
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The operating system does not say which port it gave.
    #[error("cannot tell which port was taken: {source}")]
    Listen {
        /// Its answer.
        source: io::Error,
    },
    /// A token that an address cannot carry as it is, or that can be guessed.
    #[error("a token needs {least} to {most} letters, digits or any of \"-._~\"", least = super::access::LEAST, most = super::access::MOST)]
    Token,
    /// No randomness for a token.
    #[error("cannot make a token from /dev/urandom: {source}")]
    Random {
        /// The operating system's answer.
        source: io::Error,
    },
}
