//! Tests of the cache with a reader that counts how often it is read.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use super::*;
use crate::data::cache_folder::STALE_AFTER;
use crate::data::reader::{Images, Shape};

/// Images of counted bytes; `opened` counts how often a part was opened.
#[derive(Debug, Default)]
struct Counted {
    opened: Arc<AtomicUsize>,
    version: u32,
    place: u32,
}

impl Counted {
    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Counter(u8);

impl Images for Counter {
    fn read(&self, position: usize, pixels: &mut [u8]) -> Result<u64, Error> {
        let value = self.0 + position as u8;
        pixels.fill(value);
        Ok(1001 + u64::from(value))
    }

    fn label(&self, position: usize) -> String {
        position.to_string()
    }
}

impl Reader for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    fn place(&self) -> String {
        self.place.to_string()
    }

    fn identity(&self) -> String {
        self.version.to_string()
    }

    fn count(&self, part: Part) -> usize {
        if part == Part::Train { 5 } else { 2 }
    }

    fn shape(&self) -> Shape {
        Shape::square(3, 4)
    }

    fn images(&self, part: Part) -> Result<Box<dyn Images>, Error> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Counter(if part == Part::Train { 0 } else { 100 })))
    }
}

fn open(reader: &Counted, data_dir: &Path) -> Result<(Store, Vec<String>), Error> {
    let opened = super::open(reader, data_dir, Place::MayBeMade, None, &mut |_, _| {})?;
    Ok((opened.store, opened.notes))
}

fn cache_file(data_dir: &Path) -> PathBuf {
    Cache::new(&Counted::default(), data_dir.join("cache"), Place::MayBeMade, &mut |_, _| {})
        .path(Kind::Pixels)
}

fn assert_whole(store: &Store) {
    let images: Vec<(u64, Vec<u8>)> =
        (0..7).map(|row| (store.id(row), store.held(row).unwrap().to_vec())).collect();
    let expected = [0, 1, 2, 3, 4, 100, 101].map(|v: u8| (1001 + u64::from(v), vec![v; 48]));
    assert_eq!(images, expected);
}

#[test]
fn the_second_opening_decodes_nothing_and_gives_the_same_images() {
    let data_dir = tempfile::tempdir().unwrap();
    let reader = Counted::default();
    let open = || super::open(&reader, data_dir.path(), Place::MayBeMade, None, &mut |_, _| {}).unwrap();
    let Opened { store: first, notes, decoded } = open();
    assert_eq!((reader.opened(), notes, decoded), (2, vec![], true));
    let Opened { store: second, notes, decoded } = open();
    assert_eq!((reader.opened(), notes, decoded), (2, vec![], false));
    assert_whole(&first);
    assert_whole(&second);
    assert_eq!(first.content_hash(), second.content_hash());
    assert_eq!(fs::read_dir(data_dir.path().join("cache")).unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn another_source_is_another_file_and_a_later_state_of_one_replaces_the_earlier() {
    let data_dir = tempfile::tempdir().unwrap();
    let files = || fs::read_dir(data_dir.path().join("cache")).unwrap().count();
    for (version, place, expected) in [(0, 0, 1), (1, 0, 1), (1, 1, 2), (2, 1, 2), (2, 1, 2), (1, 0, 2)] {
        open(&Counted { version, place, ..Counted::default() }, data_dir.path()).unwrap();
        assert_eq!(files(), expected, "version {version} of place {place}");
    }
}

#[test]
fn a_damaged_byte_anywhere_and_a_truncation_are_noticed_and_repaired() {
    let data_dir = tempfile::tempdir().unwrap();
    let reader = Counted::default();
    open(&reader, data_dir.path()).unwrap();
    let path = cache_file(data_dir.path());
    let whole = fs::read(&path).unwrap();
    let flipped = (0..whole.len()).step_by(7).map(|i| {
        let mut bytes = whole.clone();
        bytes[i] ^= 0x10;
        bytes
    });
    let cut = [0, 1, HEADER_BYTES, whole.len() - 1].map(|length| whole[..length].to_vec());
    for bytes in flipped.chain(cut) {
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let (store, notes) = open(&reader, data_dir.path()).unwrap();
        assert_whole(&store);
        assert!(notes[0].contains("is unusable") && notes.len() == 1, "{notes:?}");
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_folder_that_cannot_be_written_means_memory_and_a_note() {
    let data_dir = tempfile::tempdir().unwrap();
    // A file where the folder should be stops every user, root included.
    fs::write(data_dir.path().join("cache"), "").unwrap();
    let (store, notes) = open(&Counted::default(), data_dir.path()).unwrap();
    assert_whole(&store);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[1].ends_with("every run decodes the images into its own memory"), "{notes:?}");

    let elsewhere = tempfile::tempdir().unwrap();
    let (cached, _) = open(&Counted::default(), elsewhere.path()).unwrap();
    assert_eq!(cached.content_hash(), store.content_hash());
}

#[test]
fn a_run_that_somebody_else_laid_out_makes_no_folder_and_nothing_is_put_behind_a_link() {
    let data_dir = tempfile::tempdir().unwrap();
    let open = |place| {
        let reader = Counted::default();
        super::open(&reader, data_dir.path(), place, None, &mut |_, _| {}).map(|opened| {
            assert_whole(&opened.store);
            opened.notes.join(" ")
        })
    };
    let notes = open(Place::AsFound).unwrap();
    assert!(notes.contains("there is no such folder; `ablate run` makes it"), "{notes}");
    assert_eq!(fs::read_dir(data_dir.path()).unwrap().count(), 0);

    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), data_dir.path().join("cache")).unwrap();
    for place in [Place::AsFound, Place::MayBeMade] {
        let notes = open(place).unwrap();
        assert!(notes.contains("it is a link, which is not followed"), "{notes}");
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);

    fs::remove_file(data_dir.path().join("cache")).unwrap();
    open(Place::MayBeMade).unwrap();
    assert!(!open(Place::AsFound).unwrap().contains("no image cache"));
}

#[test]
fn a_part_that_another_program_left_in_the_folder_is_not_removed() {
    let data_dir = tempfile::tempdir().unwrap();
    let (theirs, ours) = ("download.partial", "mnist-1x28x28-0-0.binXYZ.partial");
    let folder = data_dir.path().join("cache");
    fs::create_dir(&folder).unwrap();
    for name in [theirs, ours] {
        let file = fs::File::create(folder.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - 2 * STALE_AFTER).unwrap();
    }
    open(&Counted::default(), data_dir.path()).unwrap();
    assert!(folder.join(theirs).exists() && !folder.join(ours).exists());
}

#[test]
fn racing_processes_all_get_whole_images() {
    for _ in 0..20 {
        let data_dir = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(6);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    start.wait();
                    let (store, notes) = open(&Counted::default(), data_dir.path()).unwrap();
                    assert_whole(&store);
                    assert_eq!(notes, Vec::<String>::new());
                });
            }
        });
        assert_eq!(fs::read_dir(data_dir.path().join("cache")).unwrap().count(), 1);
    }
}

#[test]
fn a_temporary_file_of_a_killed_process_is_removed_once_it_is_old() {
    let data_dir = tempfile::tempdir().unwrap();
    let folder = data_dir.path().join("cache");
    fs::create_dir(&folder).unwrap();
    let [old, young] = ["old.bin1.partial", "young.bin2.partial"].map(|name| folder.join(name));
    for path in [&old, &young] {
        fs::write(path, "").unwrap();
    }
    let file = File::options().write(true).open(&old).unwrap();
    file.set_modified(SystemTime::now() - 2 * STALE_AFTER).unwrap();
    open(&Counted::default(), data_dir.path()).unwrap();
    assert_eq!((old.exists(), young.exists()), (false, true));
}
