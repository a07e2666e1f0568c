//! The factor on the loss that keeps small gradients above what a 16-bit float can hold.
//!
//! In: whether each step's gradient was finite. Out: the factor of the next step. The rule is PyTorch's
//! `GradScaler` (after Micikevicius et al. 2018, §3.2) with a floor.

use serde::{Deserialize, Serialize};

use crate::config::Precision;

/// At the first step.
const START: f64 = 65_536.0;
/// Good steps in a row before the factor doubles.
const GROWTH_INTERVAL: u32 = 2_000;
/// Below this the loss itself would be scaled down: a gradient that does not fit then does not come from the scale.
const FLOOR: f64 = 1.0;

/// The factor, a power of two, so that scaling and unscaling round nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct LossScale {
    factor: f64,
    /// Since the factor last changed.
    good_steps: u32,
}

/// The gradient is not finite however small the factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

impl LossScale {
    /// The scale a run starts with; only 16-bit floats with their five bits of exponent need one.
    pub(super) fn start(precision: Precision) -> Option<Self> {
        match precision {
            Precision::F16 => Some(Self { factor: START, good_steps: 0 }),
            Precision::F32 | Precision::Tf32 | Precision::Bf16 => None,
        }
    }

    /// A scale in the middle of things.
    #[cfg(test)]
    pub(super) fn at(factor: f64) -> Self {
        Self { factor, good_steps: 0 }
    }

    /// What the loss is multiplied by, and the gradient divided.
    pub(super) fn factor(&self) -> f64 {
        self.factor
    }

    /// Learns from a step: doubled after enough finite gradients, halved at once after one that is not, which is
    /// then not to be used.
    pub(super) fn learn(&mut self, finite: bool) -> Result<(), Exhausted> {
        if !finite {
            if self.factor / 2.0 < FLOOR {
                return Err(Exhausted);
            }
            *self = Self { factor: self.factor / 2.0, good_steps: 0 };
            return Ok(());
        }
        self.good_steps += 1;
        if self.good_steps == GROWTH_INTERVAL {
            *self = Self { factor: self.factor * 2.0, good_steps: 0 };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> LossScale {
        LossScale::start(Precision::F16).unwrap()
    }

    #[test]
    fn only_f16_is_scaled() {
        assert_eq!(LossScale::start(Precision::F32), None);
        assert_eq!(LossScale::start(Precision::Bf16), None);
        assert_eq!(started().factor(), 65_536.0);
    }

    #[test]
    fn it_doubles_after_two_thousand_good_steps_and_halves_at_once() {
        let mut scale = started();
        for _ in 0..1_999 {
            scale.learn(true).unwrap();
        }
        assert_eq!(scale.factor(), 65_536.0);
        scale.learn(true).unwrap();
        assert_eq!(scale, LossScale { factor: 131_072.0, good_steps: 0 });
        scale.learn(true).unwrap();
        scale.learn(false).unwrap();
        assert_eq!(scale, LossScale { factor: 65_536.0, good_steps: 0 }, "the good step counts no more");
    }

    #[test]
    fn it_gives_up_at_the_floor_instead_of_shrinking_for_ever() {
        let mut scale = started();
        for halvings in 1..=16 {
            assert_eq!(scale.learn(false), Ok(()));
            assert_eq!(scale.factor(), 65_536.0 / f64::from(1 << halvings));
        }
        assert_eq!(scale.factor(), 1.0);
        assert_eq!(scale.learn(false), Err(Exhausted));
        assert_eq!(scale.factor(), 1.0, "the factor stays where it gave up");
        scale.learn(true).unwrap();
    }

    #[test]
    fn its_state_survives_a_checkpoint() {
        let mut scale = started();
        scale.learn(false).unwrap();
        scale.learn(true).unwrap();
        let text = serde_json::to_string(&scale).unwrap();
        assert_eq!(text, r#"{"factor":32768.0,"good_steps":1}"#);
        assert_eq!(serde_json::from_str::<LossScale>(&text).unwrap(), scale);
    }
}
