//! Text to standard output, and what is said beside it on standard error.

use std::fmt::Display;
use std::io::{self, Write};

use super::failure::Failure;
use crate::guard::printable_lines;

/// Prints everything; a reader that goes away early (`| head`) ends the program quietly.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// As [`print`], for what is no text.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::internal(format!("cannot write to standard output: {error}"))),
    }
}

/// A line on standard output about what was done. Its reader may be gone, its disk full: the exit code must still say
/// how it ended.
pub(super) fn tell(text: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// A line on standard error, safe for a terminal. One that cannot be written must not end what it is about.
pub(super) fn say(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", printable_lines(&text.to_string()));
}

/// `note: …`: worth knowing.
pub(super) fn note(text: impl Display) {
    say(format_args!("note: {text}"));
}

/// `warning: …`: worth a look.
pub(super) fn warn(text: impl Display) {
    say(format_args!("warning: {text}"));
}
