//! Text from files made safe to show: the one sanitiser of everything the program prints.
//!
//! In: any text that came from a folder's name, a configuration, a log or another process. Out: the same text with
//! every character that could drive a terminal, or hide and reorder its neighbours, spelled out as `\u{1b}`.

use std::fmt::Write;

/// The text on one line: tabs and line breaks become spaces, other dangerous characters are spelled out.
///
/// ```
/// assert_eq!(ablate::guard::printable("red\u{1b}[31m\nb"), r"red\u{1b}[31m b");
/// ```
pub fn printable(text: &str) -> String {
    spelled(text, |character| match character {
        '\t' | '\n' | '\r' => Some(' '),
        _ => None,
    })
}

/// As [`printable`], but keeps the line breaks of a text that has several lines on purpose.
pub fn printable_lines(text: &str) -> String {
    spelled(text, |character| match character {
        '\n' => Some('\n'),
        '\t' | '\r' => Some(' '),
        _ => None,
    })
}

/// A JSON text in which such characters are escaped: the standard asks that of C0 controls only. Outside strings
/// valid JSON has none but line breaks.
pub fn escape_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hostile(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

/// `white` says what becomes of white space.
fn spelled(text: &str, white: impl Fn(char) -> Option<char>) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if let Some(space) = white(character) {
            safe.push(space);
        } else if is_hostile(character) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}

/// C0 and C1 controls, line separators, and characters that reorder or hide their neighbours.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_passes_unchanged() {
        assert_eq!(printable("cosine_T1000 é ± 30 %"), "cosine_T1000 é ± 30 %");
        assert_eq!(printable_lines("error: a\n  help: b"), "error: a\n  help: b");
    }

    #[test]
    fn escape_sequences_and_direction_overrides_become_visible() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\td"), r"a\u{1b}[2Jb  c d");
        assert_eq!(printable("\u{9b}31m\u{202e}x\u{200b}"), r"\u{9b}31m\u{202e}x\u{200b}");
        assert_eq!(printable_lines("a\u{7}\r\nb"), "a\\u{7} \nb");
    }

    #[test]
    fn escaped_json_reads_back_as_the_same_value() {
        let value = serde_json::json!({"a\u{9b}": "b\u{202e}\u{e0041}\u{1b}"});
        let safe = escape_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!safe.chars().any(|character| is_hostile(character) && character != '\n'), "{safe:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    proptest::proptest! {
        #[test]
        fn no_control_character_survives(text in ".*") {
            proptest::prop_assert!(!printable(&text).chars().any(is_hostile));
            proptest::prop_assert!(!printable_lines(&text).chars().any(|c| c != '\n' && is_hostile(c)));
        }
    }
}
