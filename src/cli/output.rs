//! Text to standard output.

use std::io::{self, Write};

use super::failure::Failure;

/// Prints everything; a reader that goes away early (`| head`) ends the program quietly.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::internal(format!("cannot write to standard output: {error}"))),
    }
}
