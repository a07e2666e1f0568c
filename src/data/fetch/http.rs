//! One request: from an address and a position to bytes.
//!
//! In: an address and how many bytes are there already. Out: an [`Answer`] whose body begins at a known
//! position, or a [`Setback`] that says whether to ask again. No request is ever longer than its parts:
//! resolving, connecting and each read have a limit, while a slow transfer may take as long as it likes.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ureq::http::{Response, Uri, header};
use ureq::{Agent, Body, BodyReader};

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For finding a host's address, and for connecting to it.
    pub connect: Duration,
    /// For any pause in what arrives.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), silence: Duration::from_secs(30) }
    }
}

/// Why a source did not deliver.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Setback {
    /// It may, another time.
    Passing(String),
    /// It cannot go on from there; from the beginning it may.
    Misplaced(String),
    /// It has no such file.
    Absent(String),
    /// It will not.
    Lasting(String),
}

/// A body on its way.
pub(super) struct Answer {
    pub(super) body: BodyReader<'static>,
    /// The byte of the file that the body begins with.
    pub(super) start: u64,
}

/// Makes requests.
#[derive(Debug)]
pub(super) struct Client {
    proxied: Agent,
    direct: Agent,
}

impl Client {
    /// A client that goes through the proxy of the environment, except to this machine.
    pub(super) fn new(patience: Patience) -> Self {
        let settings = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .timeout_resolve(Some(patience.connect))
                .timeout_connect(Some(patience.connect))
                .timeout_per_read(Some(patience.silence))
                .timeout_per_write(Some(patience.silence))
                .user_agent(concat!("ablate/", env!("CARGO_PKG_VERSION")))
                .accept_encoding("identity")
        };
        Self { proxied: settings().build().new_agent(), direct: settings().proxy(None).build().new_agent() }
    }

    /// Asks for a file of `bytes` bytes from byte `from` on.
    pub(super) fn get(&self, address: &str, from: u64, bytes: u64) -> Result<Answer, Setback> {
        let agent = if is_this_machine(address) { &self.direct } else { &self.proxied };
        let request = agent.get(address);
        let request = match from {
            0 => request,
            _ => request.header(header::RANGE, format!("bytes={from}-")),
        };
        let response = request.call().map_err(|error| setback(&error))?;
        let start = match response.status().as_u16() {
            200 => 0,
            206 if from > 0 => range_start(&response, from, bytes)?,
            416 => return Err(Setback::Misplaced("cannot go on from there".to_owned())),
            status => return Err(refusal(status, response.status().canonical_reason())),
        };
        let announced = whole_number(&response, header::CONTENT_LENGTH.as_str());
        match announced {
            Some(length) if length != bytes - start => Err(Setback::Lasting(format!(
                "has another file under this name: {} bytes instead of {bytes}",
                length.saturating_add(start)
            ))),
            _ => Ok(Answer { body: response.into_body().into_reader(), start }),
        }
    }
}

/// The position a partial answer begins at; it must be the one asked for, in a file of the right length.
fn range_start(response: &Response<Body>, from: u64, bytes: u64) -> Result<u64, Setback> {
    let text = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let parsed = text.and_then(|text| {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let start: u64 = range.split_once('-')?.0.trim().parse().ok()?;
        // `*` stands for a length that the server does not know.
        Some((start, total.trim().parse::<u64>().ok()))
    });
    match parsed {
        Some((start, total)) if start == from && total.is_none_or(|total| total == bytes) => Ok(start),
        Some((start, Some(total))) if start == from => Err(Setback::Lasting(format!(
            "has another file under this name: {total} bytes instead of {bytes}"
        ))),
        _ => Err(Setback::Misplaced(format!(
            "answers a request for the bytes from {from} with {:?}",
            text.unwrap_or("no Content-Range")
        ))),
    }
}

fn whole_number(response: &Response<Body>, name: &str) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.trim().parse().ok()
}

fn refusal(status: u16, words: Option<&str>) -> Setback {
    let text = format!("answers {status}{}", words.map(|words| format!(" {words}")).unwrap_or_default());
    match status {
        408 | 425 | 429 | 500..=599 => Setback::Passing(text),
        // Buckets without a listing answer 403 for a file they do not have.
        403 | 404 | 410 => Setback::Absent(text),
        _ => Setback::Lasting(text),
    }
}

/// What an error of the transport means.
fn setback(error: &ureq::Error) -> Setback {
    use ureq::Error;
    let text = describe(error);
    match error {
        Error::BadUri(_)
        | Error::Http(_)
        | Error::Rustls(_)
        | Error::Tls(_)
        | Error::RedirectFailed
        | Error::TooManyRedirects
        | Error::InvalidProxyUrl => Setback::Lasting(text),
        _ => Setback::Passing(text),
    }
}

fn describe(error: &ureq::Error) -> String {
    use ureq::{Error, Timeout};
    match error {
        Error::HostNotFound => "no such host, or no network".to_owned(),
        Error::ConnectionFailed => "cannot connect".to_owned(),
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => "cannot be reached in time".to_owned(),
        Error::Timeout(_) => "went silent".to_owned(),
        Error::Io(error) => describe_io(error),
        other => other.to_string(),
    }
}

/// What broke a body off.
pub(super) fn describe_io(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(ureq::Error::Io(inner)) => describe_io(inner),
        Some(inner) => describe(inner),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => "the connection broke off".to_owned(),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "went silent".to_owned(),
            _ => error.to_string(),
        },
    }
}

fn is_this_machine(address: &str) -> bool {
    let uri = address.parse::<Uri>().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_a_proxy() {
        let local = |authority: &str| is_this_machine(&format!("{}://{authority}/x", "http"));
        assert!(
            ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "127.9.9.9", "[::1]:81"].into_iter().all(local)
        );
        assert!(!["host", "127.0.0.1.host", "10.0.0.1", "me@host"].into_iter().any(local));
    }

    #[test]
    fn refusals_tell_what_may_pass_from_what_will_not() {
        assert_eq!(
            refusal(503, Some("Service Unavailable")),
            Setback::Passing("answers 503 Service Unavailable".into())
        );
        assert_eq!(refusal(404, Some("Not Found")), Setback::Absent("answers 404 Not Found".into()));
        assert_eq!(refusal(401, None), Setback::Lasting("answers 401".into()));
    }
}
