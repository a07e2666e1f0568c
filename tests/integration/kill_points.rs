//! Killed at every single system call that changes the run tree, the program ends the next time as if nothing had
//! been.

use crate::support::faults::Scene;
use crate::support::points::{chosen, counted, left_out, try_each};
use crate::support::strace::{Call, Fault};

/// Kills the command at each of these calls, lets it go on, and compares.
fn survives_kills_at(name: &str, scene: &Scene, calls: &[Call]) {
    let cases = chosen(calls, &[Fault::Kill]);
    try_each(&cases, |&&(call, fault)| {
        let context = format!("{name}, killed at {call}");
        let (place, ran, _) = scene.strike_at(call, fault);
        assert_eq!(ran.code, None, "{context}: {}", ran.stderr);
        scene.assert_sound(&place, &context);
        scene.assert_recovers(&place, &context);
    });
    eprintln!("T3, {name}: killed at {}, all bytes equal", counted(cases.into_iter().map(|(call, _)| call)));
}

#[test]
fn a_worker_killed_at_any_call_loses_nothing() {
    if left_out("kills at the calls of a worker") {
        return;
    }
    let scene = Scene::worker();
    survives_kills_at("a worker", &scene, &scene.calls());
}

#[test]
fn a_worker_that_resumes_and_is_killed_at_any_call_loses_nothing() {
    if left_out("kills at the calls of a worker that resumes") {
        return;
    }
    let scene = Scene::worker_resumed();
    survives_kills_at("a worker that resumes", &scene, &scene.calls_before_training());
}

#[test]
fn a_launcher_killed_at_any_call_loses_nothing() {
    if left_out("kills at the calls of a launcher") {
        return;
    }
    let scene = Scene::launcher();
    survives_kills_at("a launcher", &scene, &scene.calls_before_workers());
    let scene = Scene::launcher_again();
    survives_kills_at("a launcher that comes again", &scene, &scene.calls_before_workers());
    let scene = Scene::launcher_after();
    survives_kills_at("a launcher that sums up", &scene, &scene.calls_of_the_summary());
}
