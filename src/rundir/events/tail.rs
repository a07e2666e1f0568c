//! A log that another hand appends to, read a whole row at a time.
//!
//! In: one of a run's CSVs. Out: its rows in order; at its end nothing, until there is more.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use crate::rundir::fs::{Fs, FsFile};
use crate::rundir::{RunDirError, files};

/// Far above any row.
const LONGEST_ROW: usize = 1 << 16;

/// The reading end of a log.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    header: &'static [&'static str],
    reader: BufReader<Box<dyn FsFile>>,
    /// What there is of a row whose end is not there yet.
    line: Vec<u8>,
    past_header: bool,
    next: Option<Row>,
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// The optimizer step.
    pub(super) step: u64,
    header: &'static [&'static str],
    cells: Vec<String>,
}

impl Row {
    /// A cell as it is written; empty where the column has none.
    pub(super) fn text(&self, column: &str) -> &str {
        let place = self.header.iter().position(|name| *name == column);
        place.and_then(|place| self.cells.get(place)).map_or("", String::as_str)
    }

    /// A number; `None` where it is not defined.
    pub(super) fn number(&self, column: &str) -> Option<f64> {
        self.text(column).parse().ok()
    }
}

impl Tail {
    pub(super) fn open(
        fs: &dyn Fs,
        path: PathBuf,
        header: &'static [&'static str],
    ) -> Result<Tail, RunDirError> {
        let file = files::open(fs, &path)?.ok_or_else(|| RunDirError::malformed(&path, "it is missing"))?;
        let reader = BufReader::new(file);
        Ok(Tail { path, header, reader, line: vec![], past_header: false, next: None })
    }

    /// The step of the next row, if a whole one is there.
    pub(super) fn peek(&mut self) -> Result<Option<u64>, RunDirError> {
        if self.next.is_none() {
            self.next = self.read()?;
        }
        Ok(self.next.as_ref().map(|row| row.step))
    }

    /// The next row.
    pub(super) fn take(&mut self) -> Option<Row> {
        self.next.take()
    }

    fn read(&mut self) -> Result<Option<Row>, RunDirError> {
        loop {
            let room = LONGEST_ROW.saturating_sub(self.line.len()) as u64;
            (&mut self.reader)
                .take(room)
                .read_until(b'\n', &mut self.line)
                .map_err(|source| RunDirError::io("read", &self.path, source))?;
            if self.line.last() != Some(&b'\n') {
                if self.line.len() >= LONGEST_ROW {
                    return Err(self.malformed(format!("a row of more than {LONGEST_ROW} bytes")));
                }
                return Ok(None);
            }
            self.line.pop();
            let line = String::from_utf8(std::mem::take(&mut self.line))
                .map_err(|_| self.malformed("not UTF-8".to_owned()))?;
            let cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            if cells.len() != self.header.len() {
                let reason = format!("a row of {} cells, its header has {}", cells.len(), self.header.len());
                return Err(self.malformed(reason));
            }
            if !self.past_header {
                self.past_header = true;
                continue;
            }
            let step = cells.first().and_then(|cell| cell.parse().ok());
            let step = step.ok_or_else(|| self.malformed("step is no whole number".to_owned()))?;
            return Ok(Some(Row { step, header: self.header, cells }));
        }
    }

    fn malformed(&self, reason: String) -> RunDirError {
        RunDirError::malformed(&self.path, reason)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use super::*;
    use crate::rundir::Disk;

    const HEADER: &[&str] = &["step", "loss"];

    #[test]
    fn rows_come_when_their_end_has_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        fs::write(&path, "step,loss\n5,0.5\n10,").unwrap();
        let mut tail = Tail::open(&Disk, path.clone(), HEADER).unwrap();
        assert_eq!((tail.peek().unwrap(), tail.peek().unwrap()), (Some(5), Some(5)));
        assert_eq!(tail.take().unwrap().number("loss"), Some(0.5));
        assert_eq!((tail.peek().unwrap(), tail.peek().unwrap()), (None, None));
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\n15,0.25\n").unwrap();
        assert_eq!(tail.peek().unwrap(), Some(10));
        assert_eq!(tail.take().unwrap().number("loss"), None, "an empty cell is no number");
        assert_eq!(tail.peek().unwrap(), Some(15));
    }

    #[test]
    fn what_is_no_row_is_an_error_that_names_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let long = format!("step,loss\n{}", "1".repeat(LONGEST_ROW + 1));
        for text in ["step,loss\n5\n", "step,loss\nx,1\n", long.as_str()] {
            fs::write(&path, text).unwrap();
            let error = Tail::open(&Disk, path.clone(), HEADER).unwrap().peek().unwrap_err();
            assert!(error.to_string().contains("metrics.csv is damaged"), "{error}");
        }
        let missing = Tail::open(&Disk, folder.path().join("none"), HEADER).unwrap_err();
        assert!(missing.to_string().contains("it is missing"), "{missing}");
    }
}
