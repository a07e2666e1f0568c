//! What `status` prints of run trees.

use super::*;
use crate::rundir::Status;

fn write(experiment: &ExperimentDir, variant: &str, change: impl FnOnce(&mut Status)) {
    let run = experiment.run(variant, 0);
    std::fs::create_dir_all(run.path()).unwrap();
    let mut status = Status::planned(200).next_attempt();
    change(&mut status);
    status.write(&run).unwrap();
}

fn shown(folder: &Path, json: bool) -> String {
    let overview = read(folder).unwrap();
    let look = Look { width: 120, color: false };
    if json { super::json(&overview, false).unwrap() } else { text(&overview, folder, &overview.runs, look) }
}

#[test]
fn every_run_has_a_line_and_a_dead_owner_is_no_runner() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = ExperimentDir::at(folder.path().join("x"));
    write(&experiment, "a-1", |status| (status.step, status.loss) = (50, Some(0.25)));
    write(&experiment, "b-2", |status| status.owner.boot_id = "earlier".to_owned());
    write(&experiment, "c-3", |status| {
        status.state = State::Failed;
        status.error = Some("no \x1b[31mimages".to_owned());
    });
    let text = shown(folder.path(), false);
    let line = |variant: &str| text.lines().find(|line| line.contains(variant)).unwrap().to_owned();
    assert!(line("a-1").contains("running") && line("a-1").contains("50/200  25%   0.2500"), "{text}");
    assert!(line("b-2").contains("interrupted"), "{text}");
    assert!(line("c-3").contains("no \\u{1b}[31mimages"), "{text}");
    assert!(text.contains("3 runs: 1 running, 1 interrupted, 1 failed"), "{text}");
}

#[test]
fn a_damaged_run_is_listed_beside_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = ExperimentDir::at(folder.path().join("x"));
    write(&experiment, "a-1", |status| status.state = State::Done);
    write(&experiment, "b-2", |_| {});
    std::fs::write(experiment.run("b-2", 0).status_path(), "{").unwrap();
    let text = shown(folder.path(), false);
    assert!(text.contains("a-1") && text.contains("b-2"), "{text}");
    assert!(text.contains("status.json is damaged"), "{text}");
}

#[test]
fn states_are_coloured_and_nothing_else_moves() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = ExperimentDir::at(folder.path().join("x"));
    write(&experiment, "done-1", |status| status.state = State::Done);
    write(&experiment, "failed-2", |status| {
        (status.state, status.error) = (State::Failed, Some("done, said nobody".to_owned()));
    });
    let overview = read(folder.path()).unwrap();
    let colored = |width, color| text(&overview, folder.path(), &overview.runs, Look { width, color });
    for width in [60, 120] {
        let (with, without) = (colored(width, true), colored(width, false));
        assert!(with.contains("\x1b[32mdone\x1b[0m") && with.contains("\x1b[31mfailed\x1b[0m"), "{with}");
        assert_eq!(with.matches('\x1b').count(), 4, "{with}");
        let bare = ["\x1b[32m", "\x1b[31m", "\x1b[0m"].iter().fold(with, |text, code| text.replace(code, ""));
        assert_eq!(bare, without);
        let table = without.split("\n\n").next().unwrap();
        assert!(table.lines().all(|line| line.chars().count() <= width.into()), "{without}");
    }
}

#[test]
fn a_curve_is_shown_where_there_is_room_and_a_course() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = ExperimentDir::at(folder.path().join("x"));
    write(&experiment, "a-1", |status| status.state = State::Done);
    let at = |width| {
        let overview = read(folder.path()).unwrap();
        text(&overview, folder.path(), &overview.runs, Look { width, color: false })
    };
    assert!(!at(120).contains("trend"));
    let rows = "1,0,0,0.9,,,,,,,\n2,0,0,0.1,,,,,,,\n";
    let text = crate::rundir::METRICS_HEADER.join(",") + "\n" + rows;
    std::fs::write(experiment.run("a-1", 0).metrics_path(), text).unwrap();
    assert!(at(120).contains("trend") && at(120).contains("█▁"));
    assert!(!at(80).contains("trend"));
}

#[test]
fn somebody_is_at_work_while_a_run_or_its_launcher_lives() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = ExperimentDir::at(folder.path().join("x"));
    write(&experiment, "a-1", |status| status.state = State::Interrupted);
    assert!(!read(folder.path()).unwrap().is_at_work());
    let lock = crate::rundir::ExperimentLock::acquire(&experiment).unwrap();
    assert!(read(folder.path()).unwrap().is_at_work());
    drop(lock);
    write(&experiment, "b-2", |_| {});
    assert!(read(folder.path()).unwrap().is_at_work(), "this very process runs it");
}

#[test]
fn json_has_states_and_counts_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = ExperimentDir::at(folder.path().join("x"));
    write(&experiment, "a-1", |status| (status.state, status.step) = (State::Done, 200));
    let value: serde_json::Value = serde_json::from_str(&shown(folder.path(), true)).unwrap();
    assert_eq!(value["counts"]["done"], 1);
    assert_eq!(value["runs"][0]["step"], 200);
    assert_eq!(value["runs"][0]["variant"], "a-1");
}
