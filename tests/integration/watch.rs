//! `ablate status --watch` on a terminal and off it, and when its output is coloured.

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ablate::rundir::{METRICS_HEADER, RunDir, State, Status};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::Workplace;

const PATIENCE: Duration = Duration::from_secs(60);
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// A run that this very process seems to be at work on.
struct Running {
    run: RunDir,
    status: Status,
}

impl Running {
    fn new(place: &Workplace, variant: &str) -> Running {
        let run = RunDir::at(place.path(format!("runs/x/{variant}/seed-0")));
        std::fs::create_dir_all(run.path()).unwrap();
        let mut running = Running { run, status: Status::planned(200).next_attempt() };
        running.now(State::Running, 50);
        running
    }

    fn now(&mut self, state: State, step: u64) {
        (self.status.state, self.status.step, self.status.loss) = (state, step, Some(1.0 / step as f64));
        self.status.write(&self.run).unwrap();
    }
}

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Terminal {
    fn start(mut command: Command, columns: u16, rows: u16) -> Terminal {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let (mut ours, mut theirs) = (0, 0);
        // SAFETY: both descriptors and the size outlive the call; no name and no settings are asked for.
        let opened = unsafe {
            libc::openpty(
                &mut ours,
                &mut theirs,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                &raw const size as *mut _,
            )
        };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: openpty has just made them, and nothing else knows of them.
        let [mut ours, theirs] = unsafe { [File::from_raw_fd(ours), File::from_raw_fd(theirs)] };
        let end = || Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop((command, theirs));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = seen.clone();
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // The last program that has the terminal closes it, which is an error here.
            while let Ok(read @ 1..) = ours.read(&mut piece) {
                into.lock().unwrap().extend_from_slice(&piece[..read]);
            }
        });
        Terminal { child, seen, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn waits_for(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.text().contains(words) {
            assert!(Instant::now() < deadline, "{words:?} never came:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its exit code and everything that it wrote.
    fn ends(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
        let code = self.child.wait().unwrap().code();
        self.reader.take().unwrap().join().unwrap();
        (code, self.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on_terminal(place: &Workplace, arguments: &[&str], columns: u16, rows: u16) -> Terminal {
    let mut command = place.command(arguments);
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color");
    Terminal::start(command, columns, rows)
}

/// The pictures that were drawn, each as its lines without what moves the cursor.
fn pictures(text: &str) -> Vec<Vec<String>> {
    let drawn = text.strip_prefix(ENTER).unwrap().split(LEAVE).next().unwrap();
    let picture = |picture: &str| {
        picture.split("\r\n").map(|line| line.replace("\x1b[K", "").replace("\x1b[J", "")).collect()
    };
    drawn.split("\x1b[H").skip(1).map(picture).collect()
}

fn without_color(line: &str) -> String {
    ["\x1b[0m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"]
        .iter()
        .fold(line.to_owned(), |line, code| line.replace(code, ""))
}

#[test]
fn on_a_terminal_the_picture_is_redrawn_in_place_until_nobody_is_at_work() {
    let place = Workplace::new();
    let mut run = Running::new(&place, "wide-11111111");
    let terminal = on_terminal(&place, &["status", "runs/x", "--watch=0.1"], 80, 24);
    terminal.waits_for("50/200");
    run.now(State::Running, 100);
    terminal.waits_for("100/200");
    run.now(State::Done, 200);
    let (code, text) = terminal.ends();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with(ENTER), "{text:?}");
    assert_eq!(text.matches(LEAVE).count(), 1);
    for picture in pictures(&text) {
        assert!(picture.len() <= 24);
        assert!(picture.iter().all(|line| without_color(line).chars().count() <= 80), "{picture:?}");
        assert!(picture[0].contains("variant"), "each picture begins at the top: {picture:?}");
    }
    assert!(text.contains("\x1b[36mrunning\x1b[0m"), "{text:?}");
    // What is left on the terminal's own screen is the last picture.
    let left = text.split(LEAVE).nth(1).unwrap();
    assert!(
        left.contains("\x1b[32mdone\x1b[0m") && left.contains("200/200") && left.contains("1 run: 1 done"),
        "{left:?}"
    );
    assert!(place.path("runs/x/summary.csv").is_file());
}

#[test]
fn a_signal_ends_the_watch_and_gives_the_terminal_back() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let place = Workplace::new();
        let _run = Running::new(&place, "wide-11111111");
        let terminal = on_terminal(&place, &["status", "runs", "--watch=600"], 80, 24);
        terminal.waits_for("Ctrl-C ends the watch");
        kill_process(Pid::from_child(&terminal.child), signal).unwrap();
        let (code, text) = terminal.ends();
        assert_eq!(code, Some(0), "{signal:?}");
        let left = text.split(LEAVE).nth(1).unwrap_or_else(|| panic!("{signal:?}: {text:?}"));
        assert!(left.contains("50/200") && !left.contains("\x1b[?"), "{left:?}");
    }
}

#[test]
fn a_low_window_shows_what_is_going_on_and_says_what_it_hides() {
    let place = Workplace::new();
    for number in 0..30 {
        Running::new(&place, &format!("done-{number:08}")).now(State::Done, 200);
    }
    let mut run = Running::new(&place, "late-99999999");
    let terminal = on_terminal(&place, &["status", "runs/x", "--watch=0.1"], 70, 12);
    terminal.waits_for("the window is too low");
    terminal.waits_for("running");
    run.now(State::Failed, 60);
    let (_, text) = terminal.ends();
    for picture in pictures(&text) {
        assert!(picture.len() <= 12, "{picture:?}");
        assert!(picture.iter().any(|line| line.contains("late-99999999")), "{picture:?}");
        assert!(picture.iter().any(|line| line.contains("28 more are not shown")), "{picture:?}");
    }
    let left = text.split(LEAVE).nth(1).unwrap();
    let lines = left.lines().filter(|line| line.trim_start().starts_with("done-"));
    assert_eq!(lines.count(), 30, "all of them in the end");
}

#[test]
fn without_a_terminal_each_change_is_a_plain_line() {
    let place = Workplace::new();
    let mut run = Running::new(&place, "wide-11111111");
    let log = place.path("log.txt");
    let mut command = place.command(&["status", "runs/x", "--watch=0.1"]);
    let mut child = command.stdout(File::create(&log).unwrap()).spawn().unwrap();
    let waits_for = |words: &str| {
        let deadline = Instant::now() + PATIENCE;
        while !std::fs::read_to_string(&log).unwrap().contains(words) {
            assert!(Instant::now() < deadline, "{words:?} never came");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    waits_for("50/200");
    std::thread::sleep(Duration::from_millis(400));
    run.now(State::Running, 100);
    waits_for("100/200");
    run.now(State::Done, 200);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(
        std::fs::read_to_string(&log).unwrap(),
        "\
wide-11111111/seed-0  running  50/200  25%  loss 0.0200
wide-11111111/seed-0  running  100/200  50%  loss 0.0100
wide-11111111/seed-0  done  200/200 100%  loss 0.0050
1 run: 1 done
"
    );
}

#[test]
fn programs_get_a_document_a_line() {
    let place = Workplace::new();
    Running::new(&place, "wide-11111111").now(State::Done, 200);
    let ran = place.ablate(&["status", "runs/x", "--watch", "--json"]).exits(0);
    assert_eq!(ran.stdout.lines().count(), 1);
    assert_eq!(ran.json()["runs"][0]["state"], "done");
}

#[test]
fn colours_follow_the_flag_the_environment_and_the_reader() {
    let place = Workplace::new();
    Running::new(&place, "wide-11111111").now(State::Done, 200);
    let colored = |arguments: &[&str], variables: &[(&str, &str)], terminal: bool| {
        let mut command = place.command(&[&["status", "runs/x"], arguments].concat());
        command.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
        let text = match terminal {
            true => Terminal::start(command, 100, 24).ends().1,
            false => String::from_utf8(command.output().unwrap().stdout).unwrap(),
        };
        assert!(text.contains("done"), "{text}");
        text.contains('\x1b')
    };
    assert!(colored(&[], &[], true));
    assert!(!colored(&[], &[], false), "a pipe");
    assert!(!colored(&[], &[("NO_COLOR", "1")], true));
    assert!(!colored(&[], &[("CLICOLOR", "0")], true));
    assert!(colored(&[], &[("CLICOLOR_FORCE", "1")], false));
    assert!(colored(&["--color", "always"], &[("NO_COLOR", "1")], false));
    assert!(!colored(&["--color=never"], &[("CLICOLOR_FORCE", "1")], true));
    let help = |color: &str| place.ablate(&["--help", "--color", color]).exits(0).stdout;
    assert!(help("always").contains('\x1b') && !help("never").contains('\x1b'));
}

#[test]
fn a_picture_is_not_poured_into_a_terminal() {
    let place = Workplace::new();
    let (code, text) = on_terminal(&place, &["schedule", "--format", "png"], 80, 24).ends();
    assert_eq!(code, Some(2));
    let told = "error: a terminal cannot show a PNG file\r\n  help: name a file with -o schedules.png, or redirect the \
                output to one\r\n";
    assert_eq!(text, told);
}

#[test]
fn a_table_is_as_wide_as_its_reader() {
    let place = Workplace::new();
    let name = "a-very-long_name-of-a-variant_with-many_settings-in-it-11111111";
    let mut run = Running::new(&place, name);
    run.status.error = Some("words that go on and on ".repeat(8));
    run.now(State::Failed, 60);
    let rows = "1,0,0,0.9,,,,,,,\n2,0,0,0.5,,,,,,,\n3,0,0,0.1,,,,,,,\n";
    std::fs::write(run.run.metrics_path(), METRICS_HEADER.join(",") + "\n" + rows).unwrap();
    let widest = |text: &str| {
        let table = text.split("\n\n").next().unwrap();
        table.lines().map(|line| without_color(line.trim_end()).chars().count()).max().unwrap()
    };
    for columns in [60, 90, 140] {
        let text = on_terminal(&place, &["status", "runs/x"], columns, 24).ends().1.replace("\r\n", "\n");
        assert!(widest(&text) <= columns.into(), "{columns}:\n{text}");
        assert_eq!(text.contains("█▅▁") || text.contains("█▄▁"), columns >= 90, "{columns}:\n{text}");
        let ran = place.command(&["status", "runs/x"]).env("COLUMNS", columns.to_string()).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        assert!(widest(&text) <= columns.into(), "{columns}:\n{text}");
    }
}

#[test]
fn seconds_may_be_left_out_and_the_folder_may_stand_last() {
    let place = Workplace::new();
    Running::new(&place, "wide-11111111").now(State::Done, 200);
    for words in [
        &["status", "--watch", "runs/x"][..],
        &["status", "runs/x", "--watch"],
        &["status", "--watch", "5", "runs/x"],
        &["status", "--watch"],
    ] {
        assert!(place.ablate(words).exits(0).stdout.ends_with("1 run: 1 done\n"), "{words:?}");
    }
    let ran = place.ablate(&["status", "--watch=0"]).exits(2);
    assert!(ran.stderr.contains("use a number of seconds from 0.1 to 3600"), "{}", ran.stderr);
    assert_eq!(
        place.ablate(&["status", "runs", "--watch", "runs/x"]).exits(2).stderr,
        "error: runs and runs/x are two folders\n  help: name one of them, or the folder that holds both\n"
    );
}
