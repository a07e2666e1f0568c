//! Tests of reading `[sweep]`: both ways to write a key, their order, and what is refused.

use crate::plan::sweep::fixture::{errors, grid, points, read, read_with};

#[test]
fn without_a_sweep_the_base_is_planned_with_its_own_seed() {
    let sweep = read("").unwrap();
    assert_eq!((points(&sweep), sweep.seeds), (vec![String::new()], vec![0]));
}

#[test]
fn the_last_axis_is_fastest_and_the_base_comes_last() {
    let text = r#"
        [sweep]
        include_base = true
        [sweep.grid]
        "model.num_res_blocks" = [1, 2]
        "model.dropout" = [0.0, 0.1]
    "#;
    assert_eq!(
        points(&read(text).unwrap()),
        [
            "model.num_res_blocks=1 model.dropout=0.0",
            "model.num_res_blocks=1 model.dropout=0.1",
            "model.num_res_blocks=2 model.dropout=0.0",
            "model.num_res_blocks=2 model.dropout=0.1",
            "",
        ]
    );
}

#[test]
fn quoted_dotted_bare_dotted_and_nested_keys_mean_the_same() {
    let quoted = read("[sweep.grid]\n\"model.dropout\" = [0.0, 0.1]").unwrap();
    assert_eq!(read("[sweep.grid]\nmodel.dropout = [0.0, 0.1]").unwrap(), quoted);
    assert_eq!(read("[sweep.grid.model]\ndropout = [0.0, 0.1]").unwrap(), quoted);
    assert_eq!(read("[sweep]\ngrid = { model = { dropout = [0.0, 0.1] } }").unwrap(), quoted);
}

#[test]
fn a_key_given_twice_is_refused() {
    assert_eq!(
        errors("[sweep.grid]\n\"model.dropout\" = [0.0]\nmodel.dropout = [0.1]"),
        "error: sweep.grid.model.dropout is given twice\n  \
         help: the quoted dotted key and the nested table mean the same; keep one"
    );
}

#[test]
fn the_elements_of_a_list_axis_must_be_lists() {
    assert_eq!(
        errors("[sweep.grid]\n\"model.channel_multipliers\" = [1, 2, 4]"),
        "error: sweep.grid.model.channel_multipliers: axis elements must be lists; did you mean [[1, 2, 4]]?"
    );
    assert_eq!(
        errors("[sweep.grid]\n\"model.attention_resolutions\" = [[16, 8], 16]"),
        "error: sweep.grid.model.attention_resolutions: axis elements must be lists; \
         did you mean [[16, 8], [16]]?"
    );
    assert!(read("[sweep.grid]\n\"model.attention_resolutions\" = [[], [16], [16, 8]]").is_ok());
}

#[test]
fn an_axis_must_be_a_list_with_different_values() {
    assert_eq!(
        errors("[sweep.grid]\n\"model.dropout\" = 0.1"),
        "error: sweep.grid.model.dropout is not a list of values; an axis is always a list\n  \
         help: did you mean [0.1]?"
    );
    assert_eq!(
        errors("[sweep.grid]\n\"model.dropout\" = []"),
        "error: sweep.grid.model.dropout has no values\n  help: name its values, or remove it"
    );
    assert_eq!(
        errors("[sweep.grid]\n\"model.attention_resolutions\" = []"),
        "error: sweep.grid.model.attention_resolutions has no values\n  \
         help: an axis whose one value is the empty list is [[]]"
    );
    assert_eq!(
        errors("[sweep.grid]\n\"training.learning_rate\" = [1e-4, 2e-4, 0.0001]"),
        "error: sweep.grid.training.learning_rate names 0.0001 twice\n  \
         help: two equal values would be the same variant; remove one"
    );
    assert!(errors("[sweep.grid]\n\"model.freq_shift\" = [1, 1.0]").contains("names 1.0 twice"));
}

#[test]
fn only_keys_of_the_identity_can_be_axes() {
    assert_eq!(
        errors("[sweep.grid]\n\"training.seed\" = [1, 2]"),
        "error: training.seed cannot be an axis: seeds are replicates of every variant\n  \
         help: write sweep.seeds = [0, 1, 2]"
    );
    assert_eq!(
        errors("[sweep.grid]\n\"checkpoint.every\" = [1, 2]"),
        "error: checkpoint.every cannot be an axis: it is no part of a variant's identity, so every value \
         would be the same run\n  help: set checkpoint.every once, outside the sweep"
    );
    assert_eq!(
        errors("[sweep.grid]\n\"model.droput\" = [0.1]"),
        "error: sweep.grid: unknown key model.droput\n  help: did you mean model.dropout?"
    );
    assert_eq!(
        errors("[sweep.grid]\n\"launcher.partition\" = [\"gpu\"]"),
        "error: sweep.grid: launcher.partition comes with a later version"
    );
    assert_eq!(
        errors("[sweep.grid]\n\"training.steps\" = [1]\n\"training.epochs\" = [1]"),
        "error: training.epochs and training.steps exclude each other, so they cannot both be axes\n  \
         help: sweep one of them"
    );
}

#[test]
fn later_and_unknown_sweep_keys_are_refused_by_name_all_at_once() {
    assert_eq!(
        read("[sweep]\nseed = [1]\non_invalid = \"drop\"\n[sweep.random]").unwrap_err(),
        [
            "error: unknown key sweep.seed\n  help: did you mean sweep.seeds?",
            "error: sweep.random comes with a later version\n  \
             help: list the values under [sweep.grid] instead",
            "error: sweep.on_invalid = \"drop\" is not one of \"fail\", \"skip\"",
        ]
    );
}

#[test]
fn an_axis_beside_the_grid_is_told_where_to_go() {
    assert_eq!(
        errors("[sweep]\n\"model.dropout\" = [0.1]\nzeta = 1"),
        "error: unknown key sweep.model.dropout\n  help: axes go under [sweep.grid]: \"model.dropout\" = [...]\n\
         error: unknown key sweep.zeta\n  help: known: sweep.seeds, sweep.include_base, sweep.max_runs, \
         sweep.on_invalid, sweep.grid, sweep.zip, sweep.one_at_a_time, sweep.variant, sweep.exclude"
    );
}

#[test]
fn seeds_are_distinct_whole_numbers() {
    let grid = "[sweep.grid]\n\"model.dropout\" = [0.1]";
    let help = "\n  help: write distinct whole numbers from 0 on, as in seeds = [0, 1, 2]";
    for (seeds, message) in [
        ("3", "sweep.seeds = 3 is not a list"),
        ("[]", "sweep.seeds is empty"),
        ("[0, -1]", "sweep.seeds: -1 is not a seed"),
        ("[0, 0.5]", "sweep.seeds: 0.5 is not a seed"),
        ("[4, 2, 4]", "sweep.seeds names 4 twice"),
    ] {
        let text = format!("[sweep]\nseeds = {seeds}\n{grid}");
        assert_eq!(errors(&text), format!("error: {message}{help}"));
    }
    assert_eq!(read(&format!("[sweep]\nseeds = [4, 2]\n{grid}")).unwrap().seeds, [4, 2]);
}

#[test]
fn a_sweep_that_plans_nothing_says_what_to_add() {
    assert_eq!(
        errors("[sweep]\nseeds = [0, 1]"),
        "error: the sweep plans nothing: it has no axis, no variant and not the base\n  \
         help: add a [sweep.grid], or include_base = true to replicate the base over the seeds"
    );
    let replicated = read("[sweep]\nseeds = [0, 1]\ninclude_base = true").unwrap();
    assert_eq!(replicated.point_count(), 1);
}

#[test]
fn a_plan_above_max_runs_is_refused_with_its_size() {
    let text = "[sweep]\nseeds = [0, 1, 2]\nmax_runs = 8\n[sweep.grid]\n\"model.num_res_blocks\" = [1, 2, 3]";
    assert_eq!(
        errors(text),
        "error: the sweep plans 9 runs (3 points x 3 seeds), and sweep.max_runs is 8\n  \
         help: axis lengths are 3; drop values, or raise sweep.max_runs (at most 1000000)"
    );
    assert!(read(&text.replace("max_runs = 8", "max_runs = 9")).is_ok());
    assert_eq!(
        errors("[sweep]\nmax_runs = 0\n[sweep.grid]\n\"model.dropout\" = [0.1]"),
        "error: sweep.max_runs = 0 is not a whole number from 1 to 1000000"
    );
}

#[test]
fn a_product_of_any_size_is_counted_before_it_is_built() {
    let started = std::time::Instant::now();
    let message = errors(&grid(&[1000, 1000, 1000, 1000]));
    assert!(
        message.contains("plans 1,000,000,000,000 runs (1,000,000,000,000 points x 1 seed)"),
        "{message}"
    );
    let message = errors(&grid(&[1000; 30]));
    assert!(message.contains("plans more than 10^19 runs"), "{message}");
    assert!(started.elapsed().as_secs() < 2);
}

#[test]
fn a_pin_collapses_its_axis_and_nothing_else_can_be_pinned() {
    let text = "[sweep]\nseeds = [0, 1]\n[sweep.grid]\n\"model.dropout\" = [0.0, 0.1]\n\"model.num_res_blocks\" = [1, 2]";
    let pinned = read_with(text, &[("model.dropout", 0.3.into()), ("training.seed", 5.into())], &[]).unwrap();
    assert_eq!(
        points(&pinned),
        ["model.dropout=0.3 model.num_res_blocks=1", "model.dropout=0.3 model.num_res_blocks=2"]
    );
    assert_eq!(pinned.seeds, [5]);
    assert_eq!(
        read_with(text, &[("training.steps", 5.into())], &[]).unwrap_err(),
        ["error: --pin training.steps=5: training.steps is not an axis of this sweep\n  \
          help: set any other key with -s training.steps=5; axes: model.dropout, model.num_res_blocks"]
    );
    assert!(
        read_with("", &[("model.dropout", 0.3.into())], &[]).unwrap_err()[0].ends_with("axes: there is none")
    );
}

#[test]
fn setting_a_swept_key_is_an_error_that_names_pin() {
    let text = "[sweep]\nseeds = [0, 1]\n[sweep.grid]\n\"training.steps\" = [10, 20]";
    assert_eq!(
        read_with(text, &[], &["training.steps", "training.seed", "training.epochs", "model.dropout"])
            .unwrap_err(),
        [
            "error: -s training.steps: training.steps is swept by sweep.grid.training.steps\n  \
             help: --pin training.steps=VALUE plans one value instead of the axis",
            "error: -s training.seed: training.seed is swept by sweep.seeds\n  \
             help: --pin training.seed=VALUE plans one value instead of the axis",
            "error: -s training.epochs: training.epochs would override sweep.grid.training.steps\n  \
             help: --pin training.steps=VALUE plans one value instead of the axis",
        ]
    );
}
