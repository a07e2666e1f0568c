//! Reads one configuration file, TOML or JSON, into a table and the line of every key.
//!
//! In: a path or embedded text. Out: a [`Document`]; anything unreadable is a [`Problem`] with the file
//! and, where the parser knows it, the line. Size is limited here, depth by the parsers.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

use serde::Deserialize;
use toml::Table;
use toml::de::{DeTable, DeValue};

use super::json;
use super::problem::{Location, Problem};
use crate::guard;

/// Largest configuration file.
const MAX_BYTES: u64 = 1_000_000;

/// One parsed file.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The text as read.
    pub text: String,
    /// Its tables, in written order.
    pub table: Table,
    /// Line of every dotted path, from 1; empty for JSON.
    pub lines: HashMap<String, usize>,
}

/// Reads and parses a file of the run tree, which is never a link.
pub(crate) fn read_own(path: &Path) -> Result<Document, Problem> {
    parse(text_of(guard::open(path), path)?, path)
}

/// Parses a file's text as its extension says.
pub(crate) fn parse(text: String, path: &Path) -> Result<Document, Problem> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => json::parse(&text)
            .map(|table| Document { text, table, lines: HashMap::new() })
            .map_err(|reason| Problem::new(format!("{} is not valid JSON: {reason}", path.display()))),
        Some("toml") => parse_toml(text, path),
        _ => Err(Problem::new(format!("{} is neither .toml nor .json", path.display()))
            .with_help("the extension says how a file is read")),
    }
}

/// Reads a regular UTF-8 file of at most [`MAX_BYTES`]; it may be a link.
pub(crate) fn read_text(path: &Path) -> Result<String, Problem> {
    text_of(guard::open_linked(path), path)
}

fn text_of(opened: io::Result<File>, path: &Path) -> Result<String, Problem> {
    let shown = path.display();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Problem::new(format!("{shown} does not exist")),
        _ if path.is_dir() => {
            Problem::new(format!("{shown} is a folder; a configuration is a .toml or .json file"))
        }
        _ => Problem {
            is_storage: error.raw_os_error().is_some(),
            ..Problem::new(format!("cannot read {shown}: {error}"))
        },
    };
    let bytes = opened.and_then(|file| guard::read_at_most(&file, MAX_BYTES)).map_err(failed)?;
    let Some(bytes) = bytes else {
        return Err(Problem::new(format!("{shown} is larger than {MAX_BYTES} bytes"))
            .with_help("a configuration is a short text; is this the right file?"));
    };
    String::from_utf8(bytes).map_err(|error| {
        Problem::new(format!("{shown} is not UTF-8 text (byte {})", error.utf8_error().valid_up_to()))
    })
}

/// Parses TOML; `path` is for messages and locations only.
pub(crate) fn parse_toml(text: String, path: &Path) -> Result<Document, Problem> {
    let syntax = |error: toml::de::Error| {
        let line = error.span().map(|span| line_of(&text, span.start));
        let location = Location { file: path.to_owned(), line };
        Problem::new(format!("{location}: {}", error.message().trim_end()))
    };
    let parsed = DeTable::parse(&text).map_err(syntax)?;
    let line_starts = line_starts(&text);
    let mut lines = HashMap::new();
    collect_lines(parsed.get_ref(), "", &line_starts, &mut lines);
    let table = Table::deserialize(toml::de::Deserializer::from(parsed)).map_err(syntax)?;
    Ok(Document { table, lines, text })
}

/// Byte offsets at which lines start.
fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1
}

fn collect_lines(table: &DeTable<'_>, prefix: &str, starts: &[usize], lines: &mut HashMap<String, usize>) {
    for (key, value) in table {
        let path = join(prefix, key.get_ref());
        let line = starts.partition_point(|&start| start <= key.span().start);
        // Headers come before their keys, so the first mention of a table is the one a reader looks for.
        lines.entry(path.clone()).or_insert(line);
        collect_value_lines(value.get_ref(), &path, starts, lines);
    }
}

fn collect_value_lines(
    value: &DeValue<'_>,
    path: &str,
    starts: &[usize],
    lines: &mut HashMap<String, usize>,
) {
    match value {
        DeValue::Table(inner) => collect_lines(inner, path, starts, lines),
        // `[[sweep.zip]]`: each element's keys count as the array's, and as those of `sweep.zip[0]`,
        // `sweep.zip[1]`, …; deeper arrays are not numbered, since each level would double the work.
        DeValue::Array(items) => {
            let numbered = path.strip_prefix("sweep.").is_some_and(|form| !form.contains(['.', '[']));
            for (index, item) in items.iter().enumerate() {
                collect_value_lines(item.get_ref(), path, starts, lines);
                if numbered && item.get_ref().is_table() {
                    let element = format!("{path}[{index}]");
                    let line = starts.partition_point(|&start| start <= item.span().start);
                    lines.insert(element.clone(), line);
                    collect_value_lines(item.get_ref(), &element, starts, lines);
                }
            }
        }
        _ => {}
    }
}

/// `a` and `b.c` make `a.b.c`; a quoted dotted key and nested tables give the same path.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Document, Problem> {
        parse_toml(text.to_owned(), Path::new("x.toml"))
    }

    #[test]
    fn every_key_has_the_line_it_was_written_on() {
        let document =
            parsed("a = 1\n[sweep.grid]\n\"model.dropout\" = [0.0,\n 0.1]\n[model]\nb.c = 2\n").unwrap();
        let line = |path: &str| document.lines.get(path).copied();
        assert_eq!(line("a"), Some(1));
        assert_eq!(line("sweep.grid"), Some(2));
        assert_eq!(line("sweep.grid.model.dropout"), Some(3));
        assert_eq!(line("model.b.c"), Some(6));
    }

    #[test]
    fn the_tables_of_a_list_below_sweep_are_numbered() {
        let text = "[[sweep.zip]]\n\"data.limit\" = [1]\n\n[[sweep.zip]]\ndata.limit = [2]\n";
        let document = parsed(text).unwrap();
        let line = |path: &str| document.lines.get(path).copied();
        assert_eq!((line("sweep.zip[0]"), line("sweep.zip[1]")), (Some(1), Some(4)));
        assert_eq!((line("sweep.zip[0].data.limit"), line("sweep.zip[1].data.limit")), (Some(2), Some(5)));
        assert_eq!(line("sweep.zip.data.limit"), Some(2));
    }

    #[test]
    fn a_syntax_error_names_file_line_and_reason() {
        let message = parsed("a = 1\nb = [1,\n").unwrap_err().message;
        assert!(message.starts_with("x.toml:2: ") || message.starts_with("x.toml:3: "), "{message}");
    }

    #[test]
    fn twenty_thousand_brackets_are_an_error_at_once() {
        let started = std::time::Instant::now();
        let nested = format!("[sweep]\nzip = {}1{}", "[{a=".repeat(30), "}]".repeat(30));
        assert!(parsed(&nested).is_ok());
        for bomb in ["a = ".to_owned() + &"[".repeat(20_000), "a = ".to_owned() + &"{b=".repeat(20_000)] {
            assert!(parsed(&bomb).is_err());
            assert!(json::parse(&bomb[4..]).is_err());
        }
        assert!(parsed(&("a".to_owned() + &".a".repeat(20_000) + " = 1")).is_err());
        assert!(started.elapsed().as_secs() < 2, "took {:?}", started.elapsed());
    }

    #[test]
    fn a_file_that_is_not_a_short_utf8_text_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            read_own(&path).unwrap_err().to_string().replace(&folder.path().display().to_string(), "DIR")
        };
        assert_eq!(
            refusal("big.toml", &vec![b' '; 10_000_000]),
            "error: DIR/big.toml is larger than 1000000 bytes\n  \
             help: a configuration is a short text; is this the right file?"
        );
        assert_eq!(
            refusal("latin.toml", b"a = \"\xe9\""),
            "error: DIR/latin.toml is not UTF-8 text (byte 5)"
        );
        assert_eq!(
            refusal("x.yaml", b""),
            "error: DIR/x.yaml is neither .toml nor .json\n  help: the extension says how a file is read"
        );
        let message = |path: &Path| read_own(path).unwrap_err().message;
        assert!(message(folder.path()).ends_with(" is a folder; a configuration is a .toml or .json file"));
        assert!(message(&folder.path().join("none.toml")).ends_with("none.toml does not exist"));
    }
}
