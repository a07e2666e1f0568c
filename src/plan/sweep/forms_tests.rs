//! Tests of zip, one_at_a_time, named variants, exclude rules, and of what `--pin` and `-s` do to each.

use toml::Value;

use crate::config::keys;
use crate::plan::sweep::fixture::{BASE, errors, points, read, read_with};

const MIXED: &str = r#"
    [[sweep.zip]]
    "diffusion.timesteps" = [250, 1000]
    "training.learning_rate" = [2e-4, 1e-4]
    [sweep.grid]
    "model.num_res_blocks" = [1, 2]
    [[sweep.variant]]
    name = "long"
    "training.epochs" = 3
    [sweep.one_at_a_time]
    "model.dropout" = [0, 0.1, 0.2]
"#;

#[test]
fn forms_come_in_written_order_and_zips_are_axes_of_the_product() {
    let sweep = read(MIXED).unwrap();
    assert_eq!(
        points(&sweep),
        [
            "diffusion.timesteps=250 training.learning_rate=0.0002 model.num_res_blocks=1",
            "diffusion.timesteps=250 training.learning_rate=0.0002 model.num_res_blocks=2",
            "diffusion.timesteps=1000 training.learning_rate=0.0001 model.num_res_blocks=1",
            "diffusion.timesteps=1000 training.learning_rate=0.0001 model.num_res_blocks=2",
            "training.epochs=3",
            "",
            "model.dropout=0.1",
            "model.dropout=0.2",
        ]
    );
    assert_eq!(sweep.point_count(), 8);
    assert_eq!(
        sweep.keys,
        [
            "diffusion.timesteps",
            "training.learning_rate",
            "model.num_res_blocks",
            "training.epochs",
            "model.dropout",
        ]
    );
}

#[test]
fn two_zips_multiply() {
    let text = "[[sweep.zip]]\n\"data.limit\" = [5, 6]\n\"training.batch_size\" = [1, 2]\n\
                [[sweep.zip]]\n\"model.num_res_blocks\" = [1, 2]\n\"model.mid_attention\" = [true, true]\n";
    let sweep = read(text).unwrap();
    assert_eq!(sweep.point_count(), 4);
    assert_eq!(
        points(&sweep)[1],
        "data.limit=5 training.batch_size=1 model.num_res_blocks=2 model.mid_attention=true"
    );
}

#[test]
fn one_at_a_time_has_the_base_once_and_every_other_value_alone() {
    let text = "[sweep]\ninclude_base = true\n[sweep.one_at_a_time]\n\
                \"diffusion.noise_schedule\" = [\"linear\", \"cosine\"]\n\
                \"model.attention_resolutions\" = [[8, 16], [16]]\n\"training.weight_decay\" = [0.01, 0]\n";
    let sweep = read(text).unwrap();
    assert_eq!(
        points(&sweep),
        [
            "",
            "diffusion.noise_schedule=\"cosine\"",
            "model.attention_resolutions=[16]",
            "training.weight_decay=0",
        ]
    );
    assert_eq!(read("[sweep.one_at_a_time]\n\"model.dropout\" = [0.0]").unwrap().point_count(), 1);
}

#[test]
fn a_key_may_be_in_the_grid_and_in_one_at_a_time() {
    let text =
        "[sweep.grid]\n\"model.dropout\" = [0.1, 0.2]\n[sweep.one_at_a_time]\n\"model.dropout\" = [0.2]\n";
    assert_eq!(
        points(&read(text).unwrap()),
        ["model.dropout=0.1", "model.dropout=0.2", "", "model.dropout=0.2"]
    );
}

#[test]
fn the_base_comes_after_the_product_and_before_the_variants() {
    let text = "[sweep]\ninclude_base = true\n[sweep.grid]\n\"model.dropout\" = [0.1]\n\
                [[sweep.variant]]\nname = \"a\"\n\"model.dropout\" = 0.2\n";
    assert_eq!(points(&read(text).unwrap()), ["model.dropout=0.1", "", "model.dropout=0.2"]);
}

#[test]
fn the_lists_of_a_zip_have_one_length() {
    assert_eq!(
        errors(
            "[[sweep.zip]]\n\"diffusion.timesteps\" = [250, 500, 1000]\n\"training.learning_rate\" = [1e-4]"
        ),
        "error: sweep.zip: its lists differ in length: diffusion.timesteps has 3 values, \
         training.learning_rate has 1 value\n  \
         help: the lists advance together: give every key the same number of values"
    );
}

#[test]
fn what_is_wrong_with_a_zip_names_it_by_its_place() {
    assert_eq!(
        errors(
            "[[sweep.zip]]\n[[sweep.zip]]\n\"data.limit\" = [1, 2, 1]\n\"model.dropout\" = [0, 0.1, 0.0]\n\
             [[sweep.zip]]\n\"model.dropuot\" = [1]\n\"model.channel_multipliers\" = [1, 2]\n"
        ),
        "error: sweep.zip 1 has no keys\n  help: write keys with lists of equal length below it\n\
         error: sweep.zip 2: its values 1 and 3 are the same\n  \
         help: two equal points would be the same variant; remove one\n\
         error: sweep.zip 3: unknown key model.dropuot\n  help: did you mean model.dropout?\n\
         error: sweep.zip 3: model.channel_multipliers: axis elements must be lists; did you mean [[1, 2]]?"
    );
    assert_eq!(
        errors("[sweep.zip]\n\"data.limit\" = [1]\n"),
        "error: [sweep.zip] is a single table; there may be several\n  \
         help: write [[sweep.zip]] above the keys of each"
    );
    assert_eq!(
        errors("[sweep]\nzip = [1]\none_at_a_time = 2\n"),
        "error: sweep.zip = [1] is not a list of tables\n  help: write [[sweep.zip]] above the keys of each\n\
         error: sweep.one_at_a_time = 2 is not a table\n  \
         help: write each axis as a key and its values: [sweep.one_at_a_time] \"model.dropout\" = [0.0, 0.1]"
    );
}

#[test]
fn a_key_is_an_axis_of_the_product_once() {
    assert_eq!(
        errors(
            "[sweep.grid]\n\"data.limit\" = [1]\n\"training.steps\" = [1]\n\
             [[sweep.zip]]\n\"data.limit\" = [2]\n\"training.epochs\" = [2]\n"
        ),
        "error: data.limit is an axis twice: of sweep.grid and of sweep.zip[0]\n  \
         help: a point has one value of a key; keep one\n\
         error: training.epochs and training.steps exclude each other, so they cannot both be axes\n  \
         help: sweep one of them"
    );
    assert_eq!(
        errors("[[sweep.zip]]\n\"data.limit\" = [1]\n[[sweep.zip]]\n\"data.limit\" = [2]\n"),
        "error: data.limit is an axis twice: of sweep.zip[0] and of sweep.zip[1]\n  \
         help: a point has one value of a key; keep one"
    );
}

#[test]
fn a_variant_needs_a_name_that_is_safe_in_a_folders() {
    let rule = "\n  help: it becomes part of a folder's name: at most 63 letters, digits, \".\", \"_\" and \"-\", \
                a letter or digit at either end";
    let long = "x".repeat(64);
    for (name, message) in [
        ("3", "sweep.variant: name = 3 is not a text"),
        ("\"\"", "sweep.variant: name = \"\" is empty"),
        ("\"no attention\"", "sweep.variant: name = \"no attention\" contains ' '"),
        ("\"a/b\"", "sweep.variant: name = \"a/b\" contains '/'"),
        ("\"größer\"", "sweep.variant: name = \"größer\" contains 'ö'"),
        ("\"..\"", "sweep.variant: name = \"..\" begins or ends with a mark"),
        ("\"-s\"", "sweep.variant: name = \"-s\" begins or ends with a mark"),
        (&format!("\"{long}\""), &format!("sweep.variant: name = \"{}… is 64 bytes long", "x".repeat(59))),
    ] {
        assert_eq!(errors(&format!("[[sweep.variant]]\nname = {name}\n")), format!("error: {message}{rule}"));
    }
    assert_eq!(
        errors("[[sweep.variant]]\nname = \"base\"\n"),
        "error: sweep.variant: name = \"base\" is what the base is called\n  \
         help: choose another, such as \"baseline\""
    );
    assert_eq!(
        errors("[[sweep.variant]]\n\"model.dropout\" = 0.1\n[[sweep.variant]]\nname = \"b\"\n"),
        "error: sweep.variant 1 has no name\n  help: write a name, such as name = \"no-attention\""
    );
    assert_eq!(
        errors("[[sweep.variant]]\nname = \"b\"\n[[sweep.variant]]\nname = \"b\"\n\"model.dropout\" = 0.1\n"),
        "error: sweep.variant: two variants are named \"b\"\n  help: rename one of them"
    );
}

#[test]
fn a_variant_sets_keys_that_a_sweep_may_set() {
    assert_eq!(
        errors(
            "[[sweep.variant]]\nname = \"b\"\n\"training.steps\" = 3\n\"training.epochs\" = 3\n\
             \"training.seed\" = 1\n\"model.dropuot\" = 0.1\n\"data.root\" = \"x\"\n"
        ),
        "error: training.seed cannot be an axis: seeds are replicates of every variant\n  \
         help: write sweep.seeds = [0, 1, 2]\n\
         error: sweep.variant \"b\": unknown key model.dropuot\n  help: did you mean model.dropout?\n\
         error: data.root cannot be an axis: it is no part of a variant's identity, so every value would be \
         the same run\n  help: set data.root once, outside the sweep\n\
         error: sweep.variant \"b\" sets training.steps and training.epochs\n  \
         help: each excludes the other; keep one"
    );
    let nested = read("[[sweep.variant]]\nname = \"b\"\nmodel.dropout = 0.1\n").unwrap();
    assert_eq!(points(&nested), ["model.dropout=0.1"]);
}

#[test]
fn rules_are_read_with_all_their_operators() {
    let text = r#"
        [sweep]
        include_base = true
        [[sweep.exclude]]
        reason = "why not"
        [sweep.exclude.when]
        "diffusion.timesteps" = { ge = 250, lt = 500, ne = 300 }
        "model.attention_resolutions" = { len_ge = 1, contains = 16 }
        model.dropout = 1e-1
        [[sweep.exclude]]
        when = { "diffusion.noise_schedule" = { in = ["linear", "cosine"] }, "model.channel_multipliers" = [1, 2] }
    "#;
    let rules = read(text).unwrap().rules;
    assert_eq!(
        rules[0].text(),
        "diffusion.timesteps ge 250 and diffusion.timesteps lt 500 and diffusion.timesteps ne 300 and \
         model.attention_resolutions len_ge 1 and model.attention_resolutions contains 16 and \
         model.dropout = 0.1"
    );
    assert_eq!(rules[0].reason.as_deref(), Some("why not"));
    assert_eq!(
        rules[1].text(),
        "diffusion.noise_schedule in [\"linear\", \"cosine\"] and model.channel_multipliers = [1, 2]"
    );
}

/// What is said of a rule with these conditions.
#[track_caller]
fn rule_error(when: &str) -> String {
    errors(&format!("[sweep]\ninclude_base = true\n[[sweep.exclude]]\nwhen = {{ {when} }}\n"))
}

#[test]
fn a_rule_that_makes_no_sense_says_so() {
    let example = "\n  help: write when = { \"diffusion.timesteps\" = { lt = 500 } }";
    let takes = |key: &str| keys::find(key).unwrap().kind.describe();
    let misfit = BASE.normal_form("diffusion.noise_schedule", &"linaer".into()).unwrap_err();
    let cases = [
        ("", format!("sweep.exclude has no condition: it would leave every point out{example}")),
        (
            "\"model.dropuot\" = 1",
            "sweep.exclude: unknown key model.dropuot\n  help: did you mean model.dropout?".into(),
        ),
        (
            "\"training.seed\" = 1",
            "sweep.exclude: training.seed is no part of a variant: it is planned for every seed\n  \
             help: choose the seeds with sweep.seeds"
                .into(),
        ),
        ("\"model.dropout\" = {}", format!("sweep.exclude: model.dropout has no condition{example}")),
        (
            "\"model.dropout\" = { above = 1 }",
            "sweep.exclude: model.dropout has an unknown operator above\n  help: use one of eq, ne, lt, le, \
             gt, ge, in, contains, len_eq, len_lt, len_le, len_gt, len_ge"
                .into(),
        ),
        (
            "\"diffusion.noise_schedule\" = \"linaer\"",
            format!("sweep.exclude: {}", misfit.message) + "\n  help: did you mean \"linear\"?",
        ),
        (
            "\"diffusion.noise_schedule\" = { lt = 3 }",
            format!(
                "sweep.exclude: lt compares numbers, and diffusion.noise_schedule takes {}\n  help: use eq, ne or in",
                takes("diffusion.noise_schedule")
            ),
        ),
        (
            "\"model.dropout\" = { lt = \"x\" }",
            "sweep.exclude: lt = \"x\" is not a number\n  \
             help: write the number that model.dropout is compared with"
                .into(),
        ),
        (
            "\"model.dropout\" = { len_ge = 1 }",
            "sweep.exclude: len_ge compares the length of a list, and model.dropout takes a number of at least \
             0 and below 1\n  help: use eq, ne, lt, le, gt, ge or in"
                .into(),
        ),
        (
            "\"model.channel_multipliers\" = { len_ge = -1 }",
            "sweep.exclude: len_ge = -1 is not a whole number from 0 on\n  \
             help: write the length that model.channel_multipliers is compared with"
                .into(),
        ),
        (
            "\"model.dropout\" = { contains = 1 }",
            "sweep.exclude: contains looks into a list, and model.dropout takes a number of at least 0 and \
             below 1\n  help: use eq, ne, lt, le, gt, ge or in"
                .into(),
        ),
        (
            "\"model.attention_resolutions\" = { contains = [16] }",
            "sweep.exclude: contains = [16] is not one element of a list\n  \
             help: write one element that model.attention_resolutions may have"
                .into(),
        ),
        (
            "\"model.dropout\" = { in = [] }",
            "sweep.exclude: in = [] is not a list of values\n  \
             help: write the values of model.dropout that are left out"
                .into(),
        ),
        (
            "\"model.channel_multipliers\" = { gt = 1 }",
            format!(
                "sweep.exclude: gt compares numbers, and model.channel_multipliers takes {}\n  \
                 help: use eq, ne, in, contains or len_ge",
                takes("model.channel_multipliers")
            ),
        ),
    ];
    for (when, expected) in cases {
        assert_eq!(rule_error(when), format!("error: {expected}"), "{when}");
    }
}

#[test]
fn a_rule_has_when_and_reason_alone() {
    assert_eq!(
        errors(
            "[sweep]\ninclude_base = true\n[[sweep.exclude]]\nwhne = 1\nreason = 3\n\
             [[sweep.exclude]]\nwhen = 3\n"
        ),
        "error: sweep.exclude 1: unknown key whne\n  help: a rule has when and reason\n\
         error: sweep.exclude 1: reason = 3 is not a text\n\
         error: sweep.exclude 1 has no condition: it would leave every point out\n  \
         help: write when = { \"diffusion.timesteps\" = { lt = 500 } }\n\
         error: sweep.exclude 2: when = 3 is not a table\n  \
         help: write when = { \"diffusion.timesteps\" = { lt = 500 } }"
    );
}

#[test]
fn every_form_counts_towards_max_runs() {
    assert_eq!(
        errors(&MIXED.replacen("[[sweep.zip]]", "[sweep]\nseeds = [0, 1]\nmax_runs = 15\n[[sweep.zip]]", 1)),
        "error: the sweep plans 16 runs (8 points x 2 seeds), and sweep.max_runs is 15\n  \
         help: axis lengths are 2 x 2, one named variant, one_at_a_time has 3 points; drop values, or raise \
         sweep.max_runs (at most 1000000)"
    );
    let rule = "[sweep]\nmax_runs = 1\n[sweep.one_at_a_time]\n\"data.limit\" = [1]\n\
                [[sweep.exclude]]\nwhen = { \"data.limit\" = 1 }\n";
    assert_eq!(
        errors(rule),
        "error: the sweep plans 2 runs (2 points x 1 seed, before exclusion), and sweep.max_runs is 1\n  \
         help: one_at_a_time has 2 points; drop values, or raise sweep.max_runs (at most 1000000)"
    );
    assert_eq!(
        errors("[sweep]\nmax_runs = 1\nseeds = [0, 1]\ninclude_base = true\n"),
        "error: the sweep plans 2 runs (1 point x 2 seeds), and sweep.max_runs is 1\n  \
         help: each seed is a run; drop values, or raise sweep.max_runs (at most 1000000)"
    );
}

#[test]
fn a_pin_keeps_the_points_of_a_zip_that_agree() {
    let pinned = read_with(MIXED, &[("diffusion.timesteps", 1000.into())], &[]).unwrap();
    assert_eq!(
        points(&pinned)[..2],
        [
            "diffusion.timesteps=1000 training.learning_rate=0.0001 model.num_res_blocks=1",
            "diffusion.timesteps=1000 training.learning_rate=0.0001 model.num_res_blocks=2",
        ]
    );
    assert!(pinned.pinned && pinned.warnings.is_empty());
    assert_eq!(
        read_with(MIXED, &[("diffusion.timesteps", 7.into())], &[]).unwrap_err(),
        ["error: --pin diffusion.timesteps=7 agrees with no point of its zip\n  \
          help: there, diffusion.timesteps is one of 250, 1000"]
    );
}

#[test]
fn a_pin_moves_the_base_of_one_at_a_time_and_drops_its_axis() {
    let pinned = read_with(MIXED, &[("model.dropout", 0.2.into())], &[]).unwrap();
    assert_eq!(points(&pinned)[4..], ["training.epochs=3", ""]);
    let rivals = "[sweep.one_at_a_time]\n\"training.steps\" = [1, 2]\n\"training.epochs\" = [1, 2]\n\
                  \"model.dropout\" = [0.1]\n";
    let pinned = read_with(rivals, &[("training.steps", 5.into())], &[]).unwrap();
    assert_eq!(points(&pinned), ["", "model.dropout=0.1"]);
}

#[test]
fn a_pin_leaves_out_variants_that_set_another_value_and_says_so() {
    let text = "[[sweep.variant]]\nname = \"a\"\n\"model.dropout\" = 0.1\n\
                [[sweep.variant]]\nname = \"b\"\n\"model.dropout\" = 0.2\n\
                [[sweep.variant]]\nname = \"c\"\n\"data.limit\" = 5\n";
    let pinned = read_with(text, &[("model.dropout", Value::Float(1e-1))], &[]).unwrap();
    assert_eq!(points(&pinned), ["model.dropout=0.1", "data.limit=5"]);
    assert_eq!(pinned.warnings, ["--pin model.dropout=0.1 leaves out what sets another value: b"]);
    let rival = read_with(MIXED, &[("model.num_res_blocks", 2.into())], &[]).unwrap();
    assert!(points(&rival).contains(&"training.epochs=3".to_owned()));
}

#[test]
fn a_pin_that_would_undo_an_axis_of_the_product_is_refused() {
    let text =
        "[sweep.grid]\n\"training.epochs\" = [1, 2]\n[sweep.one_at_a_time]\n\"training.steps\" = [5]\n";
    assert_eq!(
        read_with(text, &[("training.steps", 5.into())], &[]).unwrap_err(),
        ["error: --pin training.steps=5 would override the axis training.epochs\n  \
          help: the two exclude each other; pin training.epochs"]
    );
}

#[test]
fn a_key_that_any_form_sweeps_cannot_be_set() {
    assert_eq!(
        read_with(MIXED, &[], &["training.learning_rate", "training.steps", "model.dropout", "data.limit"])
            .unwrap_err(),
        [
            "error: -s training.learning_rate: training.learning_rate is swept by \
             sweep.zip.training.learning_rate\n  \
             help: --pin training.learning_rate=VALUE plans one value instead of the axis",
            "error: -s training.steps: training.steps would override sweep.variant \"long\"\n  \
             help: --pin training.epochs=VALUE plans only the variants that agree with it",
            "error: -s model.dropout: model.dropout is swept by sweep.one_at_a_time.model.dropout\n  \
             help: --pin model.dropout=VALUE plans one value instead of the axis",
        ]
    );
}
