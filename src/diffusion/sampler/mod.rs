//! Samplers: from noise to images, one file an algorithm. Each takes the network as a closure.

mod ddim;

pub use ddim::{Ddim, Network};
