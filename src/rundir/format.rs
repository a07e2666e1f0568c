//! Versions of the files we write. A file of a newer version is refused by name, never guessed at.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::RunDirError;

/// Version of `status.json`.
pub const STATUS_FORMAT: u32 = 1;
/// Version of a checkpoint's `manifest.json`.
pub const MANIFEST_FORMAT: u32 = 1;
/// Version of `provenance.json`.
pub const PROVENANCE_FORMAT: u32 = 1;

#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// Parses JSON that carries a `format` number, which is looked at first: a newer file may have fields
/// this program would call damage.
pub(crate) fn parse<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    what: &'static str,
    known: u32,
) -> Result<T, RunDirError> {
    let version: Versioned =
        serde_json::from_str(text).map_err(|error| RunDirError::malformed(path, error))?;
    if version.format > known {
        return Err(RunDirError::Newer { path: path.to_path_buf(), what, found: version.format, known });
    }
    serde_json::from_str(text).map_err(|error| RunDirError::malformed(path, error))
}
