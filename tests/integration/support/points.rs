//! Which system calls a test disturbs, and how it tells what it did.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::strace::{Call, Fault, missing};
use super::tier::Tier;

/// Whether calls cannot be traced here, or this tier leaves the test out; which is then said.
pub(crate) fn left_out(test: &str) -> bool {
    if let Some(reason) = missing() {
        eprintln!("skipped: {test}: {reason}");
        return true;
    }
    Tier::asked().leaves_out(Tier::Standard, test)
}

/// The faults to try: every one of `faults` at every call in the full tier, else a tenth, evenly spread over each kind
/// of call.
pub(crate) fn chosen<'c>(calls: &'c [Call], faults: &[Fault]) -> Vec<(&'c Call, Fault)> {
    let mut kinds: BTreeMap<&str, Vec<(&Call, Fault)>> = BTreeMap::new();
    for call in calls {
        kinds.entry(&call.name).or_default().extend(faults.iter().map(|&fault| (call, fault)));
    }
    let mut cases = Vec::new();
    for of in kinds.values() {
        let wanted = Tier::asked().pick(0, of.len().div_ceil(10), of.len());
        cases.extend((0..wanted).map(|i| of[(2 * i + 1) * of.len() / (2 * wanted)]));
    }
    cases
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
