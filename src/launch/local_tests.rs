//! Tests of the local launcher with shell scripts in the worker's place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use signal_hook::consts::SIGTERM;

use super::super::progress::Quiet;
use super::*;
use crate::rundir::{Process, RunDir, State};

/// Writes a status as a worker would. Arguments: state, step.
const SAY: &str = r#"
dir=$1
say() {
  printf '{"format":1,"state":"%s","attempt":1,"pid":%d,"step":%d,"total_steps":10,"updated":"2026-01-01T00:00:00Z"}' \
    "$1" $$ "$2" > "$dir/.status.json.tmp" && mv "$dir/.status.json.tmp" "$dir/status.json"
}
"#;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { folder: tempfile::tempdir().unwrap() }
    }

    fn jobs(&self, count: usize) -> Vec<Job> {
        let job = |n| {
            let run = RunDir::at(self.folder.path().join(format!("v-{n}/seed-0")));
            fs::create_dir_all(run.path()).unwrap();
            Job { label: run.label(), run, total_steps: 10, cost: 1.0, environment: vec![] }
        };
        (0..count).map(job).collect()
    }

    fn local(&self, jobs: usize, script: &str, fail_fast: bool) -> Local {
        let program = self.folder.path().join("worker.sh");
        fs::write(&program, format!("#!/bin/sh\n{SAY}\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let slots = Slots { jobs, threads: 1, thread_budget: None, held_back: None };
        Local::new("/bin/sh".into(), &[program.to_str().unwrap()], slots, fail_fast)
    }
}

fn run(local: &Local, jobs: &[Job]) -> Outcome {
    let (sender, messages) = channel();
    local.run(jobs, &mut Quiet, sender, &messages).unwrap()
}

fn ends(outcome: &Outcome) -> Vec<End> {
    let mut ended: Vec<_> = outcome.ended.iter().map(|ended| (ended.index, ended.end)).collect();
    ended.sort_unstable_by_key(|&(index, _)| index);
    ended.into_iter().map(|(_, end)| end).collect()
}

fn status(job: &Job) -> Status {
    Status::read(&job.run).unwrap().unwrap()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn each_run_ends_as_its_worker_says_and_one_failure_stops_no_other() {
    let bench = Bench::new();
    let script = r#"case $dir in
      *v-0*) say done 10 ;;
      *v-1*) echo "error: no such image" >&2; exit 1 ;;
      *v-2*) say running 4; kill -KILL $$ ;;
      *v-3*) say diverged 3; exit 1 ;;
      *v-4*) say running 2; kill -ABRT $$ ;;
      *v-5*) say done 10 ;;
    esac"#;
    let jobs = bench.jobs(6);
    let outcome = run(&bench.local(2, script, false), &jobs);
    assert_eq!(
        ends(&outcome),
        [End::Done, End::Failed, End::Interrupted, End::Diverged, End::Failed, End::Done]
    );
    assert_eq!((outcome.not_started, outcome.stop), (0, None));
    assert_eq!(status(&jobs[1]).error.as_deref(), Some("no such image"));
    assert_eq!((status(&jobs[2]).state, status(&jobs[2]).step), (State::Interrupted, 4));
    assert_eq!(status(&jobs[4]).state, State::Failed);
}

#[test]
fn fail_fast_asks_the_others_to_stop_and_starts_no_more() {
    let bench = Bench::new();
    let script = r#"case $dir in
      *v-0*) trap 'say interrupted 5; exit 75' TERM; say running 5; while :; do sleep 0.02; done ;;
      *v-1*) while [ ! -e "$dir/../../v-0/seed-0/status.json" ]; do sleep 0.02; done; exit 3 ;;
    esac"#;
    let outcome = run(&bench.local(2, script, true), &bench.jobs(3));
    assert_eq!(ends(&outcome), [End::Interrupted, End::Failed]);
    assert_eq!((outcome.not_started, outcome.stop), (1, Some(Stop::FailFast)));
}

#[test]
fn a_storage_error_starts_no_more_runs() {
    let bench = Bench::new();
    let outcome = run(&bench.local(1, "say interrupted 3; exit 74", false), &bench.jobs(3));
    assert_eq!(ends(&outcome), [End::Storage]);
    assert_eq!((outcome.not_started, outcome.stop), (2, Some(Stop::Storage)));
}

#[test]
fn a_run_that_somebody_else_has_is_left_as_it_is() {
    let bench = Bench::new();
    let jobs = bench.jobs(1);
    let outcome = run(&bench.local(1, "exit 4", false), &jobs);
    assert_eq!(ends(&outcome), [End::Held]);
    assert!(!jobs[0].run.status_path().exists());
}

#[test]
fn a_signal_lets_workers_write_a_checkpoint() {
    let bench = Bench::new();
    let script = "trap 'say interrupted 6; exit 75' TERM; say running 5; while :; do sleep 0.02; done";
    let (local, jobs) = (bench.local(2, script, false), bench.jobs(3));
    let (sender, messages) = channel();
    let outcome = std::thread::scope(|scope| {
        let (tell, jobs) = (sender.clone(), &jobs);
        scope.spawn(move || {
            wait_for("both started", || jobs[..2].iter().all(|job| job.run.status_path().exists()));
            tell.send(Message::Signal(SIGTERM)).unwrap();
        });
        local.run(jobs, &mut Quiet, sender, &messages).unwrap()
    });
    assert_eq!(ends(&outcome), [End::Interrupted, End::Interrupted]);
    assert_eq!((outcome.not_started, outcome.stop), (1, Some(Stop::Asked)));
    assert_eq!((status(&jobs[0]).state, status(&jobs[0]).step), (State::Interrupted, 6));
}

#[test]
fn a_second_sigint_ends_workers_that_do_not_listen() {
    let bench = Bench::new();
    let script = "trap '' TERM INT; say running 5; while :; do sleep 0.02; done";
    let (local, jobs) = (bench.local(1, script, false), bench.jobs(1));
    let (sender, messages) = channel();
    let outcome = std::thread::scope(|scope| {
        let (tell, jobs) = (sender.clone(), &jobs);
        scope.spawn(move || {
            wait_for("it started", || jobs[0].run.status_path().exists());
            tell.send(Message::Signal(SIGINT)).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(status(&jobs[0]).state, State::Running, "one signal does not end a deaf worker");
            tell.send(Message::Signal(SIGINT)).unwrap();
        });
        local.run(jobs, &mut Quiet, sender, &messages).unwrap()
    });
    assert_eq!(outcome.stop, Some(Stop::Killed));
    assert_eq!(status(&jobs[0]).state, State::Interrupted);
    let worker = Process { pid: status(&jobs[0]).owner.pid, pid_started: None, ..Process::current() };
    assert_eq!(worker.is_alive(), Some(false));
}

#[test]
fn workers_get_their_threads_their_folder_and_a_group_of_their_own() {
    let bench = Bench::new();
    let script = r#"echo "$2 $3 $4 omp=$OMP_NUM_THREADS"; [ "$(ps -o pgid= -p $$ | tr -d ' ')" = $$ ] && echo leader; say done 10"#;
    let jobs = bench.jobs(2);
    fs::write(jobs[1].run.execution_path(), r#"{"threads": 5}"#).unwrap();
    run(&bench.local(1, script, false), &jobs);
    let said = |job: &Job| fs::read_to_string(job.run.stdout_path()).unwrap();
    assert!(said(&jobs[0]).starts_with("--threads 1 --die-with-parent omp=1\n"), "{}", said(&jobs[0]));
    assert!(said(&jobs[1]).starts_with("--threads 5 --die-with-parent omp=5\n"), "{}", said(&jobs[1]));
    if Path::new("/usr/bin/ps").exists() || Path::new("/bin/ps").exists() {
        assert!(said(&jobs[0]).ends_with("leader\n"));
    }
}

#[test]
fn output_of_attempts_is_appended() {
    let bench = Bench::new();
    let jobs = bench.jobs(1);
    let local = bench.local(1, "echo once; exit 3", false);
    run(&local, &jobs);
    run(&local, &jobs);
    assert_eq!(fs::read_to_string(jobs[0].run.stdout_path()).unwrap(), "once\nonce\n");
}

#[test]
fn a_program_that_cannot_start_is_named() {
    let bench = Bench::new();
    let slots = Slots { jobs: 1, threads: 1, thread_budget: None, held_back: None };
    let local = Local::new("/nonexistent/ablate".into(), &[], slots, false);
    let (sender, messages) = channel();
    let error = local.run(&bench.jobs(1), &mut Quiet, sender, &messages).unwrap_err();
    assert_eq!(error.to_string(), "cannot start /nonexistent/ablate");
}

#[test]
fn the_launchers_share_of_a_run_is_small() {
    let bench = Bench::new();
    let count = 1000;
    let jobs = bench.jobs(count);
    let mut done = Status::planned(10);
    done.state = State::Done;
    jobs.iter().for_each(|job| done.write_progress(&job.run).unwrap());
    let slots = Slots { jobs: 2, threads: 1, thread_budget: None, held_back: None };
    let local = Local::new("/bin/true".into(), &[], slots, false);
    let begun = Instant::now();
    let outcome = run(&local, &jobs);
    let each = begun.elapsed().as_secs_f64() * 1e3 / count as f64;
    eprintln!("{count} workers that do nothing: {each:.2} ms each, two at a time");
    assert!(outcome.ended.iter().all(|ended| ended.end == End::Done));
    assert_eq!(outcome.ended.len(), count);
}
