//! Kill anything at any time; the same command again ends with the bytes of a run that nobody disturbed.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::Workplace;
use crate::support::processes::{Background, PATIENCE, is_alive, said, send, wait_for, workers_of};
use crate::support::tier::Tier;
use crate::support::training::{Run, STEPS, only_run, runs_of, tiny};

const RUN: &[&str] = &["run", "x.toml"];
/// Kills in one run before it may end: enough to resume from a resumed run.
const KILLS: usize = 3;

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Worker,
    Launcher,
    Both,
}

/// When.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// This long after the start.
    After(Duration),
    /// As soon as this row is in `metrics.csv`, which has one row a step.
    Row(usize),
    /// This long after a checkpoint has begun to be written.
    Checkpoint(Duration),
}

/// Numbers that are the same in every run of the tests (SplitMix64), so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn duration(&mut self, range: Range<Duration>) -> Duration {
        let width = u64::try_from((range.end - range.start).as_micros()).unwrap();
        range.start + Duration::from_micros(self.below(width))
    }
}

/// What an uninterrupted run leaves, and how long it takes.
struct Reference {
    bytes: BTreeMap<String, Vec<u8>>,
    duration: Duration,
}

fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let place = tiny("");
        let started = Instant::now();
        place.ablate(RUN).exits(0);
        let run = only_run(&place);
        assert_eq!((run.attempt(), run.rows() as u64), (1, STEPS));
        Reference { bytes: run.bytes(), duration: started.elapsed() }
    })
}

/// Waits for the moment; `false` if the program ended before.
fn reach(moment: Moment, place: &Workplace, running: &mut Background) -> bool {
    if let Moment::After(time) = moment {
        std::thread::sleep(time);
        return !running.has_ended();
    }
    wait_for(&format!("{moment:?}"), PATIENCE, || {
        if running.has_ended() {
            return Some(false);
        }
        let run = runs_of(place).into_iter().next()?;
        match moment {
            Moment::Row(row) => (run.rows() >= row).then_some(true),
            Moment::Checkpoint(after) => writes_checkpoint(&run).then(|| {
                std::thread::sleep(after);
                true
            }),
            Moment::After(_) => unreachable!("handled above"),
        }
    })
}

fn writes_checkpoint(run: &Run) -> bool {
    let names = fs::read_dir(run.path.join("checkpoints")).into_iter().flatten().flatten();
    names.map(|entry| entry.file_name()).any(|name| name.as_encoded_bytes().starts_with(b".tmp-"))
}

/// Starts the command, kills at the moment, and makes sure that nothing is left of it.
fn run_and_kill(place: &Workplace, victim: Victim, moment: Moment, context: &str) {
    let mut running = Background::start(place, RUN);
    let launcher = running.pid();
    if !reach(moment, place, &mut running) {
        let code = running.wait().code();
        assert_eq!(code, Some(0), "{context}: {}", said(place, code).stderr);
        return;
    }
    let workers = workers_of(launcher);
    if matches!(victim, Victim::Launcher | Victim::Both) {
        send(launcher, Signal::KILL);
    }
    if matches!(victim, Victim::Worker | Victim::Both) {
        workers.iter().for_each(|&worker| send(worker, Signal::KILL));
    }
    let code = running.wait().code();
    match victim {
        // It was just before its first worker, or after its last.
        Victim::Worker if workers.is_empty() => assert_eq!(code, Some(0), "{context}"),
        // Killed before it could be told to go on elsewhere: interrupted. Or it was done at that instant.
        Victim::Worker => {
            assert!(matches!(code, Some(75 | 0)), "{context}: exit {code:?}\n{}", said(place, code).stderr)
        }
        Victim::Launcher | Victim::Both => {
            assert!(matches!(code, None | Some(0)), "{context}: exit {code:?}")
        }
    }
    assert_nothing_survives(&workers, context);
}

fn assert_nothing_survives(workers: &[u32], context: &str) {
    wait_for(&format!("{context}: the workers {workers:?} to end"), Duration::from_secs(5), || {
        (!workers.iter().any(|&worker| is_alive(worker))).then_some(())
    });
}

/// Kills, resumes, and compares with the reference. Returns how many attempts it took.
fn survives(context: &str, kills: &[(Victim, Moment)]) -> u64 {
    let context = format!("{context} {kills:?}");
    let place = tiny("");
    for &(victim, moment) in kills {
        run_and_kill(&place, victim, moment, &context);
    }
    let last = place.ablate(RUN);
    assert_eq!(last.code, Some(0), "{context}: {}", last.stderr);
    let run = only_run(&place);
    assert_eq!(run.state(), "done", "{context}");
    assert_eq!(run.status().unwrap()["exact"], true, "{context}");
    run.assert_equals(&reference().bytes, &context);
    assert!(!writes_checkpoint(&run), "{context}: half a checkpoint is left");
    run.attempt()
}

#[test]
fn kills_at_random_moments_change_no_byte() {
    let usual = reference().duration;
    for case in 0..Tier::asked().pick(1, 3, 40) {
        let mut numbers = Numbers(case);
        let kills: Vec<_> = (0..KILLS)
            .map(|_| {
                let victim = [Victim::Worker, Victim::Launcher, Victim::Both][numbers.below(3) as usize];
                (victim, Moment::After(numbers.duration(Duration::ZERO..usual)))
            })
            .collect();
        survives(&format!("random moments, case {case}"), &kills);
    }
}

#[test]
fn kills_while_a_checkpoint_is_written_change_no_byte() {
    let cases = Tier::asked().pick(1, 3, 40);
    let mut attempts = 0;
    for case in 0..cases {
        let mut numbers = Numbers(1000 + case);
        let kills: Vec<_> = (0..KILLS)
            .map(|_| {
                let victim = [Victim::Worker, Victim::Launcher, Victim::Both][numbers.below(3) as usize];
                // A checkpoint of this size is written in about ten milliseconds.
                (victim, Moment::Checkpoint(numbers.duration(Duration::ZERO..Duration::from_millis(15))))
            })
            .collect();
        attempts += survives(&format!("checkpoints, case {case}"), &kills);
    }
    assert!(attempts >= 2 * cases, "{attempts} attempts: the kills missed {cases} runs");
}

#[test]
fn kills_at_any_step_change_no_byte() {
    let stride = Tier::asked().pick(STEPS as usize / 2, 11, 1);
    let steps: Vec<usize> = (1..STEPS as usize).step_by(stride).collect();
    let run = |&step: &usize| survives(&format!("step {step}"), &[(Victim::Worker, Moment::Row(step))]);
    let attempts: u64 = steps.iter().map(run).sum();
    // One near the end may be over before the kill.
    assert!(attempts > steps.len() as u64, "{attempts} attempts: the kills missed");
}

/// The state and the rows after a run that was asked to stop; then the same command must end it.
fn assert_resumes(place: &Workplace, context: &str) {
    let run = only_run(place);
    assert_eq!(run.state(), "interrupted", "{context}");
    let step = run.status().unwrap()["step"].as_u64().unwrap();
    assert_eq!(run.checkpoints().last(), Some(&step), "{context}: the last step is checkpointed");
    assert_eq!(run.rows() as u64, step, "{context}: its rows are there");
    place.ablate(RUN).exits(0);
    assert_eq!((run.state().as_str(), run.attempt()), ("done", 2), "{context}");
    run.assert_equals(&reference().bytes, context);
    let rewound = fs::read_dir(&run.path).unwrap().flatten();
    let rewound = rewound.filter(|entry| entry.file_name().to_string_lossy().contains(".rewound-"));
    assert_eq!(rewound.count(), 0, "{context}: nothing was trained twice");
}

#[test]
fn a_signal_ends_with_a_checkpoint_and_exit_75() {
    let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1];
    for signal in &signals[..Tier::asked().pick(1, 4, 4)] {
        let place = tiny("");
        let mut running = Background::start(&place, RUN);
        assert!(reach(Moment::Row(3), &place, &mut running));
        running.send(*signal);
        let code = running.wait().code();
        let ran = said(&place, code).exits(75);
        assert!(
            ran.stdout.contains("1 run: 1 interrupted\nrun the same command again to go on\n"),
            "{ran:?}"
        );
        assert_resumes(&place, &format!("{signal:?}"));
    }
}

#[test]
fn a_stop_at_a_step_that_is_checkpointed_anyway_saves_it_once() {
    let place = tiny("");
    let every_step = [RUN, &["-s", "checkpoint.every=1"]].concat();
    let mut running = Background::start(&place, &every_step);
    assert!(reach(Moment::Row(3), &place, &mut running));
    running.send(Signal::TERM);
    let code = running.wait().code();
    said(&place, code).exits(75);
    let names = fs::read_dir(only_run(&place).path.join("checkpoints")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| name.len() == "step-00000008".len()), "{names:?}");
    assert_resumes(&place, "TERM at a checkpoint");
}

#[test]
fn a_worker_that_is_asked_to_stop_checkpoints_too() {
    if Tier::asked().leaves_out(Tier::Standard, "a signal to the worker alone") {
        return;
    }
    let place = tiny("");
    let mut running = Background::start(&place, RUN);
    assert!(reach(Moment::Row(3), &place, &mut running));
    let workers = workers_of(running.pid());
    assert_eq!(workers.len(), 1);
    send(workers[0], Signal::USR1);
    let code = running.wait().code();
    said(&place, code).exits(75);
    assert_resumes(&place, "USR1 to the worker");
}

#[test]
fn a_stopped_run_that_continues_notices_nothing() {
    if Tier::asked().leaves_out(Tier::Standard, "STOP and CONT") {
        return;
    }
    let place = tiny("");
    let mut running = Background::start(&place, RUN);
    assert!(reach(Moment::Row(3), &place, &mut running));
    let workers = workers_of(running.pid());
    send(workers[0], Signal::STOP);
    running.send(Signal::STOP);
    std::thread::sleep(Duration::from_millis(300));
    send(workers[0], Signal::CONT);
    running.send(Signal::CONT);
    assert_eq!(running.wait().code(), Some(0));
    let run = only_run(&place);
    assert_eq!(run.attempt(), 1);
    run.assert_equals(&reference().bytes, "STOP and CONT");
}

#[test]
fn a_second_sigint_ends_even_a_worker_that_hears_nothing() {
    let place = tiny("");
    let mut running = Background::start(&place, RUN);
    assert!(reach(Moment::Row(3), &place, &mut running));
    let workers = workers_of(running.pid());
    // A stopped process is deaf to everything but SIGKILL.
    send(workers[0], Signal::STOP);
    running.send(Signal::INT);
    wait_for("the first SIGINT to be answered", PATIENCE, || {
        said(&place, None).stderr.contains("SIGINT: workers finish their step").then_some(())
    });
    running.send(Signal::INT);
    let code = running.wait().code();
    said(&place, code).exits(130);
    assert_nothing_survives(&workers, "second SIGINT");
    assert_eq!(only_run(&place).state(), "interrupted");
    place.ablate(RUN).exits(0);
    only_run(&place).assert_equals(&reference().bytes, "second SIGINT");
}

const FOUR: &str = "[sweep.grid]\n\"training.learning_rate\" = [1e-4, 2e-4, 3e-4, 4e-4]\n";

#[test]
fn no_worker_survives_its_launcher_not_even_a_deaf_one() {
    for round in 0..Tier::asked().pick(1, 1, 20) {
        let place = tiny(FOUR);
        let running =
            Background::start(&place, &["run", "x.toml", "--jobs", "4", "-s", "training.steps=1000"]);
        let launcher = running.pid();
        let workers = wait_for("four workers at work", PATIENCE, || {
            let at_work = runs_of(&place).iter().filter(|run| run.state() == "running").count();
            let workers = workers_of(launcher);
            (at_work == 4 && workers.len() == 4).then_some(workers)
        });
        send(workers[0], Signal::STOP);
        running.send(Signal::KILL);
        running.wait();
        assert_nothing_survives(&workers, &format!("round {round}"));
    }
}

#[test]
fn after_a_kill_only_what_is_missing_is_trained() {
    let place = tiny("[sweep]\ninclude_base = true\nseeds = [0, 1, 2]\n");
    let mut running = Background::start(&place, &["run", "x.toml", "--jobs", "1"]);
    let launcher = running.pid();
    wait_for("the second of three runs to be half done", PATIENCE, || {
        assert!(!running.has_ended());
        let runs = runs_of(&place);
        (runs.get(1)?.rows() > STEPS as usize / 2).then_some(())
    });
    let workers = workers_of(launcher);
    send(launcher, Signal::KILL);
    running.wait();
    assert_nothing_survives(&workers, "launcher killed");
    let states: Vec<String> = runs_of(&place).iter().map(Run::state).collect();
    assert_eq!(states[0], "done");
    // The status of a killed run says what it was; `status` knows that its owner is dead.
    let status = place.ablate(&["status", "runs/x", "--json"]).exits(0).json();
    let shown: Vec<&str> =
        status["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(shown[..2], ["done", "interrupted"]);

    let first = fs::metadata(runs_of(&place)[0].path.join("metrics.csv")).unwrap().modified().unwrap();
    place.ablate(&["run", "x.toml", "--jobs", "2"]).exits(0);
    let runs = runs_of(&place);
    let attempts: Vec<u64> = runs.iter().map(Run::attempt).collect();
    assert_eq!(attempts, [1, 2, 1], "the number of slots may change");
    assert_eq!(fs::metadata(runs[0].path.join("metrics.csv")).unwrap().modified().unwrap(), first);
    runs[0].assert_equals(&reference().bytes, "seed 0 of three is the run of one");
    let resumed = runs[1].bytes();
    let fresh = Workplace::with("x.toml", &place.read("x.toml"));
    fresh.ablate(&["run", "x.toml", "--only", "*/seed-1"]).exits(0);
    only_run(&fresh).assert_equals(&resumed, "seed 1");
}

#[test]
fn a_second_runner_stops_at_once_and_names_the_first() {
    let place = tiny("");
    let mut running = Background::start(&place, RUN);
    assert!(reach(Moment::Row(3), &place, &mut running));
    let launcher = running.pid();
    // Stopped meanwhile, so that it cannot end before the others have come.
    let owner = workers_of(launcher)[0];
    send(owner, Signal::STOP);
    for command in [RUN, &["resume", "runs/x"]] {
        let started = Instant::now();
        let second = place.ablate(command).exits(4);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert_eq!(second.stdout, "");
        let text = &second.stderr;
        assert!(text.contains(&format!("x is in use by process {launcher} on host ")), "{text}");
        assert!(text.contains("help: it is left alone; `ablate status` shows what it does\n"), "{text}");
    }
    // Nor may a worker take the run away.
    let run = only_run(&place);
    let worker = place.ablate(&["worker", run.path.to_str().unwrap()]).exits(4);
    send(owner, Signal::CONT);
    assert!(
        worker.stderr.contains(&format!("seed-0 is in use by process {owner} on host ")),
        "{}",
        worker.stderr
    );
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(run.attempt(), 1);
    run.assert_equals(&reference().bytes, "watched by others");
}

#[test]
fn of_runners_that_start_together_one_wins() {
    if Tier::asked().leaves_out(Tier::Standard, "many runners") {
        return;
    }
    let runners = Tier::asked().pick(0, 4, 8);
    for round in 0..Tier::asked().pick(0, 1, 10) {
        let place = tiny("");
        let children: Vec<_> = (0..runners).map(|_| place.command(RUN).output_in_background()).collect();
        let mut codes: Vec<i32> = children.into_iter().map(|child| child.join().unwrap()).collect();
        codes.sort_unstable();
        let winners = codes.iter().filter(|&&code| code == 0).count();
        // A runner so late that the winner was gone found all done.
        assert!(winners >= 1 && codes[winners..].iter().all(|&code| code == 4), "round {round}: {codes:?}");
        let run = only_run(&place);
        assert_eq!(run.attempt(), 1, "round {round}: trained once");
        run.assert_equals(&reference().bytes, &format!("round {round}"));
    }
}

/// Runs a command on a thread of its own; gives its exit code.
trait InBackground {
    fn output_in_background(self) -> std::thread::JoinHandle<i32>;
}

impl InBackground for std::process::Command {
    fn output_in_background(mut self) -> std::thread::JoinHandle<i32> {
        std::thread::spawn(move || self.output().unwrap().status.code().unwrap())
    }
}

/// Damages the newest checkpoint of a run that was stopped, then lets it go on.
fn survives_damage(context: &str, damage: impl Fn(&Path)) {
    let place = tiny("");
    run_and_kill(&place, Victim::Both, Moment::Row(STEPS as usize - 14), context);
    let run = only_run(&place);
    let newest = *run.checkpoints().last().unwrap();
    damage(&run.path.join(format!("checkpoints/step-{newest:08}")));
    place.ablate(RUN).exits(0);
    run.assert_equals(&reference().bytes, context);
    assert!(run.read("log.jsonl").contains("checkpoint is damaged; falling back"), "{context}");
}

#[test]
fn a_damaged_checkpoint_is_noticed_and_the_one_before_is_taken() {
    if Tier::asked().leaves_out(Tier::Standard, "damaged checkpoints") {
        return;
    }
    survives_damage("a flipped bit", |checkpoint| {
        let path = checkpoint.join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    survives_damage("a missing manifest", |checkpoint| {
        fs::remove_file(checkpoint.join("manifest.json")).unwrap();
    });
}
