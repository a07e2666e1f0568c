//! The fields of a JSON object that somebody else wrote, each looked at once.
//!
//! In: a file. Out: values of the kind that is asked for; everything that is none, or that nobody asked for, as a
//! [`Problem`] with name, value and file. All of them are collected before any is reported.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::InteropError;
use crate::config::{Location, Problem};
use crate::guard;

/// Far above any such file: a hundred thousand betas take 2 MB. Parsed, it takes many times as much memory.
const SIZE_LIMIT: u64 = 8 << 20;
/// Longest part of a value that is shown.
const SHOWN: usize = 80;
/// Most problems of one file.
const MOST: usize = 100;

/// An object of which fields are taken until none is left.
#[derive(Debug)]
pub(super) struct Fields {
    path: PathBuf,
    object: Map<String, Value>,
    problems: Vec<Problem>,
}

impl Fields {
    /// Reads a file; it may be a link, as in a cache of downloads.
    ///
    /// # Errors
    /// It cannot be read, is too long, or is no JSON object.
    pub(super) fn read(path: &Path) -> Result<Fields, InteropError> {
        let io = |source| InteropError::Io { path: path.to_path_buf(), source };
        let malformed = |reason: String| InteropError::Malformed { path: path.to_path_buf(), reason };
        let file = guard::open_linked(path).map_err(io)?;
        let bytes = guard::read_at_most(&file, SIZE_LIMIT).map_err(io)?;
        let bytes = bytes.ok_or_else(|| malformed(format!("it is larger than {} MiB", SIZE_LIMIT >> 20)))?;
        let text = String::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8 text".to_owned()))?;
        match serde_json::from_str(&quoted(&text)) {
            Ok(Value::Object(object)) => Ok(Fields::new(path, object)),
            Ok(_) => Err(malformed("it is no JSON object".to_owned())),
            Err(error) => Err(malformed(error.to_string())),
        }
    }

    /// As [`Fields::read`], of what was read; `path` is for messages.
    pub(super) fn new(path: &Path, object: Map<String, Value>) -> Fields {
        Fields { path: path.to_path_buf(), object, problems: Vec::new() }
    }

    /// Adds a problem of a field.
    pub(super) fn refuse(&mut self, key: &str, value: &Value, reason: &str) {
        self.problem(Problem::new(format!("{key} = {}: {reason}", shown(value))));
    }

    /// Adds a problem.
    pub(super) fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MOST {
            self.problems.push(problem.at(Some(Location { file: self.path.clone(), line: None })));
        }
    }

    /// Takes a field; `None` where it is not there.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.object.remove(key)
    }

    /// Takes a field that may be null or absent: `None` for both.
    pub(super) fn take_some(&mut self, key: &str) -> Option<Value> {
        self.take(key).filter(|value| !value.is_null())
    }

    /// Takes a whole number from 0.
    pub(super) fn whole(&mut self, key: &str, default: u64) -> u64 {
        self.taken(key, default, "it is no whole number", whole)
    }

    /// Takes a finite number.
    pub(super) fn number(&mut self, key: &str, default: f64) -> f64 {
        self.taken(key, default, "it is no number", |value| {
            value.as_f64().filter(|number| number.is_finite())
        })
    }

    /// Takes true or false.
    pub(super) fn bool(&mut self, key: &str, default: bool) -> bool {
        self.taken(key, default, "it is neither true nor false", Value::as_bool)
    }

    /// Takes a list of whole numbers.
    pub(super) fn wholes(&mut self, key: &str, default: &[u64]) -> Vec<u64> {
        let list = |value: &Value| value.as_array()?.iter().map(whole).collect();
        self.taken(key, default.to_vec(), "it is no list of whole numbers", list)
    }

    /// Takes a list of words.
    pub(super) fn words(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let list = |value: &Value| value.as_array()?.iter().map(word).collect();
        let default = default.iter().map(|word| (*word).to_owned()).collect();
        self.taken(key, default, "it is no list of words", list)
    }

    /// Takes one of the words of a table and gives what stands beside it.
    pub(super) fn choice<X: Copy>(&mut self, key: &str, default: X, words: &[(&str, X)], reason: &str) -> X {
        let find = |value: &Value| words.iter().find(|(word, _)| value.as_str() == Some(word));
        self.taken(key, default, reason, |value| find(value).map(|(_, meaning)| *meaning))
    }

    /// Takes a field that must have a value: one of `fine`, as JSON writes them.
    pub(super) fn only(&mut self, key: &str, fine: &[&str], reason: &str) {
        let is = |value: &Value, fine: &str| serde_json::from_str(fine).is_ok_and(|fine| equal(&fine, value));
        if let Some(value) = self.take(key)
            && !fine.iter().any(|fine| is(&value, fine))
        {
            self.refuse(key, &value, reason);
        }
    }

    fn taken<X>(&mut self, key: &str, default: X, wrong: &str, read: impl Fn(&Value) -> Option<X>) -> X {
        let Some(value) = self.take(key) else { return default };
        read(&value).unwrap_or_else(|| {
            self.refuse(key, &value, wrong);
            default
        })
    }

    /// What was wrong with the fields that were taken.
    pub(super) fn end_of_known(self) -> Vec<Problem> {
        self.problems
    }

    /// What was wrong, fields that nobody took included. What begins with `_` is about the file itself.
    pub(super) fn end(mut self, unknown: &str) -> Vec<Problem> {
        for (key, value) in std::mem::take(&mut self.object) {
            if !key.starts_with('_') {
                self.refuse(&key, &value, unknown);
            }
        }
        self.problems
    }
}

/// Python writes infinities and no-numbers bare, which JSON does not have: they become words.
fn quoted(text: &str) -> Cow<'_, str> {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest, mut in_string) = (String::with_capacity(text.len() + 16), text, false);
    while let Some(first) = rest.chars().next() {
        let word = WORDS.iter().find(|word| !in_string && rest.starts_with(**word));
        let length = match (word, first) {
            (Some(word), _) => word.len(),
            // What is escaped is part of the string, a quote too.
            (None, '\\') if in_string => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => first.len_utf8(),
        };
        let (taken, after) = rest.split_at(length);
        in_string ^= taken == "\"";
        match word {
            Some(word) => out.extend(["\"", word, "\""]),
            None => out.push_str(taken),
        }
        rest = after;
    }
    Cow::Owned(out)
}

/// 1 and 1.0 are one number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn whole(value: &Value) -> Option<u64> {
    // No setting is larger, and TOML's integers have a sign.
    value.as_u64().filter(|whole| *whole <= i64::MAX as u64)
}

/// As TOML has it; larger ones were refused.
pub(super) fn integer(value: u64) -> toml::Value {
    toml::Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A value as it is written, cut where it is long.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::Array(items) if items.len() > 8 => {
            let some: Vec<String> = items[..2].iter().map(ToString::to_string).collect();
            format!("[{}, … {} values]", some.join(", "), items.len())
        }
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        let Value::Object(object) = value else { panic!("an object") };
        Fields::new(Path::new("x.json"), object)
    }

    #[test]
    fn every_field_that_is_wrong_or_unknown_is_named_with_its_value_and_file() {
        let mut found = fields(json!({"_about": 1, "a": -1, "b": "x", "c": 1.0, "d": {"e": []}, "f": 1}));
        assert_eq!((found.whole("a", 7), found.bool("b", true), found.whole("none", 3)), (7, true, 3));
        found.only("c", &["1"], "never");
        found.only("f", &["2"], "it must be 2");
        let text: Vec<String> = found.end("it is unknown").iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "error: a = -1: it is no whole number\n  set in x.json",
                "error: b = \"x\": it is neither true nor false\n  set in x.json",
                "error: f = 1: it must be 2\n  set in x.json",
                "error: d = {\"e\":[]}: it is unknown\n  set in x.json",
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_small_json_object_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |text: &str| {
            let path = folder.path().join("x.json");
            std::fs::write(&path, text).unwrap();
            Fields::read(&path).unwrap_err().to_string().replace(&folder.path().display().to_string(), "DIR")
        };
        assert_eq!(refusal("[]"), "DIR/x.json cannot be used: it is no JSON object");
        assert!(refusal("{").starts_with("DIR/x.json cannot be used: EOF while parsing"));
        // Deeper than anybody needs: refused without an end of the stack.
        assert!(refusal(&format!("{{\"a\": {}}}", "[".repeat(100_000))).contains("recursion limit"));
        let missing = Fields::read(&folder.path().join("none.json")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read"), "{missing}");
    }

    #[test]
    fn numbers_that_only_python_writes_become_words() {
        let text = r#"{"a": -Infinity, "b": [NaN, Infinity], "NaN \" Infinity": "NaN\\", "c": NaN}"#;
        let value: Value = serde_json::from_str(&quoted(text)).unwrap();
        assert_eq!(
            value,
            json!({"a": "-Infinity", "b": ["NaN", "Infinity"], "NaN \" Infinity": "NaN\\", "c": "NaN"})
        );
        assert!(matches!(quoted("{\"a\": 1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_flood_of_fields_and_a_long_value_are_cut() {
        let many: Map<String, Value> = (0..1000).map(|i| (format!("k{i}"), json!(i))).collect();
        assert_eq!(Fields::new(Path::new("x.json"), many).end("unknown").len(), MOST);
        assert_eq!(shown(&json!(vec![0.5; 1000])), "[0.5, 0.5, … 1000 values]");
        assert_eq!(shown(&json!("x".repeat(1000))).chars().count(), SHOWN + 1);
    }
}
