//! Data sets and weights that somebody else made: absurd headers, decompression bombs, files that are none. Each is an
//! error that names the file, in bounded time and memory, before anything is trained.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::support::Workplace;
use super::support::limits::measured;

const TIME: Duration = Duration::from_secs(10);
const MEMORY: u64 = 512 << 20;

/// What the program says, which exits with `code` within the limits.
#[track_caller]
fn says(place: &Workplace, arguments: &[&str], code: i32) -> String {
    let found = measured(place, arguments, 6 * TIME);
    let said = format!("{}{}", found.ran.stdout, found.ran.stderr);
    println!("{}: {:.2} s, {} MiB", arguments.join(" "), found.worked.as_secs_f64(), found.peak_bytes >> 20);
    assert!(found.peak_bytes < MEMORY && found.worked < TIME, "{found:?}");
    assert_eq!(found.ran.code, Some(code), "{said}");
    said
}

/// `data check` on a folder of pictures.
#[track_caller]
fn checked(place: &Workplace) -> String {
    place.write(
        "x.toml",
        "[data]\ndataset = \"folder\"\nroot = \"pictures\"\nimage_size = 16\nin_channels = 3\n",
    );
    says(place, &["data", "check", "x.toml"], 2)
}

fn chunk(kind: &[u8], content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(content);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[..], kind, content, &crc.sum().to_be_bytes()].concat()
}

/// A PNG file of one colour, written row by row: small, whatever its size.
fn png(width: u32, height: u32, depth: u8, colour: u8, rows: u32, row_bytes: usize) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    let row = vec![0; row_bytes + 1];
    (0..rows).for_each(|_| packed.write_all(&row).unwrap());
    let pixels = packed.finish().unwrap();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &pixels), chunk(b"IEND", b"")]
        .concat()
}

#[test]
fn pictures_of_absurd_sizes_are_named_and_nothing_is_allocated_for_them() {
    let place = Workplace::new();
    place.write("pictures/wide.png", png(100_000, 100_000, 8, 2, 10, 300_000));
    place.write("pictures/deep.png", png(8_000, 8_000, 16, 6, 10, 64_000));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(8, 8).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let mut jpeg = jpeg.into_inner();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    place.write("pictures/huge.jpg", jpeg);
    place.write("pictures/text.png", "<script>alert(1)</script>");
    let sparse = File::create(place.path("pictures/terabyte.png")).unwrap();
    if let Err(error) = sparse.set_len(1 << 40) {
        eprintln!("skipped: no terabyte here: {error}");
    }
    let said = checked(&place);
    for name in ["wide.png", "deep.png", "huge.jpg", "text.png", "terabyte.png"] {
        assert!(said.contains(name), "{name}:\n{said}");
    }
    assert!(said.contains("more than 192 MiB") && said.contains("more than 128 MiB"), "{said}");
}

#[test]
fn a_picture_that_decompresses_to_the_most_allowed_fits_into_memory() {
    let place = Workplace::new();
    let bomb = png(8_000, 8_000, 8, 2, 8_000, 24_000);
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    place.write("pictures/a.png", &bomb);
    place.write("pictures/b.png", "none");
    assert!(!checked(&place).contains("a.png"));
}

#[test]
fn files_that_are_no_files_are_not_waited_for() {
    let place = Workplace::new();
    fs::create_dir_all(place.path("data/mnist")).unwrap();
    fs::create_dir_all(place.path("pictures/folder.png")).unwrap();
    for name in ["pictures/pipe.png", "pictures/pipe", "data/mnist/train-images-idx3-ubyte"] {
        if !Command::new("mkfifo").arg(place.path(name)).status().is_ok_and(|status| status.success()) {
            return eprintln!("skipped: no mkfifo(1) here");
        }
    }
    place.write("data/mnist/t10k-images-idx3-ubyte", "");
    assert!(says(&place, &["data", "check", "mnist"], 2).contains("not a regular file"));
    place.write("x.toml", "[data]\ndataset = \"folder\"\nroot = \"pictures\"\n");
    assert!(says(&place, &["data", "check", "x.toml"], 2).contains("pictures"));
}

#[test]
fn idx_and_cifar_files_that_announce_what_they_do_not_hold_are_refused() {
    let header = |count: u32, rows: u32| {
        [0x803_u32, count, rows, rows].iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>()
    };
    let zeros = |bytes: usize| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&header(60_000, 28)).unwrap();
        let block = vec![0; 1 << 20];
        (0..bytes >> 20).for_each(|_| packed.write_all(&block).unwrap());
        packed.finish().unwrap()
    };
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("train-images-idx3-ubyte", header(u32::MAX, 28), "4294967295 images"),
        ("train-images-idx3-ubyte", header(1_000_000, 1024), "cut short"),
        ("train-images-idx3-ubyte", b"PK\x03\x04 nothing of the kind at all".to_vec(), "begins with"),
        ("train-images-idx3-ubyte.gz", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1], "cut short"),
        // A gigabyte behind the images that the header announces.
        ("train-images-idx3-ubyte.gz", zeros(1 << 30), "data goes on"),
    ];
    for (name, content, reason) in cases {
        let place = Workplace::new();
        place.write(&format!("data/mnist/{name}"), content);
        let mut test = header(1, 28);
        test.resize(16 + 784, 0);
        place.write("data/mnist/t10k-images-idx3-ubyte", test);
        let said = says(&place, &["data", "check", "mnist"], 2);
        assert!(said.contains(name) && said.contains(reason), "{reason}:\n{said}");
    }
    let place = Workplace::new();
    for name in ["1", "2", "3", "4", "5"] {
        place.write(&format!("data/cifar10/data_batch_{name}.bin"), vec![0; 3073]);
    }
    let sparse = File::create(place.path("data/cifar10/test_batch.bin")).unwrap();
    sparse.set_len((1 << 40) + 1).unwrap();
    assert!(says(&place, &["data", "check", "cifar10"], 2).contains("no multiple of a record's 3073"));
}

#[test]
fn weights_that_are_forged_or_could_run_code_are_refused_by_the_plan() {
    let place = Workplace::with("x.toml", "");
    let tensors = |text: &str, data: usize| {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &vec![0; data]].concat()
    };
    let tensor = |name: &str, dtype: &str, shape: &str, from: u64, to: u64| {
        format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{from},{to}]}}")
    };
    let one = |text: String| format!("{{{text}}}");
    let two = |a: String, b: String| format!("{{{a},{b}}}");
    let max = u64::MAX.to_string();
    let many: Vec<String> = (0..180_000).map(|n| tensor(&n.to_string(), "F32", "0", 0, 0)).collect();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        ((1_u64 << 63).to_le_bytes().repeat(2), "promise a header of 9223372036854775808 bytes"),
        (u64::MAX.to_le_bytes().repeat(2), "promise a header"),
        (tensors(&one(tensor("a", "F32", "2", 4, 12)), 12), "its header"),
        (tensors(&two(tensor("a", "F32", "2", 0, 8), tensor("b", "F32", "2", 4, 12)), 12), "its header"),
        (tensors(&one(tensor("a", "F32", &format!("{max},{max}"), 0, 8)), 8), "its header"),
        (tensors(&one(tensor("a", "F32", "4611686018427387904", 0, 0)), 0), "its header"),
        (tensors(&one(tensor("a", "U8", &max, 0, u64::MAX)), 8), "its header"),
        (tensors(&one(tensor("a", "U8", "1152921504606846976", 0, 1 << 60)), 8), "its header says"),
        (tensors(&one(tensor("a", "F64", "1", 0, 4)), 4), "its header"),
        (tensors(&one(tensor("a", "F99", "1", 0, 4)), 4), "its header"),
        (tensors(&one(tensor("conv_in.weight", "F16", "2", 0, 4)), 4), "does not fit the network"),
        (tensors(&one(tensor("\\u001b[2J", "F32", "1", 0, 4)), 4), "does not fit the network"),
        (tensors(&format!("{{{}}}", many.join(",")), 0), "does not fit the network"),
        (tensors(&"[".repeat(20_000), 0), "its header"),
        (tensors(&" ".repeat(100 << 20), 0), "promise a header of 104857600 bytes"),
        (b"PK\x03\x04\0\0\0\0archive/data.pkl".to_vec(), "is a pickle, which can run code when it is read"),
        (b"\x80\x02}q\0X\x05\0\0\0model".to_vec(), "is a pickle"),
        (b"\x80\x04\x95\x1f\0\0\0\0\0\0\0\x8c\x05posix".to_vec(), "is a pickle"),
    ];
    for (content, reason) in cases {
        place.write("w.safetensors", content);
        let said = says(&place, &["plan", "x.toml", "-s", "training.initial_weights=w.safetensors"], 2);
        assert!(said.contains(reason), "{reason}:\n{said}");
    }
    place.write("model.ckpt", b"PK\x03\x04\0\0\0\0archive/data.pkl");
    let said = says(&place, &["plan", "x.toml", "-s", "training.initial_weights=model.ckpt"], 2);
    assert!(said.contains("safetensors.torch.save_file(torch.load(FILE"), "{said}");
    let sparse = File::create(place.path("model.ckpt")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert!(
        says(&place, &["plan", "x.toml", "-s", "training.initial_weights=model.ckpt"], 2)
            .contains("its header")
    );
}
