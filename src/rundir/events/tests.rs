//! Event files read back: what they say of a run's CSVs, through resumes and on disks that refuse.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::reader::{Seen, Value, What, all, bytes, fields, one, read, text};
use super::*;
use crate::config;
use crate::rundir::fs::{Entry, FsFile};
use crate::rundir::provenance::{Attempt, Provenance};
use crate::rundir::{Disk, EVAL_HEADER, METRICS_HEADER, TIMING_HEADER};

/// 2026-01-02T03:04:05Z.
const BEGUN: f64 = 1_767_323_045.0;

struct Run {
    _folder: tempfile::TempDir,
    dir: RunDir,
    config: Config,
}

impl Run {
    fn new() -> Run {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::at(folder.path().join("wide-1f3a9c02/seed-0"));
        fs::create_dir_all(dir.samples_path()).unwrap();
        let first = Attempt { started: "2026-01-02T03:04:05Z".into(), ..Attempt::of_this_process() };
        let mut provenance = Provenance::read(&dir).unwrap();
        provenance.attempts = vec![first, Attempt::of_this_process()];
        provenance.write(&dir).unwrap();
        let run = Run { _folder: folder, dir, config: config::defaults() };
        run.cut(&[], &[]);
        run
    }

    /// Makes the logs anew with the rows of these steps.
    fn cut(&self, steps: &[u64], evaluated: &[u64]) {
        let header = |header: &[&str]| header.join(",") + "\n";
        fs::write(self.dir.metrics_path(), header(METRICS_HEADER)).unwrap();
        fs::write(self.dir.timing_path(), header(TIMING_HEADER)).unwrap();
        fs::write(self.dir.eval_path(), header(EVAL_HEADER)).unwrap();
        steps.iter().for_each(|step| self.row(*step));
        evaluated.iter().for_each(|step| self.evaluation(*step));
    }

    fn append(path: &Path, text: &str) {
        io::Write::write_all(&mut fs::OpenOptions::new().append(true).open(path).unwrap(), text.as_bytes())
            .unwrap();
    }

    /// Ten steps take two seconds.
    fn row(&self, step: u64) {
        let loss = 1.0 / step as f64;
        let metrics = format!("{step},0.5,{},{loss},{loss},,0.25,1e-7,2.5,0.0002,0.9\n", 8 * step);
        Run::append(&self.dir.metrics_path(), &metrics);
        Run::append(&self.dir.timing_path(), &format!("{step},2,40.5,0.1,1000\n"));
    }

    fn evaluation(&self, step: u64) {
        let row = |weights: &str| format!("{step},{weights},0.1,{},,8\n", 1.0 / step as f64);
        Run::append(&self.dir.eval_path(), &(row("ema-0.999") + &row("raw")));
    }

    fn grid(&self, step: u64) -> Vec<u8> {
        let mut png = io::Cursor::new(vec![]);
        let picture = image::RgbImage::from_pixel(4, 6, image::Rgb([step as u8, 0, 0]));
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        fs::write(self.dir.sample_path(step), png.get_ref()).unwrap();
        png.into_inner()
    }

    fn open(&self, attempt: u32, step: u64) -> EventLog<'static> {
        EventLog::open(&Disk, &self.dir, &self.config, attempt, Place { step, total: 40 })
    }

    /// Names in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.tensorboard_path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn path(&self, attempt: u32) -> PathBuf {
        self.dir.tensorboard_path().join(file::name(attempt))
    }

    fn events(&self, attempt: u32) -> Vec<Seen> {
        read(&fs::read(self.path(attempt)).unwrap())
    }
}

/// Steps, times after the start and values of a tag.
fn points(events: &[Seen], wanted: &str) -> Vec<(u64, f64, f32)> {
    let point = |seen: &Seen| match &seen.what {
        What::Scalar(tag, value) if tag == wanted => Some((seen.step, seen.wall_time - BEGUN, *value)),
        _ => None,
    };
    events.iter().filter_map(point).collect()
}

fn grids(events: &[Seen]) -> Vec<(u64, [u64; 3], Vec<u8>)> {
    let grid = |seen: &Seen| match &seen.what {
        What::Image(tag, size, png) if tag == "samples" => Some((seen.step, *size, png.clone())),
        _ => None,
    };
    events.iter().filter_map(grid).collect()
}

#[test]
fn a_run_that_goes_on_is_followed_row_by_row() {
    let run = Run::new();
    let mut log = run.open(1, 0);
    assert_eq!(run.events(1).len(), 3, "version, start, settings");
    run.row(10);
    log.follow(10);
    assert_eq!(points(&run.events(1), "train/loss"), [(10, 2.0, 0.1)]);
    run.row(20);
    run.evaluation(20);
    let png = run.grid(20);
    log.follow(20);
    let events = run.events(1);
    assert_eq!(events[0].what, What::Version("brain.Event:2".into()));
    assert_eq!(events[1].what, What::Start);
    assert_eq!(points(&events, "train/loss"), [(10, 2.0, 0.1), (20, 4.0, 0.05)]);
    assert_eq!(points(&events, "train/loss_q2"), [], "an empty cell is no point");
    assert_eq!(points(&events, "train/loss_q4"), [(10, 2.0, 1e-7), (20, 4.0, 1e-7)]);
    assert_eq!(points(&events, "train/grad_norm").len(), 2);
    assert_eq!(points(&events, "train/learning_rate")[1], (20, 4.0, 0.0002));
    assert_eq!(points(&events, "time/images_per_second")[0], (10, 2.0, 40.5));
    for weights in ["ema-0.999", "raw"] {
        assert_eq!(points(&events, &format!("eval/{weights}/denoise_score")), [(20, 4.0, 0.05)]);
        assert_eq!(points(&events, &format!("eval/{weights}/denoise_bits")), []);
    }
    assert_eq!(grids(&events), [(20, [6, 4, 3], png)]);
    let times: Vec<f64> = events.iter().map(|seen| seen.wall_time).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn a_resume_writes_what_was_kept_and_no_point_twice() {
    let run = Run::new();
    let mut log = run.open(1, 0);
    for step in [10, 20, 30] {
        run.row(step);
        run.evaluation(step);
        run.grid(step);
        log.follow(step);
    }
    drop(log);
    fs::write(run.dir.tensorboard_path().join(".events.tmp"), "what a kill left").unwrap();
    fs::write(run.dir.tensorboard_path().join("events.out.tfevents.17.somebody"), "theirs").unwrap();
    // The rows beyond the checkpoint of step 20 are gone; the grid of step 30 is still there.
    run.cut(&[10, 20], &[10, 20]);
    let mut log = run.open(2, 20);
    assert_eq!(
        run.names(),
        [
            "events.out.tfevents.0000000001.ablate",
            "events.out.tfevents.0000000002.ablate",
            "events.out.tfevents.17.somebody"
        ]
    );
    assert_eq!(run.events(1), [], "whoever watched it goes on to the next");
    assert_eq!(
        fs::read(run.dir.tensorboard_path().join("events.out.tfevents.17.somebody")).unwrap(),
        b"theirs"
    );
    assert_eq!(points(&run.events(2), "train/loss"), [(10, 2.0, 0.1), (20, 4.0, 0.05)]);
    assert_eq!(grids(&run.events(2)).iter().map(|grid| grid.0).collect::<Vec<_>>(), [10, 20]);
    let end = |events: &[Seen]| {
        let is_end =
            |seen: &&Seen| matches!(&seen.what, What::Plugin(tag, _) if tag.ends_with("/session_end_info"));
        events.iter().filter(is_end).count()
    };
    for step in [30, 40] {
        run.row(step);
        run.evaluation(step);
        log.follow(step);
    }
    let steps: Vec<u64> = points(&run.events(2), "eval/raw/loss").iter().map(|point| point.0).collect();
    assert_eq!(steps, [10, 20, 30, 40]);
    let steps: Vec<u64> = grids(&run.events(2)).iter().map(|grid| grid.0).collect();
    assert_eq!(steps, [10, 20, 30]);
    assert_eq!(end(&run.events(2)), 1, "step 40 is the last");
    // An attempt at a run whose rows are all there writes the same.
    let before = run.events(2);
    drop(run.open(3, 40));
    assert_eq!(run.events(3), before);
    assert_eq!(run.events(2), []);
}

#[test]
fn settings_are_those_of_the_identity() {
    let run = Run::new();
    drop(run.open(1, 0));
    let found = run.events(1);
    let Some(What::Plugin(tag, data)) = found.get(2).map(|seen| seen.what.clone()) else {
        panic!("{found:?}")
    };
    assert_eq!(tag, "_hparams_/session_start_info");
    let info = fields(&bytes(one(&data, 3)));
    let settings: Vec<(String, Vec<(u64, Value)>)> = all(&info, 1)
        .into_iter()
        .map(|entry| fields(&bytes(Some(entry))))
        .map(|entry| (text(one(&entry, 1)), fields(&bytes(one(&entry, 2)))))
        .collect();
    let value = |key: &str| settings.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    assert_eq!(value("training.learning_rate"), Some(vec![(2, Value::Double(2e-4))]));
    assert_eq!(value("diffusion.noise_schedule"), Some(vec![(3, Value::Bytes(b"linear".to_vec()))]));
    assert_eq!(value("model.channel_multipliers"), Some(vec![(3, Value::Bytes(b"[1,2,4]".to_vec()))]));
    assert_eq!(value("model.mid_attention"), Some(vec![(4, Value::Integer(1))]));
    assert!(value("runtime.device").is_none() && value("training.seed").is_none());
    assert_eq!(text(one(&info, 4)), "wide-1f3a9c02", "the seeds of a variant are one group");
    assert_eq!(one(&info, 5), Some(Value::Double(BEGUN)));
}

#[test]
fn the_key_switches_it_off() {
    let mut run = Run::new();
    run.config.runtime.tensorboard = false;
    let mut log = run.open(1, 0);
    run.row(10);
    log.follow(10);
    assert!(!run.dir.tensorboard_path().exists());
}

#[test]
fn what_is_not_ours_is_neither_followed_nor_replaced_and_ends_the_events_alone() {
    let outside = tempfile::tempdir().unwrap();
    let canary = outside.path().join("canary");
    fs::write(&canary, "untouched").unwrap();
    type Obstacle = (&'static str, fn(&Run, &Path));
    let obstacles: [Obstacle; 5] = [
        ("a link to a folder", |run, canary| {
            symlink(canary.parent().unwrap(), run.dir.tensorboard_path()).unwrap();
        }),
        ("a file", |run, _| fs::write(run.dir.tensorboard_path(), "mine").unwrap()),
        ("a link as the new file", |run, canary| {
            fs::create_dir(run.dir.tensorboard_path()).unwrap();
            symlink(canary, run.dir.tensorboard_path().join(".events.tmp")).unwrap();
        }),
        ("a link as an earlier file", |run, canary| {
            fs::create_dir(run.dir.tensorboard_path()).unwrap();
            symlink(canary, run.path(1)).unwrap();
        }),
        ("a folder as the file", |run, _| fs::create_dir_all(run.path(2)).unwrap()),
    ];
    for (what, make) in obstacles {
        let run = Run::new();
        make(&run, &canary);
        let mut log = run.open(2, 0);
        run.row(10);
        log.follow(10);
        assert!(log.0.is_none(), "{what}");
        assert_eq!(fs::read_to_string(&canary).unwrap(), "untouched", "{what}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{what}");
        assert!(fs::symlink_metadata(run.path(2)).map_or(true, |found| !found.is_file()), "{what}");
    }
}

#[test]
fn a_grid_that_is_no_picture_is_left_out_and_the_curves_go_on() {
    let run = Run::new();
    run.cut(&[10, 20], &[]);
    fs::write(run.dir.sample_path(10), "no picture").unwrap();
    run.grid(20);
    symlink("nowhere", run.dir.sample_path(5)).unwrap();
    let log = run.open(1, 20);
    assert!(log.0.is_some());
    assert_eq!(points(&run.events(1), "train/loss").len(), 2);
    assert_eq!(grids(&run.events(1)).iter().map(|grid| grid.0).collect::<Vec<_>>(), [20]);
}

/// The disk, full after so many bytes of new files.
#[derive(Debug)]
struct Small(std::sync::Arc<std::sync::atomic::AtomicUsize>);

#[derive(Debug)]
struct SmallFile(Box<dyn FsFile>, std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl io::Read for SmallFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl io::Seek for SmallFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl io::Write for SmallFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.1.load(std::sync::atomic::Ordering::Relaxed);
        if left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.0.write(&bytes[..bytes.len().min(left)])?;
        self.1.fetch_sub(written, std::sync::atomic::Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl FsFile for SmallFile {
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}

impl Fs for Small {
    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Disk.open(path)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Disk.append(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(Box::new(SmallFile(Disk.create_new(path)?, self.0.clone())))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        Disk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Disk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        Disk.entry(path)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        Disk.names(path)
    }

    fn free_bytes(&self, _: &Path) -> Option<u64> {
        None
    }
}

#[test]
fn a_full_disk_ends_the_events_and_the_next_attempt_has_all_of_them() {
    let run = Run::new();
    for room in [0, 10, 100, 5000] {
        run.cut(&[10], &[]);
        let disk = Small(std::sync::Arc::new(room.into()));
        let mut log = EventLog::open(&disk, &run.dir, &run.config, 1, Place { step: 10, total: 40 });
        if room < 5000 {
            assert!(log.0.is_none(), "{room} bytes");
            assert_eq!(run.names(), [""; 0], "{room} bytes: half a file was left");
            continue;
        }
        disk.0.store(30, std::sync::atomic::Ordering::Relaxed);
        run.row(20);
        log.follow(20);
        assert!(log.0.is_none());
    }
    drop(run.open(2, 20));
    assert_eq!(run.names(), [file::name(1), file::name(2)]);
    assert_eq!(run.events(1), []);
    assert_eq!(points(&run.events(2), "train/loss").len(), 2);
}
