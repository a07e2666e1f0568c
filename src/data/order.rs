//! Which image at which draw: a pure function.
//!
//! In: a seed, the number of training images N, a counter `k` = step · batch_size +
//! position. Out: the index of the image: number k mod N of the permutation of epoch
//! k div N. The permutation of an epoch is a function of (seed, epoch, N) alone, so
//! the order depends on neither batch size nor on where a run was resumed, batches
//! cross the borders of epochs, and each epoch visits every image once.

use super::random::Stream;

/// The order of the training images; keeps the permutation of the epoch last asked for.
///
/// A shuffle of 4 bytes an image is kept rather than a permutation in constant memory:
/// it is uniform over all permutations and costs less than a thousandth of the images.
#[derive(Debug)]
pub struct Order {
    stream: Stream,
    epoch: u64,
    permutation: Vec<u32>,
}

impl Order {
    /// The order of `len` images under `seed`.
    ///
    /// # Panics
    /// If `len` is 0 or does not fit in 32 bits; a split ([`super::Split`]) never has such a length.
    #[must_use]
    pub fn new(seed: u64, len: usize) -> Self {
        assert!(len > 0, "an order needs at least one image");
        let len = u32::try_from(len).expect("a split holds fewer than 2^32 images");
        let mut order =
            Self { stream: Stream::new(seed, "order"), epoch: 0, permutation: (0..len).collect() };
        order.shuffle(0);
        order
    }

    /// The image of draw `k`.
    pub fn image(&mut self, k: u64) -> usize {
        let len = self.permutation.len() as u64;
        let epoch = k / len;
        if epoch != self.epoch {
            self.shuffle(epoch);
        }
        self.permutation[(k % len) as usize] as usize
    }

    /// Fisher and Yates' shuffle, always from the identity.
    fn shuffle(&mut self, epoch: u64) {
        let mut draw = self.stream.at(epoch);
        for (i, slot) in (0_u32..).zip(&mut self.permutation) {
            *slot = i;
        }
        for i in (1..self.permutation.len()).rev() {
            let j = draw.below(i as u64 + 1) as usize;
            self.permutation.swap(i, j);
        }
        self.epoch = epoch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(seed: u64, len: usize, draws: std::ops::Range<u64>) -> Vec<usize> {
        let mut order = Order::new(seed, len);
        draws.map(|k| order.image(k)).collect()
    }

    #[test]
    fn the_order_is_the_one_of_every_earlier_version() {
        assert_eq!(images(0, 10, 0..20), [5, 1, 2, 8, 0, 6, 9, 4, 7, 3, 9, 5, 1, 3, 0, 6, 4, 2, 8, 7]);
        assert_eq!(images(42, 8192, 8190..8194), [1494, 1898, 910, 5089]);
    }

    #[test]
    fn every_epoch_visits_every_image_once() {
        for (seed, len) in [(0, 1), (1, 2), (2, 7), (3, 64), (4, 1000)] {
            let mut last = Vec::new();
            for epoch in [0, 1, 2, 1000] {
                let start = epoch * len as u64;
                let visited = images(seed, len, start..start + len as u64);
                let mut sorted = visited.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..len).collect::<Vec<_>>());
                assert!(len < 8 || visited != last, "epoch {epoch} repeats the one before");
                last = visited;
            }
        }
    }

    #[test]
    fn the_order_does_not_depend_on_the_batch_size() {
        let whole = images(9, 50, 0..360);
        for batch_size in [1, 3, 8, 45, 120] {
            let mut order = Order::new(9, 50);
            let mut seen = Vec::new();
            for step in 0..360 / batch_size {
                seen.extend((0..batch_size).map(|i| order.image(step * batch_size + i)));
            }
            assert_eq!(seen, whole[..seen.len()]);
        }
    }

    #[test]
    fn resuming_at_any_draw_goes_on_with_the_same_images() {
        let whole = images(5, 33, 0..100);
        for start in 0..100 {
            assert_eq!(images(5, 33, start..100), whole[start as usize..]);
        }
    }

    #[test]
    fn each_image_is_first_about_equally_often() {
        let mut counts = [0_u32; 5];
        for epoch in 0..10_000 {
            counts[images(1, 5, epoch * 5..epoch * 5 + 1)[0]] += 1;
        }
        assert!(counts.iter().all(|&c| (1_850..2_150).contains(&c)), "{counts:?}");
    }
}
