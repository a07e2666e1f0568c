//! Tests of `journal` on a simulated disk: the power goes before every operation, what was pending is kept, dropped
//! or torn in many combinations, and opening again must lead to the bytes of a run that nobody disturbed.

mod training;

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;

use super::*;
use crate::rundir::fs::simulated::{Asked, Fate, Simulated, Trouble};
use training::{Ended, Told, owner, rows, run, train, tree, weights};

/// The numbers of a test that is the same every time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn fate(&mut self) -> Fate {
        [Fate::Kept, Fate::Dropped, Fate::Torn][self.below(3)]
    }
}

/// What an undisturbed run leaves.
fn reference() -> (BTreeMap<PathBuf, Vec<u8>>, Vec<Asked>) {
    let disk = Simulated::new(Trouble::default());
    train(&disk, 1, &Told::default()).unwrap();
    (tree(&disk), disk.asked())
}

/// Holds a disk that came up after a power cut to the promise, by going on to the end.
fn keeps_the_promise(
    disk: &Simulated,
    attempt: u32,
    told: &Told,
    reference: &BTreeMap<PathBuf, Vec<u8>>,
) -> Result<(), String> {
    let run = run();
    for (step, path) in checkpoint::list(disk, &run).map_err(|error| error.to_string())? {
        let verified = checkpoint::verify(disk, &path, Some(&owner()));
        verified.map_err(|error| format!("half a checkpoint has the name of one: {error}"))?;
        if tree(disk).remove(&path.join("model.safetensors")) != Some(weights(step)) {
            return Err(format!("step {step} has other weights"));
        }
    }
    let gone = |step: &&u64| disk.entry(&run.checkpoint_path(**step)).is_err();
    if let Some(step) = told.precious.borrow().iter().find(gone) {
        return Err(format!("the best or a pinned checkpoint is gone: step {step}"));
    }
    if told.done.get() && tree(disk).get(&run.status_path()).map(Vec::as_slice) != Some(b"done") {
        return Err("a finished run is no longer finished".to_owned());
    }
    let before = [rows(disk, "metrics"), rows(disk, "eval")];
    train(disk, attempt, told).map_err(|ended| format!("it does not go on: {ended:?}"))?;
    let after = [rows(disk, "metrics"), rows(disk, "eval")];
    if !before.iter().zip(&after).all(|(before, after)| before.is_subset(after)) {
        return Err("rows are lost".to_owned());
    }
    let mut after = tree(disk);
    after.retain(|path, _| !path.to_string_lossy().contains(".rewound-"));
    let differs = |path: &&PathBuf| after.get(*path) != reference.get(*path);
    let names: BTreeSet<_> = after.keys().chain(reference.keys()).filter(differs).collect();
    if names.is_empty() { Ok(()) } else { Err(format!("other bytes than an undisturbed run: {names:?}")) }
}

/// What to do with what is pending, one combination after the other: all, nothing, everything in part, then drawn.
fn fates(case: usize, numbers: &mut Numbers) -> Box<dyn FnMut(usize) -> Fate + '_> {
    match case {
        0 => Box::new(|_| Fate::Kept),
        1 => Box::new(|_| Fate::Dropped),
        2 => Box::new(|_| Fate::Torn),
        _ => Box::new(|_| numbers.fate()),
    }
}

/// Cuts the power before every operation, comes up in `cases` states, in half of them cuts again at a random
/// operation of the recovery, and judges. Returns the number of states, or the first that breaks the promise.
fn cut_everywhere(cases: usize, ignored: Option<&Asked>) -> Result<usize, String> {
    let (reference, asked) = reference();
    for cut in 0..=asked.len() {
        for case in 0..cases {
            cut_at(cut, case, cases, ignored, &reference).map_err(|why| {
                format!("cut before operation {cut} ({:?}), case {case}: {why}", asked.get(cut))
            })?;
        }
    }
    Ok((asked.len() + 1) * cases)
}

fn cut_at(
    cut: usize,
    case: usize,
    cases: usize,
    ignored: Option<&Asked>,
    reference: &BTreeMap<PathBuf, Vec<u8>>,
) -> Result<(), String> {
    let mut numbers = Numbers((cut * cases + case) as u64);
    let trouble = |cut_before| Trouble { cut_before, ignored: ignored.cloned(), fail: None };
    let told = Told::default();
    let disk = Simulated::new(trouble(Some(cut)));
    if let Err(Ended::Broken(why)) = train(&disk, 1, &told) {
        return Err(why);
    }
    let again = (case % 2 == 1).then(|| numbers.below(40));
    let disk = disk.cut(fates(case, &mut numbers), trouble(again));
    let Some(again) = again else { return keeps_the_promise(&disk, 2, &told, reference) };
    let before = [rows(&disk, "metrics"), rows(&disk, "eval")];
    if let Err(Ended::Broken(why)) = train(&disk, 2, &told) {
        return Err(why);
    }
    let disk = disk.cut(|_| numbers.fate(), trouble(None));
    let after = [rows(&disk, "metrics"), rows(&disk, "eval")];
    let kept = before.iter().zip(&after).all(|(before, after)| before.is_subset(after));
    let kept = if kept { Ok(()) } else { Err("rows are lost".to_owned()) };
    kept.and_then(|()| keeps_the_promise(&disk, 3, &told, reference))
        .map_err(|why| format!("cut again before operation {again} of the recovery: {why}"))
}

#[test]
fn a_power_cut_before_any_operation_loses_nothing_that_was_saved() {
    let states = cut_everywhere(100, None).unwrap_or_else(|why| panic!("{why}"));
    eprintln!("T5: {states} states after power cuts, all recovered");
    assert!(states >= 10_000, "{states}");
}

#[test]
fn every_sync_and_every_rename_is_needed() {
    let (_, asked) = reference();
    let mut needed: Vec<Asked> =
        asked.into_iter().filter(|asked| asked.kind.starts_with("sync") || asked.kind == "rename").collect();
    needed.sort();
    needed.dedup();
    let mut spare = Vec::new();
    for asked in &needed {
        match cut_everywhere(60, Some(asked)) {
            Err(why) => eprintln!("without {} {}: {why}", asked.kind, asked.path),
            Ok(_) => spare.push(asked),
        }
    }
    assert!(spare.is_empty(), "removing these changes nothing: {spare:#?}");
    assert!(needed.len() > 10, "{needed:?}");
}

#[test]
fn a_failing_operation_ends_the_run_and_the_next_attempt_goes_on() {
    let (reference, asked) = reference();
    let mut failures = 0;
    for (at, asked) in asked.iter().enumerate() {
        for errno in [Errno::IO, Errno::NOSPC, Errno::DQUOT] {
            let told = Told::default();
            let fail = Some((at, errno.raw_os_error()));
            let disk = Simulated::new(Trouble { fail, ..Trouble::default() });
            match train(&disk, 1, &told) {
                Err(Ended::Disk(error)) => {
                    assert!(error.is_storage(), "operation {at} {asked:?}: {error}")
                }
                other => panic!("operation {at} failed and {other:?}: {asked:?}"),
            }
            let numbers = &mut Numbers(at as u64);
            let disk = disk.cut(|_| numbers.fate(), Trouble::default());
            keeps_the_promise(&disk, 2, &told, &reference)
                .unwrap_or_else(|why| panic!("operation {at} {asked:?} failed with {errno:?}: {why}"));
            failures += 1;
        }
    }
    eprintln!("T4 in memory: {failures} failures of {} operations", asked.len());
}
