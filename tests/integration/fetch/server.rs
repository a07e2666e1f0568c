//! A web server on this machine that misbehaves as it is told to.
//!
//! In: a function from request to reply. Out: an address, and every request that came. One request a
//! connection; a server ends when it is dropped, and with it whatever it left hanging.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// First byte wanted.
    pub(crate) from: Option<u64>,
}

/// What follows the bytes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection is closed.
    Close,
    /// Nothing, with the connection left open.
    Hang,
    /// The last bytes over and over again.
    Endless,
}

/// A reply: everything that goes over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    head: String,
    body: Vec<u8>,
    then: Then,
}

impl Reply {
    /// A reply with these headers, and no others.
    pub(crate) fn raw(status: &str, headers: &[(&str, String)], body: &[u8]) -> Reply {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n");
        Reply { head, body: body.to_vec(), then: Then::Close }
    }

    /// Not a word, and the connection left open.
    pub(crate) fn silence() -> Reply {
        Reply { head: String::new(), body: Vec::new(), then: Then::Hang }
    }

    pub(crate) fn status(status: &str) -> Reply {
        Reply::raw(status, &[("Content-Length", "0".into())], b"")
    }

    pub(crate) fn redirect(to: &str) -> Reply {
        Reply::raw("302 Found", &[("Location", to.to_owned()), ("Content-Length", "0".into())], b"")
    }

    /// The whole file, whatever part was asked for.
    pub(crate) fn whole(file: &[u8]) -> Reply {
        Reply::raw("200 OK", &[("Content-Length", file.len().to_string())], file)
    }

    /// The part that was asked for.
    pub(crate) fn ranged(file: &[u8], asked: &Asked) -> Reply {
        let Some(from) = asked.from else { return Reply::whole(file) };
        let start = usize::try_from(from).unwrap();
        if start >= file.len() {
            return Reply::raw("416 Range Not Satisfiable", &[("Content-Length", "0".into())], b"");
        }
        let range = format!("bytes {from}-{}/{}", file.len() - 1, file.len());
        let length = (file.len() - start).to_string();
        Reply::raw(
            "206 Partial Content",
            &[("Content-Length", length), ("Content-Range", range)],
            &file[start..],
        )
    }

    /// The same, broken off after so many bytes of body.
    pub(crate) fn cut(mut self, after: usize) -> Reply {
        self.body.truncate(after);
        self
    }

    pub(crate) fn then(mut self, then: Then) -> Reply {
        self.then = then;
        self
    }

    fn send(&self, mut stream: &TcpStream, ended: &AtomicBool) -> std::io::Result<()> {
        stream.write_all(self.head.as_bytes())?;
        stream.write_all(&self.body)?;
        stream.flush()?;
        while self.then != Then::Close && !ended.load(Ordering::Relaxed) {
            match self.then {
                Then::Endless => stream.write_all(&self.body)?,
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
        Ok(())
    }
}

pub(crate) struct Server {
    pub(crate) address: String,
    log: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// Starts answering; `answer` also gets the number of the request, from 0.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("{}://{}/", "http", listener.local_addr().unwrap());
        let (log, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log_here, ended_here, answer) = (Arc::clone(&log), Arc::clone(&ended), Arc::new(answer));
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            while !ended_here.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                };
                let (log, ended, answer) =
                    (Arc::clone(&log_here), Arc::clone(&ended_here), Arc::clone(&answer));
                thread::spawn(move || {
                    stream.set_nonblocking(false).unwrap();
                    let Some(asked) = read(&stream) else { return };
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(asked.clone());
                        log.len() - 1
                    };
                    // A client that has seen enough closes the connection.
                    let _ = answer(&asked, number).send(&stream, &ended);
                });
            }
        });
        Server { address, log, ended }
    }

    /// An address at which nobody listens.
    pub(crate) fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("{}://{}/", "http", listener.local_addr().unwrap())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// The first bytes asked for, request by request.
    pub(crate) fn ranges(&self) -> Vec<Option<u64>> {
        self.asked().iter().map(|asked| asked.from).collect()
    }

    /// Waits until so many requests have come.
    #[track_caller]
    pub(crate) fn wait_for(&self, requests: usize) {
        let begun = Instant::now();
        while self.asked().len() < requests {
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", self.asked());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?.to_owned();
    let mut from = None;
    for line in lines {
        let line = line.ok()?.to_ascii_lowercase();
        if line.is_empty() {
            return Some(Asked { path, from });
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = Some(range.strip_suffix('-')?.parse().ok()?);
        }
    }
    None
}
