//! Text from files, made safe for a terminal.

pub use crate::guard::printable;
