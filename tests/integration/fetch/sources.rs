//! Where files come from when the first place does not have them; archives; what is there already.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use ablate::data::fetch::{Digest, Fault, Mirror};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::{Reply, Server};
use super::{Place, Told, content, is};

/// A mirror as the command line takes it.
fn mirror(text: &str) -> Option<Mirror> {
    Some(text.parse().unwrap())
}

fn folder_mirror(folder: &Path) -> Option<Mirror> {
    mirror(folder.to_str().unwrap())
}

/// An archive with `d/a.bin`, `d/b.bin` and a read-me file.
fn archive(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in [("in/readme.txt", &b"hello"[..]), ("in/a.bin", a), ("in/b.bin", b)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A data set that is an archive with two files.
fn archived(hosts: &[&str], archive: &[u8], a: &[u8], b: &[u8]) -> Place {
    let text = format!(
        "[[dataset.file]]\nname = \"x.tar.gz\"\nbytes = {}\nsha256 = \"{}\"\nunpack = [\n\
         {{ path = \"in/a.bin\", bytes = {} }},\n{{ path = \"in/b.bin\", bytes = {} }},\n]\n",
        archive.len(),
        Digest::of(archive),
        a.len(),
        b.len()
    );
    Place::with(hosts, &text)
}

/// A data set of one file in two forms, and a package that has the plain one.
fn packaged(hosts: &[&str], gz: &[u8], plain: &[u8]) -> Place {
    let text = format!(
        "npm = {{ package = \"some-data\", version = \"1.2.3\", folder = \"package/data\" }}\n\
         [[dataset.file]]\nname = \"f.gz\"\nbytes = {}\nsha256 = \"{}\"\n\
         [dataset.file.plain]\nname = \"f\"\nbytes = {}\nsha256 = \"{}\"\n",
        gz.len(),
        Digest::of(gz),
        plain.len(),
        Digest::of(plain)
    );
    Place::with(hosts, &text)
}

#[test]
fn the_next_host_is_asked_where_the_first_has_nothing() {
    let file = content(20);
    let served = file.clone();
    let without = Server::start(|_, _| Reply::status("404 Not Found"));
    let with = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let dead = Server::nobody();
    let place = Place::new(&[&without.address, &dead, &with.address], &file);
    place.fetch().unwrap();
    assert!(is(&place.path("f.gz"), &file));
    assert_eq!([without.asked().len(), with.asked().len()], [1, 1]);
}

#[test]
fn where_no_host_has_it_each_says_why_and_what_came_is_kept() {
    let file = content(21);
    let served = file.clone();
    let without = Server::start(|_, _| Reply::status("404 Not Found"));
    let half = Server::start(move |asked, number| match number {
        0 => Reply::ranged(&served, asked).cut(150_000),
        _ => Reply::status("500 Internal Server Error"),
    });
    let place = Place::new(&[&without.address, &half.address], &file);
    let error = place.fetch().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot fetch f.gz of d\n  {}f.gz: answers 404 Not Found\n  {}f.gz: answers 500 Internal Server Error",
            without.address, half.address
        )
    );
    assert_eq!(error.fault(), Fault::Source);
    assert_eq!(without.asked().len(), 1);
    assert!(is(&place.path("f.gz.partial"), &file[..150_000]));
    assert_eq!(place.files(), ["f.gz.partial"]);
}

#[test]
fn a_mirror_replaces_the_hosts_and_may_keep_data_sets_apart() {
    let file = content(22);
    for wanted in ["/m/d/f.gz", "/m/f.gz"] {
        let served = file.clone();
        let server = Server::start(move |asked, _| match asked.path == wanted {
            true => Reply::ranged(&served, asked),
            false => Reply::status("404 Not Found"),
        });
        let publisher = Server::start(|_, _| Reply::status("404 Not Found"));
        let mut place = Place::new(&[&publisher.address], &file);
        place.options.mirror = mirror(&format!("{}m", server.address));
        place.fetch().unwrap();
        assert!(is(&place.path("f.gz"), &file));
        assert_eq!(server.asked().last().unwrap().path, wanted);
        assert_eq!(publisher.asked(), []);
    }
}

#[test]
fn a_folder_serves_as_mirror_and_is_verified_too() {
    let (file, other) = (content(23), content(24));
    let there = tempfile::tempdir().unwrap();
    let mut place = Place::new(&[&Server::nobody()], &file);
    place.options.mirror = folder_mirror(there.path());
    let shown = there.path().display();
    assert_eq!(
        place.refusal(),
        format!(
            "cannot fetch f.gz of d\n  {shown}/d/f.gz: there is no such file\n  {shown}/f.gz: there is no such file"
        )
    );
    fs::write(there.path().join("f.gz"), &other).unwrap();
    let text = place.refusal();
    let (found, expected) = (Digest::of(&other), Digest::of(&file));
    assert!(
        text.ends_with(&format!("f.gz: has other content: SHA-256 {found} instead of {expected}")),
        "{text}"
    );
    fs::write(there.path().join("f.gz"), &file[1..]).unwrap();
    let text = place.refusal();
    assert!(text.ends_with("has another file under this name: 299999 bytes instead of 300000"), "{text}");

    fs::create_dir(there.path().join("d")).unwrap();
    fs::write(there.path().join("d/f.gz"), &file).unwrap();
    place.fetch().unwrap();
    assert!(is(&place.path("f.gz"), &file));
    assert_eq!(place.files(), ["f.gz"]);
    assert!(is(&there.path().join("d/f.gz"), &file), "the mirror keeps what it has");
}

#[test]
fn a_mirror_may_have_the_plain_form() {
    let (gz, plain) = (content(25), content(26));
    let there = tempfile::tempdir().unwrap();
    fs::write(there.path().join("f"), &plain).unwrap();
    let mut place = packaged(&[&Server::nobody()], &gz, &plain);
    place.options.mirror = folder_mirror(there.path());
    place.fetch().unwrap();
    assert_eq!(place.files(), ["f"]);
    assert_eq!(place.fetch().unwrap().fetched, [""; 0], "either form is enough");
}

#[test]
fn an_archive_is_taken_apart_and_its_members_are_remembered() {
    let (a, b) = (content(27), content(28));
    let packed = archive(&a, &b);
    let served = packed.clone();
    let server = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let place = archived(&[&server.address], &packed, &a, &b);
    place.fetch().unwrap();
    assert_eq!(place.files(), ["SHA256SUMS", "in/a.bin", "in/b.bin"]);
    assert!(is(&place.path("in/a.bin"), &a) && is(&place.path("in/b.bin"), &b));
    let sums = format!("{}  in/a.bin\n{}  in/b.bin\n", Digest::of(&a), Digest::of(&b));
    assert_eq!(fs::read_to_string(place.path("SHA256SUMS")).unwrap(), sums);
    assert_eq!(place.fetch().unwrap().fetched, [""; 0]);
    assert_eq!(server.asked().len(), 1);

    fs::remove_file(place.path("in/b.bin")).unwrap();
    assert_eq!(place.fetch().unwrap().fetched, ["x.tar.gz"]);
    assert!(is(&place.path("in/b.bin"), &b));
}

#[test]
fn an_archive_that_was_fetched_before_a_kill_is_unpacked_without_a_server() {
    let (a, b) = (content(29), content(30));
    let packed = archive(&a, &b);
    let place = archived(&[&Server::nobody()], &packed, &a, &b);
    place.write("x.tar.gz.partial", &packed);
    place.write(".unpack-left/in/a.bin", b"half");
    place.fetch().unwrap();
    assert_eq!(place.files(), ["SHA256SUMS", "in/a.bin", "in/b.bin"]);
}

#[test]
fn an_archive_that_is_not_what_the_list_says_leaves_nothing_unpacked() {
    let (a, b) = (content(31), content(32));
    let packed = archive(&a, &b);
    let place = archived(&[&Server::nobody()], &packed, &a, &b[1..]);
    place.write("x.tar.gz.partial", &packed);
    assert_eq!(
        place.refusal(),
        "the archive data/d/x.tar.gz.partial holds in/b.bin with 300000 bytes instead of 299999"
    );
    assert_eq!(place.files(), ["x.tar.gz.partial"]);
}

#[test]
fn a_file_of_the_user_is_never_replaced_unasked() {
    let (file, mine) = (content(33), b"mine".to_vec());
    let served = file.clone();
    let server = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let mut place = Place::new(&[&server.address], &file);
    place.write("f.gz", &mine);
    let error = place.fetch().unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    assert_eq!(place.refusal(), "data/d/f.gz is not the published file: it has 4 bytes instead of 300000");
    place.write("f.gz", &content(34));
    let (found, expected) = (Digest::of(&content(34)), Digest::of(&file));
    assert_eq!(
        place.refusal(),
        format!("data/d/f.gz is not the published file: its SHA-256 is {found} instead of {expected}")
    );
    assert_eq!(server.asked(), []);
    place.options.force = true;
    place.fetch().unwrap();
    assert!(is(&place.path("f.gz"), &file));
}

#[test]
fn a_damaged_member_is_noticed_and_force_replaces_it() {
    let (a, b) = (content(35), content(36));
    let packed = archive(&a, &b);
    let served = packed.clone();
    let server = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let mut place = archived(&[&server.address], &packed, &a, &b);
    place.fetch().unwrap();
    place.write("in/a.bin", &b);
    assert!(place.refusal().starts_with("data/d/in/a.bin is not the published file: its SHA-256 is "));
    place.options.force = true;
    place.fetch().unwrap();
    assert!(is(&place.path("in/a.bin"), &a));
}

#[test]
fn two_fetches_into_one_folder_do_not_mix() {
    let file = content(37);
    let place = Place::new(&[&Server::nobody()], &file);
    place.write(".lock", b"");
    let held = File::options().write(true).open(place.path(".lock")).unwrap();
    held.lock().unwrap();
    assert_eq!(place.fetch().unwrap_err().fault(), Fault::Held);
    assert_eq!(place.refusal(), "another process is fetching into data/d");
    drop(held);
    assert_eq!(place.fetch().unwrap_err().fault(), Fault::Source);
}

#[test]
fn what_the_disk_has_no_room_for_is_not_begun() {
    let server = Server::start(|_, _| Reply::status("404 Not Found"));
    let text = format!(
        "[[dataset.file]]\nname = \"f\"\nbytes = {}\nsha256 = \"{}\"\n",
        1_u64 << 60,
        Digest::of(b"")
    );
    let place = Place::with(&[&server.address], &text);
    let error = place.fetch().unwrap_err();
    assert_eq!(error.fault(), Fault::Storage);
    assert!(place.refusal().starts_with("data/d needs 1073741824.0 GiB and "), "{error}");
    assert_eq!(server.asked(), []);
}

#[test]
fn a_folder_that_cannot_be_written_is_a_storage_error_with_its_path() {
    let place = Place::new(&[&Server::nobody()], &content(38));
    fs::write(place.path("").parent().unwrap().parent().unwrap().join("data"), b"a file").unwrap();
    let error = place.fetch().unwrap_err();
    assert_eq!(error.fault(), Fault::Storage);
    assert!(place.refusal().starts_with("cannot create folder data/d: "), "{error}");
}

#[test]
fn an_interrupt_stops_a_fetch_and_keeps_what_is_there() {
    let file = content(39);
    let served = file.clone();
    let place = Place::new(&["placeholder:"], &file);
    let flag = place.options.interrupted.clone();
    let server = Server::start(move |asked, _| {
        flag.store(true, Ordering::Relaxed);
        Reply::ranged(&served, asked).cut(80_000)
    });
    let place = Place { options: place.options, ..Place::new(&[&server.address], &file) };
    let error = place.fetch().unwrap_err();
    assert_eq!(error.fault(), Fault::Interrupted);
    assert!(error.to_string().ends_with("of f.gz are there; the same command goes on"), "{error}");
    place.options.interrupted.store(false, Ordering::Relaxed);
    place.write("f.gz.partial", &file);
    place.fetch().unwrap();
}

/// A stand-in for npm that notes how it was called and hands out a prepared archive.
#[cfg(unix)]
fn fake_npm(folder: &Path, package: &[u8], exit: i32) -> std::ffi::OsString {
    let (script, tgz) = (folder.join("npm"), folder.join("prepared"));
    fs::write(&tgz, package).unwrap();
    let text = format!(
        "#!/bin/sh\necho \"$@\" >'{0}/called'\n[ {exit} = 0 ] && cp '{0}/prepared' some-data-1.2.3.tgz\n\
         echo 'npm ERR! as told' >&2\nexit {exit}\n",
        folder.display()
    );
    // Written by a process of its own: a file that any process has open for writing cannot be started, and a
    // test beside this one may fork at any moment.
    let write = "printf %s \"$1\" >\"$2\" && chmod +x \"$2\"";
    let status = Command::new("sh").args(["-c", write, "sh", &text]).arg(&script).status().unwrap();
    assert!(status.success());
    script.into()
}

#[cfg(unix)]
fn package(plain: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in [("package/package.json", &b"{}"[..]), ("package/data/f", plain)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

#[cfg(unix)]
#[test]
fn where_no_host_answers_npm_is_asked_and_its_files_are_verified() {
    let (gz, plain) = (content(40), content(41));
    let tools = tempfile::tempdir().unwrap();
    let mut place = packaged(&[&Server::nobody()], &gz, &plain);
    place.options.npm = fake_npm(tools.path(), &package(&plain), 0);
    let mut told = Told::default();
    assert_eq!(place.fetch_watched(&mut told).unwrap().fetched, ["f.gz"]);
    let last = told.0.split_off(told.0.len() - 2);
    assert_eq!(last, ["no host has f.gz of d to give; trying `npm pack some-data@1.2.3`", "verified f"]);
    assert_eq!(told.0.len(), 2, "one note before each pause");
    assert!(told.0.iter().all(|note| note.ends_with("; asked again in 1 s")), "{:?}", told.0);
    let called = fs::read_to_string(tools.path().join("called")).unwrap();
    assert_eq!(called, "pack --ignore-scripts --loglevel=error some-data@1.2.3\n");
    assert_eq!(place.files(), ["f"]);
    assert!(is(&place.path("f"), &plain));
}

#[cfg(unix)]
#[test]
fn a_package_that_fails_or_has_other_files_is_one_more_reason() {
    let (gz, plain) = (content(42), content(43));
    let tools = tempfile::tempdir().unwrap();
    let dead = Server::nobody();
    let mut place = packaged(&[&dead], &gz, &plain);
    let last_line = |place: &Place| place.refusal().lines().last().unwrap().to_owned();
    assert_eq!(last_line(&place), "  npm pack some-data@1.2.3: npm is not installed");
    place.options.npm = fake_npm(tools.path(), b"", 1);
    assert_eq!(
        last_line(&place),
        "  npm pack some-data@1.2.3: npm pack failed (exit status: 1): npm ERR! as told"
    );
    place.options.npm = fake_npm(tools.path(), &package(&content(44)), 0);
    let (found, expected) = (Digest::of(&content(44)), Digest::of(&plain));
    assert_eq!(
        last_line(&place),
        format!("  npm pack some-data@1.2.3: its f has other content: SHA-256 {found} instead of {expected}")
    );
    place.options.npm = fake_npm(tools.path(), &package(&plain[1..]), 0);
    assert_eq!(
        last_line(&place),
        "  npm pack some-data@1.2.3: its archive holds package/data/f with 299999 bytes instead of 300000"
    );
    assert_eq!(place.files(), [""; 0]);
    // A mirror was asked for by name: nothing else is tried.
    place.options.mirror = mirror(&dead);
    assert!(!place.refusal().contains("npm"));
}
