//! Tests of the IDX reader on files written here, whole and damaged.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// The bytes of an IDX file; `pixel(i)` is the i-th byte after the header.
pub(in crate::data) fn idx_bytes(header: [u32; 4], bytes: usize, pixel: impl Fn(usize) -> u8) -> Vec<u8> {
    let mut file: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
    file.extend((0..bytes).map(pixel));
    file
}

pub(in crate::data) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn small() -> Vec<u8> {
    idx_bytes([IMAGES_MAGIC, 3, 2, 4], 24, |i| i as u8)
}

/// Opens and reads everything; the error's text without the folder.
fn read_all(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images");
    fs::write(&path, bytes).unwrap();
    let read = || ImageFile::open(&path)?.pixels();
    read().map_err(|e: Error| e.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn refusal(bytes: &[u8]) -> String {
    let text = read_all(bytes).unwrap_err();
    text.strip_prefix("images is not a usable IDX file: ").expect(&text).to_owned()
}

#[test]
fn plain_and_compressed_files_give_the_same_images() {
    let expected: Vec<u8> = (0..24).collect();
    assert_eq!(read_all(&small()).unwrap(), expected);
    assert_eq!(read_all(&gzip(&small())).unwrap(), expected);
}

#[test]
fn a_file_of_another_kind_is_named() {
    assert_eq!(refusal(b"<!DOCTYPE html><html>"), "it begins with 0x3c21444f instead of 0x00000803");
    let labels = idx_bytes([LABELS_MAGIC, 3, 0, 0], 24, |_| 0);
    assert_eq!(refusal(&labels), "it holds labels, not images; were two files swapped?");
    assert_eq!(refusal(b""), "it is cut short; fetch it again");
}

#[test]
fn absurd_headers_are_refused_before_anything_is_allocated() {
    let header = |words| refusal(&idx_bytes(words, 24, |_| 0));
    let magic = IMAGES_MAGIC;
    assert_eq!(
        header([magic, u32::MAX, 28, 28]),
        "it announces 4294967295 images; 1 to 1000000 are possible"
    );
    assert_eq!(header([magic, 0, 28, 28]), "it announces 0 images; 1 to 1000000 are possible");
    assert_eq!(header([magic, 3, 70_000, 1]), "it announces images of 70000 x 1 pixels");
    assert_eq!(
        header([magic, 1_000_000, 1024, 1024]),
        "it is cut short: 40 of 1048576000016 bytes are there; fetch it again"
    );
}

#[test]
fn a_cut_or_padded_file_is_refused() {
    let bytes = small();
    assert_eq!(refusal(&bytes[..39]), "it is cut short: 39 of 40 bytes are there; fetch it again");
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(refusal(&longer), "it has 41 bytes where its header announces 40; fetch it again");
    assert_eq!(refusal(&gzip(&bytes[..39])), "it is cut short; fetch it again");
    assert_eq!(refusal(&gzip(&longer)), "data goes on after the 3 images it announces");
}

#[test]
fn every_truncation_and_a_flipped_checksum_of_a_compressed_file_are_noticed() {
    let packed = gzip(&small());
    for length in 0..packed.len() {
        refusal(&packed[..length]);
    }
    let mut flipped = packed;
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    assert!(refusal(&flipped).contains("fetch it again"));
}

#[test]
fn a_compressed_file_too_short_for_its_header_is_refused_at_once() {
    let bytes = idx_bytes([IMAGES_MAGIC, 1_000_000, 1000, 1000], 50, |_| 0);
    assert!(refusal(&gzip(&bytes)).contains("more than"));
}

#[test]
fn a_folder_in_place_of_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = ImageFile::open(folder.path()).unwrap_err().to_string();
    assert!(text.ends_with("it is not a regular file"), "{text}");
}
