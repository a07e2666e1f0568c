//! The course of a run's loss, from a few kilobytes of its `metrics.csv` whatever its length.

use std::io::{Read, Seek, SeekFrom};

use crate::guard;
use crate::launch::progress::spark;
use crate::rundir::{METRICS_HEADER, RunDir};

/// Blocks that are shown.
pub(super) const WIDTH: usize = 12;
/// Places of a long log that are looked at, and bytes at each: more than a row.
const PLACES: u64 = 4 * WIDTH as u64;
const PIECE: u64 = 512;

/// The loss over the run so far; empty where there is too little of it, or nothing to read.
pub(super) fn of(run: &RunDir) -> String {
    spark(&losses(run).unwrap_or_default(), WIDTH)
}

fn losses(run: &RunDir) -> Option<Vec<f64>> {
    let mut file = guard::open(&run.metrics_path()).ok()?;
    let length = file.metadata().ok()?.len();
    if length <= PLACES * PIECE {
        let mut text = String::new();
        file.take(PLACES * PIECE).read_to_string(&mut text).ok()?;
        // What follows the last line break is half a row.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        return Some(whole.lines().skip(1).filter_map(loss).collect());
    }
    let mut found = Vec::new();
    for place in 0..PLACES {
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(place * (length - PIECE) / (PLACES - 1))).ok()?;
        file.by_ref().take(PIECE).read_to_end(&mut piece).ok()?;
        // Of the lines in a piece the first may be cut at its start and the last at its end.
        let lines = piece.split(|byte| *byte == b'\n').skip(1).take_while(|line| !line.is_empty());
        let rows: Vec<&[u8]> = lines.collect();
        let row = if piece.ends_with(b"\n") { rows.last() } else { rows.iter().rev().nth(1) };
        found.extend(row.and_then(|row| loss(std::str::from_utf8(row).ok()?)));
    }
    Some(found)
}

fn loss(row: &str) -> Option<f64> {
    let cells: Vec<&str> = row.split(',').collect();
    let place = METRICS_HEADER.iter().position(|name| *name == "loss")?;
    (cells.len() == METRICS_HEADER.len()).then(|| cells[place].parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rows: usize, end: &str) -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        let row = |step: usize| format!("{step},0,0,{},,,,,,,\n", rows - step);
        let rows: String = (0..rows).map(row).collect();
        std::fs::write(run.metrics_path(), METRICS_HEADER.join(",") + "\n" + &rows + end).unwrap();
        (folder, run)
    }

    #[test]
    fn a_falling_loss_falls_whatever_the_length_of_its_log() {
        for rows in [12, 600, 200_000] {
            assert_eq!(of(&run(rows, "").1), "█▇▇▆▅▅▄▄▃▂▂▁", "{rows} rows");
        }
    }

    #[test]
    fn a_torn_row_and_foreign_lines_are_left_out() {
        assert_eq!(losses(&run(3, "3,0,0,9").1), Some(vec![3.0, 2.0, 1.0]));
        assert_eq!(losses(&run(2, "words\n7,0,0,x,,,,,,,\n").1), Some(vec![2.0, 1.0]));
        assert_eq!(of(&RunDir::at("nowhere")), "");
    }
}
