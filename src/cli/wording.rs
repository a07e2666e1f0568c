//! Numbers and lines as people read them.

use crate::sizing::thousands;

/// `3 variants`, `1 seed`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count as u64), if count == 1 { "" } else { "s" })
}

/// Text in lines of at most 96 characters, all but the first indented.
pub(super) fn wrapped(text: &str) -> String {
    const WIDEST: usize = 96;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= WIDEST);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(format!("  {word}")),
        }
    }
    lines.join("\n") + "\n"
}
