//! Comparisons over run trees written by the test.

use proptest::prelude::*;

use super::*;
use crate::config::{Config, NoiseSchedule};
use crate::report::fixture::Tree;
use crate::report::format::{Format, render};
use crate::report::load::load;
use crate::report::metric::{DEFAULT_METRIC, Log};
use crate::rundir::provenance::{Attempt, Provenance};
use crate::rundir::{State, Status};

fn query(metric: &str, at: Option<At>) -> Query {
    Query { at, ..Query::of(metric.parse().unwrap()) }
}

fn loaded(tree: &Tree, log: Log) -> Loaded {
    load(&[tree.experiment().path().to_path_buf()], log).unwrap()
}

fn answer(tree: &Tree, query: &Query) -> Result<Comparison, CompareError> {
    compare(&loaded(tree, query.metric.log), query)
}

fn table(tree: &Tree) -> String {
    let comparison = answer(tree, &query(DEFAULT_METRIC, None)).unwrap();
    render(&comparison, Format::Table, 100)
}

/// A done run whose score is 0.5 at step 100 and `score` at step 200.
fn done(tree: &Tree, variant: &str, seed: u64, score: f64, edit: impl FnOnce(&mut Config)) {
    let rows = format!("100,ema-0.9,1,0.5,0.2,64\n200,ema-0.9,1,{score},0.2,64\n200,raw,1,0.9,0.2,64\n");
    tree.run(variant, seed).eval(&rows).config(edit).done(200);
}

fn dropout(value: f64) -> impl FnOnce(&mut Config) {
    move |config| config.model.dropout = value
}

fn two_variants() -> Tree {
    let tree = Tree::new();
    for seed in 0..3 {
        let shift = f64::from(u32::try_from(seed).unwrap()) / 100.0;
        done(&tree, "d0-aaaaaaaa", seed, 0.20 + shift, dropout(0.0));
        done(&tree, "d1-bbbbbbbb", seed, 0.25 + shift * 1.1, dropout(0.1));
    }
    tree
}

#[test]
fn variants_are_ranked_with_mean_spread_and_a_winner() {
    insta::assert_snapshot!(table(&two_variants()), @r#"
    denoise_score (held-out, ema weights), lower is better, at the last step (200)
     id         dropout           denoise_score         95% interval   seeds
    ─────────────────────────────────────────────────────────────────────────
     aaaaaaaa       0.0   0.21000 ± 0.01000 (3)   0.18516 to 0.23484   3
     bbbbbbbb       0.1   0.26100 ± 0.01100 (3)   0.23367 to 0.28833   3

    winner: d0-aaaaaaaa, lower than d1-bbbbbbbb by 0.051000 (95% interval 0.048516 to 0.053484, 3 paired seeds)
    "#);
}

#[test]
fn failed_and_missing_runs_are_counted_and_never_dropped() {
    let tree = Tree::new();
    tree.plan(&[("a-1", &[0, 1, 2]), ("b-2", &[0]), ("c-3", &[0])]);
    done(&tree, "a-1", 0, 0.3, dropout(0.0));
    tree.run("a-1", 1).config(dropout(0.0)).eval("100,ema-0.9,1,0.01,0.2,64\n").status(
        State::Diverged,
        120,
        |_| {},
    );
    done(&tree, "b-2", 0, 0.2, dropout(0.1));
    insta::assert_snapshot!(table(&tree), @r#"
    denoise_score (held-out, ema weights), lower is better, at the last step (200)
     id   dropout      denoise_score   95% interval   seeds
    ────────────────────────────────────────────────────────────────────────────────
     2        0.1   0.20000 (1 seed)              -   1
     1        0.0   0.30000 (1 seed)              -   1 of 3; 1 diverged, 1 missing
     3          -                  -              -   0 of 1; 1 missing

    no winner named: b-2 is lowest, but one seed cannot tell a difference from chance; give [sweep] more seeds
    "#);
}

#[test]
fn a_sweep_in_progress_is_compared_at_the_greatest_common_step() {
    let tree = Tree::new();
    done(&tree, "a-1", 0, 0.1, dropout(0.0));
    tree.run("b-2", 0).config(dropout(0.1)).eval("100,ema-0.9,1,0.4,0.2,64\n").status(
        State::Interrupted,
        150,
        |_| {},
    );
    let comparison = answer(&tree, &query(DEFAULT_METRIC, None)).unwrap();
    assert_eq!(comparison.at, At::Common);
    let found: Vec<_> =
        comparison.rows.iter().map(|row| (row.variant.as_str(), row.summary.unwrap().mean)).collect();
    assert_eq!(found, [("b-2", 0.4), ("a-1", 0.5)]);
    let last = answer(&tree, &query(DEFAULT_METRIC, Some(At::Last))).unwrap();
    assert_eq!(last.rows[0].variant, "a-1");
}

#[test]
fn a_run_that_failed_counts_only_at_a_step_that_was_asked_for() {
    let tree = Tree::new();
    tree.run("a-1", 0).eval("100,ema-0.9,1,0.4,0.2,64\n").status(State::Failed, 150, |_| {});
    let value = |at| answer(&tree, &query(DEFAULT_METRIC, Some(at))).unwrap().rows[0].seeds[0].value();
    assert_eq!(value(At::Last), None);
    assert_eq!(value(At::Best), None);
    assert_eq!(value(At::Step(100)), Some(0.4));
}

#[test]
fn raw_training_losses_of_different_schedules_get_no_winner_and_a_pointer() {
    let tree = Tree::new();
    for (variant, schedule) in [("a-1", NoiseSchedule::Linear), ("b-2", NoiseSchedule::Cosine)] {
        for seed in 0..2 {
            let rows = format!("10,1,80,0.{}{seed},,,,,1,0.001,0.9\n", variant.len());
            tree.run(variant, seed)
                .metrics(&rows)
                .config(|config| config.diffusion.noise_schedule = schedule)
                .done(10);
        }
    }
    let verdict = answer(&tree, &query("loss", None)).unwrap().verdict.to_string();
    assert!(verdict.starts_with("no winner named: loss means something else under each"), "{verdict}");
    assert!(verdict.contains("diffusion.noise_schedule") && verdict.contains("denoise_score"), "{verdict}");
}

#[test]
fn scores_over_different_numbers_of_images_are_refused() {
    let tree = Tree::new();
    done(&tree, "a-1", 0, 0.1, dropout(0.0));
    tree.run("b-2", 0).config(dropout(0.1)).eval("200,ema-0.9,1,0.4,0.2,128\n").done(200);
    assert_eq!(
        answer(&tree, &query(DEFAULT_METRIC, None)).unwrap_err().to_string(),
        "denoise_score is not comparable here: the number of held-out images (evaluation.images) differs: \
         64 in a-1; 128 in b-2"
    );
}

#[test]
fn scores_on_different_data_are_refused() {
    let tree = Tree::new();
    done(&tree, "a-1", 0, 0.1, dropout(0.0));
    done(&tree, "b-2", 0, 0.1, |config| config.data.image_size = 32);
    assert_eq!(
        answer(&tree, &query(DEFAULT_METRIC, None)).unwrap_err().to_string(),
        "denoise_score is not comparable here: data.image_size differs: 16 in a-1; 32 in b-2"
    );
}

#[test]
fn an_unknown_metric_lists_the_columns_there_are() {
    let tree = two_variants();
    let error = answer(&tree, &query("denoise_scroe:min", None)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no eval.csv has a column \"denoise_scroe\"; there are: denoise_bits, denoise_score, loss"
    );
    assert!(
        matches!(error, CompareError::UnknownMetric { nearest: Some(name), .. } if name == "denoise_score")
    );
}

#[test]
fn an_empty_column_says_that_nothing_was_evaluated_or_that_the_schedule_does_not_reach() {
    let tree = Tree::new();
    tree.run("a-1", 0).config(|config| config.evaluation.every = 0).done(200);
    tree.run("b-2", 0)
        .config(|config| config.diffusion.beta_end = 0.001)
        .eval("200,ema-0.9,1,,,64\n")
        .done(200);
    let comparison = answer(&tree, &query(DEFAULT_METRIC, None)).unwrap();
    let notes = comparison.notes.join("\n");
    assert!(notes.contains("no denoise_score of a-1: evaluation.every = 0"), "{notes}");
    assert!(notes.contains("no denoise_score of b-2: its schedule reaches log-SNR 9.21 to"), "{notes}");
    assert_eq!(comparison.verdict.to_string(), "no winner named: no run has a value");
}

#[test]
fn inexact_resumes_and_mixed_revisions_are_said() {
    let tree = Tree::new();
    let edit = |status: &mut Status| status.exact = false;
    let rows = "200,ema-0.9,1,0.4,0.2,64\n";
    for (variant, revision) in [("a-1", "abc"), ("b-2", "def")] {
        let run = tree.run(variant, 0).eval(rows).status(State::Done, 200, edit);
        let (code_revision, data_fingerprint) = (revision.to_owned(), revision.to_owned());
        let attempt =
            Attempt { code_revision, code_dirty: true, data_fingerprint, ..Attempt::of_this_process() };
        Provenance { attempts: vec![attempt], ..Provenance::default() }.write(&run.dir).unwrap();
    }
    let notes = answer(&tree, &query(DEFAULT_METRIC, None)).unwrap().notes.join("\n");
    assert!(notes.contains("resumed under other conditions"), "{notes}");
    assert!(notes.contains("different images under the same data settings"), "{notes}");
    assert!(notes.contains("different code revisions: abc+changes, def+changes"), "{notes}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn row_order_never_depends_on_folder_order(order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle()) {
        // Two of the means are equal, so that the tie-break is tried as well.
        const SCORES: [f64; 6] = [0.5, 0.3, 0.3, 0.9, 0.1, 0.7];
        let tree = Tree::new();
        for at in order {
            done(&tree, &format!("v{at}-{at}"), 0, SCORES[at], |_| {});
        }
        let mut reversed = loaded(&tree, Log::Eval);
        reversed.variants.reverse();
        let query = query(DEFAULT_METRIC, None);
        for comparison in [answer(&tree, &query).unwrap(), compare(&reversed, &query).unwrap()] {
            let rows: Vec<&str> = comparison.rows.iter().map(|row| row.variant.as_str()).collect();
            prop_assert_eq!(rows, ["v4-4", "v1-1", "v2-2", "v0-0", "v5-5", "v3-3"]);
        }
    }
}
