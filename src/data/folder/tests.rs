//! Tests of image folders: which files are read, and that what becomes of them depends on nothing else.

use std::fs;
use std::os::unix::fs::symlink;

use image::{ImageFormat, Rgb, RgbImage};

use super::*;
use crate::config::{Data, Dataset, defaults};
use crate::data::batch::Batcher;
use crate::data::batch::tests::PLAN;
use crate::data::cache::Place;
use crate::data::dataset::{DataSet, open_in};
use crate::data::resident::Resident;
use crate::data::room::Room;
use crate::data::split::Split;

const ROOMY: Room = Room { disk: u64::MAX, memory: u64::MAX };
const MEMORY: Room = Room { disk: 0, memory: u64::MAX };
const NONE: Room = Room { disk: 0, memory: 0 };

/// Writes a picture whose colours follow from `seed`; the extension says the format.
fn write(path: &Path, seed: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (width, height) = (20 + seed % 7, 16 + seed % 5);
    let pixel = |x, y| Rgb([x * 9 + seed, y * 11, (x + y) * 3 + 5 * seed].map(|v: u32| v as u8));
    let format = ImageFormat::from_path(path).unwrap();
    RgbImage::from_fn(width, height, pixel).save_with_format(path, format).unwrap();
}

/// A folder of forty pictures, ten of them in `test`.
fn divided(root: &Path) {
    for i in 0..40 {
        let part = if i % 4 == 0 { "test" } else { "train" };
        let extension = ["png", "jpg", "webp"][i as usize % 3];
        write(&root.join(format!("{part}/class-{}/{i:02}.{extension}", i % 2)), i);
    }
}

fn config(root: &Path) -> Data {
    let root = Some(root.to_owned());
    Data {
        dataset: Dataset::Folder,
        root,
        image_size: 8,
        in_channels: 3,
        validation_fraction: 0.1,
        ..defaults().data
    }
}

fn open(data: &Data, data_dir: &Path, room: Room) -> Result<DataSet, String> {
    open_in(data, data_dir, Place::MayBeMade, Some(room), &mut |_, _| {}).map_err(|error| error.to_string())
}

fn ids(split: &Split) -> Vec<u64> {
    (0..split.len()).map(|i| split.image_id(i)).collect()
}

fn names(root: &Path) -> Vec<String> {
    let listing = Listing::of(root).unwrap();
    (0..listing.len()).map(|i| listing.name(i).to_str().unwrap().to_owned()).collect()
}

#[test]
fn pictures_are_found_at_every_depth_by_extension_or_content_in_a_fixed_order() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["b.PNG", "a/z/deep.jpeg", "a/b.webp", "c.jpg"] {
        write(&root.join(name), 1);
    }
    fs::copy(root.join("c.jpg"), root.join("a/no-extension")).unwrap();
    fs::copy(root.join("c.jpg"), root.join("a/odd.dat")).unwrap();
    for (name, text) in
        [("notes.txt", "x"), ("a/table.csv", "x"), ("empty", ""), ("a/.hidden.png", "x"), (".git/x.png", "x")]
    {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), text).unwrap();
    }
    assert_eq!(names(root), ["a/b.webp", "a/no-extension", "a/odd.dat", "a/z/deep.jpeg", "b.PNG", "c.jpg"]);
}

#[test]
fn links_are_followed_and_a_cycle_of_them_ends() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(&root.join("a/1.png"), 1);
    write(&root.join("b/2.png"), 2);
    symlink(root, root.join("a/up")).unwrap();
    symlink(root.join("b"), root.join("a/across")).unwrap();
    symlink(root.join("a"), root.join("b/back")).unwrap();
    symlink(root.join("a/1.png"), root.join("c.png")).unwrap();
    symlink("nowhere", root.join("latest")).unwrap();
    assert_eq!(names(root), ["a/1.png", "a/across/2.png", "c.png"]);
    symlink("nowhere", root.join("lost.png")).unwrap();
    let error = Listing::of(root).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot list {}", root.join("lost.png").display()));
}

#[test]
fn train_and_test_are_parts_where_both_exist() {
    let folder = tempfile::tempdir().unwrap();
    divided(&folder.path().join("all"));
    let data = open(&config(&folder.path().join("all")), folder.path(), ROOMY).unwrap();
    assert_eq!([&data.train, &data.val, &data.test].map(Split::len), [27, 3, 10]);
    assert_eq!(data.notes, [""; 0]);
    fs::rename(folder.path().join("all/test"), folder.path().join("all/other")).unwrap();
    let data = open(&config(&folder.path().join("all")), folder.path(), ROOMY).unwrap();
    assert_eq!([&data.train, &data.val, &data.test].map(Split::len), [36, 4, 0]);
    let root = folder.path().join("all");
    let note = "has no folders train and test: all of it is for training, and the test split is empty";
    assert_eq!(data.notes, [format!("{} {note}", root.display())]);
}

#[test]
fn what_is_not_read_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    divided(folder.path());
    fs::write(folder.path().join("train/one.gif"), "GIF89a").unwrap();
    fs::write(folder.path().join("test/two.TIFF"), "II*").unwrap();
    fs::write(folder.path().join("test/three.gif"), "GIF89a").unwrap();
    let notes = Folder::open(folder.path(), 8, 3, false).unwrap().notes();
    let text = "has pictures that are not read, only PNG, JPEG and WebP are: 1 gif, 1 gif, 1 tiff";
    assert_eq!(notes, [format!("{} {text}", folder.path().display())]);
}

#[test]
fn a_folder_without_pictures_and_no_folder_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |root: &Path| Folder::open(root, 8, 3, false).unwrap_err().to_string();
    assert_eq!(
        refusal(folder.path()),
        format!(
            "{} has no PNG, JPEG or WebP file, in none of its folders either\n  help: set data.root to the folder \
             that has the pictures",
            folder.path().display()
        )
    );
    let absent = folder.path().join("absent");
    assert_eq!(
        refusal(&absent),
        format!(
            "there is no folder {}\n  help: set data.root to the folder that has the pictures",
            absent.display()
        )
    );
}

#[test]
fn ids_and_fingerprint_depend_on_names_and_bytes_and_on_nothing_else() {
    let places = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let roots = [places[0].path().join("pictures"), places[1].path().join("elsewhere/again")];
    roots.iter().for_each(|root| divided(root));
    let of = |i: usize| open(&config(&roots[i]), places[i].path(), ROOMY).unwrap();
    let (one, two) = (of(0), of(1));
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_eq!(ids(&one.train), ids(&two.train));

    let changed = roots[1].join("train/class-1/01.jpg");
    write(&changed, 1001);
    let other = of(1);
    assert_ne!(other.fingerprint, one.fingerprint);
    let moved = [(&other.train, &one.train), (&other.val, &one.val)].map(|(new, old)| {
        let old = ids(old);
        ids(new).iter().filter(|id| !old.contains(id)).count()
    });
    assert!(
        moved[0] + moved[1] <= 3,
        "one image with another id, and what it pushes over the cut: {moved:?}"
    );
    let size = open(&Data { image_size: 16, ..config(&roots[0]) }, places[0].path(), ROOMY).unwrap();
    assert_eq!(ids(&size.val), ids(&one.val), "the size moves no image between the splits");
}

#[test]
fn ids_are_the_ones_of_every_earlier_version() {
    let of = |part, name: &str, bytes| id(part, Path::new(name), bytes);
    assert_eq!(of(Part::Train, "a/b.png", b"bytes"), 11_696_882_924_584_597_030);
    let others = [
        of(Part::Test, "a/b.png", b"bytes"),
        of(Part::Train, "ab.png", b"bytes"),
        of(Part::Train, "a/b.pn", b"gbytes"),
        of(Part::Train, "a/b.png", b"byte"),
    ];
    assert!(others.iter().all(|&other| other != of(Part::Train, "a/b.png", b"bytes")));
}

type Seen = (String, Vec<crate::data::Batch>, Vec<(u64, Vec<u8>)>);

/// What a training sees: fingerprint, some batches, the held-out images.
fn seen(data: &DataSet) -> Seen {
    let mut batcher = Batcher::new(data.train.clone(), PLAN).unwrap();
    let batches = (0..9).map(|step| batcher.batch(step).unwrap()).collect();
    let held_out = Resident::new(data.val.clone(), 100).unwrap();
    let images = (0..held_out.len()).map(|i| (held_out.image_id(i), held_out.image(i).to_vec())).collect();
    (data.fingerprint.clone(), batches, images)
}

#[test]
fn a_stream_and_memory_give_the_bytes_of_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("pictures");
    divided(&root);
    fs::write(root.join("train/class-0/05.png"), "no picture").unwrap();
    let data = Data { skip_corrupt: true, ..config(&root) };
    let cached = open(&data, &folder.path().join("cached"), ROOMY).unwrap();
    let expected = seen(&cached);
    for (room, streamed) in [(NONE, true), (MEMORY, false)] {
        for name in ["first", "again"] {
            let opened = open(&data, &folder.path().join("without"), room).unwrap();
            assert!(seen(&opened) == expected, "{room:?} {name}");
            assert_eq!(opened.train.is_streamed(), streamed);
        }
    }
    let files = fs::read_dir(folder.path().join("without/cache")).unwrap();
    let names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.len() == 1 && names[0].ends_with(".index"), "{names:?}");
}

#[test]
fn the_user_is_told_of_a_stream_and_of_why() {
    let folder = tempfile::tempdir().unwrap();
    divided(&folder.path().join("pictures"));
    let note =
        |room| open(&config(&folder.path().join("pictures")), folder.path(), room).unwrap().notes.remove(0);
    let cache = folder.path().join("cache").display().to_string();
    let told = |note: String| note.replace(&cache, "CACHE");
    assert_eq!(
        told(note(Room { disk: 1000, memory: 0 })),
        "no image cache in CACHE (it would take 7.8 kB, and 1.0 kB can be spared): every image is decoded each time \
         it is used"
    );
    assert_eq!(
        told(note(MEMORY)),
        "no image cache in CACHE (it would take 7.8 kB, and 0 bytes can be spared): every run decodes the images \
         into its own memory"
    );
}

#[test]
fn unusable_files_are_named_together_or_left_out_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("pictures");
    divided(&root);
    let whole = open(&config(&root), folder.path(), ROOMY).unwrap();
    let cut = fs::read(root.join("train/class-1/01.jpg")).unwrap();
    fs::write(root.join("train/cut.jpg"), &cut[..cut.len() / 2]).unwrap();
    fs::write(root.join("train/page.png"), "<!DOCTYPE html>").unwrap();
    fs::write(root.join("test/empty.webp"), "").unwrap();
    let text = "3 of 43 images cannot be used:
  DIR/train/cut.jpg: its JPEG data is cut short
  DIR/train/page.png: it is neither a PNG nor a JPEG nor a WebP file
  DIR/test/empty.webp: it is empty
  help: restore or remove them, or leave them out with data.skip_corrupt = true";
    for room in [ROOMY, MEMORY, NONE] {
        let refusal = open(&config(&root), &folder.path().join("x"), room).unwrap_err();
        assert_eq!(refusal.replace(&root.display().to_string(), "DIR"), text);
    }
    let data = Data { skip_corrupt: true, ..config(&root) };
    for room in [ROOMY, MEMORY, NONE] {
        let without = open(&data, &folder.path().join("x"), room).unwrap();
        assert_eq!(without.fingerprint, whole.fingerprint, "the fingerprint covers what is used");
        assert_eq!(
            without.notes.last().unwrap().replace(&root.display().to_string(), "DIR"),
            "3 of 43 images are left out: DIR/train/cut.jpg (its JPEG data is cut short), DIR/train/page.png (it is \
             neither a PNG nor a JPEG nor a WebP file), DIR/test/empty.webp (it is empty)"
        );
    }
}

#[test]
fn many_unusable_files_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("pictures");
    (0..8).for_each(|i| {
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join(format!("{i}.png")), "").unwrap();
    });
    let data = Data { skip_corrupt: true, ..config(&root) };
    let refusal = open(&data, folder.path(), ROOMY).unwrap_err();
    assert_eq!(
        refusal.replace(&root.display().to_string(), "DIR"),
        "8 of 8 images cannot be used:
  DIR/0.png: it is empty
  DIR/1.png: it is empty
  DIR/2.png: it is empty
  DIR/3.png: it is empty
  DIR/4.png: it is empty
  and 3 more
  help: restore or remove them, or leave them out with data.skip_corrupt = true"
    );
}

#[test]
fn a_streamed_image_that_changes_or_goes_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("pictures");
    divided(&root);
    let data = open(&config(&root), folder.path(), NONE).unwrap();
    let all: Vec<usize> = (0..data.train.len()).collect();
    let mut pixels = vec![0; all.len() * data.shape().values()];
    data.train.read(&all, &mut pixels).unwrap();
    let held_out: Vec<usize> = (0..data.val.len()).collect();
    let path = root.join("train/class-0/02.webp");
    let mut refusal = || {
        let train = data.train.read(&all, &mut pixels);
        let error = train.and_then(|()| data.val.read(&held_out, &mut pixels[..held_out.len() * 192]));
        error.unwrap_err().to_string()
    };
    write(&path, 500);
    let changed = "changed while it was in use; restore it, or start the run anew";
    assert_eq!(refusal(), format!("{} {changed}", path.display()));
    fs::remove_file(&path).unwrap();
    assert_eq!(refusal(), format!("cannot open {}", path.display()));
}
