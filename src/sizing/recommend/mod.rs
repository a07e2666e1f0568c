//! A network and its training for a budget, found by search.
//!
//! In: an [`Ask`]: memory, image size, and what else is known of the data, the device and the time. Out: [`Advice`]: the
//! configuration that scores best among all that fit, what keeps it from being larger, and others on the frontier, each
//! as an experiment file that passes every check. Nothing is looked up by budget: every figure comes from the counts and
//! models of [`sizing`](super).
//!
//! # What is tried
//! Every U-Net that halves the image to 8 pixels (images of 32 and below also once more), its widths never falling on the
//! way down and at most doubling, up to four times the first: the published pixel-space networks (Ho et al. 2020, Nichol
//! & Dhariwal 2021, Dhariwal & Nichol 2021, called ADM below, Karras et al. 2022, called EDM) are all of that kind. Base
//! widths are multiples of 32, which group norm and matrix units divide well; for the smallest budgets of 16. One to three
//! blocks a level; attention nowhere but in the middle, or from 8, 16 or 32 pixels down, and never where the image has its
//! full size. For each the micro-batch, recomputation and precision are sought that cost least time and fit (`way`).
//!
//! # What is best
//! ```text
//! score = mean over levels of ln(parameters of the level) - 1/2 ln(operations of a forward pass)
//!         + 0.1 for each level with attention - 0.1 for each block that is missing or beyond two
//!         - 0.05 where heads are not 64 wide - 1/2 ln(4/3) where feature maps are computed twice
//!         - 0.1 for each halving of the micro-batch below 16,384 pixels - 0.05 for the second choice of precision
//!         - 1/2 ln(parameters / images seen) where hours leave fewer images than parameters
//! ```
//! Its first line is capacity with a price. A network k times as wide has k² times the parameters and operations, so it
//! gains ln k: more is better until a bound stops it. Where it is stationary for a number P of parameters and F of
//! operations, each level has the same share of ½ parameters/P + ½ operations/F. That is how the published networks are
//! built: constant width spends three quarters of the work at full size, doubling at each halving puts three quarters of the
//! parameters into the lowest level, and what lies between, such as (1, 2, 2, 2) at 32 pixels, (1, 2, 3, 4) at 64 or (1,
//! 1, 2, 2, 4, 4) at 256, spends neither. Where memory binds, full-size maps are what costs and widths grow faster; where time
//! binds, operations do; where the data set binds, parameters do and widths grow more slowly. Nobody has to say so.
//!
//! Attention: in ADM's ablation, attention at 32, 16 and 8 instead of 16 alone gained more than twice the depth did. A
//! tenth a level is the price of a fifth more operations: at 16 and below attention costs far less, at 64 far more. Depth:
//! the same ablation found that wider networks reach a quality sooner than deeper ones. Heads of 64 were its best width.
//!
//! # What bounds it
//! - *Memory*: [`peak_bytes`](super::peak_bytes) of the whole configuration within 85% of what is given, as the model of
//!   memory is held to 15% of what was measured.
//! - *The data set*: at most 3,200 √V parameters for V = images x channels x pixels. Published networks have 1,100 √V
//!   (ADM at 256) to 4,500 √V (EDM on CIFAR-10); Ho's on CIFAR-10 has 2,900.
//! - *Time*: with hours and a known speed, the images that can be seen. Published training saw 0.9 (ADM at 256) to 3.7
//!   (ADM at 64) images for each parameter, 2.9 for Ho's CIFAR-10; a network that sees fewer than one is too large for its
//!   hours, and a smaller one trained longer is better.
//! - *Work*, without hours: 16 MFLOP a pixel for a forward pass. Ho's networks take 12 (32 pixels) and 8 (256), Nichol's
//!   at 64 pixels 19, ADM's 31 to 48 with thousands of GPU hours behind them.
//!
//! These constants are judgement, read off a handful of networks; what follows from them for a given budget is arithmetic.
//! What comes out for budgets that those networks had is what was published: for 50,000 images of 32 pixels Ho's widths,
//! 128 x (1, 2, 2, 2); for ImageNet at 64 pixels Nichol's, 128 x (1, 2, 3, 4) with attention at 16 and 8.

mod ask;
mod file;
mod limits;
mod network;
mod pace;
mod proposal;
mod recipe;
mod score;
mod search;
mod way;

pub use ask::{Ask, Error, Pace};
pub use limits::Limit;
pub use pace::Sustained;
pub use recipe::{End, Reasons};

use crate::config::Config;

/// What is recommended, and what else could be chosen.
#[derive(Debug, Clone)]
pub struct Advice {
    /// The best within all bounds.
    pub best: Proposal,
    /// Others on the frontier, cheapest first.
    pub others: Vec<Proposal>,
    /// What keeps the best from being larger, the strongest first; nothing where no network tried is larger.
    pub limits: Vec<Limit>,
    /// The bounds it was sought in.
    pub bounds: Bounds,
}

/// A configuration and what it comes to.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Which one: `best`, or the name of an alternative.
    pub name: &'static str,
    /// Every key resolved and checked.
    pub config: Config,
    /// The experiment file that it was read from.
    pub toml: String,
    /// Trainable parameters.
    pub parameters: u64,
    /// Operations of a forward pass over an image.
    pub forward_flops: u64,
    /// Operations of a training step, for each image.
    pub train_flops: u64,
    /// Most memory that it takes.
    pub peak_bytes: u64,
    /// Images seen by the end of training.
    pub images: u64,
    /// Hours of the whole run, where the speed is known.
    pub hours: Option<f64>,
    /// Share of each level, the highest resolution first.
    pub levels: Vec<LevelShare>,
    /// Why its training is what it is.
    pub reasons: Reasons,
}

/// What one resolution has of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelShare {
    /// Its width and height in pixels.
    pub pixels: usize,
    /// Its channels.
    pub channels: usize,
    /// Whether its blocks are followed by attention.
    pub attention: bool,
    /// Its parameters over those of all levels.
    pub parameters: f64,
    /// Its operations over those of all levels.
    pub flops: f64,
    /// Its attention's operations over those of the network without any.
    pub attention_flops: f64,
}

/// What a network must stay within.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Bytes, of which the search uses a share.
    pub memory: u64,
    /// Parameters that the data set bears.
    pub parameters: u64,
    /// Operations of a forward pass over an image, where no hours are given or the speed is unknown.
    pub forward_flops: Option<u64>,
    /// Hours of training.
    pub hours: Option<f64>,
}

/// The configuration that fits best, with alternatives.
///
/// # Errors
/// Nothing fits, or what is asked makes no sense.
pub fn recommend(ask: &Ask<'_>) -> Result<Advice, Error> {
    ask.check()?;
    search::advice(ask)
}

#[cfg(test)]
mod tests;
