//! Commands that a text shows, held to the program: each must exist and take the flags it is shown with.

use super::Workplace;

/// Commands with one more word to their name.
const GROUPS: [&str; 2] = ["config", "data"];

/// The words after `ablate` of every command in a text: on lines that open with `$ ` (a console) or `#   ` (a
/// comment), and in backticks.
pub(crate) fn commands(text: &str) -> Vec<Vec<String>> {
    let shown = text.lines().filter_map(|line| line.strip_prefix("$ ").or(line.strip_prefix("#   ")));
    let quoted = text.split('`').skip(1).step_by(2);
    shown.chain(quoted).filter_map(|code| Some(words(code.strip_prefix("ablate ")?))).collect()
}

/// What follows two spaces is said about a command.
fn words(code: &str) -> Vec<String> {
    let command = code.trim_start().split("  ").next().unwrap_or_default();
    command.split_whitespace().filter(|word| *word != "#").map(str::to_owned).collect()
}

/// Asserts that the program has the command and every flag of it.
#[track_caller]
pub(crate) fn is_known(words: &[String]) {
    let named = if GROUPS.contains(&words[0].as_str()) { 2 } else { 1 };
    let (name, rest) = words.split_at(named.min(words.len()));
    let mut asked: Vec<&str> = name.iter().map(String::as_str).collect();
    asked.push("--help");
    let help = Workplace::new().ablate(&asked).exits(0).stdout;
    for flag in rest.iter().filter(|word| word.starts_with('-')) {
        let flag = flag.split('=').next().unwrap_or_default();
        let known = help.split(|c: char| c.is_whitespace() || c == ',').any(|word| word == flag);
        assert!(known, "ablate {}: no {flag} in\n{help}", words.join(" "));
    }
}

#[test]
fn commands_are_found_on_lines_and_in_backticks() {
    let text = "$ ablate plan x.toml      # what it costs\n#   ablate run x.toml -s a=1\nSo `ablate status\n# runs` and \
                `x`.\nablate is a program\n";
    let found: Vec<String> = commands(text).iter().map(|words| words.join(" ")).collect();
    assert_eq!(found, ["plan x.toml", "run x.toml -s a=1", "status runs"]);
}
