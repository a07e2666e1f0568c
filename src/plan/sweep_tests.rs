//! Tests of whole plans: what each form of `[sweep]` becomes once its points are resolved.

use serde_json::json;

use super::*;
use crate::plan::fixture::{Written, written};

fn plan(text: &str) -> Plan {
    pinned(&written(text), &[])
}

fn pinned(experiment: &Written, pins: &[&str]) -> Plan {
    Plan::build(&experiment.load(&[], pins).unwrap()).unwrap()
}

#[track_caller]
fn refusal(text: &str) -> String {
    let experiment = written(text);
    experiment.text(&Plan::build(&experiment.load(&[], &[]).unwrap()).unwrap_err())
}

fn labels(plan: &Plan) -> Vec<&str> {
    plan.variants.iter().map(|variant| variant.name.rsplit_once('-').unwrap().0).collect()
}

fn excluded(plan: &Plan) -> Vec<&str> {
    plan.excluded.iter().map(|excluded| excluded.point.as_str()).collect()
}

#[test]
fn a_zip_pairs_its_values() {
    let plan = plan(
        "[[sweep.zip]]\n\"diffusion.timesteps\" = [250, 1000]\n\"training.learning_rate\" = [2e-4, 1e-4]\n\
         [sweep.grid]\n\"model.dropout\" = [0, 0.1]\n",
    );
    assert_eq!(
        labels(&plan),
        ["T250_lr2e-4_drop0", "T250_lr2e-4_drop0.1", "T1000_lr1e-4_drop0", "T1000_lr1e-4_drop0.1"]
    );
    assert_eq!(plan.varying, ["diffusion.timesteps", "training.learning_rate", "model.dropout"]);
}

#[test]
fn one_at_a_time_names_each_step_by_its_key_and_the_base_by_nothing() {
    let plan = plan(
        "[model]\ndropout = 0.1\n[sweep.one_at_a_time]\n\"model.dropout\" = [0, 0.1, 0.2]\n\
         \"diffusion.noise_schedule\" = [\"linear\", \"cosine\"]\n\"diffusion.timesteps\" = [1000]\n",
    );
    assert_eq!(labels(&plan), ["base", "drop0", "drop0.2", "cosine"]);
    assert_eq!(plan.varying, ["model.dropout", "diffusion.noise_schedule"]);
    assert_eq!(plan.variants[3].overrides[0], ("model.dropout".to_owned(), json!(0.1)));
    assert!(plan.duplicates.is_empty());
}

#[test]
fn a_step_that_changes_nothing_is_a_duplicate_of_the_base() {
    let plan = plan(
        "[diffusion]\nnoise_schedule = \"cosine\"\n\
         [sweep.one_at_a_time]\n\"diffusion.beta_end\" = [0.02, 0.03]\n",
    );
    assert_eq!(labels(&plan), ["base"]);
    let base = plan.variants[0].name.clone();
    assert_eq!(plan.duplicates, [Duplicate { point: "bT-0.03".into(), variant: base }]);
}

#[test]
fn a_named_variant_keeps_its_name_and_shows_resolved_values() {
    let plan = plan(
        "[sweep.grid]\n\"model.dropout\" = [0, 0.1]\n[[sweep.variant]]\nname = \"no-attention\"\n\
         \"model.attention_resolutions\" = []\n[[sweep.variant]]\nname = \"two.sets\"\n\
         \"model.attention_resolutions\" = [8, 16, 8]\n\"model.dropout\" = 0.2\n",
    );
    assert_eq!(labels(&plan), ["drop0", "drop0.1", "no-attention", "two.sets"]);
    let titles: Vec<Option<&str>> = plan.variants.iter().map(|variant| variant.title.as_deref()).collect();
    assert_eq!(titles, [None, None, Some("no-attention"), Some("two.sets")]);
    assert_eq!(
        plan.variants[3].overrides,
        [
            ("model.dropout".to_owned(), json!(0.2)),
            ("model.attention_resolutions".to_owned(), json!([16, 8])),
        ]
    );
}

#[test]
fn a_point_that_equals_a_named_variant_takes_its_name() {
    let plan = plan(
        "[sweep.grid]\n\"model.attention_resolutions\" = [[], [16]]\n\
         [[sweep.variant]]\nname = \"no-attention\"\n\"model.attention_resolutions\" = []\n",
    );
    assert_eq!(labels(&plan), ["no-attention", "attn16"]);
    let merged = Duplicate { point: "no-attention".into(), variant: plan.variants[0].name.clone() };
    assert_eq!(plan.duplicates, [merged]);
}

#[test]
fn a_variant_may_count_in_epochs_where_the_base_counts_in_steps() {
    let plan = plan(
        "[training]\nsteps = 10\n[sweep]\ninclude_base = true\n\
         [[sweep.variant]]\nname = \"epochs\"\n\"training.epochs\" = 3\n\
         [[sweep.zip]]\n\"training.epochs\" = [1, 2]\n\"training.batch_size\" = [16, 32]\n",
    );
    let counts: Vec<_> = plan
        .variants
        .iter()
        .map(|variant| (variant.config.training.steps, variant.config.training.epochs))
        .collect();
    assert_eq!(counts, [(None, Some(3)), (None, Some(1)), (None, Some(2)), (Some(10), None)]);
    assert_eq!(labels(&plan), ["epochs", "ep1_bs16", "ep2_bs32", "bs64"]);
}

#[test]
fn rules_compare_resolved_values_and_leave_variants_alone() {
    let plan = plan(
        r#"
        [training]
        warmup_steps = 500
        [model]
        attention_resolutions = [16]
        [sweep.grid]
        "diffusion.timesteps" = [250, 1000]
        "model.channel_multipliers" = [[1, 2], [1, 2, 2]]
        [[sweep.variant]]
        name = "kept"
        "diffusion.timesteps" = 250
        [[sweep.exclude]]
        when = { "diffusion.timesteps" = { lt = 500 }, "model.channel_multipliers" = { len_ge = 3 } }
        reason = "undertrained"
        [[sweep.exclude]]
        when = { "model.attention_resolutions" = [16, 16], "training.warmup_steps" = 500, "diffusion.timesteps" = 1000, "model.channel_multipliers" = { contains = 2.0, len_le = 2 } }
        "#,
    );
    assert_eq!(labels(&plan), ["T250_cm1-2", "T1000_cm1-2-2", "kept"]);
    assert_eq!(excluded(&plan), ["T250_cm1-2-2", "T1000_cm1-2"]);
    assert_eq!(plan.excluded[0].reason.as_deref(), Some("undertrained"));
    assert_eq!(
        plan.excluded[0].overrides,
        [
            ("diffusion.timesteps".to_owned(), json!(250)),
            ("model.channel_multipliers".to_owned(), json!([1, 2, 2])),
        ]
    );
    assert_eq!(plan.excluded[0].rule, "diffusion.timesteps lt 500 and model.channel_multipliers len_ge 3");
    assert_eq!(plan.excluded[1].reason, None);
}

/// What a rule leaves of timesteps 250, 500 and 1000 with dropout 0.1.
fn left(when: &str) -> Vec<u64> {
    let text = format!(
        "[model]\ndropout = 0.1\n[sweep]\ninclude_base = false\n[sweep.grid]\n\
         \"diffusion.timesteps\" = [250, 500, 1000]\n[[sweep.exclude]]\nwhen = {{ {when} }}\n"
    );
    plan(&text).variants.iter().map(|variant| variant.config.diffusion.timesteps as u64).collect()
}

#[test]
fn each_operator_means_what_it_says() {
    let timesteps = |test: &str| left(&format!("\"diffusion.timesteps\" = {test}"));
    assert_eq!(timesteps("500"), [250, 1000]);
    assert_eq!(timesteps("{ eq = 500 }"), [250, 1000]);
    assert_eq!(timesteps("{ ne = 500 }"), [500]);
    assert_eq!(timesteps("{ lt = 500 }"), [500, 1000]);
    assert_eq!(timesteps("{ le = 500.0 }"), [1000]);
    assert_eq!(timesteps("{ gt = 500 }"), [250, 500]);
    assert_eq!(timesteps("{ ge = 499.5 }"), [250]);
    assert_eq!(timesteps("{ in = [250, 1000] }"), [500]);
    assert_eq!(timesteps("{ gt = 250, lt = 1000 }"), [250, 1000]);
    let and = |test: &str| left(&format!("\"diffusion.timesteps\" = 250, {test}"));
    for holds in [
        "\"model.dropout\" = 1e-1",
        "\"model.channel_multipliers\" = { len_eq = 3 }",
        "\"model.channel_multipliers\" = { len_lt = 4 }",
        "\"model.channel_multipliers\" = { len_le = 3 }",
        "\"model.channel_multipliers\" = { len_gt = 2 }",
        "\"model.channel_multipliers\" = { contains = 4 }",
        "\"model.mid_attention\" = true",
        "\"training.epochs\" = { ne = 3 }",
    ] {
        assert_eq!(and(holds), [500, 1000], "{holds}");
    }
}

#[test]
fn a_rule_that_matches_nothing_is_an_error_and_under_a_pin_a_warning() {
    let text = "[sweep.grid]\n\"diffusion.timesteps\" = [500, 1000]\n\"model.dropout\" = [0, 0.1]\n\
                [[sweep.exclude]]\nwhen = { \"model.dropout\" = 0.1 }\n\
                [[sweep.exclude]]\nwhen = { \"diffusion.timesteps\" = { lt = 500 } }\nreason = \"short\"\n";
    assert_eq!(
        refusal(text),
        "error: sweep.exclude 2 matches no point: diffusion.timesteps lt 500\n  set in x.toml:6\n  \
         help: a rule that leaves nothing out is a mistake; correct it, or remove it"
    );
    let used = text.replace("[500, 1000]", "[400, 1000]");
    assert_eq!(labels(&plan(&used)), ["T1000_drop0"]);
    let pinned = pinned(&written(&used), &["model.dropout=0.0"]);
    assert_eq!(labels(&pinned), ["T1000_drop0"]);
    assert_eq!(pinned.warnings, ["sweep.exclude 1 matches no point: model.dropout = 0.1"]);
}

#[test]
fn rules_that_leave_nothing_are_an_error() {
    assert_eq!(
        refusal(
            "[sweep.grid]\n\"model.dropout\" = [0, 0.1]\n\
             [[sweep.exclude]]\nwhen = { \"model.dropout\" = { le = 1 } }\n"
        ),
        "error: the sweep plans nothing: its exclude rules leave out every point\n  set in x.toml:3"
    );
}

/// Attention at 4 needs four levels.
const INVALID: &str = "[sweep.grid]\n\"model.channel_multipliers\" = [[1, 2, 2], [1, 2, 2, 2]]\n\
                       \"model.attention_resolutions\" = [[8], [4]]\n";

#[test]
fn invalid_points_can_be_skipped_and_are_listed_with_the_reason() {
    let skipped = plan(&format!("[sweep]\non_invalid = \"skip\"\n{INVALID}"));
    assert_eq!(labels(&skipped), ["cm1-2-2_attn8", "cm1-2-2-2_attn8", "cm1-2-2-2_attn4"]);
    let reasons = vec!["model.attention_resolutions has 4, which no level has".to_owned()];
    assert_eq!(
        skipped.invalid,
        [Invalid {
            point: "cm1-2-2_attn4".into(),
            overrides: vec![
                ("model.channel_multipliers".into(), json!([1, 2, 2])),
                ("model.attention_resolutions".into(), json!([4])),
            ],
            reasons,
        }]
    );
    assert_eq!(
        refusal(INVALID),
        "error: model.attention_resolutions has 4, which no level has\n  \
         set in x.toml:3 (variant \"cm1-2-2_attn4\")\n  \
         help: an image of 32 pixels and 3 levels reach 32, 16, 8"
    );
}

#[test]
fn a_rule_may_leave_out_what_is_invalid() {
    let plan = plan(&format!(
        "{INVALID}[[sweep.exclude]]\nreason = \"unreachable\"\nwhen = {{ \"model.channel_multipliers\" = \
         {{ len_lt = 4 }}, \"model.attention_resolutions\" = {{ contains = 4 }} }}\n"
    ));
    assert_eq!(excluded(&plan), ["cm1-2-2_attn4"]);
    assert_eq!((plan.variants.len(), plan.invalid.len()), (3, 0));
}

#[test]
fn where_every_point_is_invalid_skipping_hides_nothing() {
    assert_eq!(
        refusal("[sweep]\non_invalid = \"skip\"\n[sweep.grid]\n\"model.dropout\" = [2]\n"),
        "error: model.dropout = 2 is out of range\n  set in x.toml:4 (variant \"drop2\")\n  \
         help: model.dropout takes a number of at least 0 and below 1"
    );
}

#[test]
fn a_wrong_value_is_found_where_it_was_written_in_every_form() {
    assert_eq!(
        refusal(
            "[[sweep.variant]]\nname = \"a\"\n\"model.dropout\" = 0.1\n\
             [[sweep.variant]]\nname = \"b\"\n\"model.dropout\" = 3\n\
             [[sweep.zip]]\n\"data.limit\" = [1]\n[[sweep.zip]]\n\"data.in_channels\" = [2]\n\
             [sweep.one_at_a_time]\n\"model.dropout\" = [4]\n"
        ),
        "error: model.dropout = 3 is out of range\n  set in x.toml:6 (variant \"b\")\n  \
         help: model.dropout takes a number of at least 0 and below 1\n\n\
         error: data.in_channels = 2 is out of range\n  set in x.toml:10 (variant \"n1_ch2\")\n  \
         help: data.in_channels takes 1 or 3\n\n\
         error: model.dropout = 4 is out of range\n  set in x.toml:12 (variant \"drop4\")\n  \
         help: model.dropout takes a number of at least 0 and below 1\n\n\
         3 problems; nothing was started"
    );
}

#[test]
fn a_contradiction_names_the_form_that_caused_it() {
    assert_eq!(
        refusal(
            "[model]\nattention_resolutions = [8]\n[sweep.grid]\n\"model.channel_multipliers\" = [[1, 2, 2]]\n\
             [[sweep.variant]]\nname = \"flat\"\n\"model.channel_multipliers\" = [2]\n"
        ),
        "error: model.attention_resolutions has 8, which no level has\n  \
         model.channel_multipliers set in x.toml:7 (variant \"flat\")\n  \
         help: an image of 32 pixels and 1 level reach 32"
    );
}

#[test]
fn turning_a_grid_into_zips_or_adding_a_form_changes_no_identity() {
    let experiment = written(
        "[sweep.grid]\n\"model.dropout\" = [0, 0.1]\n\"diffusion.noise_schedule\" = [\"linear\", \"cosine\"]\n",
    );
    let grid = pinned(&experiment, &[]);
    for variant in &grid.variants {
        std::fs::create_dir_all(grid.directory.join(&variant.name)).unwrap();
    }
    std::fs::write(
        experiment.path(),
        "[[sweep.zip]]\n\"model.dropout\" = [0.1, 0.0]\n\
         \"diffusion.noise_schedule\" = [\"cosine\", \"linear\"]\n\
         [[sweep.variant]]\nname = \"other\"\n\"diffusion.noise_schedule\" = \"cosine\"\n",
    )
    .unwrap();
    let zipped = pinned(&experiment, &[]);
    let names = |plan: &Plan, places: &[usize]| {
        places.iter().map(|&place| plan.variants[place].name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&zipped, &[0, 1, 2]), names(&grid, &[3, 0, 1]), "a run is found by its id");
    assert_eq!(zipped.variants[2].title.as_deref(), Some("other"));
}

#[test]
fn aliases_count_and_show_as_what_they_stand_for() {
    let plan = plan(
        r#"
        [diffusion]
        noise_schedule = "scaled_linear"
        [sweep.one_at_a_time]
        "diffusion.noise_schedule" = ["linear", "sqrt"]
        [[sweep.variant]]
        name = "root"
        "diffusion.noise_schedule" = "sqrt"
        "diffusion.beta_end" = 0.01
        [[sweep.exclude]]
        when = { "diffusion.noise_schedule" = "sqrt" }
        "#,
    );
    assert_eq!(labels(&plan), ["linear", "root"]);
    assert_eq!(plan.variants[1].overrides[0].1, json!("scaled_linear"));
    assert_eq!(excluded(&plan), ["base"]);
}

#[test]
fn several_averages_are_one_value_of_an_axis() {
    let plan = plan("[sweep.grid]\n\"ema.decay\" = [0.99, [0.99, 0.999], [0.99]]\n");
    assert_eq!(labels(&plan), ["ema0.99", "ema0.99-0.999"]);
    assert_eq!(plan.duplicates[0].point, "ema0.99");
    let text = "[sweep.grid]\n\"ema.decay\" = [0.99, [0.99, 0.999]]\n[[sweep.exclude]]\nwhen = ";
    for rule in ["[0.99]", "{ contains = 0.999 }", "{ lt = 0.995 }", "{ len_ge = 2 }"] {
        let rule = format!("{text}{{ \"ema.decay\" = {rule} }}\n");
        assert_eq!(self::plan(&rule).variants.len(), 1, "{rule}");
    }
}
