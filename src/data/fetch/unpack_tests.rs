//! Archives that mean harm, and one that does not.

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::*;

/// An archive under construction, compressed when written.
struct Made(Builder<GzEncoder<Vec<u8>>>);

impl Made {
    fn new() -> Self {
        Self(Builder::new(GzEncoder::new(Vec::new(), Compression::fast())))
    }

    /// Adds an entry whose header says exactly this, whether or not it should.
    fn entry(mut self, name: &str, kind: EntryType, claimed: u64, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(claimed);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.as_old_mut().linkname[..11].copy_from_slice(b"/etc/passwd");
        }
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, content.len() as u64, content)
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap().finish().unwrap()
    }
}

fn members() -> Vec<Member> {
    let member = |path: &str, bytes| Member { path: path.to_owned(), bytes };
    vec![member("d/a.bin", 3), member("d/b.bin", 5)]
}

/// What is in the folder afterwards, and what was said.
fn unpacked(archive: &[u8]) -> (Vec<String>, Result<Vec<Digest>, String>) {
    let folder = tempfile::tempdir().unwrap();
    let (path, into) = (folder.path().join("x.tar.gz"), folder.path().join("into"));
    fs::write(&path, archive).unwrap();
    fs::create_dir(&into).unwrap();
    let outcome = unpack(&path, &members(), &into);
    let outcome = outcome.map_err(|error| error.to_string().replace(&path.display().to_string(), "X"));
    let entries = walkdir::WalkDir::new(folder.path()).sort_by_file_name().into_iter().map(Result::unwrap);
    let others = entries.filter(|entry| !entry.file_type().is_dir() && entry.path() != path);
    let relative = |entry: walkdir::DirEntry| {
        entry.path().strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned()
    };
    (others.map(relative).collect(), outcome)
}

fn refusal(archive: Made) -> String {
    let (files, outcome) = unpacked(&archive.bytes());
    assert!(files.iter().all(|file| file.starts_with("into/d/")), "{files:?}");
    outcome.unwrap_err()
}

#[test]
fn the_listed_files_come_out_and_nothing_else() {
    let archive = Made::new()
        .entry("./", EntryType::Directory, 0, b"")
        .entry("d/", EntryType::Directory, 0, b"")
        .file("d/readme.html", &[b'x'; 5000])
        .file("./d/b.bin", b"bbbbb")
        .file("d/a.bin", b"aaa");
    let (files, outcome) = unpacked(&archive.bytes());
    assert_eq!(files, ["into/d/a.bin", "into/d/b.bin"]);
    assert_eq!(outcome.unwrap(), [Digest::of(b"aaa"), Digest::of(b"bbbbb")]);
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in ["../d/a.bin", "d/../../a.bin", "/d/a.bin", "d/../d/a.bin", "d\\a.bin"] {
        assert_eq!(
            refusal(Made::new().file(path, b"aaa")),
            format!("the archive X holds the unsafe path {path:?}")
        );
    }
    let directory = Made::new().entry("../d/", EntryType::Directory, 0, b"");
    assert_eq!(refusal(directory), "the archive X holds the unsafe path \"../d/\"");
}

#[test]
fn links_devices_and_pipes_are_refused_wherever_they_are() {
    let kinds = [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::Continuous, "no regular file"),
    ];
    for (kind, words) in kinds {
        for name in ["d/a.bin", "d/other", "d"] {
            let said = refusal(Made::new().entry(name, kind, 0, b""));
            assert_eq!(said, format!("the archive X holds {name}, which is {words}"));
        }
    }
}

#[test]
fn members_of_another_size_or_twice_or_missing_are_refused() {
    let said = refusal(Made::new().file("d/a.bin", b"aaaa"));
    assert_eq!(said, "the archive X holds d/a.bin with 4 bytes instead of 3");
    let said = refusal(Made::new().entry("d/a.bin", EntryType::Regular, 1 << 40, b"aaa"));
    assert_eq!(said, "the archive X holds d/a.bin with 1099511627776 bytes instead of 3");
    let said = refusal(Made::new().file("d/a.bin", b"aaa").file("./d/a.bin", b"AAA"));
    assert_eq!(said, "the archive X holds d/a.bin twice");
    assert_eq!(refusal(Made::new().file("d/a.bin", b"aaa")), "the archive X lacks d/b.bin");
}

#[test]
fn a_bomb_stops_where_the_published_archive_would_end() {
    let bomb = Made::new().file("d/zeros", &vec![0; 8 << 20]).file("d/a.bin", b"aaa");
    assert!(bomb.0.get_ref().get_ref().len() < 1 << 20, "it is small until it is unpacked");
    assert_eq!(refusal(bomb), "the archive X decompresses to more than the published one");
    let trailing = [Made::new().file("d/a.bin", b"aaa").file("d/b.bin", b"bbbbb").bytes()];
    let mut plain = Vec::new();
    GzDecoder::new(&trailing[0][..]).read_to_end(&mut plain).unwrap();
    plain.resize(plain.len() + (4 << 20), 0);
    let mut again = GzEncoder::new(Vec::new(), Compression::fast());
    again.write_all(&plain).unwrap();
    let (_, outcome) = unpacked(&again.finish().unwrap());
    assert_eq!(outcome.unwrap_err(), "the archive X decompresses to more than the published one");
}

#[test]
fn damage_is_found_wherever_it_is() {
    let whole = Made::new().file("d/a.bin", b"aaa").file("d/b.bin", b"bbbbb").bytes();
    for length in [whole.len() - 1, whole.len() - 8, whole.len() / 2, 5, 0] {
        let (_, outcome) = unpacked(&whole[..length]);
        assert_eq!(outcome.unwrap_err(), "the archive X is cut short", "{length} of {}", whole.len());
    }
    let mut flipped = whole.clone();
    let checksum = whole.len() - 8;
    flipped[checksum] ^= 1;
    let said = unpacked(&flipped).1.unwrap_err();
    assert!(said.starts_with("the archive X is damaged: "), "{said}");
    let said = unpacked(b"<html>not found</html>").1.unwrap_err();
    assert!(said.starts_with("the archive X is damaged: "), "{said}");
}
