//! Fetching published data sets, so that a machine with a network, or a folder on one without, is enough.
//!
//! ```text
//! catalogue -> job -> download (http | a folder) -> partial -> folder (rename, or unpack and rename)
//!                \-> npm pack, where no host answers
//! ```
//!
//! In: a name of the [`Catalogue`] and the data folder. Out: the published files below
//! `<data_dir>/<name>`, each verified by SHA-256 before it gets its name. Transfers go on where they were cut;
//! nothing longer than the catalogue says is ever accepted; an archive is taken apart by a list.

mod attempt;
mod catalogue;
mod digest;
mod download;
mod error;
mod folder;
mod http;
mod job;
mod mirror;
mod npm;
mod observer;
mod partial;
mod unpack;

pub use catalogue::{Catalogue, Entry, Member, NpmPackage, PlainFile, PublishedFile};
pub use digest::Digest;
pub use error::{Failure, Fault, FetchError, size};
pub use http::Patience;
pub use job::{Options, Outcome, fetch};
pub use mirror::Mirror;
pub use observer::{Event, Observer};
pub use unpack::unpack;
