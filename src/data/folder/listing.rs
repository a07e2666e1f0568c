//! The picture files below a folder, in a fixed order.
//!
//! In: a folder. Out: relative paths, sorted name by name, and a hash of what the file system says of them.
//! Links are followed, but no folder is entered twice, so a cycle of links ends. Names that begin with a dot
//! are left out. A file with the extension of a PNG, JPEG or WebP file is a picture, whatever it holds; one
//! with an extension that says nothing is looked into.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::super::error::Error;
use super::super::picture::is_picture;
use super::super::reader::stamp;

const READ: &[&str] = &["png", "jpg", "jpeg", "jpe", "jfif", "webp"];
/// Pictures that are not read: worth a word.
const NOT_READ: &[&str] =
    &["avif", "bmp", "gif", "heic", "heif", "jp2", "jxl", "pbm", "pgm", "pnm", "ppm", "tga", "tif", "tiff"];
/// What often lies beside pictures, a file for each; opening them all would take time.
const BESIDE: &[&str] =
    &["csv", "html", "json", "jsonl", "md", "npy", "npz", "tsv", "txt", "xml", "yaml", "yml"];

/// The pictures below a folder.
#[derive(Debug)]
pub(super) struct Listing {
    root: PathBuf,
    names: Vec<Box<Path>>,
    /// How many pictures of which extension are not read.
    others: BTreeMap<String, usize>,
    stamp: blake3::Hash,
}

impl Listing {
    /// Lists a folder.
    pub(super) fn of(root: &Path) -> Result<Self, Error> {
        let mut listing = Self::empty(root);
        let mut hasher = blake3::Hasher::new();
        let mut entered: HashSet<_> = fs::metadata(root).iter().map(inode).collect();
        let walk = WalkDir::new(root).follow_links(true).min_depth(1).sort_by_file_name();
        let mut entries = walk.into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.loop_ancestor().is_some() || is_dead_link(&error) => continue,
                Err(error) => return Err(walk_error(root, error)),
            };
            if is_hidden(&entry) || is_entered_again(&entry, &mut entered) {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
            } else if entry.file_type().is_file() && listing.wants(entry.path())? {
                let metadata = entry.metadata().map_err(|error| walk_error(root, error))?;
                let name = entry.path().strip_prefix(root).expect("a walk stays below its root");
                let stamp = stamp(&metadata);
                for text in [name.as_os_str().as_encoded_bytes(), stamp.as_bytes()] {
                    hasher.update(&(text.len() as u64).to_le_bytes()).update(text);
                }
                listing.names.push(name.into());
            }
        }
        listing.stamp = hasher.finalize();
        Ok(listing)
    }

    /// A listing of nothing.
    pub(super) fn empty(root: &Path) -> Self {
        let stamp = blake3::Hasher::new().finalize();
        Self { root: root.to_owned(), names: Vec::new(), others: BTreeMap::new(), stamp }
    }

    /// Counts a picture of a kind that is not read, if it is one.
    fn wants(&mut self, path: &Path) -> Result<bool, Error> {
        let extension = extension(path);
        if is_one_of(READ, &extension) {
            return Ok(true);
        }
        if is_one_of(NOT_READ, &extension) {
            *self.others.entry(extension).or_default() += 1;
            return Ok(false);
        }
        if is_one_of(BESIDE, &extension) {
            return Ok(false);
        }
        let mut start = Vec::with_capacity(16);
        let file = File::open(path).map_err(Error::io("open", path))?;
        file.take(16).read_to_end(&mut start).map_err(Error::io("read", path))?;
        Ok(is_picture(&start))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The path of a picture below the folder.
    pub(super) fn name(&self, position: usize) -> &Path {
        &self.names[position]
    }

    /// The path of a picture.
    pub(super) fn path(&self, position: usize) -> PathBuf {
        self.root.join(self.name(position))
    }

    /// Changes when a file comes, goes or is written.
    pub(super) fn stamp(&self) -> blake3::Hash {
        self.stamp
    }

    /// What is not read: "3 gif".
    pub(super) fn others(&self) -> Vec<String> {
        self.others.iter().map(|(extension, count)| format!("{count} {extension}")).collect()
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Whether this folder has been listed under another name: links may lead to it in several ways.
fn is_entered_again(entry: &DirEntry, entered: &mut HashSet<(u64, u64)>) -> bool {
    if !entry.file_type().is_dir() {
        return false;
    }
    entry.metadata().is_ok_and(|metadata| !entered.insert(inode(&metadata)))
}

fn inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether a link leads nowhere and would not be a picture anyway; one that should be a picture is an error.
fn is_dead_link(error: &walkdir::Error) -> bool {
    let dead = error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
    dead && error.depth() > 0 && error.path().is_some_and(|path| !is_one_of(READ, &extension(path)))
}

fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn is_one_of(list: &[&str], extension: &str) -> bool {
    list.contains(&extension)
}

fn walk_error(root: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(root).to_owned();
    let source = error.into_io_error().unwrap_or_else(|| io::Error::other("a cycle of links"));
    Error::io("list", &path)(source)
}
