//! How near drawn images are to real ones: sets against sets, no pair of images belongs together.
//!
//! In: [`Features`] of both sets, or their pixels. Out: numbers. `frechet` is FID, `kernel` is KID, `manifold` is
//! improved precision and recall, all three of features that an extractor found; `sliced` compares patches of the
//! pixels (`patches`, cut from the bands of a `pyramid`) and needs none.

mod features;
mod frechet;
#[cfg(test)]
mod golden_tests;
mod kernel;
mod manifold;
mod patches;
mod pyramid;
mod sliced;

pub use features::Features;
pub(crate) use frechet::Gaussian;
pub(crate) use kernel::{KernelDistance, kernel_distance};
pub(crate) use manifold::{NEIGHBOURS, precision_recall};
pub(crate) use patches::Pictures;
pub(crate) use sliced::{SlicedDistance, sliced_distance};
