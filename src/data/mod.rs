//! Data: images on the host, and every random number of a run. No tensor is named here.
//!
//! ```text
//! reader -> survey -> cache -> store -> split -> batch -> prefetch -> trainer
//!                                                  ^
//!                                      order, random (pure functions)
//! ```
//!
//! The readers, one for each format: `shapes` (drawn), `mnist` (IDX, both data sets of that form), `cifar`
//! (binary batches, both), `folder` (the user's pictures).
//!
//! In: `[data]` and the data folder. Out: a [`DataSet`] of three [`Split`]s of 8-bit images, and
//! [`Batch`]es that a thread of [`Prefetch`] makes ahead. Which image, which noise and which timestep a
//! step sees is a function of (seed, step): nothing here has a state that a checkpoint would have to save.

mod batch;
mod cache;
mod cache_file;
mod cache_folder;
mod cifar;
mod dataset;
mod error;
mod feature_cache;
pub mod fetch;
mod fit;
mod folder;
mod idx;
mod index;
mod mnist;
mod order;
mod picture;
mod prefetch;
mod random;
mod reader;
mod resident;
#[cfg(test)]
mod resume_tests;
mod room;
mod shapes;
mod split;
mod store;
mod stream;
mod survey;

pub(crate) use dataset::nested_places;

pub use batch::{Batch, BatchPlan, Batcher, timestep};
pub use dataset::{DataSet, check, open, open_as_found, open_reporting};
pub use error::Error;
pub use feature_cache::{CachedFeatures, FeatureCache};
pub use order::Order;
pub use prefetch::Prefetch;
pub use random::{Draw, Stream};
pub use reader::Shape;
pub use resident::Resident;
pub use split::Split;
pub use stream::{chain_noise, eval_noise, sample_noise, uniform_fill};
