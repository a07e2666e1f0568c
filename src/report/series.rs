//! Tolerant reading of a run's CSV files.
//!
//! In: `eval.csv` or `metrics.csv`, perhaps cut short by a kill or damaged. Out: [`Series`], the rows that
//! can be trusted, with what was left out counted. Damage is never fatal.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use crate::guard;

/// Above a million rows of any log of ours.
const SIZE_LIMIT: u64 = 128 << 20;
/// Most values kept of one file, which take 16 bytes each: more than a log of [`SIZE_LIMIT`] has.
const MAX_VALUES: usize = 16 << 20;
/// Above the number of averages a run can have: each new row is compared with those of its step.
const MAX_WEIGHTS: usize = 64;

/// The rows of one CSV file whose first column is `step`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Series {
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    /// Rows in rising step.
    pub(crate) rows: Vec<SeriesRow>,
    /// Complete rows that could not be read.
    pub(crate) bad_rows: usize,
    /// Whether the last line lacked its end.
    pub(crate) torn: bool,
}

/// One row; `values` holds one entry per column of [`Series::columns`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeriesRow {
    /// The optimizer step.
    pub(crate) step: u64,
    /// Which weights were evaluated (`raw`, `ema-…`); empty in files without that column.
    pub(crate) weights: String,
    /// `None` where the field is empty (not defined), not finite or not a number.
    pub(crate) values: Vec<Option<f64>>,
}

impl Series {
    /// Reads a whole file; a missing one is empty, one too large to be a log an error.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        Ok(read_whole(path)?.map_or_else(Self::default, |bytes| Self::parse(&bytes)))
    }

    /// Reads the header and the last rows that fit in a few kilobytes, whatever the file's length.
    pub(crate) fn read_tail(path: &Path) -> io::Result<Self> {
        const HEAD: u64 = 1024;
        const TAIL: u64 = 4096;
        let Some(mut file) = open(path)? else { return Ok(Self::default()) };
        let length = file.metadata()?.len();
        if length <= HEAD + TAIL {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            return Ok(Self::parse(&bytes));
        }
        let mut bytes = vec![0; HEAD as usize];
        file.read_exact(&mut bytes)?;
        let header_end = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.truncate(header_end);
        file.seek(SeekFrom::Start(length - TAIL))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        // The first line of the tail begins in the middle of a row.
        let row_start = tail.iter().position(|byte| *byte == b'\n').map_or(tail.len(), |at| at + 1);
        bytes.extend_from_slice(&tail[row_start..]);
        Ok(Self::parse(&bytes))
    }

    /// Parses the text of a file.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        // A line counts once its end is there: what follows the last line break was cut short.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut series = Self { torn: whole < bytes.len(), ..Self::default() };
        // Our files never quote, so a stray quote must not swallow the lines behind it.
        let mut reader = ReaderBuilder::new().flexible(true).quoting(false).from_reader(&bytes[..whole]);
        let Ok(header) = reader.byte_headers() else {
            series.bad_rows = 1;
            return series;
        };
        series.columns = header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        if bytes.is_empty() {
            series.columns.clear();
            return series;
        }
        let step_at = series.column("step");
        let weights_at = series.column("weights");
        let mut record = ByteRecord::new();
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) if series.rows.len() * series.columns.len().max(4) >= MAX_VALUES => {
                    series.bad_rows += 1
                }
                Ok(true) => match series.row(&record, step_at, weights_at) {
                    Some(row) => series.rows.push(row),
                    None => series.bad_rows += 1,
                },
                Err(_) => series.bad_rows += 1,
            }
        }
        series
    }

    /// Where the column `name` stands.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// One row, or `None` where its length, step, order or a number is wrong.
    fn row(
        &self,
        record: &ByteRecord,
        step_at: Option<usize>,
        weights_at: Option<usize>,
    ) -> Option<SeriesRow> {
        if record.len() != self.columns.len() {
            return None;
        }
        let step: u64 = text(record, step_at?)?.parse().ok()?;
        let weights = match weights_at {
            Some(at) => text(record, at)?.to_owned(),
            None => String::new(),
        };
        // More rows of one step than there can be weights: the file's length must not count twice.
        let full = self.rows.len().checked_sub(MAX_WEIGHTS).is_some_and(|at| self.rows[at].step == step);
        let mut of_this_step = self.rows.iter().rev().take_while(|row| row.step == step);
        let rises = !full
            && self.rows.last().is_none_or(|last| step >= last.step)
            && !of_this_step.any(|row| row.weights == weights);
        if !rises {
            return None;
        }
        let mut values = Vec::with_capacity(record.len());
        for at in 0..record.len() {
            let field = text(record, at)?;
            values.push(if field.is_empty() || Some(at) == weights_at {
                None
            } else {
                Some(field.parse::<f64>().ok()?).filter(|value| value.is_finite())
            });
        }
        Some(SeriesRow { step, weights, values })
    }
}

/// The bytes of a log; `None` where there is none yet, an error where it is too large to be one.
pub(super) fn read_whole(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open(path)? else { return Ok(None) };
    match guard::read_at_most(&file, SIZE_LIMIT)? {
        Some(bytes) => Ok(Some(bytes)),
        None => {
            let reason =
                format!("it is larger than {} MiB, the most that is read of a log", SIZE_LIMIT >> 20);
            Err(io::Error::new(io::ErrorKind::FileTooLarge, reason))
        }
    }
}

/// Opens a log; `None` where there is none yet.
fn open(path: &Path) -> io::Result<Option<File>> {
    match guard::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn text(record: &ByteRecord, at: usize) -> Option<&str> {
    std::str::from_utf8(record.get(at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "step,weights,loss,denoise_score,images\n";

    fn parse(rows: &str) -> Series {
        Series::parse(format!("{HEADER}{rows}").as_bytes())
    }

    #[test]
    fn an_empty_field_is_not_defined_and_the_rest_is_read() {
        let series = parse("10,raw,0.5,,64\n10,ema-0.9,0.25,0.125,64\n");
        assert_eq!((series.rows.len(), series.bad_rows, series.torn), (2, 0, false));
        assert_eq!(series.rows[0].values, [Some(10.0), None, Some(0.5), None, Some(64.0)]);
        assert_eq!(series.rows[1].weights, "ema-0.9");
    }

    #[test]
    fn a_torn_tail_is_left_out_even_where_it_could_be_parsed() {
        let series = parse("10,raw,0.5,0.1,64\n20,raw,0.4,0.1,6");
        assert_eq!((series.rows.len(), series.bad_rows, series.torn), (1, 0, true));
    }

    #[test]
    fn bad_rows_are_counted_and_their_neighbours_kept() {
        let series =
            parse("10,raw,0.5,0.1,64\n\"20,raw\n30,raw,abc,0.1,64\nx,raw,1,1,64\n40,raw,0.3,0.1,64\n");
        assert_eq!(series.rows.iter().map(|row| row.step).collect::<Vec<_>>(), [10, 40]);
        assert_eq!(series.bad_rows, 3);
    }

    #[test]
    fn rows_that_step_back_or_repeat_are_isolated() {
        let series = parse("10,ema-0.9,1,1,64\n10,raw,1,1,64\n10,raw,2,2,64\n5,raw,3,3,64\n20,raw,1,1,64\n");
        assert_eq!(series.rows.len(), 3);
        assert_eq!(series.bad_rows, 2);
    }

    #[test]
    fn values_that_are_not_finite_count_as_not_defined() {
        assert_eq!(parse("10,raw,NaN,inf,64\n").rows[0].values[2..4], [None, None]);
    }

    #[test]
    fn an_empty_file_a_torn_header_and_bytes_of_no_text_give_no_rows() {
        assert_eq!(Series::parse(b""), Series::default());
        let torn = Series::parse(b"step,lo");
        assert!(torn.rows.is_empty() && torn.torn);
        let binary = Series::parse(b"step,loss\n1,\xff\xfe\n2,0.5\n");
        assert_eq!((binary.rows.len(), binary.bad_rows), (1, 1));
    }

    #[test]
    fn the_tail_of_a_long_file_has_the_same_last_row() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut body = String::from("step,loss\n");
        for step in 1..=2000 {
            body += &format!("{step},{}\n", 1.0 / f64::from(step));
        }
        std::fs::write(file.path(), &body).unwrap();
        let tail = Series::read_tail(file.path()).unwrap();
        let whole = Series::read(file.path()).unwrap();
        assert_eq!(tail.rows.last(), whole.rows.last());
        assert_eq!((tail.bad_rows, whole.rows.len()), (0, 2000));
    }
}
