//! Rows that are written read back as the same: by a CSV reader nobody here wrote, and by the log itself.

use proptest::prelude::*;

use super::*;
use crate::rundir::Disk;

const HEADER: &[&str] = &["step", "loss", "name", "gap"];

/// A row, owned.
#[derive(Debug, Clone)]
struct Row {
    step: u64,
    loss: f64,
    name: String,
    gap: Option<f64>,
}

impl Row {
    fn cells(&self) -> [Cell<'_>; 4] {
        [self.step.into(), self.loss.into(), self.name.as_str().into(), self.gap.into()]
    }
}

/// Any bits: subnormal numbers, both zeros, infinities, every NaN.
fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<f64>(),
        (0..1_u64 << 52).prop_map(f64::from_bits),
        prop::sample::select(vec![
            0.0,
            -0.0,
            5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
            1e16,
            1e-5
        ]),
    ]
}

fn any_row() -> impl Strategy<Value = Row> {
    let name = prop_oneof![".*", "[\",\r\n a-c]{0,12}"];
    (any::<u64>(), any_float(), name, prop::option::of(any_float())).prop_map(|(step, loss, name, gap)| Row {
        step,
        loss,
        name,
        gap,
    })
}

/// The same number to the last bit; every NaN counts as one.
fn same(found: f64, written: f64) -> bool {
    found.to_bits() == written.to_bits() || found.is_nan() && written.is_nan()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_read_back_as_they_were_written(rows in prop::collection::vec(any_row(), 1..5)) {
        // In memory, where there is such a file system: what is asked is no matter of a disk.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = folder.path().join("x.csv");
        let mut log = CsvLog::open(&Disk, &path, HEADER).unwrap();
        let (first, others) = rows.split_first().unwrap();
        log.append(&first.cells()).unwrap();
        let cells: Vec<[Cell<'_>; 4]> = others.iter().map(Row::cells).collect();
        log.append_all(cells.iter().map(|row| &row[..])).unwrap();
        let mark = log.mark().unwrap();
        let text = std::fs::read(&path).unwrap();
        prop_assert_eq!(mark.bytes, text.len() as u64);
        prop_assert_eq!(mark.blake3, blake3::hash(&text).to_hex().to_string());

        let mut reader = csv::Reader::from_reader(&text[..]);
        prop_assert_eq!(reader.headers().unwrap(), HEADER);
        let found: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(found.len(), rows.len());
        for (found, row) in found.iter().zip(&rows) {
            prop_assert_eq!(found[0].parse::<u64>().unwrap(), row.step);
            prop_assert!(same(found[1].parse().unwrap(), row.loss), "{} of {:e}", &found[1], row.loss);
            prop_assert_eq!(&found[2], row.name.as_str());
            match row.gap {
                Some(gap) => prop_assert!(same(found[3].parse().unwrap(), gap), "{} of {gap:e}", &found[3]),
                None => prop_assert_eq!(&found[3], ""),
            }
        }
        // Opened again, the log stands where it stood.
        prop_assert_eq!(CsvLog::open(&Disk, &path, HEADER).unwrap().mark().unwrap().bytes, text.len() as u64);
    }
}
