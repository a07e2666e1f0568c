//! Tests of `csv_log`: what a kill may leave, and what the next rewind makes of it.

use std::fs;

use super::*;
use crate::rundir::Disk;

const HEADER: &[&str] = &["step", "loss"];

fn log(folder: &tempfile::TempDir) -> CsvLog<'static> {
    CsvLog::open(&Disk, folder.path().join("metrics.csv"), HEADER).unwrap()
}

fn text(folder: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

fn step(log: &mut CsvLog<'_>, step: u64) {
    log.append(&[step.into(), (step as f64 / 10.0).into()]).unwrap();
}

#[test]
fn the_header_is_written_once_and_opening_keeps_all_rows() {
    let folder = tempfile::tempdir().unwrap();
    step(&mut log(&folder), 1);
    step(&mut log(&folder), 2);
    assert_eq!(text(&folder, "metrics.csv"), "step,loss\n1,0.1\n2,0.2\n");
}

#[test]
fn floats_read_back_as_the_same_number() {
    for value in [0.1 + 0.2, 1e-4, 3e-7, 1e300, f64::MIN_POSITIVE, 5e-324, 123456.75, 0.0, -0.0, -2.5e-9] {
        assert_eq!(float(value).parse::<f64>().unwrap().to_bits(), value.to_bits(), "{value:e}");
    }
    assert_eq!([float(1e-4), float(3e-7), float(1.0)], ["0.0001", "3e-7", "1"]);
}

#[test]
fn missing_cells_are_empty_and_names_are_quoted_where_needed() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log(&folder);
    log.append(&[Cell::Missing, None::<f64>.into()]).unwrap();
    log.append(&["a,b".into(), "say \"x\"".into()]).unwrap();
    assert_eq!(text(&folder, "metrics.csv"), "step,loss\n,\n\"a,b\",\"say \"\"x\"\"\"\n");
}

#[test]
fn another_header_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("metrics.csv"), "step,los\n1,2\n").unwrap();
    let error = CsvLog::open(&Disk, folder.path().join("metrics.csv"), HEADER).unwrap_err().to_string();
    assert!(error.contains("metrics.csv has the header \"step,los\", expected \"step,loss\""), "{error}");
}

#[test]
fn a_row_of_the_wrong_width_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = log(&folder).append(&[1u64.into()]).unwrap_err().to_string();
    assert!(error.contains("a row for") && error.contains("has 1 cells, its header has 2"), "{error}");
}

#[test]
fn marks_equal_the_hash_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log(&folder);
    for n in 1..50 {
        step(&mut log, n);
        let content = text(&folder, "metrics.csv");
        let mark = log.mark().unwrap();
        assert_eq!(mark.bytes, content.len() as u64);
        assert_eq!(mark.blake3, blake3::hash(content.as_bytes()).to_hex().as_str());
    }
}

#[test]
fn a_rewind_moves_later_rows_and_appending_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = log(&folder);
    step(&mut first, 1);
    let mark = first.mark().unwrap();
    step(&mut first, 2);
    step(&mut first, 3);
    drop(first);

    let mut second = log(&folder);
    assert_eq!(second.rewind_to(&mark, 2).unwrap(), 2);
    assert_eq!(text(&folder, "metrics.csv"), "step,loss\n1,0.1\n");
    assert_eq!(text(&folder, "metrics.rewound-2.csv"), "step,loss\n2,0.2\n3,0.3\n");
    step(&mut second, 2);
    assert_eq!(text(&folder, "metrics.csv"), "step,loss\n1,0.1\n2,0.2\n");
    let content = text(&folder, "metrics.csv");
    assert_eq!(second.mark().unwrap().blake3, blake3::hash(content.as_bytes()).to_hex().as_str());
}

#[test]
fn a_kill_between_keeping_and_cutting_repeats_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log(&folder);
    let mark = log.mark().unwrap();
    step(&mut log, 1);
    fs::write(folder.path().join("metrics.rewound-2.csv"), "step,loss\n1,0.1\n").unwrap();
    log.rewind_to(&mark, 2).unwrap();
    assert_eq!(text(&folder, "metrics.csv"), "step,loss\n");
    assert_eq!(text(&folder, "metrics.rewound-2.csv"), "step,loss\n1,0.1\n");
}

#[test]
fn a_torn_row_is_noticed_never_glued_and_dropped_by_a_rewind() {
    let folder = tempfile::tempdir().unwrap();
    let mark = log(&folder).mark().unwrap();
    fs::write(folder.path().join("metrics.csv"), "step,loss\n1,0.1\n2,0.").unwrap();
    let mut log = log(&folder);
    assert!(log.is_torn());
    assert!(matches!(log.append(&[2u64.into(), 0.2.into()]), Err(RunDirError::Torn { .. })));
    assert!(matches!(log.mark(), Err(RunDirError::Torn { .. })));
    assert_eq!(log.rewind_to(&mark, 2).unwrap(), 1);
    assert_eq!(text(&folder, "metrics.rewound-2.csv"), "step,loss\n1,0.1\n");
    step(&mut log, 1);
    assert_eq!(text(&folder, "metrics.csv"), "step,loss\n1,0.1\n");
}

#[test]
fn a_log_that_lost_what_a_checkpoint_saw_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.csv");
    let mut first = log(&folder);
    step(&mut first, 1);
    let mark = first.mark().unwrap();
    let open = || open_at(&Disk, &path, HEADER, Some(&mark), 2).map(|_| ()).unwrap_err().to_string();

    fs::write(&path, "step,loss\n1,0.2\n").unwrap();
    assert!(open().contains("its bytes differ"), "{}", open());
    fs::write(&path, "step,loss\n").unwrap();
    assert!(open().contains("it is shorter"), "{}", open());
    fs::remove_file(&path).unwrap();
    assert!(open().contains("it is missing"), "{}", open());
    assert!(!path.exists(), "an error creates nothing");
}

#[test]
fn without_a_checkpoint_the_log_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    step(&mut log(&folder), 1);
    let path = folder.path().join("metrics.csv");
    let mut log = open_at(&Disk, &path, HEADER, None, 2).unwrap();
    step(&mut log, 1);
    assert_eq!(text(&folder, "metrics.csv"), "step,loss\n1,0.1\n");
    assert_eq!(text(&folder, "metrics.rewound-2.csv"), "step,loss\n1,0.1\n");
}

#[test]
fn a_full_disk_is_a_storage_error() {
    let Ok(file) = fs::OpenOptions::new().read(true).append(true).open("/dev/full") else {
        eprintln!("skipped: no /dev/full here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut log = log(&folder);
    log.file = Box::new(file);
    let error = log.append(&[1u64.into(), 0.1.into()]).unwrap_err();
    assert!(error.is_storage(), "{error}");
    assert!(error.to_string().contains("metrics.csv"), "{error}");
    assert!(matches!(log.append(&[2u64.into(), 0.2.into()]), Err(RunDirError::Torn { .. })), "never retried");
}
