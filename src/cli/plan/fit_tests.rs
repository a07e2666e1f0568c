//! Tests of what is said of variants that fit a device and of those that do not.

use super::*;
use crate::cli::failure::ExitCode;
use crate::plan::fixture::written;

/// A network whose steps hold more than its looks, on a batch of 48.
const NETWORK: &str = r#"
    [model]
    base_channels = 64
    channel_multipliers = [1, 2, 4]
    attention_resolutions = [16, 8]
    [training]
    batch_size = 48
    [evaluation]
    every = 0
    [sampling]
    every = 0
"#;

const TWO: &str = "[sweep.grid]\n\"diffusion.noise_schedule\" = [\"linear\", \"cosine\"]\n";

fn plan(text: &str) -> Plan {
    Plan::build(&written(text).load(&["runtime.device=cpu"], &[]).unwrap()).unwrap()
}

fn with_room(plan: &Plan, bytes: u64) -> Fit<'_> {
    let runtime = &plan.variants[0].config.runtime;
    Fit::of(plan, TrainingDevice::of_size(runtime, plan.runs().count(), bytes))
}

/// The most that the first variant holds when its configuration is changed.
fn peak(plan: &Plan, change: impl Fn(&mut Config)) -> u64 {
    let mut config = plan.variants[0].config.clone();
    change(&mut config);
    peak_bytes(&config, Place::Host)
}

fn in_parts(plan: &Plan, parts: usize) -> u64 {
    peak(plan, |config| config.training.gradient_accumulation = parts)
}

#[test]
fn what_fits_is_not_warned_of() {
    let plan = plan(NETWORK);
    let exact = with_room(&plan, peak(&plan, |_| ()));
    assert_eq!((exact.fits(0), exact.warnings()), (Some(true), vec![]));
    exact.strict().unwrap();
}

#[test]
fn a_variant_that_does_not_fit_is_told_the_micro_batch_that_would() {
    let plan = plan(NETWORK);
    let room = in_parts(&plan, 3);
    let fit = with_room(&plan, room);
    assert_eq!(fit.fits(0), Some(false));
    let recomputed = peak(&plan, |config| config.training.recompute = true);
    assert!(recomputed > room, "{recomputed} of {room}");
    let expected = format!(
        "{} would hold about {} in training, and --memory gives {room}; training.gradient_accumulation = 3 would fit \
         ({room})",
        plan.variants[0].name,
        human(fit.peak(0)),
        room = human(room)
    );
    assert_eq!(fit.warnings(), [expected]);
}

#[test]
fn recomputation_is_named_where_it_alone_would_do() {
    let plan = plan(NETWORK);
    let room = peak(&plan, |config| config.training.recompute = true);
    let told = with_room(&plan, room).warnings().concat();
    let end = format!(", training.recompute = true would fit ({})", human(room));
    assert!(
        told.contains("; training.gradient_accumulation = 3 would fit (") && told.ends_with(&end),
        "{told}"
    );
}

#[test]
fn both_together_are_named_where_neither_would_do() {
    // Images so large that one of them holds more than the state of the network.
    let large = NETWORK.replace("[model]", "[data]\nimage_size = 256\n[model]").replace("[16, 8]", "[]");
    let plan = plan(&large);
    let room = in_parts(&plan, 48) - 1;
    let told = with_room(&plan, room).warnings().concat();
    let both = peak(&plan, |config| {
        config.training.gradient_accumulation = 48;
        config.training.recompute = true;
    });
    assert!(both <= room, "{both} of {room}");
    assert!(told.contains(" with training.recompute = true would fit ("), "{told}");
}

#[test]
fn a_network_that_is_too_large_for_any_micro_batch_is_said_to_be() {
    let plan = plan(NETWORK);
    let told = with_room(&plan, 400_000_000).warnings().concat();
    let state = "of which weights, gradients, optimizer and averages take 367.50 MiB";
    assert!(told.contains("; even one image at a time with training.recompute = true holds "), "{told}");
    assert!(told.contains(state), "{told}");
    assert!(told.ends_with("; a smaller model.base_channels or data.image_size needs less"), "{told}");
}

#[test]
fn a_look_that_does_not_fit_is_not_blamed_on_the_step() {
    let looking = NETWORK.replace("every = 0", "every = 10").replace("= 48", "= 1");
    let plan = plan(&looking);
    let fit = with_room(&plan, peak(&plan, |_| ()) - 1);
    let told = fit.warnings().concat();
    assert!(told.contains("; its evaluations and grids of samples hold "), "{told}");
    assert!(
        fit.lines(0)[0].1.contains(" of host memory, while it evaluates or draws; "),
        "{:?}",
        fit.lines(0)
    );
}

#[test]
fn variants_that_do_not_fit_for_the_same_reason_are_told_together() {
    let plan = plan(&(NETWORK.to_owned() + TWO));
    let warnings = with_room(&plan, in_parts(&plan, 3)).warnings();
    assert_eq!(warnings.len(), 1);
    let start = format!("{} and 1 more would hold about ", plan.variants[0].name);
    assert!(warnings[0].starts_with(&start), "{warnings:?}");
}

#[test]
fn a_variant_that_nobody_wants_to_train_is_not_warned_of() {
    let plan = plan(&(NETWORK.to_owned() + TWO));
    let second = &plan.variants[1].name;
    let warnings = with_room(&plan, in_parts(&plan, 3)).warnings_of(|variant| variant.name == *second);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with(&format!("{second} would hold about ")), "{warnings:?}");
}

#[test]
fn strict_refuses_what_does_not_fit_and_what_nobody_can_tell() {
    let plan = plan(&(NETWORK.to_owned() + TWO));
    let refusal = with_room(&plan, 1_000_000_000).strict().unwrap_err();
    assert_eq!(refusal.to_string(), "--strict: 2 of 2 variants do not fit: --memory gives 953.67 MiB");
    assert_eq!(refusal.exit_code(), ExitCode::from(2));

    let mut unknown = TrainingDevice::here(&plan.variants[0].config.runtime, 1);
    unknown.bytes = None;
    let unknown = Fit::of(&plan, unknown);
    assert_eq!((unknown.fits(0), unknown.warnings()), (None, vec![]));
    let refusal = unknown.strict().unwrap_err().to_string();
    assert!(refusal.starts_with("--strict: nobody here can tell how much memory "), "{refusal}");
}

#[test]
fn the_parts_of_a_step_stand_below_its_sum() {
    let plan = plan(NETWORK);
    let lines = with_room(&plan, 1).lines(0);
    assert_eq!(lines[0].0, "memory");
    assert!(lines[0].1.ends_with(" of host memory, in a step"), "{lines:?}");
    assert_eq!(lines.len(), 9);
    assert_eq!(lines[2], ("  weights", "61.25 MiB".to_owned()));
}
