//! How much room there is for decoded images.
//!
//! In: the cache's folder. Out: how many bytes a new cache file may have, and how many may be held in memory
//! where there is no cache.

use std::path::Path;

/// Never taken: runs write checkpoints to the same disk.
const RESERVE_BYTES: u64 = 10 << 30;
/// The reserve of a small disk, as a part of the whole.
const RESERVE_SHARE: u64 = 20;
/// Every worker without a cache holds its own copy.
const MEMORY_BYTES: u64 = 1 << 30;

/// Bytes that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// By a file in the cache.
    pub(super) disk: u64,
    /// By images in memory.
    pub(super) memory: u64,
}

impl Room {
    /// Asks the file system of a folder that exists; where it does not answer, writing will tell.
    pub(super) fn of(folder: &Path) -> Self {
        let disk = match rustix::fs::statvfs(folder) {
            Ok(answer) => {
                let reserve =
                    (answer.f_blocks.saturating_mul(answer.f_frsize) / RESERVE_SHARE).min(RESERVE_BYTES);
                answer.f_bavail.saturating_mul(answer.f_frsize).saturating_sub(reserve)
            }
            Err(_) => u64::MAX,
        };
        Self { disk, memory: MEMORY_BYTES }
    }
}

/// A number of bytes for people: "1.5 GB".
pub(super) fn human(bytes: u64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let unit = units.into_iter().find(|(size, _)| bytes as f64 >= *size);
    unit.map_or_else(|| format!("{bytes} bytes"), |(size, name)| format!("{:.1} {name}", bytes as f64 / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_keeps_a_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let answer = rustix::fs::statvfs(folder.path()).unwrap();
        let available = answer.f_bavail * answer.f_frsize;
        let room = Room::of(folder.path());
        assert!(room.disk < available && available - room.disk <= RESERVE_BYTES + (1 << 30));
        assert_eq!(Room::of(Path::new("/nowhere at all")).disk, u64::MAX);
    }

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        assert_eq!(
            [0, 999, 1000, 1_550_000, 251_700_000_000].map(human),
            ["0 bytes", "999 bytes", "1.0 kB", "1.6 MB", "251.7 GB"]
        );
    }
}
