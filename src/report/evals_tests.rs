//! Comparisons of drawn images, over run trees written by the test.

use crate::config::{Sampler, Sampling, defaults};
use crate::report::compare::compare;
use crate::report::error::CompareError;
use crate::report::fixture::Tree;
use crate::report::format::{Format, render};
use crate::report::load::load;
use crate::report::metric::Log;
use crate::report::query::{Query, Split};
use crate::rundir::{Cell, DrawnRows, DrawnSettings, EvalSettings, ExtractorSettings, record_drawn};

/// How one run was measured.
#[derive(Clone)]
struct Measured {
    sampling: Sampling,
    images: usize,
    seed: u64,
    extractor: Option<&'static str>,
}

fn measured() -> Measured {
    Measured { sampling: defaults().sampling, images: 64, seed: 0, extractor: Some("11112222333344445555") }
}

/// A done run with a FID, a KID and a recall on test.
fn run(tree: &Tree, variant: &str, dropout: f64, measured: &Measured, (fid, recall): (f64, f64)) {
    let run = tree
        .run(variant, 0)
        .eval("200,ema-0.9,1,0.5,0.2,64\n")
        .config(|config| config.model.dropout = dropout);
    let extractor = measured.extractor.map(|blake3| ExtractorSettings {
        blake3: blake3.to_owned(),
        input: "uint8".to_owned(),
        size: None,
        file: "inception.pt".to_owned(),
    });
    let drawn = DrawnSettings::new(measured.images, measured.seed, &measured.sampling, extractor);
    let settings = EvalSettings::of_drawn("test", 50, "v2-abc", drawn);
    let floats = [fid, fid / 1000.0, 0.25, 0.5, recall].map(Cell::Float);
    let mut scores = vec![200.into(), "ema-0.9".into(), 50.into(), 64.into()];
    scores.extend(floats);
    scores.push(Cell::Missing);
    record_drawn(&run.dir, &settings, &[DrawnRows { scores, bands: vec![] }]).unwrap();
    run.done(200);
}

fn answer(tree: &Tree, metric: &str, split: Split) -> Result<String, CompareError> {
    let loaded = load(&[tree.experiment().path().to_path_buf()], Log::Eval).unwrap();
    let query = Query { split, ..Query::of(metric.parse().unwrap()) };
    compare(&loaded, &query).map(|comparison| render(&comparison, Format::Csv, 200))
}

fn notes(tree: &Tree, metric: &str) -> String {
    let loaded = load(&[tree.experiment().path().to_path_buf()], Log::Eval).unwrap();
    let query = Query { split: Split::Test, ..Query::of(metric.parse().unwrap()) };
    render(&compare(&loaded, &query).unwrap(), Format::Table, 200)
}

fn refusal(edit: impl Fn(&mut Measured)) -> String {
    let tree = Tree::new();
    let mut other = measured();
    edit(&mut other);
    run(&tree, "d0-aaaaaaaa", 0.0, &measured(), (3.0, 0.5));
    run(&tree, "d1-bbbbbbbb", 0.1, &other, (2.0, 0.4));
    answer(&tree, "fid", Split::Test).unwrap_err().to_string()
}

#[test]
fn distances_rank_from_below_and_shares_from_above() {
    let tree = Tree::new();
    run(&tree, "d0-aaaaaaaa", 0.0, &measured(), (3.0, 0.5));
    run(&tree, "d1-bbbbbbbb", 0.1, &measured(), (2.0, 0.4));
    let first = |metric: &str| {
        let text = answer(&tree, metric, Split::Test).unwrap();
        text.lines().nth(1).unwrap().split(',').next().unwrap().to_owned()
    };
    assert_eq!(first("fid"), "d1-bbbbbbbb");
    assert_eq!(first("recall"), "d0-aaaaaaaa");
    let said = notes(&tree, "kid");
    assert!(said.contains("each kid is a mean over subsets of its images"), "{said}");
    assert!(
        said.contains("(kid_std) is 2.50e-1 to 2.50e-1; what is shown beside it is over seeds"),
        "{said}"
    );
    assert!(!notes(&tree, "fid").contains("subsets"));
}

#[test]
fn images_drawn_in_another_way_are_refused_side_by_side_with_what_differs() {
    let start =
        "fid is not comparable here: no evaluation is common to all runs: 50 images of test, data v2-abc";
    assert_eq!(
        refusal(|other| other.sampling.steps = 10),
        format!(
            "{start}, sampling.steps 10 in d1-bbbbbbbb; {}, sampling.steps 50 in d0-aaaaaaaa",
            &start[65..]
        )
    );
    assert!(refusal(|other| other.sampling.sampler = Sampler::Ddpm).contains("sampling.sampler ddpm in d1"));
    assert!(refusal(|other| other.images = 128).contains(", drawn 128 in d1-bbbbbbbb"));
    assert!(refusal(|other| other.seed = 3).contains(", seed 3 in d1-bbbbbbbb"));
    let extractor = refusal(|other| other.extractor = Some("99998888777766665555"));
    assert!(extractor.contains(", extractor inception.pt (9999888877776666) in d1-bbbbbbbb"), "{extractor}");
}

#[test]
fn what_was_not_measured_is_told_with_the_command_that_measures_it() {
    let tree = Tree::new();
    run(&tree, "d0-aaaaaaaa", 0.0, &measured(), (3.0, 0.5));
    let help = |metric: &str, split| match answer(&tree, metric, split) {
        Err(CompareError::Unanswerable { reason, help }) => (reason, help),
        other => panic!("{other:?}"),
    };
    let (reason, advice) = help("fid", Split::Val);
    assert_eq!(
        (reason.as_str(), advice.as_str()),
        ("no run has fid on val", "it was measured on test: --split test")
    );
    assert_eq!(help("swd", Split::Test).1, "measure it: ablate eval RUN --split test --metrics swd");
    let tree = Tree::new();
    tree.run("a-1", 0).eval("200,ema-0.9,1,0.5,0.2,64\n").config(|_| ()).done(200);
    let loaded = load(&[tree.experiment().path().to_path_buf()], Log::Eval).unwrap();
    let error = compare(&loaded, &Query::of("recall".parse().unwrap())).unwrap_err();
    let CompareError::Unanswerable { help, .. } = error else { panic!("{error}") };
    assert_eq!(help, "measure it: ablate eval RUN --split val --metrics recall --extractor FILE.pt");
}
