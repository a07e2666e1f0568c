//! Append-only CSV logs that survive a kill at any instant.
//!
//! In: rows of cells. Out: a file with one header, whole rows, `\n`, shortest round-trip floats, never
//! truncated on opening. A [`Mark`] is the log's length and the hash of all bytes up to it: a checkpoint
//! keeps the mark of each log, and a resume goes back to it with [`CsvLog::rewind_to`].

use std::borrow::Cow;
use std::io::{self, Read, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RunDirError;
use super::files;
use super::fs::{Fs, FsFile, Kind};

/// A million rows since a checkpoint: what a damaged file has there must not fill the memory.
const LATER_LIMIT: u64 = 128 << 20;

/// One cell of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// A count.
    Integer(u64),
    /// A measurement, written with the fewest digits that read back as the same number.
    Float(f64),
    /// An identity: an x and 16 hexadecimal digits, which no reader takes for a number.
    Id(u64),
    /// A name.
    Text(&'a str),
    /// Not defined here: an empty cell.
    Missing,
}

impl From<u64> for Cell<'_> {
    fn from(value: u64) -> Self {
        Cell::Integer(value)
    }
}

impl From<f64> for Cell<'_> {
    fn from(value: f64) -> Self {
        Cell::Float(value)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(value: &'a str) -> Self {
        Cell::Text(value)
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Missing, Into::into)
    }
}

impl Cell<'_> {
    /// As it is written.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match *self {
            Cell::Integer(value) => value.to_string().into(),
            Cell::Float(value) => float(value).into(),
            Cell::Id(value) => format!("x{value:016x}").into(),
            Cell::Text(text) if text.contains(['"', ',', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\"")).into()
            }
            Cell::Text(text) => text.into(),
            Cell::Missing => "".into(),
        }
    }
}

/// Shortest round trip; very small and very large magnitudes with an exponent instead of a row of zeros.
pub fn float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && size.is_finite() && !(1e-5..1e16).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

/// A place in a log: its length and the BLAKE3 hash of everything before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Length in bytes.
    pub bytes: u64,
    /// Hash of these bytes, 64 hexadecimal digits.
    pub blake3: String,
}

impl Mark {
    /// Compares with as many bytes of a log's start.
    pub(super) fn matches(&self, seen: &blake3::Hasher) -> Result<(), &'static str> {
        if seen.count() < self.bytes {
            return Err("it is shorter");
        }
        if seen.finalize().to_hex().as_str() != self.blake3 {
            return Err("its bytes differ");
        }
        Ok(())
    }
}

/// Hashes to the end, a piece at a time; the last byte is what tells a torn log.
pub(super) fn hash(mut from: impl Read) -> io::Result<(blake3::Hasher, Option<u8>)> {
    let (mut hasher, mut last, mut piece) = (blake3::Hasher::new(), None, vec![0; 1 << 16]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok((hasher, last)),
            Ok(read) => {
                hasher.update(&piece[..read]);
                last = Some(piece[read - 1]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// An open log.
#[derive(Debug)]
pub struct CsvLog<'a> {
    fs: &'a dyn Fs,
    path: PathBuf,
    file: Box<dyn FsFile>,
    columns: usize,
    header: String,
    hasher: blake3::Hasher,
    bytes: u64,
    torn: bool,
}

impl<'a> CsvLog<'a> {
    /// Opens a log, creating it with its header where there is none. Nothing that exists is changed.
    pub fn open(
        fs: &'a dyn Fs,
        path: impl Into<PathBuf>,
        header: &[&str],
    ) -> Result<CsvLog<'a>, RunDirError> {
        let mut log = CsvLog::open_unread(fs, path, header)?;
        log.hash_from_start()?;
        Ok(log)
    }

    /// As [`CsvLog::open`], for a log that is rewound before anything else is done with it: its rows, which may be
    /// any number in a damaged file, are not looked at.
    fn open_unread(
        fs: &'a dyn Fs,
        path: impl Into<PathBuf>,
        header: &[&str],
    ) -> Result<CsvLog<'a>, RunDirError> {
        let path = path.into();
        let line = format!("{}\n", header.join(","));
        let empty = fs.entry(&path).map_or_else(
            |error| error.kind() == io::ErrorKind::NotFound,
            |found| found.kind == Kind::File && found.bytes == 0,
        );
        if empty {
            files::replace(fs, &path, line.as_bytes())?;
        }
        let file = fs.append(&path).map_err(|source| files::unusable(fs, "open", &path, source))?;
        let mut log = CsvLog {
            fs,
            path,
            file,
            columns: header.len(),
            header: line,
            hasher: blake3::Hasher::new(),
            bytes: 0,
            torn: false,
        };
        log.check_header()?;
        Ok(log)
    }

    /// Where the log lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file ends inside a row (a kill during a write): rewind before appending.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// Appends one row.
    pub fn append(&mut self, row: &[Cell<'_>]) -> Result<(), RunDirError> {
        self.append_all(std::iter::once(row))
    }

    /// Appends rows with one write call, so that a reader sees all of them or, after a kill, a torn tail.
    pub fn append_all<'r, 'c: 'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r [Cell<'c>]>,
    ) -> Result<(), RunDirError> {
        if self.torn {
            return Err(RunDirError::Torn { path: self.path.clone() });
        }
        let mut text = String::new();
        for row in rows {
            if row.len() != self.columns {
                let path = self.path.clone();
                return Err(RunDirError::RowWidth { path, expected: self.columns, found: row.len() });
            }
            let cells: Vec<_> = row.iter().map(Cell::text).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        if let Err(source) = self.file.write_all(text.as_bytes()) {
            // A part may have been written; whoever resumes finds it by its missing end.
            self.torn = true;
            return Err(RunDirError::io("write", &self.path, source));
        }
        self.hasher.update(text.as_bytes());
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Forces all rows to the disk and returns the log's present end, for a checkpoint to keep.
    pub fn mark(&mut self) -> Result<Mark, RunDirError> {
        if self.torn {
            return Err(RunDirError::Torn { path: self.path.clone() });
        }
        files::sync_file(self.file.as_ref(), &self.path)?;
        Ok(Mark { bytes: self.bytes, blake3: self.hasher.finalize().to_hex().to_string() })
    }

    /// Goes back to the header alone: a run that has no checkpoint begins again.
    pub fn rewind_to_start(&mut self, attempt: u32) -> Result<u64, RunDirError> {
        let blake3 = blake3::hash(self.header.as_bytes()).to_hex().to_string();
        self.rewind_to(&Mark { bytes: self.header.len() as u64, blake3 }, attempt)
    }

    /// Goes back to a mark, after checking that the bytes before it are those the checkpoint saw. Later
    /// rows move to `<stem>.rewound-<attempt>.csv`; a torn last row is dropped. Returns how many moved.
    ///
    /// The rows are safe in the other file before this one is cut, and the cut is one `ftruncate`: a kill
    /// before it leaves rows that the next rewind moves again, a kill after it leaves the log at the mark.
    pub fn rewind_to(&mut self, mark: &Mark, attempt: u32) -> Result<u64, RunDirError> {
        let (hasher, _) = self.scan(mark.bytes)?;
        mark.matches(&hasher).map_err(|reason| {
            let path = self.path.clone();
            RunDirError::LogChanged { path, bytes: mark.bytes, reason }
        })?;
        let mut later = Vec::new();
        (&mut self.file)
            .take(LATER_LIMIT + 1)
            .read_to_end(&mut later)
            .map_err(|source| RunDirError::io("read", &self.path, source))?;
        if later.len() as u64 > LATER_LIMIT {
            let reason = format!("more than {} MiB follow its checkpoint", LATER_LIMIT >> 20);
            return Err(RunDirError::malformed(&self.path, reason));
        }
        let whole = later.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let rows = &later[..whole];
        if !rows.is_empty() {
            self.keep_rewound(rows, attempt)?;
        }
        if !later.is_empty() {
            self.file.set_len(mark.bytes).map_err(|source| RunDirError::io("shorten", &self.path, source))?;
        }
        self.hasher = hasher;
        self.bytes = mark.bytes;
        self.torn = false;
        Ok(rows.iter().filter(|&&byte| byte == b'\n').count() as u64)
    }

    fn keep_rewound(&self, rows: &[u8], attempt: u32) -> Result<(), RunDirError> {
        let path = rewound_path(&self.path, attempt);
        let mut content = Vec::new();
        match files::open(self.fs, &path)? {
            Some(mut kept) => kept.read_to_end(&mut content).map(drop),
            None => self.header.as_bytes().read_to_end(&mut content).map(drop),
        }
        .map_err(|source| RunDirError::io("read", &path, source))?;
        // A kill between keeping and cutting repeats the same move: it must not repeat the rows.
        if content.ends_with(rows) {
            return Ok(());
        }
        content.extend_from_slice(rows);
        files::replace(self.fs, &path, &content)
    }

    fn check_header(&mut self) -> Result<(), RunDirError> {
        let mut start = vec![0; self.header.len()];
        let mut read = 0;
        self.file.seek(SeekFrom::Start(0)).map_err(|source| RunDirError::io("read", &self.path, source))?;
        while read < start.len() {
            match self.file.read(&mut start[read..]) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(source) => return Err(RunDirError::io("read", &self.path, source)),
            }
        }
        if start[..read] == *self.header.as_bytes() {
            return Ok(());
        }
        let found = String::from_utf8_lossy(&start[..read]);
        Err(RunDirError::Header {
            path: self.path.clone(),
            found: crate::guard::printable(found.lines().next().unwrap_or_default()),
            expected: self.header.trim_end().to_owned(),
        })
    }

    fn hash_from_start(&mut self) -> Result<(), RunDirError> {
        let (hasher, last) = self.scan(u64::MAX)?;
        (self.bytes, self.torn) = (hasher.count(), last != Some(b'\n'));
        self.hasher = hasher;
        Ok(())
    }

    /// Hashes at most so many bytes from the start, and leaves off behind them.
    fn scan(&mut self, at_most: u64) -> Result<(blake3::Hasher, Option<u8>), RunDirError> {
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| hash((&mut self.file).take(at_most)))
            .map_err(|source| RunDirError::io("read", &self.path, source))
    }
}

/// Opens a log at a checkpoint's mark. Unlike [`CsvLog::open`], a log that is missing is an error: the
/// checkpoint saw rows in it.
pub fn open_at<'a>(
    fs: &'a dyn Fs,
    path: &Path,
    header: &[&str],
    mark: Option<&Mark>,
    attempt: u32,
) -> Result<CsvLog<'a>, RunDirError> {
    let Some(mark) = mark else {
        let mut log = CsvLog::open_unread(fs, path, header)?;
        log.rewind_to_start(attempt)?;
        return Ok(log);
    };
    if mark.bytes > 0 && fs.entry(path).is_err() {
        let path = path.to_path_buf();
        return Err(RunDirError::LogChanged { path, bytes: mark.bytes, reason: "it is missing" });
    }
    let mut log = CsvLog::open_unread(fs, path, header)?;
    log.rewind_to(mark, attempt)?;
    Ok(log)
}

/// Where [`CsvLog::rewind_to`] keeps rows.
pub fn rewound_path(log: &Path, attempt: u32) -> PathBuf {
    let stem = log.file_stem().unwrap_or_default().to_string_lossy();
    log.with_file_name(format!("{stem}.rewound-{attempt}.csv"))
}

#[cfg(test)]
#[path = "csv_log_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "csv_log_properties.rs"]
mod properties;
