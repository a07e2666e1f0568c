//! Opening files in folders that somebody else may have filled.
//!
//! In: a path. Out: an open regular file, or an error that says what is there instead. A link is not followed, and
//! nothing here waits: a pipe is opened without blocking, seen to be none of ours, and closed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Opens a file of ours for reading.
///
/// # Errors
/// It is not there, it is a link, it is not a regular file, or it may not be read.
pub fn open(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), OFlags::NOFOLLOW, path)
}

/// As [`open`], for a file that the user named: it may be a link.
///
/// # Errors
/// It is not there, it is not a regular file, or it may not be read.
pub fn open_linked(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), OFlags::empty(), path)
}

/// Opens a file of ours for reading and for writing at its end. What has a second name (a hard link) is refused: it
/// may be the name of somebody else's file.
///
/// # Errors
/// As [`open`], or it may not be written.
pub fn append(path: &Path) -> io::Result<File> {
    only_name(regular(OpenOptions::new().read(true).append(true), OFlags::NOFOLLOW, path)?)
}

/// As [`append`]; makes the file where there is none.
///
/// # Errors
/// As [`append`], or it cannot be made.
pub fn append_or_create(path: &Path) -> io::Result<File> {
    only_name(regular(OpenOptions::new().read(true).append(true).create(true), OFlags::NOFOLLOW, path)?)
}

/// As [`append_or_create`], for a file that is written from its start.
///
/// # Errors
/// As [`append_or_create`].
pub fn write_or_create(path: &Path) -> io::Result<File> {
    only_name(regular(OpenOptions::new().read(true).write(true).create(true), OFlags::NOFOLLOW, path)?)
}

fn only_name(file: File) -> io::Result<File> {
    let names = file.metadata()?.nlink();
    if names > 1 {
        let reason = format!("it has {names} names (hard links), and a change would show under all; copy it");
        return Err(io::Error::other(reason));
    }
    Ok(file)
}

/// The whole of a file that is open; `None` where it is longer than `limit` bytes, of which then none is read.
///
/// # Errors
/// It cannot be read.
pub fn read_at_most(file: &File, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let length = file.metadata()?.len();
    if length > limit {
        return Ok(None);
    }
    // A file may grow between the two looks at it.
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Whether a path's last part is a link, whatever it leads to.
pub fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

fn regular(options: &mut OpenOptions, follow: OFlags, path: &Path) -> io::Result<File> {
    let flags = follow | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = options.custom_flags(flags.bits() as i32).open(path);
    let file = opened.map_err(|error| explained(error, path))?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// What is there where it could not be opened for its kind: a link, a folder, a socket, a pipe that nobody reads.
fn explained(error: io::Error, path: &Path) -> io::Error {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() && Errno::from_io_error(&error) == Some(Errno::LOOP) => {
            io::Error::other("it is a link, which is not followed")
        }
        Ok(found) if !found.is_file() && !found.is_symlink() => io::Error::other("it is not a regular file"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_no_file_of_ours_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nowhere"), at("dead")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RWXU).unwrap();
        fs::hard_link(at("file"), at("second")).unwrap();
        for name in ["folder", "link", "dead", "socket", "pipe"] {
            for opened in [open(&at(name)), append(&at(name))] {
                let text = opened.unwrap_err().to_string();
                let expected = ["it is a link, which is not followed", "it is not a regular file"];
                assert!(expected.contains(&text.as_str()), "{name}: {text}");
            }
        }
        assert!(append(&at("second")).unwrap_err().to_string().contains("2 names"));
        assert!(open_linked(&at("pipe")).is_err());
        let text = |file: File, limit| read_at_most(&file, limit).unwrap();
        assert_eq!(text(open_linked(&at("link")).unwrap(), 4), Some(b"text".to_vec()));
        assert_eq!(text(open(&at("file")).unwrap(), 3), None);
        assert!(!at("nowhere").exists() && is_link(&at("dead")));
    }
}
