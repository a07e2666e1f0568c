//! A curve in one line of text: eight heights of blocks.
//!
//! In: numbers in their order, as many as there are. Out: as many blocks as asked for, at most.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The numbers as blocks, the least the lowest: each block the mean of its share of them. Fewer than two numbers are no
/// curve; what is not finite is left out.
pub fn spark(values: &[f64], width: usize) -> String {
    let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let width = width.min(values.len());
    if width < 2 {
        return String::new();
    }
    let share = |place: usize| {
        let part = &values[place * values.len() / width..(place + 1) * values.len() / width];
        part.iter().sum::<f64>() / part.len() as f64
    };
    let means: Vec<f64> = (0..width).map(share).collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let block = |mean: &f64| {
        let height = if high > low { (mean - low) / (high - low) } else { 0.5 };
        BLOCKS[(height * 7.0).round().clamp(0.0, 7.0) as usize]
    };
    means.iter().map(block).collect()
}

/// Most numbers that a [`History`] keeps.
const KEPT: usize = 256;

/// The numbers so far, at a resolution that halves each time there are too many.
#[derive(Debug, Default)]
pub(super) struct History {
    means: Vec<f64>,
    /// Sum and number of what the next mean is made of.
    next: (f64, usize),
    /// Numbers behind a mean, less one.
    more: usize,
}

impl History {
    pub(super) fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.next = (self.next.0 + value, self.next.1 + 1);
        if self.next.1 <= self.more {
            return;
        }
        self.means.push(self.next.0 / self.next.1 as f64);
        self.next = (0.0, 0);
        if self.means.len() == KEPT {
            self.means = self.means.chunks_exact(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
            self.more = 2 * self.more + 1;
        }
    }

    pub(super) fn spark(&self, width: usize) -> String {
        spark(&self.means, width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_keeps_its_shape_at_any_length() {
        assert_eq!(spark(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8), "▁▂▃▄▅▆▇█");
        let long: Vec<f64> = (0..8000).map(|step| f64::from(8000 - step)).collect();
        assert_eq!(spark(&long, 8), "█▇▆▅▄▃▂▁");
        assert_eq!(spark(&[3.0, 1.0], 12), "█▁");
        assert_eq!(spark(&[0.5, 0.5, 0.5], 3), "▅▅▅");
    }

    #[test]
    fn what_is_no_curve_is_nothing() {
        assert_eq!(spark(&[], 8), "");
        assert_eq!(spark(&[1.0], 8), "");
        assert_eq!(spark(&[f64::NAN, 1.0, f64::INFINITY], 8), "");
        assert_eq!(spark(&[1.0, 2.0], 0), "");
    }

    #[test]
    fn a_history_has_the_shape_of_all_that_it_saw() {
        let mut history = History::default();
        (0..100_000).for_each(|step| history.push(f64::from(step)));
        assert!(history.means.len() < KEPT && history.means.len() >= KEPT / 2);
        assert_eq!(history.spark(8), "▁▂▃▄▅▆▇█");
        history.push(f64::NAN);
        assert_eq!(history.spark(8), "▁▂▃▄▅▆▇█");
    }
}
