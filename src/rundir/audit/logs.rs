//! The CSV logs of a run: header, whole rows, rising steps, and the bytes that each checkpoint has seen.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::{Audit, Gravity};
use crate::rundir::columns::logs_of;
use crate::rundir::fs::Fs;
use crate::rundir::{Checkpoint, Mark, RunDir, files};

/// Far above any row.
const LONGEST_ROW: u64 = 1 << 16;
const WEIGHTS: &str = "weights";
const IMAGE: &str = "image";
const RESTORE: &str = "restore it, or delete the run's folder to train it again";

/// Reads every log; `good` are the checkpoints that verified.
pub(super) fn check(
    fs: &dyn Fs,
    run: &RunDir,
    good: &[Checkpoint],
    (live, done): (bool, bool),
    audit: &mut Audit,
) {
    for (path, header) in logs_of(run) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let seen = |found: &Checkpoint| Some((found.step, found.manifest.logs.get(name.as_ref())?.clone()));
        let mut marks: Vec<(u64, Mark)> = good.iter().filter_map(seen).collect();
        marks.sort_by_key(|(_, mark)| mark.bytes);
        let seen_bytes = marks.last().map_or(0, |(_, mark)| mark.bytes);
        let file = match files::open(fs, &path) {
            Ok(Some(file)) => file,
            Ok(None) => {
                if let Some((step, _)) = marks.last().filter(|(_, mark)| mark.bytes > 0) {
                    audit.damage(&path, format!("it is missing; step {step} saw it"), RESTORE);
                }
                continue;
            }
            Err(error) => {
                audit.error(&path, &error, RESTORE);
                continue;
            }
        };
        let mut scan = Scan::new(header, marks);
        if let Err(error) = scan.read(BufReader::new(file)) {
            audit.damage(&path, error.to_string(), RESTORE);
            continue;
        }
        scan.report(&path, seen_bytes, (live, done), audit);
    }
}

/// One pass over a log.
struct Scan<'a> {
    header: &'a [&'a str],
    /// Those not reached yet, the nearest last.
    marks: Vec<(u64, Mark)>,
    hasher: blake3::Hasher,
    bytes: u64,
    line: u64,
    /// Step, weights, level and image of the row before.
    last: Option<(u64, String, f64, String)>,
    /// The first mark whose bytes are others.
    changed: Option<(u64, u64)>,
    /// Where the first row that cannot be right begins, and what is wrong with it.
    bad_row: Option<(u64, String)>,
    torn: bool,
}

impl<'a> Scan<'a> {
    fn new(header: &'a [&'a str], mut marks: Vec<(u64, Mark)>) -> Self {
        marks.reverse();
        let (hasher, last, changed, bad_row) = (blake3::Hasher::new(), None, None, None);
        Scan { header, marks, hasher, bytes: 0, line: 0, last, changed, bad_row, torn: false }
    }

    fn read(&mut self, mut file: impl BufRead) -> io::Result<()> {
        let mut row = Vec::new();
        loop {
            row.clear();
            if file.by_ref().take(LONGEST_ROW).read_until(b'\n', &mut row)? == 0 {
                return Ok(());
            }
            let start = self.bytes;
            self.hash(&row);
            self.line += 1;
            self.torn = row.last() != Some(&b'\n');
            let too_long = row.len() as u64 == LONGEST_ROW && self.torn;
            let wrong = if too_long {
                Some(format!("a row of more than {LONGEST_ROW} bytes"))
            } else if self.torn {
                None
            } else {
                self.row(&row[..row.len() - 1]).err()
            };
            if let (None, Some(wrong)) = (&self.bad_row, wrong) {
                self.bad_row = Some((start, format!("line {}: {wrong}", self.line)));
            }
        }
    }

    /// Takes bytes in, and compares at each mark that lies in them.
    fn hash(&mut self, mut bytes: &[u8]) {
        while let Some((step, mark)) = self.marks.last()
            && mark.bytes <= self.bytes + bytes.len() as u64
        {
            let (before, after) = bytes.split_at((mark.bytes - self.bytes) as usize);
            self.hasher.update(before);
            if self.changed.is_none() && self.hasher.finalize().to_hex().as_str() != mark.blake3 {
                self.changed = Some((*step, mark.bytes));
            }
            self.bytes = mark.bytes;
            bytes = after;
            self.marks.pop();
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    fn row(&mut self, row: &[u8]) -> Result<(), String> {
        let row = std::str::from_utf8(row).map_err(|_| "not UTF-8".to_owned())?;
        let cells: Vec<&str> = row.split(',').collect();
        if self.line == 1 {
            return if cells == self.header { Ok(()) } else { Err("another header".to_owned()) };
        }
        if cells.len() != self.header.len() {
            return Err(format!("{} cells, its header has {}", cells.len(), self.header.len()));
        }
        let number = |name: &str, cell: &str| match cell.parse::<f64>() {
            _ if cell.is_empty() => Ok(f64::NEG_INFINITY),
            Ok(number) => Ok(number),
            Err(_) => Err(format!("{name} is no number")),
        };
        let (mut weights, mut level, mut image) = (String::new(), f64::NEG_INFINITY, String::new());
        for (name, cell) in self.header.iter().zip(&cells) {
            match *name {
                WEIGHTS => weights = (*cell).to_owned(),
                IMAGE => image = (*cell).to_owned(),
                "k" => level = number(name, cell)?,
                name => drop(number(name, cell)?),
            }
        }
        let step = cells[0].parse::<u64>().map_err(|_| "step is no whole number".to_owned())?;
        let key = (step, weights, level, image);
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(format!("step {step} again, or out of order"));
        }
        self.last = Some(key);
        Ok(())
    }

    fn report(self, path: &Path, seen_bytes: u64, (live, done): (bool, bool), audit: &mut Audit) {
        if let Some((step, mark)) = self.marks.last() {
            let reason = format!("{} bytes, step {step} saw {}", self.bytes, mark.bytes);
            audit.damage(path, reason, RESTORE);
        } else if let Some((step, bytes)) = self.changed {
            audit.damage(
                path,
                format!("its first {bytes} bytes are not those that step {step} saw"),
                RESTORE,
            );
        } else if let Some((start, wrong)) = self.bad_row {
            // What no checkpoint has seen is moved out of the log by the next attempt.
            if start >= seen_bytes && start > 0 && !done {
                audit.add(
                    Gravity::Note,
                    path,
                    wrong,
                    "no checkpoint saw it: a resume moves it aside".to_owned(),
                );
            } else {
                audit.damage(path, wrong, RESTORE);
            }
        } else if done && self.bytes > seen_bytes && seen_bytes > 0 {
            let reason = format!("{} bytes, the last checkpoint saw {seen_bytes}", self.bytes);
            audit.damage(path, reason, "the run was done by then: take the rest out");
        } else if self.torn && !live {
            audit.note(path, "it ends inside a row", "a resume drops what no checkpoint saw");
        }
    }
}
