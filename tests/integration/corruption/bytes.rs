//! Bits flipped, files cut, blocks zeroed.

use std::fs;

use super::Subject;
use crate::support::numbers::Numbers;

#[test]
fn a_thousand_bit_flips_are_detected() {
    let (subject, mut numbers) = (Subject::new(), Numbers(1));
    for case in 0..1000 {
        let (path, seen) = numbers.one_of(&subject.files).clone();
        let (at, bit) = (numbers.below(seen), numbers.below(8));
        subject.with(&path, &format!("case {case}: bit {bit} of byte {at} of {}", path.display()), |bytes| {
            bytes[at] ^= 1 << bit;
        });
    }
}

#[test]
fn a_hundred_truncations_are_detected() {
    let (subject, mut numbers) = (Subject::new(), Numbers(2));
    for case in 0..100 {
        let (path, seen) = numbers.one_of(&subject.files).clone();
        let length = numbers.below(seen);
        subject.with(&path, &format!("case {case}: {} cut to {length}", path.display()), |bytes| {
            bytes.truncate(length);
        });
    }
}

#[test]
fn a_hundred_zeroed_blocks_are_detected() {
    let (subject, mut numbers) = (Subject::new(), Numbers(3));
    for case in 0..100 {
        let (path, seen) = numbers.one_of(&subject.files).clone();
        let content = fs::read(&path).unwrap();
        let (start, length) = std::iter::repeat_with(|| (numbers.below(seen), 1 + numbers.below(4096)))
            .find(|&(start, length)| content[start..seen.min(start + length)].iter().any(|&byte| byte != 0))
            .unwrap();
        let what = format!("case {case}: {length} bytes from {start} of {} zeroed", path.display());
        subject.with(&path, &what, |bytes| bytes[start..seen.min(start + length)].fill(0));
    }
}
