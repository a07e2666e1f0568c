//! The rules of the house that the compiler does not know: which module may import which, and where libtorch
//! and miette may be named. In: every source file. Out: each violation with file and line.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What a module may import from the others; a module without a line here is a violation itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("lib", &["cli"]),
    (
        "cli",
        &[
            "calibration",
            "config",
            "data",
            "diffusion",
            "fidelity",
            "interop",
            "launch",
            "memory",
            "model",
            "ops",
            "plan",
            "report",
            "rundir",
            "serve",
            "sizing",
            "train",
            "worker",
        ],
    ),
    ("guard", &[]),
    // Tests of all of them, which only a fuzzer and the tests compile.
    ("fuzzing", &["config", "plan", "report", "rundir"]),
    ("config", &[]),
    ("plan", &["config", "diffusion", "rundir", "sizing"]),
    ("sizing", &["config"]),
    ("calibration", &["config", "rundir", "sizing"]),
    ("rundir", &["config"]),
    ("memory", &["config", "sizing"]),
    ("launch", &["config", "memory", "plan", "rundir", "sizing"]),
    ("worker", &["config", "memory", "rundir", "train"]),
    ("train", &["config", "data", "diffusion", "fidelity", "model", "ops", "rundir", "sizing"]),
    ("diffusion", &["config"]),
    ("fidelity", &["data", "ops"]),
    ("model", &["config", "ops"]),
    ("data", &["config"]),
    ("ops", &[]),
    ("interop", &["config", "diffusion", "model", "rundir"]),
    ("report", &["config", "diffusion", "rundir", "sizing"]),
    ("serve", &["report", "rundir"]),
];

/// Modules that every other may import.
const FOR_ALL: &[&str] = &["guard"];

/// Crates that only one module may name.
const ONLY_IN: &[(&str, &str)] = &[("tch", "ops"), ("torch_sys", "ops"), ("miette", "cli")];

/// One source file without comments, string contents and tests; lines keep their numbers.
struct Source {
    /// Relative to the repository.
    path: PathBuf,
    /// The first part of its path in `crate::`.
    module: String,
    /// Parts of its path in `crate::`.
    depth: usize,
    text: String,
    code: String,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Source {
        let text = fs::read_to_string(path).unwrap();
        let relative = path.strip_prefix(root.join("src")).unwrap().with_extension("");
        let mut parts: Vec<String> =
            relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.len() > 1 && parts.last().is_some_and(|part| part == "mod") {
            parts.pop();
        }
        let code = without_tests(&without_text(&text));
        Source {
            path: path.strip_prefix(root).unwrap().to_path_buf(),
            module: parts[0].clone(),
            depth: parts.len(),
            text,
            code,
        }
    }

    fn at(&self, offset: usize) -> String {
        let line = self.code[..offset].matches('\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

/// Blanks comments and the contents of literals, so that only code is left to search.
fn without_text(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match (chars[i], chars.get(i + 1)) {
            ('/', Some('/')) => until(&chars, i, |rest| rest[0] == '\n'),
            ('/', Some('*')) => until(&chars, i + 2, |rest| rest.starts_with(&['*', '/'])) + 2,
            ('r', Some('"' | '#')) if !is_word(chars.get(i.wrapping_sub(1))) => raw_string_end(&chars, i),
            ('"', _) => string_end(&chars, i),
            // A lifetime has no closing quote where a character literal has one.
            ('\'', Some('\\')) => until(&chars, i + 3, |rest| rest[0] == '\'') + 1,
            ('\'', Some(_)) if chars.get(i + 2) == Some(&'\'') => i + 3,
            _ => {
                out.push(chars[i]);
                i += 1;
                continue;
            }
        };
        let end = end.min(chars.len());
        out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        i = end;
    }
    out
}

fn until(chars: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&i| found(&chars[i..])).unwrap_or(chars.len())
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// End of `r#"…"#`; of `r#name`, which is no string, the end of the mark.
fn raw_string_end(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|&&c| c == '#').count();
    if chars.get(start + 1 + hashes) != Some(&'"') {
        return start + 1 + hashes;
    }
    let mut close = vec!['"'];
    close.resize(1 + hashes, '#');
    until(chars, start + 2 + hashes, |rest| rest.starts_with(&close)) + close.len()
}

fn is_word(c: Option<&char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || *c == '_')
}

/// Blanks the block below each `#[cfg(test)]`: tests may build what they need from any module.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let rest = &out[start..];
        let end = match (rest.find('{'), rest.find(';')) {
            (Some(brace), semicolon) if semicolon.is_none_or(|semicolon| brace < semicolon) => {
                start + brace + block_length(&rest[brace..])
            }
            (_, Some(semicolon)) => start + semicolon + 1,
            _ => out.len(),
        };
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// Bytes from an opening brace to its closing one.
fn block_length(code: &str) -> usize {
    let mut depth = 0;
    for (offset, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return offset + 1;
        }
    }
    code.len()
}

/// Where `word` stands as the first part of a path, not as part of a longer name or further along.
fn segments<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(offset, _)| offset).filter(move |&offset| {
        let (before, after) = (&code[..offset], code[offset + word.len()..].chars().next());
        // `::tch` begins a path, `x::tch` does not.
        let before = before.strip_suffix("::").unwrap_or(before).chars().next_back();
        !is_word(before.as_ref()) && before != Some('>') && !is_word(after.as_ref())
    })
}

/// The names that follow a path's first part: one, or those at the first level of `{…}`.
fn names_after(code: &str) -> Vec<String> {
    let word = |text: &str| -> String { text.chars().take_while(|c| is_word(Some(c))).collect() };
    let Some(list) = code.strip_prefix('{') else { return vec![word(code)] };
    let (mut depth, mut names, mut fresh) = (1, Vec::new(), true);
    for (offset, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            c if fresh && depth == 1 && is_word(Some(&c)) => {
                names.push(word(&list[offset..]));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Every `crate::x`, and every `super::…::x` that climbs to the top: (offset, x).
fn imports(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let mut found = Vec::new();
    for offset in segments(code, "crate") {
        if let Some(rest) = code[offset + 5..].strip_prefix("::") {
            found.extend(names_after(rest).into_iter().map(|name| (offset, name)));
        }
    }
    for offset in segments(code, "super") {
        let mut rest = &code[offset..];
        let mut climbed = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            rest = next;
            climbed += 1;
        }
        if climbed >= source.depth {
            found.extend(names_after(rest).into_iter().map(|name| (offset, name)));
        }
    }
    found
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = walkdir::WalkDir::new(root.join("src")).sort_by_file_name();
    let files = files.into_iter().map(|entry| entry.unwrap().into_path());
    let rust = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let found: Vec<Source> = rust.map(|path| Source::read(root, &path)).collect();
    assert!(found.len() > 50, "the sources are not where this test looks for them");
    found
}

/// Files that only `#[cfg(test)] mod …;` brings in.
fn is_test_file(source: &Source) -> bool {
    let stem = source.path.file_stem().unwrap().to_string_lossy();
    stem.ends_with("_tests") || ["tests", "testing", "fixture"].contains(&stem.as_ref())
}

fn assert_none(what: &str, violations: &str) {
    assert!(violations.is_empty(), "{what}:\n{violations}");
}

#[test]
fn modules_import_only_what_the_table_of_the_design_allows() {
    let known = |name: &str| MAY_IMPORT.iter().find(|(module, _)| *module == name);
    let mut violations = String::new();
    for source in sources().iter().filter(|source| !is_test_file(source)) {
        let Some((_, allowed)) = known(&source.module) else {
            writeln!(violations, "  {}: module {} is not in the table", source.path.display(), source.module)
                .unwrap();
            continue;
        };
        for (offset, name) in imports(source) {
            let everywhere = FOR_ALL.contains(&name.as_str());
            let allowed = everywhere || name == source.module || allowed.contains(&name.as_str());
            if !allowed && known(&name).is_some() {
                let (at, module) = (source.at(offset), &source.module);
                writeln!(violations, "  {at}: {module} may not import {name}").unwrap();
            }
        }
    }
    assert_none("imports against the table", &violations);
}

#[test]
fn libtorch_and_miette_are_named_in_one_module_each() {
    let mut violations = String::new();
    for source in &sources() {
        for (name, home) in ONLY_IN.iter().filter(|(_, home)| source.module != *home) {
            for offset in segments(&source.code, name) {
                if source.code[offset + name.len()..].trim_start().starts_with("::") {
                    writeln!(violations, "  {}: only {home} may name {name}", source.at(offset)).unwrap();
                }
            }
        }
    }
    assert_none("crates named outside of their module", &violations);
}

#[test]
fn every_file_says_first_what_it_does() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    let silent: String = silent.map(|source| format!("  {}\n", source.path.display())).collect();
    assert_none("files that do not open with //!", &silent);
}

#[test]
fn the_searches_above_find_what_they_should() {
    let source = |code: &str| Source {
        path: "src/data/x.rs".into(),
        module: "data".into(),
        depth: 2,
        text: String::new(),
        code: without_tests(&without_text(code)),
    };
    let names =
        |code: &str| -> Vec<String> { imports(&source(code)).into_iter().map(|(_, name)| name).collect() };
    assert_eq!(names("use crate::config::Data;"), ["config"]);
    assert_eq!(names("use crate::{config::{self, Data}, train, ops::open};"), ["config", "train", "ops"]);
    assert_eq!(names("fn f() -> crate::train::Error {}"), ["train"]);
    assert_eq!(names("use super::super::train::Error;"), ["train"]);
    assert_eq!(names("use super::order;"), [""; 0]);
    assert_eq!(names("// use crate::train;\n\"crate::train\"; 'c'; r#\"crate::train\"#"), [""; 0]);
    assert_eq!(names("fn f<'a>() {}\n#[cfg(test)]\nmod tests { use crate::train; }\n"), [""; 0]);
    assert_eq!(names("#[cfg(test)]\nmod tests;\nuse crate::train;"), ["train"]);
    let tch = |code: &str| segments(&source(code).code, "tch").count();
    assert_eq!(
        (tch("use tch::Cuda;"), tch("::tch::x"), tch("batch::Batch"), tch("dispatch::tch::x")),
        (1, 1, 0, 0)
    );
    assert_eq!(source("\n\nuse crate::train;").at(2), "src/data/x.rs:3");
}
