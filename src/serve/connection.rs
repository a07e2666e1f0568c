//! One connection: one request, one answer, closed. However slow or long the other side is, it ends.
//!
//! In: a stream. Out: nothing; what goes wrong on the wire concerns that browser alone.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::request::{BadRequest, MOST_BYTES, Method, Request};
use super::response::{Code, Response};
use super::site::Site;

/// For the whole head of a request.
const TO_ASK: Duration = Duration::from_secs(5);
/// For a whole answer: a report of megabytes over a slow line.
const TO_ANSWER: Duration = Duration::from_secs(60);
/// For what still comes after an answer was given early.
const TO_CLOSE: Duration = Duration::from_millis(500);
/// Bytes that are sent between two looks at the clock.
const PIECE: usize = 64 << 10;

/// Reads the request and answers it.
pub(super) fn answer(mut stream: TcpStream, site: &Site) {
    let (response, with_body) = match head(&mut stream) {
        Ok(head) => match Request::parse(&head) {
            Ok(request) => (site.answer(&request), request.method != Method::Head),
            Err(BadRequest::Malformed) => {
                (Response::text(Code::BadRequest, "this is no request that is understood here\n"), true)
            }
            Err(BadRequest::Body) => (Response::text(Code::BadRequest, "a request here has no body\n"), true),
        },
        Err(Ended::TooLong) => (Response::text(Code::TooLarge, "the request is too long\n"), true),
        Err(Ended::TooSlow) => (Response::text(Code::Timeout, "the request took too long\n"), true),
        Err(Ended::Gone) => return,
    };
    if send(&mut stream, &response.bytes(with_body)).is_ok() {
        close(&mut stream);
    }
}

/// Says that there are too many others.
pub(super) fn turn_away(mut stream: TcpStream) {
    let response = Response::text(Code::Unavailable, "too many connections; try again\n");
    if send(&mut stream, &response.bytes(true)).is_ok() {
        close(&mut stream);
    }
}

/// Why there is no request.
enum Ended {
    TooLong,
    TooSlow,
    Gone,
}

/// The bytes up to and with the empty line.
fn head(stream: &mut TcpStream) -> Result<Vec<u8>, Ended> {
    let deadline = Instant::now() + TO_ASK;
    let mut head = Vec::with_capacity(1024);
    let mut piece = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Ended::TooSlow);
        }
        stream.set_read_timeout(Some(left)).map_err(|_| Ended::Gone)?;
        let read = match stream.read(&mut piece) {
            Ok(0) => return Err(Ended::Gone),
            Ok(read) => read,
            Err(error) if is_slow(&error) => return Err(Ended::TooSlow),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(Ended::Gone),
        };
        // The end may lie across two pieces.
        let from = head.len().saturating_sub(3);
        head.extend_from_slice(&piece[..read]);
        if let Some(end) = head[from..].windows(4).position(|window| window == b"\r\n\r\n") {
            head.truncate(from + end + 4);
            return if head.len() <= MOST_BYTES { Ok(head) } else { Err(Ended::TooLong) };
        }
        if head.len() > MOST_BYTES {
            return Err(Ended::TooLong);
        }
    }
}

fn send(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + TO_ANSWER;
    for piece in bytes.chunks(PIECE) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        stream.write_all(piece)?;
    }
    stream.flush()
}

/// Lets the other side read the answer: a socket that is closed with bytes unread takes back what was sent.
fn close(stream: &mut TcpStream) {
    if stream.shutdown(Shutdown::Write).is_err() || stream.set_read_timeout(Some(TO_CLOSE)).is_err() {
        return;
    }
    let deadline = Instant::now() + TO_CLOSE;
    let mut rest = [0; 4096];
    while Instant::now() < deadline {
        match stream.read(&mut rest) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn is_slow(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
