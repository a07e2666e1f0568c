//! The four formats of one comparison, and hostile text in each.

use serde_json::{Value, json};

use super::*;
use crate::report::fixture::row;
use crate::report::metric::{Goal, Metric};
use crate::report::point::Weights;
use crate::report::query::Split;
use crate::report::verdict::Verdict;
use crate::rundir::State;

fn comparison(variant: &str) -> Comparison {
    let mut rows = vec![row(variant, &[0.1, 0.3]), row("b", &[0.5])];
    rows[0].overrides = vec![Some(json!([1, 2])), Some(json!("cosine"))];
    rows[1].overrides = vec![Some(json!([1])), None];
    rows[1].seeds.push(Seed {
        seed: 1,
        point: Err(crate::report::pick::Gap::Failed),
        state: State::Failed,
        found: true,
        exact: true,
        shares: None,
    });
    Comparison {
        metric: Metric { name: "denoise_score".to_owned(), log: Log::Eval, goal: Goal::Min },
        weights: Weights::FirstEma,
        at: At::Last,
        keys: vec!["model.channel_multipliers".to_owned(), "diffusion.noise_schedule".to_owned()],
        split: Split::Val,
        covered: None,
        ungrouped: None,
        baseline: None,
        incomparable: None,
        best_over: None,
        verdict: Verdict::of(&rows, Goal::Min),
        rows,
        notes: vec!["a note".to_owned()],
    }
}

#[test]
fn a_table_fits_its_width() {
    let text = render(&comparison("a"), Format::Table, 100);
    insta::assert_snapshot!(text, @r#"
    denoise_score (held-out, ema weights), lower is better, at the last step (100)
     id       channel      noise           denoise_score          95% interval   seeds
          multipliers   schedule
    ──────────────────────────────────────────────────────────────────────────────────────────────
     a          [1,2]     cosine   0.20000 ± 0.14142 (2)   -1.07062 to 1.47062   2
     b            [1]          -        0.50000 (1 seed)                     -   1 of 2; 1 failed

    no winner named: a is lowest, but one seed cannot tell a difference from chance; give [sweep] more seeds
    note: a note
    "#);
    assert!(text.lines().all(|line| line.chars().count() <= 100 || !line.contains('\u{2500}')));
}

#[test]
fn markdown_is_one_table_with_its_sentences() {
    insta::assert_snapshot!(render(&comparison("a|b"), Format::Md, 100), @r#"
    denoise\_score (held-out, ema weights), lower is better, at the last step (100)

    | variant | channel\_multipliers | noise\_schedule | denoise\_score | 95% interval | seeds |
    | --- | ---: | ---: | ---: | ---: | --- |
    | a\|b | \[1,2\] | cosine | 0.20000 ± 0.14142 (2) | -1.07062 to 1.47062 | 2 |
    | b | \[1\] | - | 0.50000 (1 seed) | - | 1 of 2; 1 failed |

    no winner named: a\|b is lowest, but one seed cannot tell a difference from chance; give \[sweep\] more seeds

    note: a note
    "#);
}

#[test]
fn csv_has_one_line_per_variant_and_empty_fields_for_what_is_not_defined() {
    insta::assert_snapshot!(render(&comparison("a"), Format::Csv, 100), @r#"
    variant,id,model.channel_multipliers,diffusion.noise_schedule,metric,goal,at,mean,std,ci95_low,ci95_high,n,seeds,done,failed,missing
    a,a,"[1,2]",cosine,denoise_score,min,last,0.2,0.1414213562373095,-1.0706204736174687,1.4706204736174686,2,2,2,0,0
    b,b,[1],,denoise_score,min,last,0.5,,,,1,2,1,1,0
    "#);
}

#[test]
fn json_has_exactly_the_documented_fields() {
    let text = render(&comparison("a"), Format::Json, 100);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["metric"], "denoise_score");
    assert_eq!(value["goal"], "min");
    assert_eq!(value["at"], "last");
    assert_eq!(value.as_object().unwrap().len(), 4);
    let second = &value["rows"][1];
    assert_eq!(
        *second,
        json!({
            "variant": "b", "id": "b", "overrides": {"model.channel_multipliers": [1]},
            "n": 1, "mean": 0.5, "std": null, "ci95": null,
            "seeds": [
                {"seed": 0, "value": 0.5, "step": 100, "state": "done"},
                {"seed": 1, "value": null, "step": null, "state": "failed"}
            ]
        })
    );
    let ci95 = value["rows"][0]["ci95"].as_array().unwrap();
    assert!((ci95[0].as_f64().unwrap() + ci95[1].as_f64().unwrap() - 0.4).abs() < 1e-12);
}

#[test]
fn escape_sequences_in_names_reach_no_output() {
    let mut hostile = comparison("red\u{1b}[31m\u{202e}<script>");
    hostile.notes.push("left out \u{1b}]0;title\u{7}".to_owned());
    hostile.keys[0] = "model.\u{9b}2J".to_owned();
    hostile.rows[1].overrides[0] = Some(json!("x\u{1b}[2J"));
    for format in [Format::Table, Format::Md, Format::Csv, Format::Json] {
        let text = render(&hostile, format, 100);
        let raw = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(raw, None, "{format}: {text:?}");
        assert!(format != Format::Md || !text.contains("<script>"), "{text}");
    }
}

#[test]
fn numbers_keep_five_significant_digits() {
    let found: Vec<String> =
        [0.081_234_56, 1.0, 123.456, 4_200_000.0, -0.5, 1.234_567e-7, 0.0].map(number).into();
    assert_eq!(found, ["0.081235", "1.0000", "123.46", "4200000", "-0.50000", "1.2346e-7", "0"]);
}
