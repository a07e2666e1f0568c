//! An axis: which numbers stand on it, and where a value lies.
//!
//! In: the smallest and the largest value. Out: ticks at round numbers, and their words.

/// A range of values with its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    step: f64,
}

impl Axis {
    /// From the round number at or below the least value to the one at or above the greatest.
    pub(super) fn around(low: f64, high: f64, ticks: usize) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / ticks.max(1) as f64);
        let slack = 1e-9;
        Axis { low: (low / step + slack).floor() * step, high: (high / step - slack).ceil() * step, step }
    }

    /// From one value to the other, whatever numbers they are.
    pub(super) fn exactly(low: f64, high: f64, ticks: usize) -> Axis {
        Axis { low, high, step: round_step((high - low) / ticks.max(1) as f64) }
    }

    /// Where a value lies: 0 at the low end, 1 at the high one.
    pub(super) fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// The ticks with their words.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let first = (self.low / self.step - 1e-9).ceil() as i64;
        let last = (self.high / self.step + 1e-9).floor() as i64;
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        (first..=last)
            .map(|count| count as f64 * self.step)
            // Minus zero is zero.
            .map(|value| (value, format!("{:.decimals$}", value + 0.0).replace('-', "\u{2212}")))
            .collect()
    }
}

/// 1, 2 or 5 times a power of ten: the least that is no smaller.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powi(least.log10().floor() as i32);
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, word)| word).collect()
    }

    #[test]
    fn ticks_are_round_numbers_that_enclose_the_values() {
        let axis = Axis::around(1e-4, 0.0199, 5);
        assert_eq!(words(&axis), ["0.000", "0.005", "0.010", "0.015", "0.020"]);
        assert_eq!(axis.place(0.01), 0.5);
        assert_eq!(
            words(&Axis::around(-10.1, 9.2, 5)),
            ["\u{2212}15", "\u{2212}10", "\u{2212}5", "0", "5", "10"]
        );
        assert_eq!(words(&Axis::around(0.0, 1.0, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(words(&Axis::around(0.0, 0.999, 5)).last().unwrap(), "1.0");
    }

    #[test]
    fn an_exact_axis_keeps_its_ends() {
        let axis = Axis::exactly(0.0, 999.0, 5);
        assert_eq!(words(&axis), ["0", "200", "400", "600", "800"]);
        assert_eq!(axis.place(999.0), 1.0);
        assert_eq!(words(&Axis::exactly(0.0, 1.0, 4)), ["0.0", "0.5", "1.0"]);
    }

    #[test]
    fn equal_ends_are_no_division_by_zero() {
        let axis = Axis::around(0.02, 0.02, 5);
        assert!(axis.high > axis.low && axis.place(0.02).is_finite());
    }
}
