//! What there is to fetch: names, sizes, hashes and hosts, as data.
//!
//! In: `catalogue.toml`, embedded, or another text of the same form. Out: a checked [`Catalogue`]. A name or
//! path in it can leave no folder, and every file has a size and a hash before anything is asked for.

use std::path::{Component, Path};

use serde::Deserialize;

use super::digest::Digest;
use super::error::FetchError;

const BUILT_IN: &str = include_str!("catalogue.toml");

/// The data sets a version knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    #[serde(rename = "dataset")]
    entries: Vec<Entry>,
}

/// One data set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// As in `data.dataset`; also its folder in the data folder.
    pub name: String,
    /// What the images show.
    pub about: String,
    /// Training images; absent where the user decides.
    pub train: Option<u64>,
    /// Test images; absent where the user decides.
    pub test: Option<u64>,
    /// Pixels of a side as published; absent where the user decides.
    pub image_size: Option<usize>,
    /// 1 (grey) or 3 (RGB) as published; absent where the user decides.
    pub channels: Option<usize>,
    /// Under which terms it is published.
    pub licence: String,
    /// Who made it.
    pub source: String,
    /// Why there is nothing to fetch.
    pub note: Option<String>,
    /// Base addresses of the publisher, in the order in which they are tried.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// A package with the plain files, for when no host answers.
    pub npm: Option<NpmPackage>,
    /// The published files; none for a data set that is not fetched.
    #[serde(rename = "file", default)]
    pub files: Vec<PublishedFile>,
}

/// A file as its publisher offers it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedFile {
    /// Its name, without folders.
    pub name: String,
    /// Its exact length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
    /// The same file uncompressed, which serves as well.
    pub plain: Option<PlainFile>,
    /// What is taken out of it, if it is an archive.
    #[serde(default)]
    pub unpack: Vec<Member>,
}

/// The uncompressed twin of a published file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlainFile {
    /// Its name, without folders.
    pub name: String,
    /// Its exact length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// A regular file inside an archive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its path in the archive and below the data set's folder, with `/`.
    pub path: String,
    /// Its exact length.
    pub bytes: u64,
}

/// A package of the npm registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpmPackage {
    /// Its name.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// The folder inside the package that has the plain files.
    pub folder: String,
}

impl Catalogue {
    /// The catalogue of this version.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the embedded catalogue is valid: a test of this module reads it")
    }

    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// If the text is no catalogue, or a name in it could lead out of the data set's folder.
    pub fn parse(text: &str) -> Result<Self, FetchError> {
        let catalogue: Self =
            toml::from_str(text).map_err(|error| FetchError::Catalogue { reason: error.to_string() })?;
        match catalogue.entries.iter().find_map(Entry::unsafe_name) {
            None => Ok(catalogue),
            Some(name) => Err(FetchError::Catalogue { reason: format!("{name:?} is not a safe name") }),
        }
    }

    /// Every data set, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A data set by its name.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub fn find(&self, name: &str) -> Result<&Entry, FetchError> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| FetchError::Unknown {
            name: name.to_owned(),
            known: self.entries.iter().map(|entry| entry.name.clone()).collect(),
        })
    }
}

impl Entry {
    /// Bytes to be transferred for the whole data set.
    #[must_use]
    pub fn download_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// A name or path that is more than a place below the data set's folder.
    fn unsafe_name(&self) -> Option<String> {
        let plain = self.files.iter().filter_map(|file| file.plain.as_ref()).map(|plain| &plain.name);
        let names = self.files.iter().map(|file| &file.name).chain(plain).chain([&self.name]);
        let bad = |name: &&String| safe_path(name).is_none_or(|path| path.components().count() != 1);
        let paths = self.files.iter().flat_map(|file| &file.unpack).map(|member| &member.path);
        let folder = self.npm.iter().map(|npm| &npm.folder);
        let mut found = names.filter(bad).chain(paths.chain(folder).filter(|path| safe_path(path).is_none()));
        found.next().cloned()
    }
}

/// The path, if it is relative and goes nowhere but down.
pub(super) fn safe_path(text: &str) -> Option<&Path> {
    let path = Path::new(text.strip_prefix("./").unwrap_or(text));
    let down = path.components().all(|part| matches!(part, Component::Normal(_)));
    let plain = !text.is_empty() && !text.contains(['\\', '\0']) && !text.chars().any(char::is_control);
    (down && plain && path.components().next().is_some()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_catalogue_is_whole() {
        let catalogue = Catalogue::built_in();
        let names: Vec<&str> = catalogue.entries().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["shapes", "mnist", "fashion-mnist", "cifar10", "cifar100", "folder"]);
        for entry in catalogue.entries() {
            assert_eq!(entry.files.is_empty(), entry.hosts.is_empty(), "{}", entry.name);
            assert_eq!(entry.files.is_empty(), entry.note.is_some(), "{}", entry.name);
            assert!(entry.hosts.iter().all(|host| host.ends_with('/')), "{}", entry.name);
        }
    }

    #[test]
    fn sizes_agree_with_the_published_formats() {
        let catalogue = Catalogue::built_in();
        // An IDX file of images: 16 bytes of header, then 28 x 28; of labels: 8 bytes, then one each.
        let plain = |i: usize| catalogue.find("mnist").unwrap().files[i].plain.as_ref().unwrap().bytes;
        assert_eq!([0, 1, 2, 3].map(plain), [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]);
        // CIFAR: one label byte (two for CIFAR-100), then 3 x 32 x 32.
        let unpacked = |name: &str| {
            catalogue.find(name).unwrap().files[0].unpack.iter().map(|m| m.bytes).collect::<Vec<_>>()
        };
        assert_eq!(unpacked("cifar10"), [10_000 * 3073; 6]);
        assert_eq!(unpacked("cifar100"), [50_000 * 3074, 10_000 * 3074]);
    }

    #[test]
    fn an_unknown_name_lists_those_there_are() {
        let error = Catalogue::built_in().find("cifar").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no data set \"cifar\"; this version knows shapes, mnist, fashion-mnist, cifar10, \
             cifar100, folder"
        );
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["../x", "/x", "a/../b", "", ".", "a\\b", "a\0b", "a/b"] {
            let text = format!(
                "[[dataset]]\nname = \"d\"\nabout = \"\"\nlicence = \"\"\nsource = \"\"\n[[dataset.file]]\n\
                 name = {name:?}\nbytes = 1\nsha256 = \"{}\"\n",
                Digest::of(b"")
            )
            .replace("\\0", "\\u0000");
            let error = Catalogue::parse(&text).unwrap_err().to_string();
            assert!(error.contains("is not a safe name"), "{name:?}: {error}");
        }
        assert_eq!(safe_path("./a/b"), Some(Path::new("a/b")));
    }
}
