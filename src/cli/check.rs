//! `ablate check DIR`: is every byte of these runs as it was written?
//!
//! Reads only, and leaves a run in use undisturbed. Exit code 0: clean; 1: something is damaged; 2: no runs there.

use std::path::PathBuf;

use super::chosen::tensors_of;
use super::failure::{ExitCode, Failure, exit};
use super::output::print;
use super::scope::Scope;
use crate::guard::{escape_json, printable};
use crate::rundir::Disk;
use crate::rundir::audit::{Audit, Auditor, Finding, Gravity};

/// Options of `ablate check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run, variant, experiment or folder of experiments
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Looks at every run and prints what was found.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let scope = Scope::at(&args.folder)?;
    let auditor = Auditor { fs: &Disk, tensors: &tensors_of };
    let mut audit = Audit::default();
    scope.experiments.iter().for_each(|experiment| audit.extend(auditor.experiment(experiment)));
    scope.runs.iter().for_each(|run| audit.extend(auditor.run(run)));
    let text = if args.json { json(&audit)? } else { lines(&audit) };
    print(&text)?;
    Ok(if audit.damaged() > 0 { ExitCode::from(exit::SOME_FAILED) } else { ExitCode::SUCCESS })
}

fn json(audit: &Audit) -> Result<String, Failure> {
    let mut value = serde_json::to_value(audit)
        .map_err(|error| Failure::internal(format!("cannot write the findings as JSON: {error}")))?;
    value["damaged"] = audit.damaged().into();
    Ok(format!("{}\n", escape_json(&format!("{value:#}"))))
}

fn lines(audit: &Audit) -> String {
    let line = |Finding { gravity, path, reason, remedy }: &Finding| {
        let word = match gravity {
            Gravity::Damage => "damaged",
            Gravity::Note => "note",
        };
        format!("{}\n", printable(&format!("{word}: {}: {reason}; {remedy}", path.display())))
    };
    let lines: String = audit.findings.iter().map(line).collect();
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let verdict = match audit.damaged() {
        0 => "nothing is damaged".to_owned(),
        damaged => format!("{damaged} damaged"),
    };
    format!(
        "{lines}{}, {} of {} MiB: {verdict}\n",
        plural(audit.runs, "run"),
        plural(audit.checkpoints, "good checkpoint"),
        audit.bytes.div_ceil(1 << 20)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_is_one_line_that_no_terminal_obeys() {
        let finding = |gravity, path: &str| Finding {
            gravity,
            path: path.into(),
            reason: "it is missing".into(),
            remedy: "restore it".into(),
        };
        let findings = vec![finding(Gravity::Damage, "x/\u{1b}[2Ja\nb"), finding(Gravity::Note, "y")];
        let audit = Audit { runs: 1, checkpoints: 2, bytes: 3 << 20, findings };
        let text = lines(&audit);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains('\u{1b}'));
        assert!(text.ends_with(
            "note: y: it is missing; restore it\n1 run, 2 good checkpoints of 3 MiB: 1 damaged\n"
        ));
        let value: serde_json::Value = serde_json::from_str(&json(&audit).unwrap()).unwrap();
        assert_eq!((&value["damaged"], &value["findings"][1]["gravity"]), (&1.into(), &"note".into()));
    }
}
