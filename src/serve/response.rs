//! An answer, with the headers that every answer has.
//!
//! In: status, type and body. Out: bytes. Nothing is stored by a browser, nothing may be framed, sniffed or referred
//! to, and the policy is that of the page.

use std::sync::LazyLock;

use crate::report::html::{Target, policy};

static POLICY: LazyLock<String> =
    LazyLock::new(|| format!("{}; frame-ancestors 'none'", policy(Target::Live)));

/// The answers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Ok,
    NoContent,
    SeeOther,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Timeout,
    TooLarge,
    Unavailable,
}

impl Code {
    fn line(self) -> &'static str {
        match self {
            Code::Ok => "200 OK",
            Code::NoContent => "204 No Content",
            Code::SeeOther => "303 See Other",
            Code::BadRequest => "400 Bad Request",
            Code::Forbidden => "403 Forbidden",
            Code::NotFound => "404 Not Found",
            Code::MethodNotAllowed => "405 Method Not Allowed",
            Code::Timeout => "408 Request Timeout",
            Code::TooLarge => "431 Request Header Fields Too Large",
            Code::Unavailable => "503 Service Unavailable",
        }
    }
}

/// One answer.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) code: Code,
    media_type: &'static str,
    body: Vec<u8>,
    /// Further header lines, each with its end.
    further: String,
}

impl Response {
    pub(super) fn new(code: Code, media_type: &'static str, body: impl Into<Vec<u8>>) -> Response {
        Response { code, media_type, body: body.into(), further: String::new() }
    }

    /// A sentence.
    pub(super) fn text(code: Code, text: &str) -> Response {
        Response::new(code, "text/plain; charset=utf-8", text)
    }

    /// To the page itself, with a cookie.
    pub(super) fn to_page(cookie: &str) -> Response {
        let further = format!("Location: /\r\nSet-Cookie: {cookie}\r\n");
        Response { further, ..Response::text(Code::SeeOther, "") }
    }

    /// Only what is read is served.
    pub(super) fn read_only() -> Response {
        let further = "Allow: GET, HEAD\r\n".to_owned();
        Response { further, ..Response::text(Code::MethodNotAllowed, "this server only shows; use GET\n") }
    }

    /// The whole answer; without its body for HEAD.
    pub(super) fn bytes(&self, with_body: bool) -> Vec<u8> {
        let mut bytes = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             Content-Security-Policy: {}\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
             Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n\
             Cross-Origin-Opener-Policy: same-origin\r\n{}\r\n",
            self.code.line(),
            self.media_type,
            self.body.len(),
            *POLICY,
            self.further
        )
        .into_bytes();
        if with_body && self.code != Code::NoContent {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}
