//! Tests of taking locks: one owner, named at once, whatever lies in the folder.

use super::*;
use std::process::{Command, Stdio};

fn run() -> (tempfile::TempDir, RunDir) {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::at(folder.path());
    (folder, run)
}

fn dead() -> Process {
    Process { boot_id: "an earlier boot".to_owned(), ..Process::current() }
}

fn write_owner(path: &Path, owner: &Process) {
    std::fs::write(path, serde_json::to_vec(owner).unwrap()).unwrap();
}

#[test]
fn a_second_taker_is_told_the_owner_at_once() {
    let (_folder, run) = run();
    let lock = RunLock::acquire(&run).unwrap();
    let begun = Instant::now();
    let Err(Held::By { owner, .. }) = RunLock::acquire(&run) else { panic!("two owners") };
    assert!(begun.elapsed() < RECORD_PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(owner, Some(Process::current()));
    drop(lock);
    RunLock::acquire(&run).unwrap();
}

#[test]
fn a_record_of_the_owner_before_names_nobody() {
    let (_folder, run) = run();
    let lock = RunLock::acquire(&run).unwrap();
    // The new owner has the lock and not yet written its record over the old one's.
    write_owner(&run.lock_path(), &dead());
    let begun = Instant::now();
    let Err(Held::By { owner, .. }) = RunLock::acquire(&run) else { panic!("two owners") };
    assert_eq!(owner, None);
    assert!(begun.elapsed() < 2 * RECORD_PATIENCE, "{:?}", begun.elapsed());
    drop(lock);
}

#[test]
fn somebody_who_only_looks_is_waited_for() {
    let (_folder, run) = run();
    drop(RunLock::acquire(&run).unwrap());
    write_owner(&run.lock_path(), &dead());
    let looking = File::open(run.lock_path()).unwrap();
    looking.try_lock_shared().unwrap();
    let waited = std::thread::spawn(move || RunLock::acquire(&run).map(drop));
    std::thread::sleep(Duration::from_millis(50));
    drop(looking);
    waited.join().unwrap().unwrap();
}

#[test]
fn a_lock_file_that_was_deleted_is_nobodys() {
    let (_folder, run) = run();
    // Opened by two: one takes the lock and deletes the file, as a refused first start does.
    let file = File::create(run.lock_path()).unwrap();
    std::fs::remove_file(run.lock_path()).unwrap();
    assert!(!is_at(&file, &run.lock_path()).unwrap());
    let lock = RunLock::acquire(&run).unwrap();
    assert!(!is_at(&file, &run.lock_path()).unwrap(), "another file has the name now");
    assert!(matches!(RunLock::acquire(&run), Err(Held::By { owner: Some(_), .. })));
    drop(lock);
}

#[test]
fn a_lock_of_another_process_is_respected_and_ends_with_it() {
    let (_folder, run) = run();
    // util-linux's flock takes the same kind of lock; its child keeps it until stdin closes.
    let spawned = Command::new("flock")
        .arg(run.lock_path())
        .arg("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut holder) = spawned else {
        eprintln!("skipped: no flock(1) here");
        return;
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while RunLock::acquire(&run).is_ok() {
        assert!(Instant::now() < deadline, "the other process never took the lock");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(matches!(RunLock::acquire(&run), Err(Held::By { .. })));
    drop(holder.stdin.take());
    holder.wait().unwrap();
    RunLock::acquire(&run).unwrap();
}

#[test]
fn a_lock_file_with_a_second_name_is_refused_and_not_written() {
    let (folder, run) = run();
    let copy = folder.path().join("a snapshot's");
    std::fs::write(&copy, "as it was").unwrap();
    std::fs::hard_link(&copy, run.lock_path()).unwrap();
    let Err(Held::Unusable(error)) = RunLock::acquire(&run) else { panic!("it was taken") };
    assert!(error.to_string().contains(".lock: it has 2 names (hard links)"), "{error}");
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "as it was");
}

#[test]
fn what_is_no_lock_file_is_refused_and_left_as_it_is() {
    let (folder, run) = run();
    let outside = folder.path().join("outside");
    std::fs::write(&outside, "untouched").unwrap();
    std::os::unix::fs::symlink(&outside, run.lock_path()).unwrap();
    let Err(Held::Unusable(error)) = RunLock::acquire(&run) else { panic!("a link was followed") };
    assert!(error.to_string().ends_with(".lock is damaged: not a regular file; move it away to go on"));
    assert!(!error.is_storage());
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "untouched");
}

#[test]
fn without_locks_the_record_decides() {
    let (folder, run) = run();
    let path = run.lock_path();
    let mut file = File::create(&path).unwrap();
    let mut take = || by_record(folder.path(), &mut file, &path);
    take().unwrap();
    assert_eq!(read_owner(&path), Some(Process::current()));
    assert!(matches!(take(), Err(Held::By { owner: Some(_), .. })), "this process lives");
    write_owner(&path, &dead());
    take().unwrap();

    let elsewhere = Process { host: "elsewhere".to_owned(), ..dead() };
    write_owner(&path, &elsewhere);
    assert!(matches!(take(), Err(Held::By { .. })), "it wrote a moment ago");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    take().unwrap();
}

#[test]
fn without_locks_the_last_of_two_records_wins() {
    let (folder, run) = run();
    let path = run.lock_path();
    let mut file = File::create(&path).unwrap();
    let rival = Process { host: "elsewhere".to_owned(), ..dead() };
    let (theirs, at) = (rival.clone(), path.clone());
    let later = std::thread::spawn(move || {
        std::thread::sleep(SETTLE / 2);
        write_owner(&at, &theirs);
    });
    let Err(Held::By { owner, .. }) = by_record(folder.path(), &mut file, &path) else {
        panic!("two owners")
    };
    assert_eq!(owner, Some(rival));
    later.join().unwrap();
}
