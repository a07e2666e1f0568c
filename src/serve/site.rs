//! The few paths there are.
//!
//! In: a request. Out: its answer. No path of the file system is made of a request: variants and seeds are looked up
//! among those that were found, and a step is a number.

use super::access::{Access, Admission};
use super::live::{Live, Snapshot};
use super::request::{Method, Request};
use super::response::{Code, Response};
use crate::guard::printable;
use crate::report::html::{Target, page, read_sample};

/// What is served, and to whom.
pub(super) struct Site {
    pub(super) live: Live,
    pub(super) access: Access,
}

impl Site {
    /// The answer to a request.
    pub(super) fn answer(&self, request: &Request) -> Response {
        match self.access.admit(request) {
            Admission::Refused(reason) => return Response::text(Code::Forbidden, reason),
            _ if request.method == Method::Other => return Response::read_only(),
            Admission::Token { cookie } => return Response::to_page(&cookie),
            Admission::Granted => {}
        }
        if !["/", "/data.json", "/curves.json", "/sample"].contains(&request.path.as_str()) {
            return not_found();
        }
        let snapshot = match self.live.snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => {
                return Response::text(Code::Unavailable, &format!("{}\n", printable(&error.to_string())));
            }
        };
        match request.path.as_str() {
            "/" => {
                Response::new(Code::Ok, "text/html; charset=utf-8", page(&snapshot.document, Target::Live))
            }
            "/data.json" if request.query("since") == Some(&snapshot.revision) => {
                Response::text(Code::NoContent, "")
            }
            "/data.json" => json(snapshot.update()),
            "/curves.json" => request
                .query("variant")
                .and_then(|variant| snapshot.curves(variant))
                .map_or_else(not_found, |curves| json(curves.to_owned())),
            _ => sample(&snapshot, request).unwrap_or_else(not_found),
        }
    }
}

fn sample(snapshot: &Snapshot, request: &Request) -> Option<Response> {
    let seed = request.query("seed")?.parse().ok()?;
    let run = snapshot.run(request.query("variant")?, seed)?;
    let picture = read_sample(run, request.query("step")?.parse().ok()?).ok()?;
    Some(Response::new(Code::Ok, picture.media_type, picture.bytes))
}

fn json(text: String) -> Response {
    Response::new(Code::Ok, "application/json", text)
}

fn not_found() -> Response {
    Response::text(Code::NotFound, "there is nothing here\n")
}
