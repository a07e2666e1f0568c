//! Tests of `ablate plan`: what its table and its JSON say of a plan.

use serde_json::Value;

use super::*;
use crate::cli::plan::network::Networks;
use crate::config::{Device, Runtime};
use crate::plan::fixture::{Written, written};
use crate::rundir::Status;

/// What the tables show, stated so that an edited default changes nothing here.
const BASE: [&str; 5] = [
    "model.base_channels=64",
    "model.num_res_blocks=2",
    "model.time_embed_dim=256",
    "ema.decay=0.999",
    "data.image_size=32",
];

const SWEEP: &str = r#"
    [training]
    steps = 20000
    [sweep]
    seeds = [0, 1]
    [sweep.grid]
    "model.channel_multipliers" = [[1, 2], [1, 2, 4]]
    "model.attention_resolutions" = [[], [16]]
    "diffusion.noise_schedule" = ["linear", "cosine"]
"#;

fn plan(experiment: &Written) -> (Plan, Progress) {
    let plan = Plan::build(&experiment.load(&BASE, &[]).unwrap()).unwrap();
    let progress = Progress::of(&plan);
    (plan, progress)
}

fn table(experiment: &Written) -> String {
    let (plan, progress) = plan(experiment);
    redacted(&plan, table::table(&shown(&plan, &progress)))
}

/// What a plan needs on a CPU with 16 GB that nobody measured.
fn shown<'a>(plan: &'a Plan, progress: &'a Progress) -> Shown<'a> {
    let runtime = Runtime { device: Device::Cpu, ..plan.variants[0].config.runtime.clone() };
    let fit = Fit::of(plan, TrainingDevice::of_size(&runtime, plan.runs().count(), 16_000_000_000));
    let hours = Hours { runs: vec![None; plan.variants.len()], all: None, remark: String::new() };
    Shown { plan, progress, fit, hours }
}

/// The text without what differs from machine to machine or with a new key.
fn redacted(plan: &Plan, text: String) -> String {
    let text = text.replace(&plan.directory.display().to_string(), "runs/x");
    plan.variants.iter().fold(text, |text, variant| text.replace(&variant.id, "xxxxxxxx"))
}

fn set_state(plan: &Plan, run: usize, state: State) {
    let dir = plan.runs().nth(run).unwrap().run_dir();
    std::fs::create_dir_all(dir.path()).unwrap();
    let mut status = Status::planned(1).next_attempt();
    status.state = state;
    status.write(&dir).unwrap();
}

#[test]
fn the_table_shows_what_varies_and_folds_what_does_not() {
    let experiment = written(SWEEP);
    let (plan, _) = plan(&experiment);
    set_state(&plan, 0, State::Done);
    set_state(&plan, 8, State::Done);
    set_state(&plan, 1, State::Done);
    set_state(&plan, 2, State::Failed);
    set_state(&plan, 3, State::Running);
    let text = table(&experiment);
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    insta::assert_snapshot!(text, @r"
              channel_     attention_   noise_                 GFLOP
    id        multipliers  resolutions  schedule  parameters  /image    memory     ᾱ_T     log-SNR  state
    xxxxxxxx  [1, 2]       []           linear     3,660,803    8.31  1.15 GiB  4.0e-5   9.2…-10.1  done
    xxxxxxxx  [1, 2]       []           cosine     3,660,803    8.31  1.15 GiB  2.4e-9  10.1…-19.8  1/2 done
    xxxxxxxx  [1, 2]       [16]         linear     3,992,323    9.31  1.46 GiB  4.0e-5   9.2…-10.1  1/2 failed
    xxxxxxxx  [1, 2]       [16]         cosine     3,992,323    9.31  1.46 GiB  2.4e-9  10.1…-19.8  1/2 running
    xxxxxxxx  [1, 2, 4]    []           linear    14,406,531    12.3  1.42 GiB  4.0e-5   9.2…-10.1  planned
    xxxxxxxx  [1, 2, 4]    []           cosine    14,406,531    12.3  1.42 GiB  2.4e-9  10.1…-19.8  planned
    xxxxxxxx  [1, 2, 4]    [16]         linear    14,738,051    13.3  1.73 GiB  4.0e-5   9.2…-10.1  planned
    xxxxxxxx  [1, 2, 4]    [16]         cosine    14,738,051    13.3  1.73 GiB  2.4e-9  10.1…-19.8  planned

    all variants: seeds 0 1

    8 variants x 2 seeds = 16 runs in runs/x; 3 done, 1 running, 1 failed (--retry-failed), 11 to do
    ");
}

#[test]
fn one_variant_is_shown_in_full() {
    insta::assert_snapshot!(table(&written("[sampling]\nsteps = 25\n[diffusion]\ntimesteps = 25\n[model]\nattention_resolutions = [16]\n")), @r"
                           GFLOP
    id        parameters  /image    memory     ᾱ_T    log-SNR  seeds  state
    xxxxxxxx  14,738,051    13.3  1.73 GiB  2.4e-7  5.5…-15.2  0      planned

    note: the noise schedule does not cover log-SNR 6 to -6: denoise_score and denoise_bits will be
      empty

    1 variant x 1 seed = 1 run in runs/x; 0 done, 1 to do
    ");
}

#[test]
fn a_chain_that_ends_in_noise_alone_is_shown_with_its_infinite_log_snr() {
    let experiment = written("diffusion.zero_terminal_snr = true\ndiffusion.prediction_type = \"v\"\n");
    let (plan, progress) = plan(&experiment);
    let row = table(&experiment).lines().nth(2).unwrap().to_owned();
    assert!(row.contains("  0.0  9.2…-inf  "), "{row}");
    let full = table::verbose(&shown(&plan, &progress));
    assert!(full.contains("9.9990e-1 to 0.0\n") && full.contains("9.2…-inf\n"), "{full}");
    assert!(!full.contains("note"), "its last step alone is left out of the held-out metrics: {full}");
}

#[test]
fn merged_points_and_notes_are_told_below_the_table() {
    let text = "[sampling]\nsteps = 25\n[training]\nsteps = 300\n[sweep.grid]\n\
                \"diffusion.noise_schedule\" = [\"linear\", \"cosine\"]\n\"diffusion.timesteps\" = [25, 1000]\n\
                \"diffusion.rescale_betas\" = [true, false]\n";
    insta::assert_snapshot!(table(&written(text)), @r"
              noise_               rescale_               GFLOP
    id        schedule  timesteps  betas     parameters  /image     ᾱ_T     log-SNR  state
    xxxxxxxx  linear           25  true      16,056,451    13.9  2.4e-7   5.5…-15.2  planned
    xxxxxxxx  linear           25  false     16,056,451    13.9  7.8e-1     9.2…1.2  planned
    xxxxxxxx  linear         1000  true      16,056,451    13.9  4.0e-5   9.2…-10.1  planned
    xxxxxxxx  cosine           25  true      16,056,451    13.9  3.9e-6   5.2…-12.5  planned
    xxxxxxxx  cosine         1000  true      16,056,451    13.9  2.4e-9  10.1…-19.8  planned

    all variants: memory 1.91 GiB, seeds 0

    note: ema.decay = 0.999 never binds: its warm-up would reach it at step 8990, after training has
      ended; any decay that high gives the same average

    note: the noise schedule does not cover log-SNR 6 to -6: denoise_score and denoise_bits will be
      empty (linear_T25_rescale-on-xxxxxxxx and 2 more)

    note: 3 points of the sweep equal others and are planned once: linear_T1000_rescale-off is
      linear_T1000_rescale-on-xxxxxxxx, for one

    5 variants x 1 seed = 5 runs in runs/x; 0 done, 5 to do
    ");
}

#[test]
fn verbose_lists_every_variant_with_its_folder_and_states() {
    let experiment = written("[sweep.grid]\n\"model.dropout\" = [0.0, 0.1]\n");
    let (plan, progress) = plan(&experiment);
    let shown = shown(&plan, &progress);
    let text = table::verbose(&shown);
    let mut networks = Networks::of(shown.fit.place());
    let text = plan
        .variants
        .iter()
        .fold(text, |text, variant| text.replace(&networks.next(variant), "\n  (its network)\n"));
    let text = redacted(&plan, text.replace(&networks.legend(), "(what the columns mean)\n\n"));
    insta::assert_snapshot!(text, @r"
    drop0-xxxxxxxx
      folder           runs/x/drop0-xxxxxxxx
      model.dropout    0
      parameters       16,056,451
      training         13.9 GFLOP/image
      memory           1.91 GiB of host memory, in a step
        program        130.00 MiB
        weights        61.25 MiB
        gradients      61.25 MiB
        optimizer      122.50 MiB
        averages       61.25 MiB
        inputs         12.00 MiB
        activations    1.13 GiB
        workspace      347.86 MiB
      alpha_bar        9.9990e-1 to 4.0358e-5
      log-SNR          9.2…-10.1
      seeds            0 planned

      (its network)

    drop0.1-xxxxxxxx
      folder           runs/x/drop0.1-xxxxxxxx
      model.dropout    0.1
      parameters       16,056,451
      training         13.9 GFLOP/image
      memory           2.10 GiB of host memory, in a step
        program        130.00 MiB
        weights        61.25 MiB
        gradients      61.25 MiB
        optimizer      122.50 MiB
        averages       61.25 MiB
        inputs         12.00 MiB
        activations    1.28 GiB
        workspace      392.26 MiB
      alpha_bar        9.9990e-1 to 4.0358e-5
      log-SNR          9.2…-10.1
      seeds            0 planned

      (its network)

    (what the columns mean)

    2 variants x 1 seed = 2 runs in runs/x; 0 done, 2 to do
    ");
}

#[test]
fn json_has_exactly_the_promised_fields() {
    let experiment = written(SWEEP);
    let (plan, progress) = plan(&experiment);
    let text = json(&shown(&plan, &progress), false).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&document), ["excluded", "experiment", "hours", "invalid", "variants"]);
    assert_eq!(document["excluded"], serde_json::json!([]));
    assert_eq!(document["variants"].as_array().unwrap().len(), 8);
    let first = &document["variants"][0];
    assert_eq!(
        fields(first),
        [
            "dir",
            "fits",
            "hours",
            "id",
            "name",
            "overrides",
            "parameters",
            "seeds",
            "state",
            "step_memory",
            "train_flops_per_image",
            "train_memory_bytes"
        ]
    );
    assert_eq!(first["state"], "planned");
    let step = first["step_memory"].as_object().unwrap();
    let parts: u64 = step.values().map(|bytes| bytes.as_u64().unwrap()).sum();
    assert_eq!(step.len(), 8);
    assert!(first["train_memory_bytes"].as_u64().unwrap() >= parts);
    assert_eq!(first["fits"], true);
    assert_eq!((&document["hours"], &first["hours"]), (&Value::Null, &Value::Null));
    assert_eq!(first["overrides"]["model.attention_resolutions"], serde_json::json!([]));
    assert_eq!(first["dir"], plan.directory.join(&plan.variants[0].name).display().to_string());
    let order =
        ["\"model.channel_multipliers\"", "\"model.attention_resolutions\"", "\"diffusion.noise_schedule\""];
    let places = order.map(|key| text.find(key).unwrap());
    assert!(places.is_sorted(), "overrides keep the declared order");
}

#[test]
fn hours_stand_beside_operations_and_once_below_where_all_are_equal() {
    let experiment = written("[sweep.grid]\n\"model.dropout\" = [0.0, 0.1]\n");
    let (plan, progress) = plan(&experiment);
    let with = |runs: [f64; 2]| {
        let hours = Hours { runs: runs.map(Some).to_vec(), all: Some(1.5), remark: String::new() };
        Shown { hours, ..shown(&plan, &progress) }
    };
    let text = table::table(&with([0.25, 1.25]));
    assert!(text.contains("  hours  ") && text.contains(" GiB   0.25  "), "{text}");
    let text = table::table(&with([0.25, 0.25]));
    assert!(text.contains("\nall variants: hours 0.25, "), "{text}");
    let text = table::verbose(&with([0.25, 1.25]));
    assert!(text.contains("  hours            1.25 a run\n"), "{text}");
    let document: Value = serde_json::from_str(&json(&with([0.25, 1.25]), false).unwrap()).unwrap();
    assert_eq!(
        (document["hours"].as_f64(), document["variants"][1]["hours"].as_f64()),
        (Some(1.5), Some(1.25))
    );
}

#[test]
fn json_has_the_networks_where_they_are_asked_for() {
    let (plan, progress) = plan(&written(SWEEP));
    let document: Value = serde_json::from_str(&json(&shown(&plan, &progress), true).unwrap()).unwrap();
    for (variant, row) in plan.variants.iter().zip(document["variants"].as_array().unwrap()) {
        let levels = row["network"].as_array().unwrap();
        assert_eq!(levels.len(), 2 * variant.config.model.channel_multipliers.len() + 4);
        let total: u64 = levels.iter().map(|level| level["parameters"].as_u64().unwrap()).sum();
        assert_eq!((total, &row["parameters"]), (variant.parameters, &variant.parameters.into()));
        let forward = row["forward_flops_per_image"].as_f64().unwrap();
        assert!((2.9..3.0).contains(&(variant.train_flops_per_image as f64 / forward)));
    }
}

#[test]
fn planning_writes_nothing() {
    let experiment = written(SWEEP);
    let (plan, _) = plan(&experiment);
    assert!(!plan.directory.exists());
    assert_eq!(std::fs::read_dir(experiment.path().parent().unwrap()).unwrap().count(), 1);
}

const EVERY_FORM: &str = r#"
    [sweep]
    on_invalid = "skip"
    [sweep.grid]
    "diffusion.timesteps" = [250, 1000]
    "model.attention_resolutions" = [[16], [8, 16], [16, 8]]
    [sweep.one_at_a_time]
    "model.dropout" = [0.0, 0.1, 2]
    [[sweep.variant]]
    name = "no-attention"
    "model.attention_resolutions" = []
    [[sweep.exclude]]
    when = { "diffusion.timesteps" = { lt = 500 }, "model.attention_resolutions" = { len_ge = 2 } }
    reason = "undertrained"
"#;

#[test]
fn named_excluded_and_invalid_points_are_told() {
    insta::assert_snapshot!(table(&written(EVERY_FORM)), @r"
                                       attention_                         GFLOP
    id        variant       timesteps  resolutions  dropout  parameters  /image    memory     ᾱ_T    log-SNR  state
    xxxxxxxx  -                   250  [16]               0  14,738,051    13.3  1.73 GiB  3.3e-5  7.8…-10.3  planned
    xxxxxxxx  -                  1000  [16]               0  14,738,051    13.3  1.73 GiB  4.0e-5  9.2…-10.1  planned
    xxxxxxxx  -                  1000  [16, 8]            0  16,056,451    13.9  1.91 GiB  4.0e-5  9.2…-10.1  planned
    xxxxxxxx  -                  1000  [16, 8]          0.1  16,056,451    13.9  2.10 GiB  4.0e-5  9.2…-10.1  planned
    xxxxxxxx  no-attention       1000  []                 0  14,406,531    12.3  1.42 GiB  4.0e-5  9.2…-10.1  planned

    all variants: seeds 0

    note: 2 points of the sweep equal others and are planned once: T1000_attn16-8 is
      T1000_attn16-8-xxxxxxxx, for one

    excluded: 2 points, undertrained (diffusion.timesteps lt 500 and model.attention_resolutions
      len_ge 2): T250_attn16-8, T250_attn16-8

    invalid: 1 point skipped: drop2: model.dropout = 2 is out of range

    5 variants x 1 seed = 5 runs in runs/x; 0 done, 5 to do
    ");
}

#[test]
fn verbose_lists_every_point_that_is_left_out() {
    let (plan, progress) = plan(&written(EVERY_FORM));
    let text = redacted(&plan, table::verbose(&shown(&plan, &progress)));
    let (variants, rest) = text.split_once("\nplanned once: ").unwrap();
    assert!(variants.contains("\nno-attention-xxxxxxxx\n  variant          no-attention\n"), "{variants}");
    insta::assert_snapshot!(rest, @r"
    T1000_attn16-8 is T1000_attn16-8-xxxxxxxx
    planned once: base is T1000_attn16-8-xxxxxxxx
    excluded: T250_attn16-8, undertrained (diffusion.timesteps lt 500 and model.attention_resolutions len_ge 2)
    excluded: T250_attn16-8, undertrained (diffusion.timesteps lt 500 and model.attention_resolutions len_ge 2)
    invalid: drop2: model.dropout = 2 is out of range

    5 variants x 1 seed = 5 runs in runs/x; 0 done, 5 to do
    ");
    let line = crate::cli::plan::left_out::line(&plan).unwrap();
    assert_eq!(
        line,
        "5 points of the sweep left out: 2 excluded, 1 invalid and skipped, 2 equal to others and planned once"
    );
}

#[test]
fn json_lists_excluded_and_invalid_points_with_reasons() {
    let (plan, progress) = plan(&written(EVERY_FORM));
    let document: Value = serde_json::from_str(&json(&shown(&plan, &progress), false).unwrap()).unwrap();
    assert_eq!(
        document["excluded"][0],
        serde_json::json!({
            "point": "T250_attn16-8",
            "overrides": {"diffusion.timesteps": 250, "model.attention_resolutions": [16, 8]},
            "rule": "diffusion.timesteps lt 500 and model.attention_resolutions len_ge 2",
            "reason": "undertrained",
        })
    );
    assert_eq!(document["excluded"].as_array().unwrap().len(), 2);
    assert_eq!(
        document["invalid"],
        serde_json::json!([{
            "point": "drop2",
            "overrides": {"model.dropout": 2},
            "reasons": ["model.dropout = 2 is out of range"],
        }])
    );
}
