//! `summary.csv`: one row a run, rewritten whole.
//!
//! In: a header and plain cells. Out: the file, replaced by rename.

use super::files;
use super::{Disk, ExperimentDir, RunDirError};

/// Writes the table. No lock is needed: `run` and `status` both write the whole of what they see.
pub fn write(experiment: &ExperimentDir, header: &[String], rows: &[Vec<String>]) -> Result<(), RunDirError> {
    let path = experiment.summary_path();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = std::iter::once(header)
        .chain(rows.iter().map(Vec::as_slice))
        .try_for_each(|row| writer.write_record(row));
    written.map_err(|error| RunDirError::malformed(&path, error))?;
    let bytes = writer.into_inner().map_err(|error| RunDirError::malformed(&path, error))?;
    files::replace_shared(&Disk, &path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_commas_are_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        let header = ["variant", "model.channel_multipliers"].map(str::to_owned);
        write(&experiment, &header, &[vec!["a-1".to_owned(), "[1,2]".to_owned()]]).unwrap();
        assert_eq!(
            std::fs::read_to_string(experiment.summary_path()).unwrap(),
            "variant,model.channel_multipliers\na-1,\"[1,2]\"\n"
        );
    }
}
