//! Fetching data sets from a server on this machine that does what servers do: resume, break off, lie.

mod program;
mod server;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ablate::data::fetch::{
    Catalogue, Digest, Event, FetchError, Observer, Options, Outcome, Patience, fetch,
};
use tempfile::TempDir;

use crate::support::files_below;
use server::{Reply, Server, Then};

/// Large enough to come in several pieces.
const BYTES: usize = 300_000;

/// Content that compresses badly and is nowhere the same.
pub(crate) fn content(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..BYTES).map(|_| next()).collect()
}

/// A data folder, a catalogue with one data set `d`, and how to fetch it.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) catalogue: Catalogue,
    pub(crate) options: Options,
}

impl Place {
    /// A data set of one file, `f.gz`.
    pub(crate) fn new(hosts: &[&str], file: &[u8]) -> Place {
        let more = format!(
            "[[dataset.file]]\nname = \"f.gz\"\nbytes = {}\nsha256 = \"{}\"\n",
            file.len(),
            Digest::of(file)
        );
        Place::with(hosts, &more)
    }

    /// A data set whose files `more` describes.
    pub(crate) fn with(hosts: &[&str], more: &str) -> Place {
        let text = format!(
            "[[dataset]]\nname = \"d\"\nabout = \"\"\nlicence = \"\"\nsource = \"\"\nhosts = {hosts:?}\n{more}"
        );
        let options = Options {
            attempts: 3,
            pause: Duration::from_millis(5),
            patience: Patience { connect: Duration::from_secs(5), silence: Duration::from_millis(400) },
            npm: "no-such-program".into(),
            ..Options::default()
        };
        let catalogue = Catalogue::parse(&text).unwrap();
        Place { folder: tempfile::tempdir().unwrap(), catalogue, options }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join("data/d").join(relative)
    }

    pub(crate) fn write(&self, relative: &str, content: &[u8]) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn fetch(&self) -> Result<Outcome, FetchError> {
        self.fetch_watched(&mut ())
    }

    pub(crate) fn fetch_watched(&self, observer: &mut dyn Observer) -> Result<Outcome, FetchError> {
        let entry = self.catalogue.find("d").unwrap();
        fetch(entry, &self.folder.path().join("data"), &self.options, observer)
    }

    /// What is said when it fails.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        let text = self.fetch().unwrap_err().to_string();
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }

    /// The files of the data set, besides the lock.
    pub(crate) fn files(&self) -> Vec<String> {
        let folder = self.path("");
        if !folder.exists() {
            return Vec::new();
        }
        files_below(&folder).into_iter().filter(|name| name != ".lock").collect()
    }
}

/// What was told of a fetch.
#[derive(Default)]
pub(crate) struct Told(pub(crate) Vec<String>);

impl Observer for Told {
    fn notice(&mut self, event: Event<'_>) {
        match event {
            Event::Begins { at, .. } => self.0.push(format!("begins at {at}")),
            Event::Advanced { at } => self.0.push(format!("{at}")),
            Event::Verified { file } => self.0.push(format!("verified {file}")),
            Event::Note(text) => self.0.push(text.to_owned()),
        }
    }
}

fn is(path: &Path, content: &[u8]) -> bool {
    fs::read(path).is_ok_and(|found| found == content)
}

#[test]
fn a_file_is_fetched_once_and_then_left_alone() {
    let file = content(1);
    let served = file.clone();
    let server = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let place = Place::new(&[&server.address], &file);
    let mut told = Told::default();
    assert_eq!(place.fetch_watched(&mut told).unwrap().fetched, ["f.gz"]);
    assert!(is(&place.path("f.gz"), &file));
    assert_eq!(place.files(), ["f.gz"]);
    assert_eq!(told.0.first().unwrap(), "begins at 0");
    assert_eq!(told.0[told.0.len() - 2..], [BYTES.to_string(), "verified f.gz".to_owned()]);

    let written = fs::metadata(place.path("f.gz")).unwrap().modified().unwrap();
    assert_eq!(place.fetch().unwrap().fetched, [""; 0]);
    assert_eq!(fs::metadata(place.path("f.gz")).unwrap().modified().unwrap(), written);
    assert_eq!(server.asked().len(), 1, "the second time nobody is asked");
}

#[test]
fn a_transfer_that_breaks_off_goes_on_from_there() {
    let file = content(2);
    let served = file.clone();
    let server = Server::start(move |asked, number| match number {
        0 => Reply::ranged(&served, asked).cut(100_000),
        1 => Reply::ranged(&served, asked).cut(50_000),
        _ => Reply::ranged(&served, asked),
    });
    let place = Place::new(&[&server.address], &file);
    let mut told = Told::default();
    place.fetch_watched(&mut told).unwrap();
    assert!(is(&place.path("f.gz"), &file));
    assert_eq!(server.ranges(), [None, Some(100_000), Some(150_000)]);
    let begins: Vec<&String> = told.0.iter().filter(|line| line.starts_with("begins")).collect();
    assert_eq!(begins, ["begins at 0", "begins at 100000", "begins at 150000"]);
}

#[test]
fn what_an_earlier_process_left_is_gone_on_with() {
    let file = content(3);
    let served = file.clone();
    let server = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let place = Place::new(&[&server.address], &file);
    place.write("f.gz.partial", &file[..123_456]);
    place.fetch().unwrap();
    assert_eq!(server.ranges(), [Some(123_456)]);
    assert!(is(&place.path("f.gz"), &file));
    assert_eq!(place.files(), ["f.gz"]);
}

#[test]
fn a_whole_part_needs_no_server_at_all() {
    let file = content(4);
    let place = Place::new(&[&Server::nobody()], &file);
    place.write("f.gz.partial", &file);
    place.fetch().unwrap();
    assert!(is(&place.path("f.gz"), &file));
}

#[test]
fn a_server_without_ranges_is_asked_for_everything() {
    let file = content(5);
    let served = file.clone();
    let server = Server::start(move |_, number| match number {
        0 => Reply::whole(&served).cut(10_000),
        _ => Reply::whole(&served),
    });
    let place = Place::new(&[&server.address], &file);
    place.fetch().unwrap();
    assert_eq!(server.ranges(), [None, Some(10_000)]);
    assert!(is(&place.path("f.gz"), &file));
}

#[test]
fn a_part_longer_than_the_whole_is_thrown_away() {
    let file = content(6);
    let served = file.clone();
    let server = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let place = Place::new(&[&server.address], &file);
    place.write("f.gz.partial", &[file.clone(), vec![0]].concat());
    place.fetch().unwrap();
    assert_eq!(server.ranges(), [None]);
    assert!(is(&place.path("f.gz"), &file));
}

#[test]
fn a_part_of_something_else_is_found_out_by_the_hash_and_fetched_anew() {
    let file = content(7);
    let served = file.clone();
    let server = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let place = Place::new(&[&server.address], &file);
    place.write("f.gz.partial", &content(8)[..200_000]);
    place.fetch().unwrap();
    assert_eq!(server.ranges(), [Some(200_000), None]);
    assert!(is(&place.path("f.gz"), &file));
}

#[test]
fn a_server_that_cannot_go_on_from_there_is_asked_from_the_beginning() {
    type Odd = fn(&[u8]) -> Reply;
    let odd: [Odd; 3] = [
        |_| Reply::status("416 Range Not Satisfiable"),
        |file| {
            Reply::raw(
                "206 Partial Content",
                &[("Content-Range", format!("bytes 7-9/{}", file.len()))],
                b"abc",
            )
        },
        |_| Reply::raw("206 Partial Content", &[], b"abc"),
    ];
    for odd in odd {
        let file = content(9);
        let served = file.clone();
        let server = Server::start(move |asked, _| match asked.from {
            Some(_) => odd(&served),
            None => Reply::whole(&served),
        });
        let place = Place::new(&[&server.address], &file);
        place.write("f.gz.partial", &file[..1000]);
        place.fetch().unwrap();
        assert_eq!(server.ranges(), [Some(1000), None]);
        assert!(is(&place.path("f.gz"), &file));
    }
}

#[test]
fn wrong_content_names_both_digests_and_leaves_nothing() {
    let (file, other) = (content(10), content(11));
    let served = other.clone();
    let server = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let place = Place::new(&[&server.address], &file);
    let (found, expected) = (Digest::of(&other), Digest::of(&file));
    assert_eq!(
        place.refusal(),
        format!(
            "cannot fetch f.gz of d\n  {}f.gz: has other content: SHA-256 {found} instead of {expected}",
            server.address
        )
    );
    assert_eq!(place.files(), [""; 0]);
    assert_eq!(server.asked().len(), 1, "the same server would say the same again");
}

#[test]
fn bodies_that_are_too_long_never_fill_the_disk() {
    let file = content(12);
    let chunked = |file: &[u8]| {
        let mut body = format!("{:x}\r\n", file.len()).into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
        Reply::raw("200 OK", &[("Transfer-Encoding", "chunked".into())], &body).then(Then::Endless)
    };
    let endless = |file: &[u8]| Reply::raw("200 OK", &[], file).then(Then::Endless);
    let replies = [chunked(&file), endless(&file), endless(&file[..1000])];
    for reply in replies {
        let server = Server::start(move |_, _| reply.clone());
        let place = Place::new(&[&server.address], &file);
        assert_eq!(
            place.refusal(),
            format!(
                "cannot fetch f.gz of d\n  {}f.gz: goes on after the 300000 bytes that were published",
                server.address
            )
        );
        assert_eq!(place.files(), [""; 0]);
    }
}

#[test]
fn a_length_that_is_not_the_published_one_is_refused_before_the_first_byte() {
    for (said, start) in [("299999", 0), ("300001", 0), ("18446744073709551615", 0), ("7", 1000)] {
        let file = content(13);
        let served = file.clone();
        let server = Server::start(move |_, _| {
            let range = ("Content-Range", format!("bytes {start}-299999/300000"));
            let length = ("Content-Length", said.to_owned());
            match start {
                0 => Reply::raw("200 OK", &[length], &served),
                _ => Reply::raw("206 Partial Content", &[range, length], &served),
            }
        });
        let place = Place::new(&[&server.address], &file);
        if start > 0 {
            place.write("f.gz.partial", &file[..start]);
        }
        let text = place.refusal();
        assert!(text.contains("f.gz: has another file under this name: "), "{text}");
        assert!(text.ends_with(" bytes instead of 300000"), "{text}");
    }
}

#[test]
fn a_server_that_promises_the_right_length_and_stops_early_is_asked_again() {
    let file = content(14);
    let served = file.clone();
    let server = Server::start(move |asked, _| match asked.from.unwrap_or(0) {
        0..200_000 => Reply::ranged(&served, asked).cut(40_000),
        _ => Reply::ranged(&served, asked),
    });
    let place = Place::new(&[&server.address], &file);
    place.fetch().unwrap();
    assert_eq!(server.asked().len(), 6, "progress does not count against the attempts");
    assert!(is(&place.path("f.gz"), &file));
}

#[test]
fn a_server_that_goes_silent_is_given_up_and_what_came_is_kept() {
    let file = content(15);
    let served = file.clone();
    let server = Server::start(move |asked, number| match number {
        0 => Reply::ranged(&served, asked).cut(70_000).then(Then::Hang),
        _ => Reply::silence(),
    });
    let place = Place::new(&[&server.address], &file);
    assert_eq!(place.refusal(), format!("cannot fetch f.gz of d\n  {}f.gz: went silent", server.address));
    let four = [None, Some(70_000), Some(70_000), Some(70_000)];
    assert_eq!(server.ranges(), four, "three attempts after the one that brought something");
    assert!(is(&place.path("f.gz.partial"), &file[..70_000]));
}

#[test]
fn errors_of_a_server_pass_and_its_refusals_last() {
    let file = content(16);
    let served = file.clone();
    let passing = Server::start(move |asked, number| match number {
        0 => Reply::status("503 Service Unavailable"),
        1 => Reply::status("429 Too Many Requests"),
        _ => Reply::ranged(&served, asked),
    });
    Place::new(&[&passing.address], &file).fetch().unwrap();
    assert_eq!(passing.asked().len(), 3);

    let lasting = Server::start(|_, _| Reply::status("401 Unauthorized"));
    let place = Place::new(&[&lasting.address], &file);
    assert_eq!(
        place.refusal(),
        format!("cannot fetch f.gz of d\n  {}f.gz: answers 401 Unauthorized", lasting.address)
    );
    assert_eq!(lasting.asked().len(), 1);
}

#[test]
fn redirects_are_followed_and_keep_the_range() {
    let file = content(17);
    let served = file.clone();
    let behind = Server::start(move |asked, _| Reply::ranged(&served, asked));
    let target = format!("{}elsewhere/f", behind.address);
    let front = Server::start(move |_, _| Reply::redirect(&target));
    let place = Place::new(&[&front.address], &file);
    place.write("f.gz.partial", &file[..5000]);
    place.fetch().unwrap();
    assert_eq!(behind.ranges(), [Some(5000)]);
    assert_eq!(behind.asked()[0].path, "/elsewhere/f");

    let circle = Server::start(|_, _| Reply::redirect("/f.gz"));
    let place = Place::new(&[&circle.address], &file);
    assert_eq!(
        place.refusal(),
        format!("cannot fetch f.gz of d\n  {}f.gz: too many redirects", circle.address)
    );
}
