//! Numbers that a test draws: the same ones each time (SplitMix64).

#[cfg(feature = "torch")]
use std::{ops::Range, time::Duration};

pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.below(things.len())]
    }

    #[cfg(feature = "torch")]
    pub(crate) fn duration(&mut self, range: Range<Duration>) -> Duration {
        let width = usize::try_from((range.end - range.start).as_micros()).unwrap();
        range.start + Duration::from_micros(self.below(width) as u64)
    }
}
