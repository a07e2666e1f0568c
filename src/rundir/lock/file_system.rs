//! What a file system makes of locks. In: a path, or an error. Out: whether a lock is worth something there.

use std::io;
use std::path::Path;

use rustix::io::Errno;

/// The name of a network file system on which locks may not reach other hosts; `None` for a local one.
pub fn network_file_system(path: &Path) -> Option<&'static str> {
    #[cfg(target_os = "linux")]
    {
        // Magic numbers of statfs(2).
        match rustix::fs::statfs(path).ok()?.f_type as u64 & 0xffff_ffff {
            0x6969 => Some("NFS"),
            0xff53_4d42 | 0xfe53_4d42 | 0x517b => Some("SMB"),
            0x0bd0_0bd0 => Some("Lustre"),
            0x0102_1997 => Some("9p"),
            0x6573_5546 => Some("FUSE"),
            0x00c3_6400 => Some("Ceph"),
            0x4750_4653 => Some("GPFS"),
            0x1983_0326 => Some("BeeGFS"),
            0x5346_414f | 0x6b41_4653 => Some("AFS"),
            0x7461_636f => Some("OCFS2"),
            0x0116_1970 => Some("GFS2"),
            _ => None,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

/// Whether an answer to `try_lock` means that this file system has no locks at all: an NFS server without its
/// lock service, Lustre mounted without `flock`.
pub(super) fn has_no_locks(error: &io::Error) -> bool {
    let codes = [Errno::NOLCK, Errno::NOSYS].map(Errno::raw_os_error);
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_lock_service_is_told_from_a_failing_disk() {
        for errno in [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP] {
            assert!(has_no_locks(&errno.into()), "{errno:?}");
        }
        assert!(!has_no_locks(&Errno::IO.into()));
    }

    #[test]
    fn a_folder_for_temporary_files_is_on_no_network() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(network_file_system(folder.path()), None);
    }
}
