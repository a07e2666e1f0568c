//! A run that asks for more memory than there is: told in numbers, left as failed, and no other run minds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::kills::{RUN, reference};
use crate::support::processes::{Background, PATIENCE, said, send, wait_for, workers_of};
use crate::support::tier::Tier;
use crate::support::training::{Run, runs_of, tiny};
use crate::support::{Ran, Workplace};

/// One variant that fits everywhere and one whose activations fit nowhere here.
const SWEEP: &str = "[sweep.grid]\n\"training.batch_size\" = [262144, 8]\n";
/// `ulimit -v` counts in KiB. libtorch itself maps less than half of it.
const LIMIT_SCRIPT: &str = "ulimit -v 4194304 && exec \"$@\"";

fn run_limited(place: &Workplace, arguments: &[&str]) -> Ran {
    Ran::of(place.command_after(LIMIT_SCRIPT, arguments).output().unwrap())
}

fn by_state(place: &Workplace, state: &str) -> Run {
    let mut found = runs_of(place).into_iter().filter(|run| run.state() == state);
    let run = found.next().unwrap_or_else(|| panic!("no run is {state}"));
    assert!(found.next().is_none(), "more than one run is {state}");
    run
}

fn error_of(run: &Run) -> String {
    run.status().unwrap()["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_that_is_refused_memory_fails_with_numbers_and_the_others_go_on() {
    let place = tiny(SWEEP);
    let arguments = ["run", "x.toml", "--jobs", "1"];
    let ran = run_limited(&place, &arguments).exits(1);
    assert!(ran.stdout.starts_with("2 runs: 1 done, 1 failed\n"), "{}{}", ran.stdout, ran.stderr);
    by_state(&place, "done").assert_equals(&reference().bytes, "beside one without memory");
    let warned = " in training, and ulimit -v allows 4.00 GiB; training.gradient_accumulation = ";
    assert_eq!(ran.stderr.matches(warned).count(), 1, "before anything starts: {}", ran.stderr);

    let failed = by_state(&place, "failed");
    let error = error_of(&failed);
    assert!(error.starts_with("out of memory: "), "{error}");
    let parts = [
        " more was asked for, ",
        " of the 4.00 GiB allowed by ulimit -v are free; the run needs at least ",
        " for 18,521 parameters (with gradients, optimizer and 1 average) and 262,144 images at a time, activations ",
        "; another variant would need less: a larger training.gradient_accumulation, training.precision = \"bf16\", \
         training.recompute = true, a smaller training.batch_size, data.image_size or model.base_channels; with fewer \
         runtime.jobs or more memory, --retry-failed tries this one again",
    ];
    for part in parts {
        assert!(error.contains(part), "{part}\nin {error}");
    }
    // In the list at the end, and whenever somebody asks.
    let listed = format!("failed:\n  {}: {error}\n    log: ", label(&failed));
    assert!(ran.stderr.contains(&listed), "{}", ran.stderr);
    let status = place.ablate(&["status", "runs/x"]).exits(0).stdout;
    assert!(status.contains("failed") && status.contains("out of memory: "), "{status}");

    // The same again is the same; with enough memory it would go on; another batch is another variant.
    let again = run_limited(&place, &[&arguments[..], &["--retry-failed"]].concat()).exits(1);
    assert!(again.stderr.contains("out of memory: "), "{}", again.stderr);
    assert_eq!(failed.attempt(), 2);
    place.write("x.toml", place.read("x.toml").replace("262144", "16"));
    let smaller = run_limited(&place, &arguments).exits(0);
    assert!(smaller.stdout.starts_with("2 runs: 2 done\n"), "{}", smaller.stdout);
    assert_eq!((runs_of(&place).len(), failed.state().as_str()), (3, "failed"));
}

fn label(run: &Run) -> String {
    let parts: Vec<&str> = run.path.iter().map(|part| part.to_str().unwrap()).collect();
    parts[parts.len() - 2..].join("/")
}

/// A control group below ours with a limit on memory; gone when dropped.
struct Group {
    path: PathBuf,
}

impl Group {
    /// Makes one, or says why not.
    fn with_limit(bytes: u64) -> Result<Group, String> {
        let groups = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let ours =
            |prefix: &str| groups.lines().find_map(|line| line.split_once(prefix).map(|(_, path)| path));
        let (mount, own, limit) = match (ours(":memory:"), ours("0::")) {
            (Some(own), _) => ("/sys/fs/cgroup/memory", own, "memory.limit_in_bytes"),
            // Version 2 wants a group without processes of its own above it.
            (None, Some(_)) => ("/sys/fs/cgroup", "/", "memory.max"),
            (None, None) => return Err("no control group counts memory".into()),
        };
        let name = format!("ablate-test-{}-{bytes}", std::process::id());
        let path = Path::new(mount).join(own.trim_start_matches('/')).join(name);
        fs::create_dir(&path).map_err(|error| format!("no control group can be made: {error}"))?;
        let group = Group { path };
        let limited = fs::write(group.path.join(limit), bytes.to_string());
        limited.map_err(|error| format!("the control group takes no limit: {error}"))?;
        Ok(group)
    }

    fn script(&self) -> String {
        format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.path.display())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel takes a moment to let go of the last process.
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn group(bytes: u64) -> Option<Group> {
    Group::with_limit(bytes).map_err(|reason| eprintln!("skipped: {reason}")).ok()
}

#[test]
fn a_worker_that_the_kernel_kills_for_memory_has_failed_and_says_so() {
    let Some(group) = group(1 << 30) else { return };
    let place = tiny(SWEEP);
    let command = place.command_after(&group.script(), &["run", "x.toml", "--jobs", "1"]).output().unwrap();
    let ran = Ran::of(command).exits(1);
    assert!(ran.stdout.starts_with("2 runs: 1 done, 1 failed\n"), "{}{}", ran.stdout, ran.stderr);
    by_state(&place, "done").assert_equals(&reference().bytes, "in a small control group");
    let error = error_of(&by_state(&place, "failed"));
    let expected = "out of memory: the kernel killed the worker, which held ";
    assert!(error.starts_with(expected), "{error}");
    assert!(
        error.contains(" when last seen, the control group may have 1.00 GiB; the run needs at least "),
        "{error}"
    );
}

#[test]
fn a_kill_of_somebody_else_for_memory_is_not_the_workers() {
    if Tier::asked().leaves_out(Tier::Full, "another process that is killed for memory") {
        return;
    }
    let Some(group) = group(1 << 30) else { return };
    let place = tiny("");
    let arguments = ["run", "x.toml", "-s", "training.steps=100000"];
    let mut running = Background::of(&place, place.command_after(&group.script(), &arguments));
    let worker = wait_for("the worker to train", PATIENCE, || {
        assert!(!running.has_ended());
        let run = runs_of(&place).into_iter().next()?;
        if run.rows() > 3 { workers_of(running.pid()).first().copied() } else { None }
    });
    // It reads one endless line.
    let hog = format!("echo $$ > {}/cgroup.procs && exec tail /dev/zero", group.path.display());
    let hog = Command::new("sh").args(["-c", &hog]).status().unwrap();
    assert!(!hog.success());
    std::thread::sleep(Duration::from_secs(12));
    send(worker, Signal::KILL);
    let code = running.wait().code();
    said(&place, code).exits(75);
    assert_eq!(error_of(&by_state(&place, "interrupted")), "killed (SIGKILL)");
}

#[test]
fn a_run_without_limits_minds_none() {
    let place = tiny("");
    run_limited(&place, RUN).exits(0);
    by_state(&place, "done").assert_equals(&reference().bytes, "with a limit that is wide enough");
}
