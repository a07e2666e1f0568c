//! `ablate data` itself: what it prints, where it stops, and with which exit code.

use std::fs;
use std::process::Stdio;

use ablate::data::fetch::{Catalogue, Digest};

use super::server::{Reply, Server, Then};
use crate::support::{Ran, Workplace};

/// Length and digest of the first published file of MNIST.
const FIRST_BYTES: usize = 9_912_422;
const FIRST_SHA256: &str = "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609";

/// MNIST's published form with few images.
fn write_mnist(place: &Workplace, folder: &str, train: u32, test: u32) {
    for (name, count) in [("train", train), ("t10k", test)] {
        let words = [0x0803, count, 28, 28].into_iter().flat_map(u32::to_be_bytes);
        let pixels = (0..count as usize * 784).map(|i| (i * 7 % 251) as u8);
        let bytes: Vec<u8> = words.chain(pixels).collect();
        place.write(&format!("{folder}/{name}-images-idx3-ubyte"), bytes);
    }
}

#[test]
fn wrong_names_and_mirrors_are_refused_before_anything_is_asked() {
    let place = Workplace::new();
    let said = |arguments: &[&str]| place.ablate(&[&["data", "fetch"], arguments].concat()).exits(2).stderr;
    assert_eq!(
        said(&["mnist", "cifar"]),
        "error: there is no data set \"cifar\"; this version knows shapes, mnist, fashion-mnist, cifar10, \
         cifar100, folder\n"
    );
    assert_eq!(
        said(&["shapes"]),
        "error: there is nothing to fetch for shapes: it is drawn by the program itself\n"
    );
    assert_eq!(
        said(&["folder"]),
        "error: there is nothing to fetch for folder: it is your own folder of images: name it in data.root\n"
    );
    assert_eq!(
        said(&["mnist", "--mirror", "usb/stick"]),
        "error: the mirror usb/stick cannot be used: there is no such folder\n  \
         help: give a base address, or a folder, that has the files under their published names\n"
    );
    assert!(said(&[]).contains("<NAME>"));
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn a_server_with_other_files_is_named_with_both_digests_and_exit_3() {
    let other = vec![7; FIRST_BYTES];
    let found = Digest::of(&other);
    let server = Server::start(move |asked, _| match asked.path.starts_with("/mnist/") {
        true => Reply::ranged(&other, asked),
        false => Reply::status("404 Not Found"),
    });
    let place = Workplace::new();
    let ran = place.ablate(&["data", "fetch", "mnist", "--mirror", &server.address]).exits(3);
    let file = "train-images-idx3-ubyte.gz";
    let address = &server.address;
    assert_eq!(
        ran.stderr,
        format!(
            "{file}: 9.5 MiB from {address}mnist/{file}\n\
             error: cannot fetch {file} of mnist\n  \
             {address}mnist/{file}: has other content: SHA-256 {found} instead of {FIRST_SHA256}\n  \
             {address}{file}: answers 404 Not Found\n  \
             help: --mirror takes another base address, or a folder that has the file\n"
        )
    );
    assert_eq!(ran.stdout, "");
    assert_eq!(place.files(), ["data/mnist/.lock"]);
}

#[test]
fn quiet_says_errors_alone() {
    let server = Server::start(|_, _| Reply::status("404 Not Found"));
    let place = Workplace::new();
    let ran = place.ablate(&["data", "fetch", "cifar10", "--quiet", "--mirror", &server.address]).exits(3);
    assert!(
        ran.stderr.starts_with("error: cannot fetch cifar-10-binary.tar.gz of cifar10\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_full_or_unwritable_disk_is_exit_74() {
    let place = Workplace::with("data", "a file where the folder should be");
    let server = Server::start(|_, _| Reply::status("404 Not Found"));
    let ran = place.ablate(&["data", "fetch", "mnist", "--mirror", &server.address]).exits(74);
    assert!(ran.stderr.starts_with("error: cannot create folder data/mnist: "), "{}", ran.stderr);
}

#[test]
fn a_folder_that_another_process_fills_is_exit_4() {
    let place = Workplace::with("data/mnist/.lock", "");
    let lock = fs::File::options().write(true).open(place.path("data/mnist/.lock")).unwrap();
    lock.lock().unwrap();
    let mirror = place.path("").display().to_string();
    let ran = place.ablate(&["data", "fetch", "mnist", "--mirror", &mirror]).exits(4);
    assert_eq!(
        ran.stderr,
        "error: another process is fetching into data/mnist\n  help: wait for it, and then run this again\n"
    );
}

/// The real program, killed or interrupted half-way through the first file, then run again.
#[cfg(unix)]
#[test]
fn a_kill_leaves_nothing_that_looks_complete_and_the_next_call_goes_on() {
    use rustix::process::{Pid, Signal, kill_process};

    for (signal, code) in [(Signal::KILL, None), (Signal::INT, Some(75)), (Signal::TERM, Some(75))] {
        // Bytes keep coming, so that a signal is noticed at once.
        let server = Server::start(|asked, number| {
            let whole = vec![9; FIRST_BYTES];
            match number {
                0 => Reply::ranged(&whole, asked).cut(3_000_000).then(Then::Hang),
                _ => Reply::ranged(&whole, asked),
            }
        });
        let place = Workplace::new();
        let mirror = format!("{}/", server.address.trim_end_matches('/'));
        let arguments = ["data", "fetch", "mnist", "--mirror", &mirror];
        let mut command = place.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        server.wait_for(1);
        let partial = place.path("data/mnist/train-images-idx3-ubyte.gz.partial");
        let begun = std::time::Instant::now();
        while fs::metadata(&partial).map_or(0, |found| found.len()) < 3_000_000 {
            assert!(begun.elapsed().as_secs() < 60 && child.try_wait().unwrap().is_none());
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        // A read that waits sees the signal when the server ends the connection.
        drop(server);
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, code, "{}", ran.stderr);
        if code.is_some() {
            let last = ran.stderr.lines().last().unwrap();
            assert_eq!(
                last,
                "error: interrupted: 2.9 MiB of 9.5 MiB of train-images-idx3-ubyte.gz are there; the same \
                 command goes on"
            );
        }
        assert_eq!(place.files(), ["data/mnist/.lock", "data/mnist/train-images-idx3-ubyte.gz.partial"]);
        let row = place.ablate(&["data", "list", "--json"]).exits(0).json()["datasets"][1].clone();
        assert_eq!(row["name"], "mnist");
        assert_eq!(row["state"], "incomplete");
        place.ablate(&["data", "check", "mnist"]).exits(2);

        let again = Server::start(|asked, _| Reply::ranged(&vec![9; FIRST_BYTES], asked));
        place.ablate(&["data", "fetch", "mnist", "--quiet", "--mirror", &again.address]).exits(3);
        assert_eq!(again.ranges()[0], Some(3_000_000), "the second call goes on from there");
    }
}

#[test]
fn the_list_says_what_is_here_and_what_is_not() {
    let place = Workplace::new();
    write_mnist(&place, "elsewhere/mnist", 40, 10);
    let text = place.ablate(&["data", "list"]).exits(0).stdout;
    assert_eq!(
        text,
        "\
name           train + test   images        here
shapes         8192 + 1024    any           built in
mnist          60000 + 10000  28 x 28 grey  not here; 11.1 MiB to fetch
fashion-mnist  60000 + 10000  28 x 28 grey  not here; 29.4 MiB to fetch
cifar10        50000 + 10000  32 x 32 RGB   not here; 162.2 MiB to fetch
cifar100       50000 + 10000  32 x 32 RGB   not here; 160.7 MiB to fetch
folder         any            any           where data.root says

shapes: drawings of everyday objects; drawn by the program; as ablate itself
mnist: handwritten digits; LeCun, Cortes and Burges 1998; CC BY-SA 3.0
fashion-mnist: articles of clothing; Xiao, Rasul and Vollgraf 2017; MIT
cifar10: small photographs, 10 kinds; Krizhevsky 2009; no licence stated, cite the report
cifar100: small photographs, 100 kinds; Krizhevsky 2009; no licence stated, cite the report
folder: your own images; the folder that data.root names; your licence
"
    );

    let json = place.ablate(&["data", "list", "--json", "--data-dir", "elsewhere"]).exits(0).json();
    assert_eq!(json["data_dir"], "elsewhere");
    let mnist = &json["datasets"][1];
    assert_eq!([&mnist["name"], &mnist["state"], &mnist["path"]], ["mnist", "complete", "elsewhere/mnist"]);
    assert_eq!(json["datasets"][2]["state"], "absent");
    let mut command = place.command(&["data", "list"]);
    let ran = Ran::of(command.env("ABLATE_RUNTIME__DATA_DIR", "elsewhere").output().unwrap()).exits(0);
    assert!(ran.stdout.contains("complete in elsewhere/mnist"), "{}", ran.stdout);
    assert!(!place.path("elsewhere/cache").exists(), "a list writes nothing");
}

#[test]
fn a_check_opens_the_data_as_a_run_would() {
    let place = Workplace::new();
    write_mnist(&place, "data/mnist", 40, 10);
    let first = place.ablate(&["data", "check", "mnist", "--json"]).exits(0).json()[0].clone();
    assert_eq!([&first["train"], &first["val"], &first["test"]], [38, 2, 10]);
    assert_eq!(first["decoded"], 50);
    let second = place.ablate(&["data", "check", "mnist", "--json"]).exits(0).json()[0].clone();
    assert_eq!(second["decoded"], 0);
    assert_eq!(second["fingerprint"], first["fingerprint"]);
    let text = place.ablate(&["data", "check", "mnist"]).exits(0).stdout;
    assert!(
        text.starts_with(
            "mnist: 38 train, 2 val, 10 test images, 28 x 28 grey\n  in the cache, verified in "
        )
    );
    assert!(
        text.ends_with(&format!("\n  fingerprint {}\n", first["fingerprint"].as_str().unwrap())),
        "{text}"
    );

    let both = place.ablate(&["data", "check"]).exits(0).stdout;
    assert!(both.starts_with("shapes: 7782 train, 410 val, 1024 test images, 32 x 32 RGB\n"), "{both}");
    assert!(both.contains("\nmnist: 38 train"), "{both}");
}

#[test]
fn the_readers_find_what_a_fetch_leaves() {
    let place = Workplace::new();
    let catalogue = Catalogue::built_in();
    for (name, label_bytes) in [("cifar10", 1), ("cifar100", 2)] {
        for member in &catalogue.find(name).unwrap().files[0].unpack {
            place.write(&format!("data/{name}/{}", member.path), vec![0; 20 * (label_bytes + 3072)]);
        }
        place.write(&format!("data/{name}/SHA256SUMS"), "");
    }
    write_mnist(&place, "data/fashion-mnist", 40, 10);
    for (name, counts) in
        [("cifar10", [95, 5, 20]), ("cifar100", [19, 1, 20]), ("fashion-mnist", [38, 2, 10])]
    {
        let found = place.ablate(&["data", "check", name, "--json"]).exits(0).json()[0].clone();
        assert_eq!([&found["train"], &found["val"], &found["test"]], counts, "{name}");
    }
    for name in ["mnist", "fashion-mnist", "cifar10", "cifar100"] {
        let elsewhere = ["data", "check", name, "--data-dir", "elsewhere"];
        let said = place.ablate(&elsewhere).exits(2).stderr;
        assert!(said.contains(&format!("`ablate data fetch {name}`")), "{said}");
    }
}

#[test]
fn a_check_of_an_experiment_opens_each_data_of_its_sweep_once() {
    let place = Workplace::with(
        "x.toml",
        "[data]\nin_channels = 1\n[model]\nattention_resolutions = [8]\n\
         [sweep.grid]\n\"data.image_size\" = [16, 32]\n\"training.batch_size\" = [8, 16]\n",
    );
    let json = place.ablate(&["data", "check", "x.toml", "--json"]).exits(0).json();
    let sizes: Vec<u64> = json.as_array().unwrap().iter().map(|row| row["width"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [16, 32]);
    let json = place.ablate(&["data", "check", "x.toml", "--json", "-s", "data.limit=100"]).exits(0).json();
    assert_eq!(json[0]["train"], 100);
    let said = place.ablate(&["data", "check", "x.toml", "-s", "data.limt=100"]).exits(2).stderr;
    assert!(said.contains("did you mean data.limit?"), "{said}");
}

#[test]
fn a_check_of_what_is_not_whole_repeats_what_the_reader_says() {
    let place = Workplace::new();
    let said = place.ablate(&["data", "check", "mnist"]).exits(2).stderr;
    assert!(said.starts_with("error: the data set mnist is not complete in data/mnist\n"), "{said}");
    assert!(said.contains("`ablate data fetch mnist`"), "{said}");
    write_mnist(&place, "data/mnist", 40, 10);
    place.write("data/mnist/t10k-images-idx3-ubyte", b"\0\0\x08\x03short");
    let said = place.ablate(&["data", "check", "mnist"]).exits(2).stderr;
    assert!(
        said.starts_with("error: data/mnist/t10k-images-idx3-ubyte is not a usable IDX file: "),
        "{said}"
    );
    assert_eq!(
        place.ablate(&["data", "check", "mnits"]).exits(2).stderr,
        "error: mnits is neither a data set nor a file\n  \
         help: the data sets are shapes, mnist, fashion-mnist, cifar10, cifar100, folder\n"
    );
    assert_eq!(
        place.ablate(&["data", "check", "folder"]).exits(2).stderr,
        "error: which folder is to be checked depends on the experiment\n  \
         help: write an experiment with data.dataset = \"folder\" and data.root, and check that\n"
    );
    assert_eq!(
        place.ablate(&["data", "check", "mnist", "-s", "data.limit=3"]).exits(2).stderr,
        "error: -s data.limit=3 sets a key of an experiment\n  help: name an experiment to be checked\n"
    );
}
