//! The report as one HTML page that needs nothing but itself.
//!
//! ```text
//! folders -> Report (load, twice) -> Document (what is shown, plain data) -> page (shell, style, scripts, data)
//! ```
//!
//! A page in a file carries everything: curves thinned to a bound, samples as small pictures. A live page gets the
//! same [`Document`] without these two and asks its server for them. What came from files reaches the page as JSON
//! whose text is made printable here and which the scripts show as text alone; the page's policy allows no other
//! script than its own, by hash.

mod comparisons;
mod curves;
mod document;
mod effects;
mod failures;
mod levels;
mod packed;
mod page;
mod report;
mod samples;
mod schedules;
mod settings;
mod thin;
mod thumbnail;

pub(crate) use document::{Document, Target};
pub(crate) use page::{data_json, page, policy};
pub(crate) use report::Report;
pub(crate) use thumbnail::read_sample;

#[cfg(test)]
mod tests;
