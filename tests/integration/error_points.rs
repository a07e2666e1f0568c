//! A disk that refuses any single call: the program ends right, or it fails clearly and the same command goes on
//! from the last good checkpoint.

use std::collections::BTreeSet;

use crate::support::Ran;
use crate::support::faults::Scene;
use crate::support::points::{chosen, counted, left_out, try_each};
use crate::support::strace::{Call, Fault, Trace};

/// What a broken, a full and a rationed disk say.
const ERRORS: [Fault; 3] = [Fault::Error("EIO"), Fault::Error("ENOSPC"), Fault::Error("EDQUOT")];
/// The exit code of a storage error.
const STORAGE: i32 = 74;

/// Lets each of these calls fail in each of these ways, then lets the command go on, and compares.
fn survives_errors_at(name: &str, scene: &Scene, calls: &[Call], errors: &[Fault]) {
    let cases = chosen(calls, errors);
    let (mut right, mut clear) = (0, 0);
    try_each(&cases, |&&(call, fault)| {
        let context = format!("{name}, {fault:?} from {call}");
        let (place, ran, trace) = scene.strike_at(call, fault);
        trace.assert_no_sync_is_repeated(&context);
        if ran.code == Some(0) {
            scene.assert_ended(&place, &context);
            right += 1;
        } else {
            assert_clear(&ran, &trace, &context);
            clear += 1;
        }
        scene.assert_sound(&place, &context);
        scene.assert_recovers(&place, &context);
    });
    let tried = counted(cases.iter().map(|&(call, _)| call).collect::<BTreeSet<_>>());
    let cases = cases.len();
    eprintln!(
        "T4, {name}: {cases} errors at {tried}: {right} ended right, {clear} failed clearly, all bytes equal after"
    );
}

/// The documented exit code, and a message that names the place and the reason.
fn assert_clear(ran: &Ran, trace: &Trace, context: &str) {
    let text = &ran.stderr;
    assert_eq!(ran.code, Some(STORAGE), "{context}: {text}");
    assert!(!text.contains("panicked"), "{context}: {text}");
    assert!(text.contains("(os error "), "{context}: the message gives no reason: {text}");
    let paths = trace.struck().into_iter().flat_map(|call| call.path.split(" -> "));
    let named = paths.map(final_name).any(|name| text.contains(name));
    assert!(named, "{context}: the message does not name the path: {text}");
}

/// The name that a file or folder gets once it is whole.
fn final_name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".tmp").or(name.strip_suffix(".*")).unwrap_or(name);
    let name = name.strip_prefix(".tmp-").unwrap_or(name);
    // `.lock` keeps its dot; `.` is the folder that the command runs in.
    if name.len() > 1 && name != ".lock" { name.trim_start_matches('.') } else { name }
}

#[test]
fn a_worker_whose_disk_refuses_any_call_ends_right_or_says_so() {
    if left_out("errors at the calls of a worker") {
        return;
    }
    let scene = Scene::worker();
    survives_errors_at("a worker", &scene, &scene.calls(), &ERRORS);
}

#[test]
fn a_worker_that_resumes_and_whose_disk_refuses_any_call_ends_right_or_says_so() {
    if left_out("errors at the calls of a worker that resumes") {
        return;
    }
    let scene = Scene::worker_resumed();
    survives_errors_at("a worker that resumes", &scene, &scene.calls_before_training(), &ERRORS);
}

#[test]
fn a_launcher_whose_disk_refuses_any_call_ends_right_or_says_so() {
    if left_out("errors at the calls of a launcher") {
        return;
    }
    let scene = Scene::launcher();
    survives_errors_at("a launcher", &scene, &scene.calls_before_workers(), &ERRORS);
    let scene = Scene::launcher_again();
    survives_errors_at("a launcher that comes again", &scene, &scene.calls_before_workers(), &ERRORS);
    let scene = Scene::launcher_after();
    survives_errors_at("a launcher that sums up", &scene, &scene.calls_of_the_summary(), &ERRORS);
}

#[test]
fn a_tree_that_cannot_be_read_is_not_begun_anew() {
    if left_out("errors of calls that read") {
        return;
    }
    let scene = Scene::worker_resumed().keeping_more();
    survives_errors_at("a worker that reads", &scene, &scene.reads(), &ERRORS[..1]);
    let scene = Scene::launcher_after();
    survives_errors_at("a launcher that reads", &scene, &scene.reads(), &ERRORS[..1]);
}
