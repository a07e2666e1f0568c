//! Tests of building a plan: variants, seeds, names, limits, problems, and how long it takes.

use std::time::Instant;

use serde_json::json;

use super::*;
use crate::plan::fixture::{Written, written};

const SWEEP: &str = r#"
    [sweep]
    seeds = [0, 1]
    [sweep.grid]
    "model.channel_multipliers" = [[1, 2], [1, 2, 4]]
    "model.attention_resolutions" = [[], [16]]
    "diffusion.noise_schedule" = ["linear", "cosine"]
"#;

fn plan(experiment: &Written) -> Plan {
    Plan::build(&experiment.load(&[], &[]).unwrap()).unwrap()
}

fn refusal(text: &str) -> String {
    let experiment = written(text);
    let problems = match experiment.load(&[], &[]) {
        Ok(loaded) => Plan::build(&loaded).unwrap_err(),
        Err(problems) => problems,
    };
    experiment.text(&problems)
}

fn labels(plan: &Plan) -> Vec<&str> {
    plan.variants.iter().map(|variant| variant.name.rsplit_once('-').unwrap().0).collect()
}

#[test]
fn variants_are_named_by_what_varies_and_end_in_their_id() {
    let plan = plan(&written(SWEEP));
    assert_eq!(
        labels(&plan),
        [
            "cm1-2_attn-none_linear",
            "cm1-2_attn-none_cosine",
            "cm1-2_attn16_linear",
            "cm1-2_attn16_cosine",
            "cm1-2-4_attn-none_linear",
            "cm1-2-4_attn-none_cosine",
            "cm1-2-4_attn16_linear",
            "cm1-2-4_attn16_cosine",
        ]
    );
    for variant in &plan.variants {
        assert!(variant.name.ends_with(&format!("-{}", variant.id)));
        assert_eq!(variant.id, variant.identity[..8]);
    }
    assert_eq!(
        plan.variants[1].overrides,
        [
            ("model.channel_multipliers".to_owned(), json!([1, 2])),
            ("model.attention_resolutions".to_owned(), json!([])),
            ("diffusion.noise_schedule".to_owned(), json!("cosine")),
        ]
    );
}

#[test]
fn every_variant_has_one_seed_before_any_has_two() {
    let experiment = written(SWEEP);
    let plan = plan(&experiment);
    let runs: Vec<PlannedRun> = plan.runs().collect();
    assert_eq!(runs.len(), 16);
    assert_eq!(runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [[0; 8], [1; 8]].concat());
    assert_eq!(runs[9].variant.name, plan.variants[1].name);
    assert_eq!(runs[9].dir, experiment.directory().join(&plan.variants[1].name).join("seed-1"));
    assert_eq!(runs[9].config().training.seed, 1);
    assert_eq!(runs[9].config().diffusion, plan.variants[1].config.diffusion);
}

#[test]
fn a_file_without_a_sweep_plans_its_base() {
    let plan = plan(&written("[training]\nseed = 3\n"));
    assert_eq!(labels(&plan), ["base"]);
    assert_eq!((&plan.seeds[..], plan.varying.len(), plan.runs().count()), (&[3][..], 0, 1));
    assert_eq!(plan.variants[0].overrides, []);
}

/// Every key that identity depends on, so that an edited default changes nothing here.
const FULL: &str = r#"
    [data]
    dataset = "shapes"
    image_size = 32
    in_channels = 3
    validation_fraction = 0.05
    limit = 5000
    [model]
    base_channels = 64
    channel_multipliers = [1, 2, 4]
    num_res_blocks = 2
    attention_resolutions = [16, 8]
    attention_head_dim = 64
    dropout = 0.1
    time_embed_dim = 256
    norm_groups = 16
    norm_eps = 1e-5
    mid_attention = true
    downsample_padding = 1
    freq_shift = 0.0
    flip_sin_to_cos = true
    [diffusion]
    timesteps = 500
    noise_schedule = "linear"
    beta_start = 1e-4
    beta_end = 0.02
    rescale_betas = true
    prediction_type = "epsilon"
    loss_type = "mse"
    [training]
    steps = 10000
    batch_size = 64
    gradient_accumulation = 1
    learning_rate = 2e-4
    warmup_steps = 500
    lr_schedule = "constant"
    optimizer = "adamw"
    betas = [0.9, 0.999]
    eps = 1e-8
    weight_decay = 0.01
    grad_clip = 1.0
    precision = "f32"
    [ema]
    kind = "decay"
    decay = 0.999
    warmup = true
    every = 1
"#;

/// An identity that changes by accident orphans every run there is: whoever changes one of these on purpose
/// must say in the change log that earlier runs will not be found.
#[test]
fn identities_of_full_configurations_are_pinned() {
    let cases: [(&[&str], &str); 3] = [
        (&[], "327401f2c9c65f0efc3357d1ee98ce9c6da343657eac89bb9972e84c69824277"),
        (
            &[
                "diffusion.noise_schedule=cosine",
                "diffusion.prediction_type=v",
                "model.attention_resolutions=[]",
            ],
            "96741782cf3bd804ea9040f27205fe60427674025aee2799dbfdfcded2ed3687",
        ),
        (
            &["training.epochs=3", "model.num_attention_heads=4", "data.dataset=mnist", "data.in_channels=1"],
            "78a52d61385cba6bc2b129f0999534614997157970a7126b3a34f7fe1e296732",
        ),
    ];
    let experiment = written(FULL);
    for (set, expected) in cases {
        let plan = Plan::build(&experiment.load(set, &[]).unwrap()).unwrap();
        assert_eq!(plan.variants[0].identity, expected, "{set:?}");
    }
}

#[test]
fn the_pinned_configuration_names_every_key_of_the_identity() {
    let written: toml::Table = FULL.parse().unwrap();
    for key in crate::config::keys::KEYS.iter().filter(|key| key.hashed) {
        let (section, leaf) = key.path.split_once('.').unwrap();
        let left_out = ["training.epochs", "model.num_attention_heads"].contains(&key.path)
            || key.path.starts_with("training.initial_weights")
            || key.introduced_as.is_some();
        assert_eq!(written[section].get(leaf).is_some(), !left_out, "{}", key.path);
    }
}

#[test]
fn spelling_seed_folders_and_ignored_keys_leave_the_identity_alone() {
    let id = |text: &str| plan(&written(text)).variants[0].identity.clone();
    let base = id("[training]\nlearning_rate = 1e-4\n[diffusion]\nnoise_schedule = \"cosine\"\n");
    for same in [
        "description = \"x\"\n[diffusion]\nnoise_schedule = \"cosine\"\n[training]\nlearning_rate = 0.0001\n",
        "[training]\nlearning_rate = 1e-4\nseed = 9\nlog_every = 3\n[diffusion]\nnoise_schedule = \"cosine\"\n\
         beta_end = 0.5\n[data]\nroot = \"elsewhere\"\n[model]\nattention_resolutions = [8, 16]\n",
    ] {
        assert_eq!(id(same), base, "{same}");
    }
    assert_ne!(id("[training]\nlearning_rate = 1e-4\n"), base);
}

#[test]
fn points_of_one_identity_are_planned_once_and_reported() {
    let plan = plan(&written(
        "[sweep.grid]\n\"diffusion.noise_schedule\" = [\"linear\", \"cosine\"]\n\
         \"diffusion.beta_end\" = [0.02, 0.03]\n",
    ));
    assert_eq!(labels(&plan), ["linear_bT-0.02", "linear_bT-0.03", "cosine_bT-0.02"]);
    let merged = Duplicate { point: "cosine_bT-0.03".into(), variant: plan.variants[2].name.clone() };
    assert_eq!(plan.duplicates, [merged]);
}

#[test]
fn the_base_joins_the_grid_and_shows_its_own_values() {
    let plan = plan(&written(
        "[training]\nsteps = 10\n[sweep]\ninclude_base = true\n[sweep.grid]\n\"training.epochs\" = [1, 2]\n\
         \"model.dropout\" = [0.1]\n",
    ));
    assert_eq!(labels(&plan), ["ep1_drop0.1", "ep2_drop0.1", "drop0"]);
    assert_eq!(plan.variants[2].overrides[0], ("training.epochs".to_owned(), json!(null)));
    assert_eq!(plan.variants[2].config.training.steps, Some(10));
}

#[test]
fn a_pin_leaves_the_key_out_of_the_names() {
    let experiment = written(SWEEP);
    let loaded = experiment.load(&[], &["diffusion.noise_schedule=cosine"]).unwrap();
    let pinned = Plan::build(&loaded).unwrap();
    assert_eq!(labels(&pinned)[..2], ["cm1-2_attn-none", "cm1-2_attn16"]);
    let full = plan(&experiment);
    assert!(pinned.variants.iter().all(|variant| full.variants.iter().any(|other| other.id == variant.id)));
}

#[test]
fn a_sole_variant_that_is_not_the_base_is_not_called_base() {
    let plan = plan(&written("[sweep.grid]\n\"diffusion.timesteps\" = [500]\n"));
    assert_eq!(labels(&plan), ["T500"]);
}

#[test]
fn a_folder_with_the_id_keeps_its_name_when_an_axis_is_added() {
    let experiment = written(SWEEP);
    let first = plan(&experiment);
    let old = format!("old-name-{}", first.variants[3].id);
    std::fs::create_dir_all(experiment.directory().join(&old)).unwrap();
    let again = plan(&experiment);
    assert_eq!(again.variants[3].name, old);
    assert_eq!(again.variants[3].id, first.variants[3].id);
    assert_eq!(again.variants[2].name, first.variants[2].name);
}

#[test]
fn a_folder_of_another_identity_with_the_same_id_is_left_alone() {
    let experiment = written("");
    let first = plan(&experiment).variants[0].clone();
    std::fs::create_dir_all(experiment.directory().join(&first.name)).unwrap();
    let foreign = json!({"format": 1, "variants": [
        {"name": first.name, "id": first.id, "identity": format!("{}{}", first.id, "0".repeat(56))}
    ]});
    std::fs::write(experiment.directory().join("plan.json"), foreign.to_string()).unwrap();
    let again = plan(&experiment).variants[0].clone();
    assert_eq!(again.name, format!("base-{}", &first.identity[..16]));
}

#[test]
fn every_point_is_checked_and_each_problem_told_once_with_its_variant() {
    assert_eq!(
        refusal("[sweep.grid]\n\"model.base_channels\" = [64, 0]\n\"model.dropout\" = [0.1, 2.0, 3.0]\n"),
        "error: model.dropout = 2.0 is out of range\n  \
         set in x.toml:3 (variant \"bc64_drop2\")\n  \
         help: model.dropout takes a number of at least 0 and below 1; 1 more variant has this problem\n\n\
         error: model.dropout = 3.0 is out of range\n  \
         set in x.toml:3 (variant \"bc64_drop3\")\n  \
         help: model.dropout takes a number of at least 0 and below 1; 1 more variant has this problem\n\n\
         error: model.base_channels = 0 is out of range\n  \
         set in x.toml:2 (variant \"bc0_drop0.1\")\n  \
         help: model.base_channels takes an integer from 1 to 65536; 2 more variants have this problem\n\n\
         3 problems; nothing was started"
    );
}

#[test]
fn a_schedule_that_reaches_one_names_the_variant() {
    assert_eq!(
        refusal("[sampling]\nsteps = 10\n[sweep.grid]\n\"diffusion.timesteps\" = [10, 1000]\n"),
        "error: diffusion.timesteps = 10 rescales the last beta to 0.02 x 1000/10 = 2, and it must stay below 1\n  \
         set in x.toml:4 (variant \"T10\")\n  \
         help: use at least 21 timesteps, a smaller diffusion.beta_end, or diffusion.rescale_betas = false"
    );
}

#[test]
fn an_axis_of_bare_numbers_for_a_list_key_says_where_it_is() {
    assert_eq!(
        refusal("[sweep.grid]\n\"model.channel_multipliers\" = [1, 2, 4]\n"),
        "error: sweep.grid.model.channel_multipliers: axis elements must be lists; did you mean [[1, 2, 4]]?\n  \
         set in x.toml:2"
    );
}

#[test]
fn notes_are_gathered_over_variants() {
    let plan = plan(&written(
        "[training]\nsteps = 300\n[sampling]\nsteps = 25\n[sweep.grid]\n\"diffusion.timesteps\" = [25, 1000]\n",
    ));
    let notes = plan.notes();
    assert_eq!(notes.len(), 2);
    assert!(notes[0].0.starts_with("ema.decay = 0.999 never binds") && notes[0].1.len() == 2, "{notes:?}");
    assert!(
        notes[1].0.starts_with("the noise schedule does not cover") && notes[1].1.len() == 1,
        "{notes:?}"
    );
}

/// Ten axes of different kinds, 10,240 points; the time is printed, and the bound is loose enough for a
/// busy machine and an unoptimised build.
#[test]
fn ten_thousand_points_are_planned_in_moments() {
    let experiment = written(
        r#"
        [sweep]
        max_runs = 20000
        [sweep.grid]
        "model.channel_multipliers" = [[1, 2, 2], [1, 2, 4]]
        "model.attention_resolutions" = [[], [16], [8], [16, 8]]
        "model.num_res_blocks" = [1, 2]
        "model.dropout" = [0.0, 0.1]
        "diffusion.timesteps" = [250, 500, 1000, 2000]
        "diffusion.noise_schedule" = ["linear", "cosine"]
        "diffusion.prediction_type" = ["epsilon", "v"]
        "training.learning_rate" = [1e-4, 2e-4, 3e-4, 4e-4, 5e-4]
        "training.batch_size" = [32, 64]
        "ema.decay" = [0.99, 0.999]
    "#,
    );
    let started = Instant::now();
    let plan = plan(&experiment);
    let elapsed = started.elapsed();
    println!("{} variants planned in {elapsed:?}", plan.variants.len());
    assert_eq!(plan.variants.len(), 10_240);
    assert!(elapsed.as_secs() < 20, "{elapsed:?}");
}
