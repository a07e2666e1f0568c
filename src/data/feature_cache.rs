//! Features of real images, kept on disk: an extractor sees each image of a data set once.
//!
//! In: the cache's folder and a text of all that the features depend on. Out: rows of 32-bit floats, or nothing where
//! there is no whole file of just that text. The file `cache/features-<key>.bin`, all numbers little-endian:
//!
//! ```text
//! magic 8 | version 8 | images 8 | width 8 | hash 32    64 bytes
//! features 4 each, row after row
//! ```
//! `key` is a hash of the text; the hash in the file covers the text, the header and every feature. A file is written
//! under a temporary name, synced and renamed. The folder is taken as it is found: a worker makes none. No more than 16
//! of these files are kept, the ones that were written last.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::cache_file::{TEMPORARY_SUFFIX, put_in_place, temporary};
use super::cache_folder::remove_stale;
use super::room::{Room, human};
use crate::guard;

const MAGIC: &[u8; 8] = b"ABLATEFT";
const VERSION: u64 = 1;
const HEADER_BYTES: usize = 64;
/// Begins the name of every file.
const FAMILY: &str = "features-";
/// 50,000 images of 2,048 features are 0.4 GB.
const MOST_BYTES: u64 = 4 << 30;
/// Files that are kept.
const MOST_FILES: usize = 16;
/// Above the width of any published extractor.
const MAX_WIDTH: u64 = 1 << 16;

/// Where the features of some images, by some extractor, are kept.
#[derive(Debug)]
pub struct FeatureCache {
    folder: PathBuf,
    text: String,
    images: usize,
}

/// Features that were found.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedFeatures {
    /// Row after row.
    pub values: Vec<f32>,
    /// Length of a row.
    pub width: usize,
}

impl FeatureCache {
    /// In `data_dir`, for as many images; `text` names extractor, images and whatever else decides the features.
    #[must_use]
    pub fn new(data_dir: &Path, text: String, images: usize) -> Self {
        Self { folder: data_dir.join("cache"), text, images }
    }

    /// Where they are, or would be.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let key =
            blake3::Hasher::new_derive_key("ablate feature key v1").update(self.text.as_bytes()).finalize();
        self.folder.join(format!("{FAMILY}{}.bin", &key.to_hex()[..16]))
    }

    /// Reads them; `None` where there are none.
    ///
    /// # Errors
    /// What is wrong with the file that is there.
    pub fn read(&self) -> Result<Option<CachedFeatures>, String> {
        if guard::is_link(&self.folder) {
            return Ok(None);
        }
        let file = match guard::open(&self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| error.to_string())?,
        };
        let bytes = guard::read_at_most(&file, MOST_BYTES).map_err(|error| error.to_string())?;
        self.parsed(&bytes.ok_or("it is larger than any of ours")?).map(Some)
    }

    fn parsed(&self, bytes: &[u8]) -> Result<CachedFeatures, String> {
        let Some((header, body)) = bytes.split_at_checked(HEADER_BYTES) else {
            return Err("it is cut short".to_owned());
        };
        let word = |i: usize| u64::from_le_bytes(std::array::from_fn(|k| header[8 * i + k]));
        if header[..8] != *MAGIC || word(1) != VERSION {
            return Err("it has another format".to_owned());
        }
        let (images, width) = (word(2), word(3));
        let sized = (1..=MAX_WIDTH).contains(&width) && body.len() as u64 == self.images as u64 * width * 4;
        if images != self.images as u64 || !sized {
            return Err("it holds other images".to_owned());
        }
        if header != self.header(width, body) {
            return Err("its features are damaged".to_owned());
        }
        let values = body.chunks_exact(4).map(|value| f32::from_le_bytes(std::array::from_fn(|k| value[k])));
        Ok(CachedFeatures { values: values.collect(), width: width as usize })
    }

    /// Keeps features, in place of a damaged file too.
    ///
    /// # Errors
    /// Why they are not kept: there is no folder, no room, or the system refuses.
    pub fn write(&self, values: &[f32], width: usize) -> Result<(), String> {
        if guard::is_link(&self.folder) || !self.folder.is_dir() {
            return Err(format!("{} is no folder; `ablate run` makes it", self.folder.display()));
        }
        let needed = (HEADER_BYTES + 4 * values.len()) as u64;
        let room = Room::of(&self.folder).disk.min(MOST_BYTES);
        if needed > room {
            return Err(format!("they would take {}, and {} can be spared", human(needed), human(room)));
        }
        self.store(values, width).map_err(|error| error.to_string())?;
        remove_stale(&self.folder);
        self.remove_oldest();
        Ok(())
    }

    fn store(&self, values: &[f32], width: usize) -> io::Result<()> {
        let body: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut temporary = temporary(&self.folder, FAMILY, &format!(".bin{TEMPORARY_SUFFIX}"))?;
        temporary.write_all(&self.header(width as u64, &body))?;
        temporary.write_all(&body)?;
        temporary.as_file().sync_all()?;
        put_in_place(temporary, &self.folder, &self.path())
    }

    fn header(&self, width: u64, body: &[u8]) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(MAGIC);
        for (place, word) in [VERSION, self.images as u64, width].into_iter().enumerate() {
            header[8 * (place + 1)..][..8].copy_from_slice(&word.to_le_bytes());
        }
        let mut hasher = blake3::Hasher::new_derive_key("ablate features v1");
        hasher.update(&(self.text.len() as u64).to_le_bytes()).update(self.text.as_bytes());
        let hash = hasher.update(&header[..32]).update(body).finalize();
        header[32..].copy_from_slice(hash.as_bytes());
        header
    }

    /// Best effort: a file that resists is somebody else's.
    fn remove_oldest(&self) {
        let ours = |entry: &fs::DirEntry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(FAMILY) && name.ends_with(".bin")
        };
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten().filter(ours);
        let mut written: Vec<_> = entries
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .filter(|(_, path)| *path != self.path())
            .collect();
        written.sort_by(|a, b| b.cmp(a));
        for (_, path) in written.iter().skip(MOST_FILES - 1) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cache")).unwrap();
        folder
    }

    fn cache(folder: &tempfile::TempDir, text: &str) -> FeatureCache {
        FeatureCache::new(folder.path(), text.to_owned(), 3)
    }

    const VALUES: [f32; 6] = [0.5, -1.0, f32::MIN_POSITIVE, 3e9, 0.0, 7.25];

    #[test]
    fn what_was_kept_comes_back_for_the_same_text_alone() {
        let folder = folder();
        let kept = cache(&folder, "one extractor");
        assert_eq!(kept.read(), Ok(None));
        kept.write(&VALUES, 2).unwrap();
        assert_eq!(kept.read(), Ok(Some(CachedFeatures { values: VALUES.to_vec(), width: 2 })));
        let other = cache(&folder, "another");
        assert_eq!(other.read(), Ok(None));
        // A file under another's name is not taken for it.
        fs::copy(kept.path(), other.path()).unwrap();
        assert_eq!(other.read(), Err("its features are damaged".to_owned()));
        let fewer = FeatureCache { images: 2, ..cache(&folder, "one extractor") };
        assert_eq!(fewer.read(), Err("it holds other images".to_owned()));
    }

    #[test]
    fn damage_anywhere_is_seen_and_mended_by_writing_again() {
        let folder = folder();
        let kept = cache(&folder, "x");
        kept.write(&VALUES, 2).unwrap();
        let whole = fs::read(kept.path()).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(kept.path(), damaged).unwrap();
            assert!(kept.read().is_err(), "byte {at}");
        }
        for length in [0, 63, 64, whole.len() - 1] {
            fs::write(kept.path(), &whole[..length]).unwrap();
            assert!(kept.read().is_err(), "{length} bytes");
        }
        kept.write(&VALUES, 2).unwrap();
        assert_eq!(fs::read(kept.path()).unwrap(), whole);
    }

    #[test]
    fn without_a_folder_nothing_is_made() {
        let empty = tempfile::tempdir().unwrap();
        let nowhere = cache(&empty, "x");
        assert_eq!(nowhere.read(), Ok(None));
        assert!(nowhere.write(&VALUES, 2).unwrap_err().contains("`ablate run` makes it"));
        std::os::unix::fs::symlink(folder().path(), empty.path().join("cache")).unwrap();
        assert!(nowhere.write(&VALUES, 2).is_err());
        assert_eq!(nowhere.read(), Ok(None));
    }

    #[test]
    fn the_files_written_last_are_kept_and_others_left_alone() {
        let folder = folder();
        let image_cache = folder.path().join("cache/shapes-1x8x8-0-0.bin");
        fs::write(&image_cache, "").unwrap();
        for k in 0..MOST_FILES + 3 {
            let kept = cache(&folder, &k.to_string());
            kept.write(&VALUES, 2).unwrap();
            let age = std::time::Duration::from_secs(1000 - k as u64);
            fs::File::open(kept.path()).unwrap().set_modified(std::time::SystemTime::now() - age).unwrap();
        }
        let found: Vec<bool> =
            (0..MOST_FILES + 3).map(|k| cache(&folder, &k.to_string()).read().unwrap().is_some()).collect();
        assert_eq!(found, [vec![false; 3], vec![true; MOST_FILES]].concat());
        assert!(image_cache.exists());
    }
}
