//! Runs that ended badly, with the last words of their logs.
//!
//! In: the runs and `stderr.log`. Out: [`Failure`]s whose lines are safe to show anywhere.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Serialize;

use crate::guard::{self, printable};
use crate::report::load::Loaded;
use crate::rundir::{State, Status};

/// Runs whose log is shown; of the others the reason alone.
const WITH_LOG: usize = 50;
/// Last lines of a log.
const LINES: usize = 20;
/// Characters of a line.
const WIDTH: usize = 400;
/// Bytes at the end of a log that are looked at.
const TAIL: u64 = 16 << 10;

/// One run that did not end as it should.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    /// The variant's place.
    variant: usize,
    seed: u64,
    state: State,
    step: u64,
    error: Option<String>,
    log: Vec<String>,
    /// Why no log is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_log: Option<String>,
}

/// Runs that failed or diverged, and interrupted ones that left a reason.
pub(super) fn failures(loaded: &Loaded) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (place, variant) in loaded.variants.iter().enumerate() {
        for run in &variant.runs {
            let ended = matches!(run.state, State::Failed | State::Diverged | State::Interrupted);
            if !run.found || !ended {
                continue;
            }
            let error = Status::read(&run.dir).ok().flatten().and_then(|status| status.error);
            if error.is_none() && run.state == State::Interrupted {
                continue;
            }
            let (log, no_log) = match last_lines(&run.dir.stderr_path()) {
                _ if failures.len() >= WITH_LOG => {
                    (Vec::new(), Some(format!("logs of the first {WITH_LOG} runs are shown")))
                }
                Ok(lines) if lines.is_empty() => (lines, Some("stderr.log is empty".to_owned())),
                Ok(lines) => (lines, None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    (Vec::new(), Some("there is no stderr.log".to_owned()))
                }
                Err(error) => (Vec::new(), Some(printable(&format!("stderr.log cannot be read: {error}")))),
            };
            failures.push(Failure {
                variant: place,
                seed: run.seed,
                state: run.state,
                step: run.step,
                error: error.as_deref().map(printable),
                log,
                no_log,
            });
        }
    }
    failures
}

/// The end of a log, each line without anything that drives a terminal.
fn last_lines(path: &Path) -> io::Result<Vec<String>> {
    let mut file: File = guard::open(path)?;
    let from = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    // What came before the first line break belongs to a line that began earlier.
    let start =
        if from == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
    let text = String::from_utf8_lossy(&bytes[start..]);
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(LINES)..].iter();
    Ok(shown.map(|line| printable(&line.chars().take(WIDTH).collect::<String>())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::Tree;
    use crate::report::load::load;
    use crate::report::metric::Log;

    #[test]
    fn the_last_lines_of_a_failed_run_are_shown_without_their_escapes() {
        let tree = Tree::new();
        tree.plan(&[("a-1", &[0, 1]), ("b-2", &[0])]);
        let failed = tree.run("a-1", 0).status(State::Failed, 5, |status| {
            status.error = Some("boom \u{1b}[31m".to_owned());
        });
        let log: String = (0..50).map(|line| format!("line {line}\n")).collect();
        std::fs::write(failed.dir.stderr_path(), format!("{log}\u{1b}[2J<script>alert(1)</script>\n"))
            .unwrap();
        tree.run("a-1", 1).done(5);
        let linked = tree.run("b-2", 0).status(State::Diverged, 3, |_| {});
        std::os::unix::fs::symlink(failed.dir.stderr_path(), linked.dir.stderr_path()).unwrap();
        let found = failures(&load(&[tree.experiment().path().to_owned()], Log::Eval).unwrap());
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].error.as_deref(), Some(r"boom \u{1b}[31m"));
        assert_eq!((found[0].log.len(), found[0].log[0].as_str()), (LINES, "line 31"));
        assert_eq!(found[0].log[LINES - 1], r"\u{1b}[2J<script>alert(1)</script>");
        assert!(found[1].log.is_empty(), "a link is not followed");
        assert!(found[1].no_log.as_ref().unwrap().contains("it is a link"), "{:?}", found[1]);
    }
}
