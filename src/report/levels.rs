//! A run's denoising curves, and the scores they have over a part of the log-SNR axis.
//!
//! In: `levels.csv`. Out: [`Levels`], one curve per step and weights; what cannot be read is counted, never
//! fatal.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use super::series;

/// Above what a run of a million steps evaluates.
const MAX_ROWS: usize = 1 << 20;

/// Points `(log-SNR, mean squared error of ε)`, rising.
pub(super) type Curve = Vec<(f64, f64)>;

/// The curves of one file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Levels {
    /// By weights, then step.
    curves: BTreeMap<String, BTreeMap<u64, Curve>>,
    /// Complete rows that could not be read.
    pub(super) bad_rows: usize,
}

impl Levels {
    /// Reads a whole file; a missing one is empty.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Ok(series::read_whole(path)?.map_or_else(Self::default, |bytes| Self::parse(&bytes)))
    }

    /// Parses the text of a file; a last line without its end is left out.
    fn parse(bytes: &[u8]) -> Self {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut levels = Self::default();
        let mut reader = ReaderBuilder::new().flexible(true).quoting(false).from_reader(&bytes[..whole]);
        let Ok(header) = reader.byte_headers().cloned() else { return levels };
        let column = |name: &str| header.iter().position(|column| column == name.as_bytes());
        let names = ["step", "weights", "log_snr", "eps_mse"].map(column);
        let [Some(step), Some(weights), Some(log_snr), Some(eps_mse)] = names else { return levels };
        let (mut record, mut rows) = (ByteRecord::new(), 0);
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) if rows == MAX_ROWS => levels.bad_rows += 1,
                Ok(true) => {
                    rows += 1;
                    let point = || {
                        let step: u64 = number(&record, step)?;
                        let (x, y): (f64, f64) = (number(&record, log_snr)?, number(&record, eps_mse)?);
                        let point = x.is_finite() && y.is_finite() && record.len() == header.len();
                        point.then_some((step, text(&record, weights)?.to_owned(), (x, y)))
                    };
                    match point() {
                        Some((step, weights, point)) => {
                            levels.curves.entry(weights).or_default().entry(step).or_default().push(point);
                        }
                        None => levels.bad_rows += 1,
                    }
                }
                Err(_) => levels.bad_rows += 1,
            }
        }
        for curve in levels.curves.values_mut().flat_map(BTreeMap::values_mut) {
            curve.sort_by(|left, right| left.0.total_cmp(&right.0));
            curve.dedup_by(|left, right| left.0 == right.0);
        }
        levels
    }

    /// The curves of these weights by step.
    pub(super) fn of(&self, weights: &str) -> impl Iterator<Item = (u64, &Curve)> {
        self.curves.get(weights).into_iter().flatten().map(|(step, curve)| (*step, curve))
    }
}

fn number<T: std::str::FromStr>(record: &ByteRecord, at: usize) -> Option<T> {
    text(record, at)?.parse().ok()
}

fn text(record: &ByteRecord, at: usize) -> Option<&str> {
    std::str::from_utf8(record.get(at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "step,weights,k,t,log_snr,eps_mse,x0_mse,n,se\n";

    #[test]
    fn curves_come_by_weights_and_step_and_damage_is_counted() {
        let rows = "10,raw,1,5,2.5,0.5,1,16,0.1\n10,raw,0,9,-3,0.25,1,16,0.1\n10,ema-0.9,0,9,-3,0.125,1,16,0.1\n\
            x,raw\n20,raw,0,9,-3,nan,1,16,0.1\n20,raw,0,9,-3,0.75,1,16,0.1\n20,raw,1,5,2.5,0.";
        let levels = Levels::parse(format!("{HEADER}{rows}").as_bytes());
        let raw: Vec<(u64, Curve)> = levels.of("raw").map(|(step, curve)| (step, curve.clone())).collect();
        assert_eq!(raw, [(10, vec![(-3.0, 0.25), (2.5, 0.5)]), (20, vec![(-3.0, 0.75)])]);
        assert_eq!((levels.bad_rows, levels.of("ema-0.99").count()), (2, 0));
        assert_eq!(Levels::parse(b"step,loss\n1,2\n"), Levels::default());
    }
}
