//! Text from files made safe to print.
//!
//! In: any text that came from a folder name, a configuration or a log. Out: the same text with every
//! character that could drive a terminal (escape sequences, carriage returns, text direction overrides)
//! made visible as `\u{…}`. Every output passes through here, so that it may be shown on a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns `text` on one line with control characters written out.
///
/// ```text
/// "red\u{1b}[31m"  ->  "red\u{1b}[31m" spelled with a visible backslash
/// ```
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hostile(character) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Returns a JSON text in which such characters are escaped: the standard asks that of C0 controls only.
/// Outside strings valid JSON has none but line breaks.
pub(crate) fn escape_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hostile(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
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
    fn plain_text_passes_unchanged_without_a_copy() {
        assert!(matches!(clean("cosine_T1000 é ± 30 %"), Cow::Borrowed("cosine_T1000 é ± 30 %")));
    }

    #[test]
    fn escape_sequences_line_breaks_and_direction_overrides_become_visible() {
        assert_eq!(clean("a\u{1b}[2Jb\r\nc"), r"a\u{1b}[2Jb\u{d}\u{a}c");
        assert_eq!(clean("\u{9b}31m\u{202e}x\u{200b}"), r"\u{9b}31m\u{202e}x\u{200b}");
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
            proptest::prop_assert!(!clean(&text).chars().any(is_hostile));
        }
    }
}
