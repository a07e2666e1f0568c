//! The head of an HTTP/1 request, strictly.
//!
//! In: the bytes up to the empty line. Out: a [`Request`], or why it is none. What this server never asks for is not
//! understood: bodies, percent-encoding, folded headers.

/// Bytes of a request; a browser's takes about 1,000.
pub(super) const MOST_BYTES: usize = 8 << 10;
/// Header lines.
const MOST_HEADERS: usize = 64;

/// What is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadRequest {
    /// Not HTTP, or an unusual form of it.
    Malformed,
    /// It brings a body.
    Body,
}

/// What this server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// An answer with its body.
    Get,
    /// The same without.
    Head,
    /// Anything else, which is refused.
    Other,
}

/// A request as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    query: String,
    pub(super) host: String,
    cookie: String,
    authorization: String,
}

impl Request {
    /// Reads the head, which ends with an empty line.
    pub(super) fn parse(head: &[u8]) -> Result<Request, BadRequest> {
        let text = std::str::from_utf8(head).map_err(|_| BadRequest::Malformed)?;
        let text =
            text.strip_suffix("\r\n\r\n").or(text.strip_suffix("\r\n")).ok_or(BadRequest::Malformed)?;
        let mut lines = text.split("\r\n");
        let first = lines.next().ok_or(BadRequest::Malformed)?;
        let (method, target) = request_line(first).ok_or(BadRequest::Malformed)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Request {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            host: String::new(),
            cookie: String::new(),
            authorization: String::new(),
        };
        for (number, line) in lines.enumerate() {
            if number >= MOST_HEADERS {
                return Err(BadRequest::Malformed);
            }
            request.header(line)?;
        }
        if request.host.is_empty() { Err(BadRequest::Malformed) } else { Ok(request) }
    }

    fn header(&mut self, line: &str) -> Result<(), BadRequest> {
        let (name, value) = line.split_once(':').ok_or(BadRequest::Malformed)?;
        // A line that goes on with the one before, or a blank before the colon, means different things to different
        // readers.
        if !is_token(name) || value.chars().any(|character| character.is_control() && character != '\t') {
            return Err(BadRequest::Malformed);
        }
        let value = value.trim_matches([' ', '\t']);
        let field = match name.to_ascii_lowercase().as_str() {
            "host" => &mut self.host,
            "cookie" => &mut self.cookie,
            "authorization" => &mut self.authorization,
            "content-length" if value == "0" => return Ok(()),
            "content-length" | "transfer-encoding" => return Err(BadRequest::Body),
            _ => return Ok(()),
        };
        // Two hosts, or two tokens: which one counts?
        if !field.is_empty() {
            return Err(BadRequest::Malformed);
        }
        value.clone_into(field);
        Ok(())
    }

    /// The value of a parameter; as it stands, since nothing of ours has to be encoded.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Names and values of cookies.
    pub(super) fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cookie.split(';').filter_map(|pair| pair.trim().split_once('='))
    }

    /// The token of `Authorization: Bearer`.
    pub(super) fn bearer(&self) -> Option<&str> {
        self.authorization.strip_prefix("Bearer ")
    }
}

/// Method and target of `GET /path?query HTTP/1.1`.
fn request_line(line: &str) -> Option<(Method, &str)> {
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let plain = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
    if words.next().is_some() || !is_token(method) || !plain || !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return None;
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    Some((method, target))
}

/// A name as HTTP has them (RFC 9110, §5.6.2).
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request, BadRequest> {
        Request::parse(text.as_bytes())
    }

    #[test]
    fn a_browsers_request_is_understood() {
        let text = "GET /data.json?since=ab&x= HTTP/1.1\r\nHost: localhost:7007\r\nCookie: a=1; b=2\r\n\
                    Accept: */*\r\nAuthorization: Bearer t\r\nContent-Length: 0\r\n\r\n";
        let request = parse(text).unwrap();
        assert_eq!((request.method, request.path.as_str()), (Method::Get, "/data.json"));
        assert_eq!(
            (request.query("since"), request.query("x"), request.query("y")),
            (Some("ab"), Some(""), None)
        );
        assert_eq!(request.cookies().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!((request.host.as_str(), request.bearer()), ("localhost:7007", Some("t")));
        assert_eq!(parse("POST / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().method, Method::Other);
    }

    #[test]
    fn whatever_readers_could_disagree_about_is_refused() {
        for text in [
            "",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/2\r\nHost: x\r\n\r\n",
            "GET /\u{7f} HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET http:x HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\n\n",
            "GET / HTTP/1.1\r\nHost: x\ny\r\n\r\n",
        ] {
            assert_eq!(parse(text), Err(BadRequest::Malformed), "{text:?}");
        }
        let many = "A: b\r\n".repeat(MOST_HEADERS + 1);
        assert_eq!(parse(&format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n")), Err(BadRequest::Malformed));
        for body in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            assert_eq!(parse(&format!("GET / HTTP/1.1\r\nHost: x\r\n{body}\r\n\r\n")), Err(BadRequest::Body));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = Request::parse(&bytes);
        }
    }
}
