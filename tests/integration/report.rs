//! `ablate report` and `ablate serve` over run trees as crashes, people and strangers leave them. What a browser makes
//! of the page is looked at by scripts/peers/browser.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::process::{Child, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::golden::{self, EXPERIMENT};
use crate::support::{Ran, Workplace};

/// The newest format's runs.
fn workplace() -> Workplace {
    golden::workplace(golden::formats().last().unwrap())
}

/// What stands between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end}")).0
}

fn page(place: &Workplace, file: &str) -> String {
    fs::read_to_string(place.path(file)).unwrap()
}

fn data(page: &str) -> Value {
    serde_json::from_str(between(page, "<script type=\"application/json\" id=\"data\">", "</script>"))
        .unwrap()
}

fn notes(page: &str) -> Vec<String> {
    data(page)["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_report_is_one_small_file_that_asks_for_nothing_and_runs_its_own_script_alone() {
    let place = workplace();
    let ran = place.ablate(&["report", EXPERIMENT]).exits(0);
    let file = format!("{EXPERIMENT}/report.html");
    assert!(ran.stdout.starts_with("wrote ") && ran.stdout.contains("report.html ("), "{ran:?}");
    let page = page(&place, &file);
    assert!(page.len() < 2_000_000);
    for address in ["http:", "https:", "src=\"//", "@import", "url("] {
        assert!(!page.contains(address), "{address}");
    }
    let policy = between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let script = page.rsplit_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
    assert!(policy.contains(&format!("script-src {};", hash(script))), "{policy}");
    assert!(
        policy.contains(&format!("style-src {};", hash(between(&page, "<style>", "</style>")))),
        "{policy}"
    );
    let data = data(&page);
    assert_eq!(data["counts"], serde_json::json!({"done": 1, "interrupted": 1}));
    let elsewhere = place.ablate(&["report", EXPERIMENT, "-o", "elsewhere.html"]).exits(0);
    assert!(elsewhere.stdout.starts_with("wrote elsewhere.html ("), "{elsewhere:?}");
}

#[test]
fn nothing_to_report_and_nowhere_to_write_are_said() {
    let place = Workplace::new();
    fs::create_dir(place.path("runs")).unwrap();
    let ran = place.ablate(&["report"]).exits(2);
    assert_eq!(
        ran.stderr,
        "error: no runs found in runs\n  help: train some with `ablate run EXPERIMENT`, or name the folder they are in\n"
    );
    let ran = place.ablate(&["report", "nowhere"]).exits(2);
    assert!(ran.stderr.contains("cannot open folder nowhere"), "{ran:?}");
    let place = workplace();
    let ran = place.ablate(&["report", EXPERIMENT, "-o", "no/such/folder.html"]).exits(74);
    assert!(
        ran.stderr.contains("no/such/") && ran.stderr.contains("help: name another file with -o FILE"),
        "{ran:?}"
    );
    assert!(!place.path(format!("{EXPERIMENT}/report.html")).exists());
}

#[test]
fn broken_runs_are_named_and_the_others_shown() {
    let place = workplace();
    let (done, other) = (golden::run(&place, 0), golden::run(&place, 1));
    let outside = place.path("outside.png");
    fs::write(&outside, "a secret").unwrap();
    fs::write(other.join("status.json"), "{").unwrap();
    fs::write(other.join("eval.csv"), [0xff; 64]).unwrap();
    fs::write(other.join("levels.csv"), "step,weights\n\"").unwrap();
    let metrics = fs::read_to_string(other.join("metrics.csv")).unwrap();
    fs::write(other.join("metrics.csv"), &metrics[..metrics.len() - 5]).unwrap();
    fs::remove_file(other.join("timing.csv")).unwrap();
    fs::create_dir_all(other.join("samples")).unwrap();
    symlink(&outside, other.join("samples/step-00000099.png")).unwrap();
    symlink("/etc/passwd", other.join("stderr.log.tmp")).unwrap();
    let variant = done.parent().unwrap().parent().unwrap().join("newer-0123abcd/seed-0");
    fs::create_dir_all(&variant).unwrap();
    fs::write(variant.join("status.json"), r#"{"format": 99}"#).unwrap();

    let ran = place.ablate(&["report", EXPERIMENT, "-o", "page.html"]).exits(0);
    let page = page(&place, "page.html");
    let notes = notes(&page);
    for part in
        ["status.json is damaged", "eval.csv", "cut short", "status format 99", "step 99: it is a link"]
    {
        assert!(notes.iter().any(|note| note.contains(part)), "{part}: {notes:#?}");
    }
    assert!(ran.stderr.contains("note: ") && ran.stderr.contains("status format 99"), "{ran:?}");
    assert!(!page.contains(&STANDARD.encode("a secret")));
    let ranking = &data(&page)["rankings"][0];
    assert_eq!(ranking["rows"][0]["n"], 1, "{ranking}");
}

/// A server with its address, ended in the end.
struct Served {
    child: Child,
    port: u16,
    printed: String,
}

impl Served {
    fn start(place: &Workplace, arguments: &[&str]) -> Served {
        let mut child = place
            .command(&[&["serve", EXPERIMENT, "--port", "0"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut printed).unwrap();
        let port = printed.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
        Served { port: port.unwrap_or_else(|| panic!("{printed}")), child, printed }
    }

    /// The whole answer to these bytes.
    fn ask(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A server that has heard enough may close before everything was sent.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    fn status(&self, request: &str) -> String {
        self.ask(request.as_bytes()).split(' ').nth(1).unwrap_or_default().to_owned()
    }

    fn ends_with(mut self, signal: Signal, code: i32) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(code), "{signal:?}");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serve_shows_the_page_its_data_and_pictures_and_ends_on_a_signal() {
    let place = workplace();
    let before = place.files();
    let served = Served::start(&place, &[]);
    assert!(
        served.printed.starts_with(&format!("{EXPERIMENT} is at ")) && served.printed.contains("127.0.0.1:")
    );
    let page = served.get("/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{}", &page[..60.min(page.len())]);
    for header in [
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "frame-ancestors 'none'",
        "Referrer-Policy: no-referrer",
    ] {
        assert!(page.contains(header), "{header}");
    }
    let body = |answer: String| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    let update: Value = serde_json::from_str(&body(served.get("/data.json"))).unwrap();
    let (revision, key) =
        (update["revision"].as_str().unwrap(), update["document"]["variants"][0]["key"].as_str().unwrap());
    assert_eq!(
        served.status(&format!("GET /data.json?since={revision} HTTP/1.1\r\nHost: localhost\r\n\r\n")),
        "204"
    );
    let curves: Value =
        serde_json::from_str(&body(served.get(&format!("/curves.json?variant={key}")))).unwrap();
    assert_eq!(curves["seeds"], serde_json::json!([0, 1]));
    let source = update["document"]["samples"]["items"][0]["source"].as_str().unwrap();
    assert!(served.get(&format!("/{source}")).contains("Content-Type: image/png"));
    let head = served.ask(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.ends_with("\r\n\r\n") && head.contains("Content-Length: "), "{head}");
    assert_eq!(place.files(), before, "serving wrote a file");
    served.ends_with(Signal::INT, 0);
    Served::start(&place, &[]).ends_with(Signal::TERM, 0);
}

#[test]
fn serve_refuses_what_is_no_plain_request_for_its_own_page() {
    let place = workplace();
    let served = Served::start(&place, &[]);
    let with_host = |line: &str| served.status(&format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"] {
        assert_eq!(with_host(&format!("{method} /")), "405", "{method}");
    }
    for path in [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/plan.json",
        "//etc/passwd",
        "/sample?variant=../..&seed=0&step=1",
    ] {
        assert_eq!(with_host(&format!("GET {path}")), "404", "{path}");
    }
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.1.2.3"] {
        assert_eq!(served.status(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")), "403", "{host}");
    }
    assert_eq!(served.status("GET / HTTP/1.1\r\n\r\n"), "400", "no host");
    assert_eq!(served.status("nonsense\r\n\r\n"), "400");
    assert_eq!(
        served.status("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nsome body"),
        "400"
    );
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    assert_eq!(served.status(&long), "431", "a megabyte of a request");
    assert_eq!(with_host("GET /"), "200", "it goes on");
}

#[test]
fn serve_beyond_loopback_asks_for_a_token_and_a_taken_port_is_an_error() {
    let place = workplace();
    let served = Served::start(&place, &["--address", "0.0.0.0"]);
    let token = served.printed.trim_end().rsplit_once("?token=").unwrap().1.to_owned();
    assert_eq!(token.len(), 32, "{}", served.printed);
    assert!(served.get("/").starts_with("HTTP/1.1 403 "));
    assert!(served.get("/data.json").starts_with("HTTP/1.1 403 "));
    let answer = served.get(&format!("/?token={token}"));
    assert!(answer.starts_with("HTTP/1.1 303 ") && answer.contains("Location: /\r\n"), "{answer}");
    let cookie = between(&answer, "Set-Cookie: ", ";");
    let with_cookie = format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
    assert_eq!(served.status(&with_cookie), "200");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let ran: Ran = place.ablate(&["serve", EXPERIMENT, "--port", &port]).exits(3);
    assert!(ran.stderr.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{ran:?}");
    assert!(ran.stderr.contains("--port 0 any free one"), "{ran:?}");
    let ran = place.ablate(&["serve", EXPERIMENT, "--token", "short"]).exits(2);
    assert!(ran.stderr.contains("a token needs 16 to 128"), "{ran:?}");
}
