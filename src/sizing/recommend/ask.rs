//! What a recommendation is asked for, and what is wrong with it.
//!
//! In: figures of a user. Out: the same, held against what the program can train.

use thiserror::Error as ThisError;

use super::network;
use crate::config::{Config, Precision, Problems};
use crate::sizing::Place;

/// Images that are assumed where nobody says: as many as CIFAR-10 has.
pub(super) const ASSUMED_IMAGES: u64 = 50_000;
/// Smallest and largest image: what `data.image_size` takes.
const SIZES: (usize, usize) = (8, 1024);

/// How fast a device trains.
pub trait Pace: Sync {
    /// Seconds of one optimizer step.
    fn step_seconds(&self, config: &Config) -> f64;
    /// Seconds of a whole run, with its evaluations, samples and checkpoints.
    fn run_seconds(&self, config: &Config) -> f64;
}

/// A budget and what it is for.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Bytes that the device has.
    pub memory: u64,
    /// Whose bytes they are.
    pub place: Place,
    /// Width and height of an image.
    pub image_size: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Training images, if known.
    pub dataset_size: Option<u64>,
    /// Images of an optimizer step, if it must be that many.
    pub batch_size: Option<usize>,
    /// Hours of training, if there is an end to them.
    pub hours: Option<f64>,
    /// Number format, if it must be that one.
    pub precision: Option<Precision>,
    /// How fast the device is, if known.
    pub pace: Option<&'a dyn Pace>,
}

/// Why there is no recommendation.
#[derive(Debug, ThisError)]
pub enum Error {
    /// No U-Net for images of this size.
    #[error("an image of {size} pixels {why}")]
    Size {
        /// What was asked for.
        size: usize,
        /// What is wrong with it.
        why: &'static str,
        /// The nearest sizes that can be.
        near: Vec<usize>,
    },
    /// A number that makes no sense.
    #[error("{what} = {value} {why}")]
    Number {
        /// What it is.
        what: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not even the smallest network fits.
    #[error("no network fits: the smallest needs {needed} bytes, and {usable} of {memory} are to be used")]
    Memory {
        /// What the smallest network that is tried takes, one image at a time.
        needed: u64,
        /// What the search may use.
        usable: u64,
        /// What was given.
        memory: u64,
    },
    /// The search made a configuration that breaks a rule.
    #[error("the recommended configuration breaks a rule of the program\n{0}")]
    Broken(Problems),
}

impl Ask<'_> {
    pub(super) fn check(&self) -> Result<(), Error> {
        let number = |what, value: String, why| Err(Error::Number { what, value, why });
        if !matches!(self.channels, 1 | 3) {
            return number("channels", self.channels.to_string(), "is neither 1 (grey) nor 3 (RGB)");
        }
        if self.dataset_size == Some(0) {
            return number("dataset size", "0".into(), "leaves nothing to train on");
        }
        if let Some(size @ (0 | 65_537..)) = self.batch_size {
            return number("batch size", size.to_string(), "is not between 1 and 65536");
        }
        if let Some(hours) = self.hours
            && !(hours.is_finite() && hours > 0.0)
        {
            return number("hours", hours.to_string(), "is no time to train in; it must be above 0");
        }
        self.check_size()
    }

    fn check_size(&self) -> Result<(), Error> {
        let size = self.image_size;
        let (smallest, largest) = SIZES;
        let why = if !(smallest..=largest).contains(&size) {
            "is not between 8 and 1024"
        } else if size % 2 == 1 {
            "cannot be halved, and each level of a U-Net halves it"
        } else if !network::can_be_halved(size) {
            "cannot be halved down to 16 pixels or fewer, where a U-Net sees the whole of it"
        } else {
            return Ok(());
        };
        let fits = |&size: &usize| (smallest..=largest).contains(&size) && network::can_be_halved(size);
        let below = (smallest..size.min(largest + 1)).rev().find(fits);
        let above = (size.saturating_add(1).max(smallest)..=largest).find(fits);
        Err(Error::Size { size, why, near: below.into_iter().chain(above).collect() })
    }

    /// Images to train on.
    pub(super) fn images(&self) -> u64 {
        self.dataset_size.unwrap_or(ASSUMED_IMAGES)
    }

    /// Numbers in the data set: images x channels x pixels.
    pub(super) fn values(&self) -> f64 {
        self.images() as f64 * (self.channels * self.image_size * self.image_size) as f64
    }

    /// The hours, where the speed says what they are worth.
    pub(super) fn timed(&self) -> Option<(f64, &dyn Pace)> {
        self.hours.zip(self.pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::recommend::tests::ask;

    #[test]
    fn a_size_that_no_unet_halves_is_refused_with_the_nearest_that_can_be() {
        let near = |size| match (Ask { image_size: size, ..ask(8.0, 32) }).check() {
            Err(Error::Size { near, .. }) => near,
            other => panic!("{size}: {other:?}"),
        };
        assert_eq!(near(37), [36, 40]);
        assert_eq!(near(100), [96, 104]);
        assert_eq!(near(7), [8]);
        assert_eq!(near(0), [8]);
        assert_eq!(near(1025), [1024]);
        for size in [8, 28, 32, 36, 48, 64, 96, 128, 256, 384, 512, 1024] {
            assert!((Ask { image_size: size, ..ask(8.0, 32) }).check().is_ok(), "{size}");
        }
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        let message = |ask: Ask<'_>| ask.check().unwrap_err().to_string();
        assert_eq!(
            message(Ask { channels: 4, ..ask(8.0, 32) }),
            "channels = 4 is neither 1 (grey) nor 3 (RGB)"
        );
        assert_eq!(
            message(Ask { hours: Some(-1.0), ..ask(8.0, 32) }),
            "hours = -1 is no time to train in; it must be above 0"
        );
        assert!(message(Ask { hours: Some(f64::NAN), ..ask(8.0, 32) }).starts_with("hours = NaN"));
        assert!(message(Ask { dataset_size: Some(0), ..ask(8.0, 32) }).contains("nothing to train on"));
        assert!(message(Ask { batch_size: Some(0), ..ask(8.0, 32) }).starts_with("batch size = 0"));
    }
}
