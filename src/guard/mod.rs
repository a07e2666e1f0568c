//! What comes from files that nobody should trust: text made safe to show, files opened without following links.
//!
//! Every station may import this; it imports none of them.

mod open;
mod text;

pub use open::{append, append_or_create, is_link, open, open_linked, read_at_most, write_or_create};
pub use text::{escape_json, printable, printable_lines};
