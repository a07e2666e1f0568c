//! The one seam between the run tree and a disk: everything a file system is asked, and nothing else.
//!
//! [`Disk`] is the real one. Tests put a simulated one in its place that forgets what was never synced,
//! which no test on a real machine can make a disk do.

mod disk;
#[cfg(test)]
pub(super) mod simulated;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

pub use disk::Disk;

/// What stands under a name; a link is never followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a pipe, a socket, a device: nothing that we ever write.
    Other,
}

/// What is known of an entry without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Length of a file.
    pub bytes: u64,
}

/// An open regular file.
pub trait FsFile: Read + Write + Seek + Send + fmt::Debug {
    /// Forces the content to the disk.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
}

/// A file system. No operation follows a link in the last part of a path, and none blocks on a pipe.
pub trait Fs: Send + Sync + fmt::Debug {
    /// Opens an existing regular file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Opens an existing regular file for reading, and for writing at its end.
    fn append(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Creates a file that does not exist.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Creates a folder that does not exist.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Moves a file over whatever file has the new name, or a folder to a name that is free.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Deletes a file, or a link itself.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Deletes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder's entries durable: a rename or a new file survives a power cut only after this.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// What stands under a name.
    fn entry(&self, path: &Path) -> io::Result<Entry>;
    /// The names in a folder, in no order.
    fn names(&self, path: &Path) -> io::Result<Vec<OsString>>;
    /// Bytes that may still be written beside `path`; `None` where unknown.
    fn free_bytes(&self, path: &Path) -> Option<u64>;
}
