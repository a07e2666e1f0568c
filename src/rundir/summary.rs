//! `summary.csv`: one row a run, rewritten whole.
//!
//! In: a header and plain cells. Out: the file, replaced by rename.

use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::Duration;

use super::files;
use super::{Disk, ExperimentDir, RunDirError};

/// A table is written in milliseconds.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// Writes the table. No lock is needed: `run` and `status` both write the whole of what they see.
pub fn write(experiment: &ExperimentDir, header: &[String], rows: &[Vec<String>]) -> Result<(), RunDirError> {
    let path = experiment.summary_path();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = std::iter::once(header)
        .chain(rows.iter().map(Vec::as_slice))
        .try_for_each(|row| writer.write_record(row));
    written.map_err(|error| RunDirError::malformed(&path, error))?;
    let bytes = writer.into_inner().map_err(|error| RunDirError::malformed(&path, error))?;
    files::replace_shared(&Disk, &path, &bytes)?;
    remove_leftovers(&path);
    Ok(())
}

/// Deletes what kills left beside the table long ago: a younger one may be another process's at this moment. Whatever
/// cannot be deleted does no harm.
fn remove_leftovers(path: &Path) {
    let old = |found: &DirEntry| {
        let modified = found.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > LEFT_BEHIND))
    };
    let Ok(beside) = fs::read_dir(files::parent_of(path)) else { return };
    for found in beside.flatten().filter(|found| files::is_temporary_of(path, &found.file_name())) {
        if old(&found) {
            let _ = fs::remove_file(found.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kill_left_long_ago_goes_and_what_is_written_now_stays() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        let names =
            [".summary.csv.123.tmp", ".summary.csv.124.tmp", ".summary.csv.mine.tmp", "summary.csv.123.tmp"];
        for name in names {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            let age = if name.contains("124") { Duration::ZERO } else { 2 * LEFT_BEHIND };
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
        }
        write(&experiment, &["variant".to_owned()], &[]).unwrap();
        let left = names.map(|name| folder.path().join(name).exists());
        assert_eq!(left, [false, true, true, true]);
    }

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
