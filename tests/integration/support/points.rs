//! Which system calls a test disturbs, and how it tells what it did.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::strace::{Call, missing};
use super::tier::Tier;

/// Whether calls cannot be traced here, or this tier leaves the test out; which is then said.
pub(crate) fn left_out(test: &str) -> bool {
    if let Some(reason) = missing() {
        eprintln!("skipped: {test}: {reason}");
        return true;
    }
    Tier::asked().leaves_out(Tier::Standard, test)
}

/// The points to try: all in the full tier, else some of each kind, evenly spread.
pub(crate) fn chosen(calls: &[Call]) -> Vec<&Call> {
    let mut kinds: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    calls.iter().for_each(|call| kinds.entry(&call.name).or_default().push(call));
    let mut points = Vec::new();
    for of in kinds.values() {
        let wanted = Tier::asked().pick(0, of.len().div_ceil(10), of.len());
        points.extend((0..wanted).map(|i| of[(2 * i + 1) * of.len() / (2 * wanted)]));
    }
    points
}

/// Runs every case, also after one that failed, and fails if any did.
pub(crate) fn try_each<T: fmt::Debug>(cases: impl IntoIterator<Item = T>, mut case: impl FnMut(&T)) {
    // Nothing outlives a case but counters.
    let failed: Vec<T> =
        cases.into_iter().filter(|one| catch_unwind(AssertUnwindSafe(|| case(one))).is_err()).collect();
    assert!(failed.is_empty(), "{} cases failed, see above: {failed:?}", failed.len());
}

/// `12 points (fsync 5, write 7)`.
pub(crate) fn counted<'c>(calls: impl IntoIterator<Item = &'c Call>) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    calls.into_iter().for_each(|call| *kinds.entry(&call.name).or_default() += 1);
    let parts: Vec<String> = kinds.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!("{} points ({})", kinds.values().sum::<usize>(), parts.join(", "))
}
