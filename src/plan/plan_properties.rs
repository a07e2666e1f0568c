//! Properties of any plan: every point is accounted for once, in order; ids and names tell variants apart; an
//! identity depends on what a configuration means, not on how it is written.
//!
//! The oracle knows what each written value means and works with meanings alone.

use std::collections::HashSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use toml::{Table, Value};

use super::*;
use crate::plan::fixture::written;

/// Attention at 4 is out of reach of three levels.
static EXPERIMENT: LazyLock<Experiment> = LazyLock::new(|| {
    let base = "[model]\nchannel_multipliers = [1, 2, 2]\nattention_resolutions = [16]\ndropout = 0.1\n\
                [diffusion]\ntimesteps = 500\n";
    written(base).load(&[], &[]).unwrap()
});

/// What a value means: values of one meaning make one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Meaning {
    Dropout(u32),
    Attention(u32),
    Cosine(bool),
    BetaEnd(u32),
    Steps(u32),
}
use Meaning::{Attention, BetaEnd, Cosine, Dropout, Steps};

/// Every key of these tests with its values: spelling and meaning.
const CHOICES: [(&str, &[(&str, Meaning)]); 5] = [
    (
        "model.dropout",
        &[
            ("0", Dropout(0)),
            ("0.0", Dropout(0)),
            ("0.1", Dropout(10)),
            ("1e-1", Dropout(10)),
            ("0.25", Dropout(25)),
            ("2", Dropout(200)),
        ],
    ),
    (
        "model.attention_resolutions",
        &[
            ("[]", Attention(0)),
            ("[16]", Attention(16)),
            ("[16, 16]", Attention(16)),
            ("[16, 8]", Attention(24)),
            ("[8, 16]", Attention(24)),
            ("[4]", Attention(4)),
        ],
    ),
    ("diffusion.noise_schedule", &[("\"linear\"", Cosine(false)), ("\"cosine\"", Cosine(true))]),
    ("diffusion.beta_end", &[("0.02", BetaEnd(2)), ("2e-2", BetaEnd(2)), ("0.03", BetaEnd(3))]),
    ("training.steps", &[("100", Steps(100)), ("200", Steps(200))]),
];

/// A key and one of its values, by their places in [`CHOICES`].
type Choice = (usize, usize);

/// What a configuration means; the base where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Meant {
    dropout: u32,
    attention: u32,
    cosine: bool,
    beta_end: u32,
    steps: u32,
}

impl Meant {
    fn at(point: &[Choice]) -> Meant {
        let mut meant = Meant { dropout: 10, attention: 16, cosine: false, beta_end: 2, steps: 10_000 };
        for &(key, value) in point {
            match CHOICES[key].1[value].1 {
                Dropout(percent) => meant.dropout = percent,
                Attention(resolutions) => meant.attention = resolutions,
                Cosine(cosine) => meant.cosine = cosine,
                BetaEnd(percent) => meant.beta_end = percent,
                Steps(steps) => meant.steps = steps,
            }
        }
        meant
    }

    /// What is trained: the cosine schedule has no betas.
    fn trained(self) -> Meant {
        Meant { beta_end: if self.cosine { 0 } else { self.beta_end }, ..self }
    }

    fn fits(self) -> bool {
        self.dropout < 100
    }

    fn is_valid(self) -> bool {
        self.fits() && self.attention != 4
    }
}

/// An exclude rule, and whether it holds.
type Rule = (&'static str, fn(Meant) -> bool);

const RULES: [Rule; 7] = [
    ("\"model.dropout\" = 1e-1", |meant| meant.dropout == 10),
    ("\"model.dropout\" = { ge = 0.2 }", |meant| meant.dropout >= 20),
    ("\"model.attention_resolutions\" = [8, 16, 8]", |meant| meant.attention == 24),
    ("\"model.attention_resolutions\" = { len_lt = 1 }", |meant| meant.attention == 0),
    ("\"model.attention_resolutions\" = { contains = 4 }", |meant| meant.attention == 4),
    (
        "\"diffusion.noise_schedule\" = { ne = \"linear\" }, \"diffusion.beta_end\" = { in = [0.03, 0.5] }",
        |meant| meant.cosine && meant.beta_end == 3,
    ),
    ("\"training.steps\" = { gt = 100, lt = 300 }, \"diffusion.timesteps\" = 500", |meant| {
        meant.steps == 200
    }),
];

#[derive(Debug, Clone)]
struct Spec {
    grid: Vec<(usize, Vec<usize>)>,
    steps: Vec<(usize, Vec<usize>)>,
    variants: Vec<Vec<Choice>>,
    rules: Vec<usize>,
    seeds: Vec<u64>,
}

/// Different values of up to so many keys.
fn axes(most: usize) -> impl Strategy<Value = Vec<(usize, Vec<usize>)>> {
    let keys = prop::sample::subsequence(vec![0_usize, 1, 2, 3, 4], 0..=most).prop_shuffle();
    keys.prop_flat_map(|keys| {
        let values = |key: usize| {
            let all: Vec<usize> = (0..CHOICES[key].1.len()).collect();
            prop::sample::subsequence(all, 1..3).prop_shuffle().prop_map(move |values| (key, values))
        };
        keys.into_iter().map(values).collect::<Vec<_>>()
    })
}

fn point() -> impl Strategy<Value = Vec<Choice>> {
    let keys = prop::sample::subsequence(vec![0_usize, 1, 2, 3, 4], 0..4).prop_shuffle();
    keys.prop_flat_map(|keys| {
        keys.into_iter().map(|key| (Just(key), 0..CHOICES[key].1.len())).collect::<Vec<_>>()
    })
}

fn spec() -> impl Strategy<Value = Spec> {
    let rules = prop::sample::subsequence((0..RULES.len()).collect::<Vec<_>>(), 0..3);
    let seeds = prop::sample::subsequence(vec![0_u64, 1, 7], 1..3).prop_shuffle();
    (axes(2), axes(2), prop::collection::vec(point(), 0..3), rules, seeds)
        .prop_map(|(grid, steps, variants, rules, seeds)| Spec { grid, steps, variants, rules, seeds })
}

impl Spec {
    fn table(&self) -> Table {
        let mut text = format!("[sweep]\non_invalid = \"skip\"\nseeds = {:?}\n", self.seeds);
        for (form, axes) in [("grid", &self.grid), ("one_at_a_time", &self.steps)] {
            text += &format!("[sweep.{form}]\n");
            for (key, values) in axes {
                // An axis that repeats a value in another spelling is refused.
                let spelled = distinct(*key, values).into_iter().map(|value| CHOICES[*key].1[value].0);
                let spelled = spelled.collect::<Vec<_>>().join(", ");
                text += &format!("\"{}\" = [{spelled}]\n", CHOICES[*key].0);
            }
        }
        for (place, point) in self.variants.iter().enumerate() {
            text += &format!("[[sweep.variant]]\nname = \"v{place}\"\n");
            for &(key, value) in point {
                text += &format!("\"{}\" = {}\n", CHOICES[key].0, CHOICES[key].1[value].0);
            }
        }
        for &rule in &self.rules {
            text += &format!("[[sweep.exclude]]\nwhen = {{ {} }}\n", RULES[rule].0);
        }
        let mut file: Table = text.parse().unwrap();
        match file.remove("sweep") {
            Some(Value::Table(sweep)) => sweep,
            _ => unreachable!("the text has a sweep"),
        }
    }

    /// Every point in order; `true` for named ones.
    fn points(&self) -> Vec<(Vec<Choice>, bool)> {
        let mut product: Vec<Vec<Choice>> = vec![Vec::new()];
        for (key, values) in &self.grid {
            let mut longer = Vec::new();
            for point in &product {
                for value in distinct(*key, values) {
                    longer.push([point.clone(), vec![(*key, value)]].concat());
                }
            }
            product = longer;
        }
        if self.grid.is_empty() {
            product.clear();
        }
        product.push(Vec::new());
        for (key, values) in &self.steps {
            for value in distinct(*key, values) {
                if Meant::at(&[(*key, value)]) != Meant::at(&[]) {
                    product.push(vec![(*key, value)]);
                }
            }
        }
        let unnamed = product.into_iter().map(|point| (point, false));
        unnamed.chain(self.variants.iter().map(|point| (point.clone(), true))).collect()
    }
}

/// The values without those of the same number as an earlier one.
fn distinct(key: usize, values: &[usize]) -> Vec<usize> {
    let mut seen = HashSet::new();
    let is_list = CHOICES[key].1[0].0.starts_with('[');
    let fresh = |value: &usize| is_list || seen.insert(CHOICES[key].1[*value].1);
    values.iter().copied().filter(fresh).collect()
}

fn meaning(config: &Config) -> Meant {
    let percent = |share: f64| (share * 100.0).round() as u32;
    Meant {
        dropout: percent(config.model.dropout),
        attention: config.model.attention_resolutions.iter().map(|&resolution| resolution as u32).sum(),
        cosine: format!("{:?}", config.diffusion.noise_schedule) == "Cosine",
        beta_end: percent(config.diffusion.beta_end),
        steps: config.training.steps.unwrap_or_default() as u32,
    }
}

fn is_a_folders_name(name: &str, id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.len() <= 80 && name.chars().all(allowed) && name.ends_with(&format!("-{id}")) && id.len() == 8
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_point_is_planned_merged_excluded_or_invalid(spec in spec()) {
        let (mut variants, mut duplicates, mut excluded, mut invalid) = (Vec::new(), 0, 0, 0);
        let mut used = vec![false; spec.rules.len()];
        let mut seen = HashSet::new();
        for (point, named) in spec.points() {
            let meant = Meant::at(&point);
            let mut out = false;
            for (place, &rule) in spec.rules.iter().enumerate() {
                let holds = !named && meant.fits() && RULES[rule].1(meant);
                used[place] |= holds;
                out |= holds;
            }
            match () {
                () if out => excluded += 1,
                () if !meant.is_valid() => invalid += 1,
                () if seen.insert(meant.trained()) => variants.push(meant.trained()),
                () => duplicates += 1,
            }
        }
        let fails = variants.is_empty() || used.contains(&false);
        let plan = Plan::of_table(&EXPERIMENT, Some(&spec.table()));
        prop_assert_eq!(plan.is_err(), fails, "{:?}", plan.map(|plan| plan.variants.len()));
        if let Ok(plan) = plan {
            let found: Vec<Meant> = plan.variants.iter().map(|variant| meaning(&variant.config).trained()).collect();
            prop_assert_eq!(found, variants, "in order, each once");
            let counts = (plan.duplicates.len(), plan.excluded.len(), plan.invalid.len());
            prop_assert_eq!(counts, (duplicates, excluded, invalid));
            let ids: HashSet<&str> = plan.variants.iter().map(|variant| variant.id.as_str()).collect();
            prop_assert_eq!(ids.len(), plan.variants.len());
            for variant in &plan.variants {
                prop_assert!(is_a_folders_name(&variant.name, &variant.id), "{}", variant.name);
            }
            let mut runs = plan.runs();
            for &seed in &spec.seeds {
                for variant in &plan.variants {
                    let run = runs.next().unwrap();
                    prop_assert_eq!((&run.variant.id, run.seed), (&variant.id, seed));
                }
            }
            prop_assert!(runs.next().is_none());
        }
    }

    #[test]
    fn identity_is_what_a_configuration_means(mut first in point(), second in point(), turn in 0_usize..4) {
        let settings = |point: &[Choice]| -> Vec<(String, Value)> {
            let value = |spelling: &str| spelling.parse().unwrap();
            point.iter().map(|&(key, chosen)| (CHOICES[key].0.to_owned(), value(CHOICES[key].1[chosen].0))).collect()
        };
        let identity = |point: &[Choice]| {
            EXPERIMENT.resolve(&settings(point)).ok().map(|config| crate::config::identity(&config))
        };
        let found = identity(&first);
        prop_assert_eq!(found.is_some(), Meant::at(&first).is_valid());
        if let (Some(one), Some(other)) = (&found, identity(&second)) {
            prop_assert_eq!(*one == other, Meant::at(&first).trained() == Meant::at(&second).trained());
        }
        // Another order, and each value in another spelling where it has one.
        for choice in &mut first {
            let (_, values) = CHOICES[choice.0];
            let same = (0..values.len()).rev().find(|&other| values[other].1 == values[choice.1].1);
            choice.1 = same.unwrap();
        }
        if !first.is_empty() {
            let places = turn % first.len();
            first.rotate_left(places);
        }
        prop_assert_eq!(identity(&first), found);
    }
}
