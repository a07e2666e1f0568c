//! `[sweep]`: the points of an experiment, read and counted before any is built.
//!
//! ```text
//! [sweep] -> table -> axis, zip, named, exclude -> pin -> limits -> Sweep -> points
//! ```
//!
//! `table` reads the forms in written order; `axis`, `zip`, `named` and `exclude` (with `operator`) read one form
//! each; `place` and `unknown` say where and what something is that does not belong; `pin` collapses what `--pin` holds; `limits` reads the switches and refuses what is too large. [`Sweep`] yields
//! the points; [`Rule`] says which of them are excluded once they are resolved.

mod axis;
mod exclude;
#[cfg(test)]
mod fixture;
mod limits;
mod named;
mod operator;
mod pin;
mod place;
mod points;
#[cfg(test)]
mod points_properties;
mod rule;
mod table;
mod unknown;
mod zip;

pub(crate) use limits::OnInvalid;
pub(crate) use points::{Origin, Point, Sweep};
pub(crate) use rule::Rule;
pub(crate) use table::{Context, read};
