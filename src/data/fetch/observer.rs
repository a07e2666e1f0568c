//! What a fetch tells whoever watches it.

/// Something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A transfer begins, or goes on where it was cut.
    Begins {
        /// The file.
        file: &'a str,
        /// Where from.
        from: &'a str,
        /// Bytes that are there already.
        at: u64,
        /// Bytes of the whole file.
        bytes: u64,
    },
    /// More bytes have arrived.
    Advanced {
        /// Bytes that are there now.
        at: u64,
    },
    /// The whole file is there and its hash is right.
    Verified {
        /// The file.
        file: &'a str,
    },
    /// A sentence for the user.
    Note(&'a str),
}

/// Somebody who watches.
pub trait Observer {
    /// Takes note of an event.
    fn notice(&mut self, event: Event<'_>);
}

/// Nobody watches.
impl Observer for () {
    fn notice(&mut self, _event: Event<'_>) {}
}
