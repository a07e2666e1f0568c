//! Opening files that stay open and are written in place: locks and logs.
//!
//! In: a path in a folder that anybody may have prepared. Out: a regular file, or an error that names it. A link
//! is not followed, so that nothing outside the folder is written; a pipe does not block.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::RunDirError;

/// Opens as `options` say; what is there and is no regular file counts as damage, not as a failing disk.
pub fn open(path: &Path, options: &mut OpenOptions) -> Result<File, RunDirError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    // Every flag of open(2) fits; the system's own type is signed.
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
    let file = opened.map_err(|source| refused(path, source))?;
    let kind = file.metadata().map_err(|source| RunDirError::io("read", path, source))?.file_type();
    if kind.is_file() {
        // A regular file takes no notice of the flag.
        return Ok(file);
    }
    Err(irregular(path))
}

/// Opens for appending, and creates what is missing.
pub fn append(path: &Path) -> Result<File, RunDirError> {
    open(path, OpenOptions::new().create(true).append(true))
}

fn refused(path: &Path, source: io::Error) -> RunDirError {
    // A link, a folder, and a pipe that nobody reads.
    let kinds = [Errno::LOOP, Errno::ISDIR, Errno::NXIO].map(Errno::raw_os_error);
    match source.raw_os_error() {
        Some(code) if kinds.contains(&code) => irregular(path),
        _ => RunDirError::io("open", path, source),
    }
}

fn irregular(path: &Path) -> RunDirError {
    RunDirError::malformed(path, "not a regular file; move it away to go on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_folders_pipes_and_sockets_are_refused_at_once_and_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("canary"), "untouched").unwrap();
        std::os::unix::fs::symlink(path("canary"), path("link")).unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("dangling")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RWXU).unwrap();
        for name in ["link", "dangling", "folder", "socket", "pipe"] {
            for writes in [false, true] {
                let mut options = OpenOptions::new();
                options.read(!writes || name == "pipe").write(writes).create(writes);
                let error = open(&path(name), &mut options).unwrap_err();
                assert!(!error.is_storage(), "{name}: {error}");
                let expected = format!("{name} is damaged: not a regular file; move it away to go on");
                assert!(error.to_string().ends_with(&expected), "{error}");
            }
            assert!(append(&path(name)).is_err(), "{name}");
        }
        assert!(!path("nowhere").exists());
        assert_eq!(std::fs::read_to_string(path("canary")).unwrap(), "untouched");
    }

    #[test]
    fn appending_keeps_what_is_there() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for line in ["one\n", "two\n"] {
            append(&path).unwrap().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
