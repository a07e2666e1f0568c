//! `prune` killed, or refused by the disk, at every system call: whatever must stay stays whole, and the same command
//! again finishes.

use crate::support::Workplace;
use crate::support::faults::Scene;
use crate::support::points::{counted, left_out, try_each};
use crate::support::strace::Fault;
use crate::support::training::only_run;

/// What is named like a checkpoint is one, and what must stay is there.
fn assert_nothing_is_lost(scene: &Scene, place: &Workplace, context: &str) {
    let checked = place.ablate(&["check", "runs/x"]);
    assert_eq!(checked.code, Some(0), "{context}: {}{}", checked.stdout, checked.stderr);
    let (_, kept) = scene.checkpoints();
    let steps = only_run(place).checkpoints();
    assert!(kept.iter().all(|step| steps.contains(step)), "{context}: {steps:?} are left of {kept:?}");
}

#[test]
fn prune_disturbed_at_any_call_keeps_what_must_stay() {
    if left_out("prune, disturbed") {
        return;
    }
    let scene = Scene::prune();
    let (before, after) = scene.checkpoints();
    assert_eq!(before, [1, 2, 3, 4, 5]);
    // The first is pinned, the last the newest, and one is the best.
    assert!(after.len() < before.len() && after.contains(&1) && after.contains(&5), "{after:?}");
    let calls = scene.calls();
    // Few and quick: every one in every tier that runs them.
    let faults = [Fault::Kill, Fault::Error("EIO"), Fault::Error("ENOSPC")];
    let cases = calls.iter().flat_map(|call| faults.map(|fault| (call, fault)));
    try_each(cases, |&(call, fault)| {
        let context = format!("prune, {fault:?} at {call}");
        let (place, ran, trace) = scene.strike_at(call, fault);
        assert!(matches!(ran.code, None | Some(0 | 74)), "{context}: exit {:?}\n{}", ran.code, ran.stderr);
        trace.assert_no_sync_is_repeated(&context);
        assert_nothing_is_lost(&scene, &place, &context);
        scene.assert_recovers(&place, &context);
    });
    eprintln!("T19: prune killed at and refused {}, {before:?} became {after:?}", counted(&calls));
}
