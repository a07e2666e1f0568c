//! Who may train a folder: one at a time, named to whoever comes second, and nobody takes it from a live owner.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::kills::{Moment, RUN, Victim, reach, reference, run_and_kill};
use crate::support::processes::{Background, PATIENCE, send, wait_for, workers_of};
use crate::support::tier::Tier;
use crate::support::training::{STEPS, only_run, runs_of, tiny};
use crate::support::{Ran, Workplace, files_below};

const PLAN: &[&str] = &["plan", "x.toml"];
/// Runners that start in the same instant.
const RUNNERS: usize = 8;
/// A runner that comes second has gone by then.
const AT_ONCE: Duration = Duration::from_secs(1);

/// One program that ran to its end.
struct Runner {
    pid: u32,
    ran: Ran,
    took: Duration,
    ended: Instant,
}

/// Starts a program and waits for it on a thread of its own.
fn in_background(mut command: Command) -> JoinHandle<Runner> {
    use std::process::Stdio;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    std::thread::spawn(move || {
        let started = Instant::now();
        let child = command.spawn().unwrap();
        let pid = child.id();
        let output: Output = child.wait_with_output().unwrap();
        Runner { pid, ran: Ran::of(output), took: started.elapsed(), ended: Instant::now() }
    })
}

fn all_at_once(place: &Workplace, commands: &[&[&str]]) -> Vec<Runner> {
    let started: Vec<_> = commands.iter().map(|arguments| in_background(place.command(arguments))).collect();
    started.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// How long a loser may take, from programs that load and read the same and take no lock: loading is most of it,
/// and on a machine that does several things at once no two programs load in the same time.
fn limit(controls: &[Runner]) -> Duration {
    2 * controls.iter().map(|control| control.took).max().unwrap() + AT_ONCE
}

/// The process that a message names as the owner.
fn named(text: &str) -> Option<u32> {
    text.split_once(" is in use by process ")?.1.split(' ').next()?.parse().ok()
}

#[test]
fn of_runners_that_start_in_the_same_instant_one_wins_and_is_named() {
    let rounds = Tier::asked().pick(1, 5, 50);
    let (mut winners, mut losers) = (0, Vec::new());
    for round in 0..rounds {
        let place = tiny("");
        let runners = all_at_once(&place, &[RUN; RUNNERS]);
        let won = |runner: &&Runner| runner.ran.code == Some(0);
        let owners: Vec<u32> = runners.iter().filter(won).map(|runner| runner.pid).collect();
        let last = runners.iter().filter(won).map(|runner| runner.ended).max().expect("one wins");
        // A runner so late that the winner was gone found all done; but only one trained.
        let trained = runners.iter().filter(|runner| runner.ran.stderr.contains("start  ")).count();
        assert_eq!(trained, 1, "round {round}");
        for loser in runners.iter().filter(|runner| !won(runner)) {
            let Ran { code, stdout, stderr } = &loser.ran;
            assert_eq!((*code, stdout.as_str()), (Some(4), ""), "round {round}: {stderr}");
            let owner = named(stderr).unwrap_or_else(|| panic!("round {round}: nobody is named: {stderr}"));
            assert!(owners.contains(&owner), "round {round}: {owner} of {owners:?}: {stderr}");
            // Eight programs are loaded and a folder is made durable in that time, which a busy machine draws out;
            // but nobody waits for the winner.
            assert!(loser.ended < last + AT_ONCE, "round {round}: {:?}", loser.took);
            losers.push(loser.took);
        }
        winners += owners.len();
        let run = only_run(&place);
        assert_eq!(run.attempt(), 1, "round {round}: trained once");
        run.assert_equals(&reference().bytes, &format!("round {round}"));
    }
    losers.sort();
    eprintln!(
        "{} starts in {rounds} rounds: {winners} ended well, {} named the owner, after {:.2?} (median), {:.2?} (last)",
        rounds * RUNNERS,
        losers.len(),
        losers.get(losers.len() / 2),
        losers.last()
    );
}

#[test]
fn run_resume_and_worker_started_together_train_an_interrupted_run_once() {
    for round in 0..Tier::asked().pick(1, 2, 50) {
        let context = format!("round {round}");
        let place = tiny("");
        if !run_and_kill(&place, RUN, (Victim::Both, Moment::Row(STEPS as usize / 2)), &context) {
            continue;
        }
        let run = only_run(&place);
        let folder = run.path.to_str().unwrap().to_owned();
        let (resume, worker): (&[&str], &[&str]) = (&["resume", "runs/x"], &["worker", &folder]);
        let runners = all_at_once(&place, &[RUN, worker, resume, RUN, worker, resume, RUN, worker]);
        let codes: Vec<_> = runners.iter().map(|runner| runner.ran.code).collect();
        assert!(codes.contains(&Some(0)), "{context}: {codes:?}");
        for Runner { ran, .. } in runners.iter().filter(|runner| runner.ran.code != Some(0)) {
            assert_eq!(ran.code, Some(4), "{context}: {}", ran.stderr);
            assert!(ran.stderr.contains("in use"), "{context}: {}", ran.stderr);
        }
        assert_eq!((run.state().as_str(), run.attempt()), ("done", 2), "{context}");
        run.assert_equals(&reference().bytes, &context);
        place.ablate(RUN).exits(0);
    }
}

/// Every file's bytes and time of change.
fn snapshot(place: &Workplace) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let folder = place.path("runs");
    let names = files_below(&folder).into_iter();
    names
        .map(|name| {
            let path = folder.join(&name);
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            (name, (fs::read(path).unwrap(), modified))
        })
        .collect()
}

/// Runs a command that is refused. A machine that does other things may draw out one run of three; whoever waits for
/// the owner takes long in each.
fn goes_at_once(place: &Workplace, command: &[&str]) -> Ran {
    let mut took = Vec::new();
    for _ in 0..3 {
        let limit = limit(&all_at_once(place, &[PLAN]));
        let started = Instant::now();
        let refused = place.ablate(command).exits(4);
        if started.elapsed() < limit {
            return refused;
        }
        took.push((started.elapsed(), limit));
    }
    panic!("{command:?} took, each time of what it may: {took:?}");
}

#[test]
fn whoever_comes_second_goes_at_once_and_changes_nothing() {
    let place = tiny("");
    let mut running = Background::start(&place, RUN);
    assert!(reach(Moment::Row(3), &place, &mut running));
    let launcher = running.pid();
    // Both are stopped meanwhile: nothing of theirs changes, and they cannot end before the others have come.
    let owner = workers_of(launcher)[0];
    send(owner, Signal::STOP);
    running.send(Signal::STOP);
    let run = only_run(&place);
    let folder = run.path.to_str().unwrap().to_owned();
    let before = snapshot(&place);
    place.write("x.toml", place.read("x.toml") + "[sweep]\ninclude_base = true\nseeds = [7, 8]\n");
    let others: [&[&str]; 4] = [
        RUN,
        &["run", "x.toml", "-s", "training.steps=99", "--retry-failed"],
        &["resume", "runs/x"],
        &["resume", &folder],
    ];
    for command in others {
        let second = goes_at_once(&place, command);
        assert_eq!(second.stdout, "");
        let text = &second.stderr;
        assert!(text.contains(&format!("x is in use by process {launcher} on host ")), "{text}");
        assert!(text.contains("help: it is left alone; `ablate status` shows what it does\n"), "{text}");
    }
    // Nor may a worker take the run away.
    let worker = place.ablate(&["worker", &folder]).exits(4).stderr;
    assert!(worker.contains(&format!("seed-0 is in use by process {owner} on host ")), "{worker}");
    let after = snapshot(&place);
    let changed: Vec<_> = after.iter().filter(|(name, file)| before.get(*name) != Some(file)).collect();
    assert!(changed.is_empty() && after.len() == before.len(), "{:?}", changed.iter().map(|(name, _)| name));
    send(owner, Signal::CONT);
    running.send(Signal::CONT);
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(run.attempt(), 1);
    run.assert_equals(&reference().bytes, "watched by others");
}

#[test]
fn a_worker_that_was_started_alone_is_not_disturbed_by_a_launcher() {
    let place = tiny("");
    run_and_kill(&place, RUN, (Victim::Both, Moment::Row(3)), "to be interrupted");
    let run = only_run(&place);
    let rows = run.rows();
    let mut worker = Background::start(&place, &["worker", run.path.to_str().unwrap()]);
    wait_for("the worker to train", PATIENCE, || {
        assert!(!worker.has_ended());
        (run.attempt() == 2 && run.state() == "running" && run.rows() > rows).then_some(())
    });
    worker.send(Signal::STOP);
    let second = place.ablate(RUN).exits(4);
    let owner = format!("in use: {}, by process {} on ", label(&run.path), worker.pid());
    assert!(second.stderr.contains(&owner), "{}", second.stderr);
    assert!(second.stdout.starts_with("1 run: 1 in use elsewhere\n"), "{}", second.stdout);
    worker.send(Signal::CONT);
    assert_eq!(worker.wait().code(), Some(0));
    run.assert_equals(&reference().bytes, "beside a launcher");
}

fn label(run: &std::path::Path) -> String {
    let parts: Vec<&str> = run.iter().map(|part| part.to_str().unwrap()).collect();
    parts[parts.len() - 2..].join("/")
}

#[test]
fn an_owner_of_another_container_counts_while_it_has_the_lock() {
    let place = tiny("");
    run_and_kill(&place, RUN, (Victim::Both, Moment::Row(3)), "to be interrupted");
    let run = only_run(&place);
    // As a container left it: other names, other process numbers, and a number that lives here too.
    let mut status = run.status().unwrap();
    for (field, value) in [("host", "container-7"), ("boot_id", "another boot")] {
        status[field] = value.into();
    }
    status["state"] = "running".into();
    status["pid"] = std::process::id().into();
    fs::write(run.path.join("status.json"), status.to_string()).unwrap();
    let lock = fs::File::open(run.path.join(".lock")).unwrap();
    // The kernel lets go of it once the killed process is gone.
    lock.lock().unwrap();
    let held = place.ablate(RUN).exits(4).stderr;
    assert!(held.contains(&format!("by process {} on host container-7\n", std::process::id())), "{held}");
    assert!(place.ablate(&["status", "runs/x"]).exits(0).stdout.contains("running"));
    drop(lock);
    assert!(place.ablate(&["status", "runs/x"]).exits(0).stdout.contains("interrupted"));
    place.ablate(RUN).exits(0);
    run.assert_equals(&reference().bytes, "after a container");
}

#[test]
fn what_lies_in_the_place_of_a_lock_is_named_and_blocks_nobody() {
    let pipe = |path: &std::path::Path| {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
    };
    let place = tiny("[sweep]\ninclude_base = true\nseeds = [0, 1]\n");
    fs::create_dir_all(place.path("runs/x")).unwrap();
    pipe(&place.path("runs/x/.lock"));
    let refused = place.ablate(RUN).exits(2).stderr;
    assert!(
        refused.ends_with("runs/x/.lock is damaged: not a regular file; move it away to go on\n"),
        "{refused}"
    );
    fs::remove_file(place.path("runs/x/.lock")).unwrap();

    // In one run it is that run's failure; the other is trained.
    place.ablate(&["run", "x.toml", "--only", "*/seed-0", "-s", "training.steps=2"]).exits(0);
    let (folder, canary) = (runs_of(&place)[0].path.with_file_name("seed-1"), place.path("canary"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(&canary, "untouched").unwrap();
    std::os::unix::fs::symlink(&canary, folder.join(".lock")).unwrap();
    let ran = place.ablate(&["run", "x.toml", "-s", "training.steps=2"]).exits(1);
    assert!(ran.stdout.starts_with("2 runs: 1 done, 1 failed\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("seed-1/.lock is damaged: not a regular file"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(canary).unwrap(), "untouched");
    fs::remove_file(folder.join(".lock")).unwrap();
    place.ablate(&["run", "x.toml", "-s", "training.steps=2"]).exits(0);
    assert!(said_nothing_wrong(&place));
}

fn said_nothing_wrong(place: &Workplace) -> bool {
    runs_of(place).iter().all(|run| run.state() == "done" && run.read("stderr.log").is_empty())
}
