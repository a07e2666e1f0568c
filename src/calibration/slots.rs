//! How long runs take together in slots that are filled in order.
//!
//! In: seconds of each run. Out: seconds until the last has ended.

/// Each run starts in the slot that is free first, as the launcher starts them.
pub fn time_in_slots(runs: impl IntoIterator<Item = f64>, slots: usize) -> f64 {
    let mut busy_until = vec![0.0_f64; slots.max(1)];
    for seconds in runs {
        let free_first = busy_until.iter_mut().min_by(|a, b| a.total_cmp(b));
        *free_first.expect("there is a slot") += seconds;
    }
    busy_until.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_in_order_and_the_longest_queue_decides() {
        assert_eq!(time_in_slots([3.0, 1.0, 1.0, 1.0, 5.0], 2), 8.0);
        assert_eq!(time_in_slots([3.0, 1.0], 5), 3.0);
        assert_eq!(time_in_slots([3.0, 1.0], 0), 4.0);
        assert_eq!(time_in_slots([], 2), 0.0);
    }
}
