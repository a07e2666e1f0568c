//! Layer precedence against an oracle, over random layers in random spellings: files are texts in memory, settings are
//! words of a command line, and all that follows is what `ablate` does with them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use toml::{Table, Value};

use super::keys::{self, DefaultValue};
use super::{Config, Experiment, Preset, Problem, Request};

/// A key, and what the layer of a rank gives it, in words that TOML and JSON both take: no two layers the same.
type Sample = (&'static str, fn(usize) -> String);

/// Keys of every kind of value, with both pairs of rivals, a derived default, and keys that presets set too.
const SAMPLES: &[Sample] = &[
    ("description", |rank| format!("\"from layer {rank}\"")),
    ("data.limit", |rank| format!("{}", 100 + rank)),
    ("data.validation_fraction", |rank| format!("0.{}", 20 + rank)),
    ("model.num_attention_heads", |rank| format!("{}", 3 + rank)),
    ("model.attention_head_dim", |rank| format!("{}", 70 + rank)),
    ("model.dropout", |rank| format!("0.{}", 50 + rank)),
    ("model.time_embed_dim", |rank| format!("{}", 200 + rank)),
    ("training.steps", |rank| format!("{}", 1000 + rank)),
    ("training.epochs", |rank| format!("{}", 10 + rank)),
    ("training.batch_size", |rank| format!("{}", 8 * (20 + rank))),
    ("training.learning_rate", |rank| format!("{}.5e-5", 1 + rank)),
    ("training.betas", |rank| format!("[0.{}, 0.9]", 60 + rank)),
    (
        "ema.decay",
        |rank| if rank % 2 == 0 { format!("0.{}", 30 + rank) } else { format!("[0.9, 0.{}]", 30 + rank) },
    ),
    ("checkpoint.every", |rank| format!("{}", 40 + rank)),
    ("evaluation.images", |rank| format!("{}", 300 + rank)),
    ("runtime.jobs", |rank| format!("{}", 5 + rank)),
    ("runtime.threads", |rank| format!("{}", 25 + rank)),
    ("runtime.runs_dir", |rank| format!("\"runs-{rank}\"")),
];

/// Layers above the presets, lowest first. Files with the file that names them: `""` is the command line.
const FILES: [(&str, &str); 7] = [
    ("grandparent", "parent"),
    ("parent", "x"),
    ("second-parent", "x"),
    ("x", ""),
    ("laid-over-parent", "laid-over"),
    ("laid-over", ""),
    ("last", ""),
];
const EXPERIMENT: usize = 3;
const ENVIRONMENT: usize = 7;
const POINT: usize = 8;
const PIN: usize = 9;
const SET: usize = 10;
const LAYERS: usize = 11;

/// Settings of the experiment file that keep presets and random heads from contradicting each other.
const PEACE: [(&str, &str); 3] =
    [("model.attention_resolutions", "[]"), ("model.mid_attention", "false"), ("model.norm_groups", "4")];

/// How a file or a setting spells its keys.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spelling {
    Sections,
    Dotted,
    Quoted,
    Inline,
    Json,
}

#[derive(Debug, Clone)]
struct Case {
    /// Presets that the experiment names, and that `-s` names.
    presets: [Option<Vec<&'static str>>; 2],
    /// Which layer sets which key, by their places; later checks drop what no layer may hold.
    set: BTreeSet<(usize, usize)>,
    spelling: Vec<Spelling>,
    /// The key that is traced.
    traced: usize,
}

fn case() -> impl Strategy<Value = Case> {
    use Spelling::*;
    let names: Vec<&'static str> = Preset::all().iter().map(|preset| preset.name).collect();
    let presets =
        move || proptest::option::of(proptest::collection::vec(prop::sample::select(names.clone()), 0..3));
    let set = proptest::collection::btree_set((0..LAYERS, 0..SAMPLES.len()), 0..60);
    let spelling =
        proptest::collection::vec(prop::sample::select(vec![Sections, Dotted, Quoted, Inline, Json]), LAYERS);
    ([presets(), presets()], set, spelling, 0..SAMPLES.len())
        .prop_map(|(presets, set, spelling, traced)| Case { presets, set, spelling, traced }.tidied())
}

impl Case {
    /// Leaves out what the program refuses: rivals in one layer, a key that is pinned and set, anything but
    /// `runtime` in the environment, a sweep point that changes nothing of what is trained.
    fn tidied(mut self) -> Case {
        let all = self.set.clone();
        let path = |sample: usize| SAMPLES[sample].0;
        self.set.retain(|&(layer, sample)| {
            let before = all.range((layer, 0)..(layer, sample));
            let beside_rival =
                before.into_iter().any(|&(_, other)| keys::rival(path(sample)) == Some(path(other)));
            let fits = match layer {
                ENVIRONMENT => path(sample).starts_with("runtime."),
                POINT => keys::find(path(sample)).is_some_and(|key| key.hashed),
                PIN => !all.contains(&(SET, sample)),
                _ => true,
            };
            fits && !beside_rival
        });
        self
    }

    /// What a layer sets, by path, in words.
    fn settings(&self, layer: usize) -> Vec<(&'static str, String)> {
        let sampled = self.set.range((layer, 0)..(layer + 1, 0)).map(|&(layer, sample)| {
            let (path, value) = SAMPLES[sample];
            (path, value(layer))
        });
        let peace =
            PEACE.iter().filter(|_| layer == EXPERIMENT).map(|&(path, value)| (path, value.to_owned()));
        sampled.chain(peace).collect()
    }

    /// What each layer gives each key, lowest first; the presets are those that the highest layer names.
    fn layers(&self, with_point: bool) -> Vec<BTreeMap<String, Value>> {
        let [experiment, set] = &self.presets;
        let presets = set.as_ref().or(experiment.as_ref()).into_iter().flatten();
        let place = |name: &&str| Preset::all().iter().position(|preset| preset.name == *name).unwrap();
        let presets = presets.map(|name| EMBEDDED[place(name) + 1].clone());
        let written = (0..LAYERS).filter(|&layer| with_point || layer != POINT).map(|layer| {
            let settings = self.settings(layer).into_iter();
            settings.map(|(path, value)| (path.to_owned(), value.parse().unwrap())).collect()
        });
        [EMBEDDED[0].clone()].into_iter().chain(presets).chain(written).collect()
    }

    /// The request, and the text of every file it leads to.
    fn request(&self) -> (Request, HashMap<PathBuf, String>) {
        let name = |file: usize| match self.spelling[file] {
            Spelling::Json => format!("{}.json", FILES[file].0),
            _ => format!("{}.toml", FILES[file].0),
        };
        let mut files = HashMap::new();
        for (file, (stem, _)) in FILES.into_iter().enumerate() {
            let parents = (0..FILES.len()).filter(|&other| FILES[other].1 == stem).map(name);
            let parents: Vec<String> = parents.map(|parent| format!("{parent:?}")).collect();
            let mut top = Vec::new();
            top.extend((!parents.is_empty()).then(|| ("extends", format!("[{}]", parents.join(", ")))));
            let presets = self.presets[0].as_ref().filter(|_| file == EXPERIMENT);
            top.extend(presets.map(|names| ("preset", format!("{names:?}"))));
            top.extend(self.settings(file));
            files.insert(name(file).into(), spelt(&top, self.spelling[file]));
        }
        let variable = |(path, value): (&str, String)| {
            (format!("ABLATE_{}", path.to_uppercase().replace('.', "__")), value)
        };
        let words = |layer: usize| {
            let settings = self.settings(layer);
            match self.spelling[layer] {
                Spelling::Inline => {
                    grouped(&settings, " = ").into_iter().map(|(k, v)| format!("{k}={v}")).collect()
                }
                _ => settings.iter().map(|(path, value)| format!("{path}={value}")).collect::<Vec<_>>(),
            }
        };
        let preset = self.presets[1].iter().map(|names| format!("preset={names:?}"));
        let request = Request {
            experiment: name(EXPERIMENT).into(),
            files: [5, 6].map(|file| name(file).into()).to_vec(),
            set: words(SET).into_iter().chain(preset).collect(),
            pin: words(PIN),
            environment: self.settings(ENVIRONMENT).into_iter().map(variable).collect(),
        };
        (request, files)
    }
}

/// The leaves of the defaults, then of every preset, each read once.
static EMBEDDED: LazyLock<Vec<BTreeMap<String, Value>>> = LazyLock::new(|| {
    let texts = Preset::all().iter().map(|preset| preset.text);
    [include_str!("default.toml")].into_iter().chain(texts).map(flat).collect()
});

/// The leaves of a TOML text by dotted path.
fn flat(text: &str) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    for (section, value) in text.parse::<Table>().unwrap() {
        match value {
            Value::Table(keys) => {
                leaves.extend(keys.into_iter().map(|(leaf, value)| (format!("{section}.{leaf}"), value)));
            }
            value => drop(leaves.insert(section, value)),
        }
    }
    leaves
}

/// Settings by section, each as an inline table whose keys are followed by `is`.
fn grouped<'a>(settings: &[(&'a str, String)], is: &str) -> Vec<(&'a str, String)> {
    let mut sections: Vec<(&str, Vec<String>)> = Vec::new();
    let mut out = Vec::new();
    for (path, value) in settings {
        let Some((section, leaf)) = path.split_once('.') else {
            out.push((*path, value.clone()));
            continue;
        };
        let leaf = if is == ": " { format!("\"{leaf}\"{is}{value}") } else { format!("{leaf}{is}{value}") };
        match sections.iter_mut().find(|(known, _)| *known == section) {
            Some((_, leaves)) => leaves.push(leaf),
            None => sections.push((section, vec![leaf])),
        }
    }
    out.extend(sections.into_iter().map(|(section, leaves)| (section, format!("{{{}}}", leaves.join(", ")))));
    out
}

fn spelt(settings: &[(&str, String)], spelling: Spelling) -> String {
    let lines = |settings: &[(&str, String)]| -> String {
        settings.iter().map(|(path, value)| format!("{path} = {value}\n")).collect()
    };
    match spelling {
        Spelling::Dotted => lines(settings),
        Spelling::Inline => lines(&grouped(settings, " = ")),
        Spelling::Quoted => settings.iter().map(|(path, value)| format!("\"{path}\" = {value}\n")).collect(),
        Spelling::Json => {
            let fields = grouped(settings, ": ").into_iter().map(|(key, value)| format!("{key:?}: {value}"));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(",\n"))
        }
        Spelling::Sections => {
            let (sectioned, top): (Vec<_>, Vec<_>) =
                settings.iter().cloned().partition(|(path, _)| path.contains('.'));
            let sections: BTreeSet<&str> =
                sectioned.iter().filter_map(|(path, _)| path.split('.').next()).collect();
            let section = |name: &str| -> String {
                let own = sectioned.iter().filter_map(|(path, value)| {
                    Some(format!("{} = {value}\n", path.strip_prefix(name)?.strip_prefix('.')?))
                });
                format!("[{name}]\n{}", own.collect::<String>())
            };
            lines(&top) + &sections.into_iter().map(section).collect::<String>()
        }
    }
}

/// The rule in its shortest form: the highest layer that sets a key wins, and takes its rival out.
fn oracle(layers: Vec<BTreeMap<String, Value>>) -> BTreeMap<String, Value> {
    let mut merged = BTreeMap::new();
    for layer in layers {
        for path in layer.keys() {
            keys::rival(path).and_then(|rival| merged.remove(rival));
        }
        merged.extend(layer);
    }
    merged
}

/// Every key has the oracle's value; one that the oracle does not know has none, or follows from others.
fn holds(config: &Config, expected: &BTreeMap<String, Value>) -> TestCaseResult {
    let config = Value::try_from(config).unwrap();
    for key in keys::KEYS {
        let found = key.path.split('.').try_fold(&config, |table, part| table.get(part));
        match (found, expected.get(key.path)) {
            (Some(_), None) => prop_assert_eq!(key.default, DefaultValue::Derived, "{}", key.path),
            (found, expected) => prop_assert_eq!(found, expected, "{}", key.path),
        }
    }
    Ok(())
}

/// `why` lists the layers that set a key, lowest first, and marks the one that counts.
fn traces(case: &Case, experiment: &Experiment, base: &BTreeMap<String, Value>) -> TestCaseResult {
    let path = SAMPLES[case.traced].0;
    let told = experiment.why(path).unwrap();
    let told: Vec<_> = told.iter().filter(|row| row.layer != "derived").collect();
    let given: Vec<Value> = case.layers(false).iter().filter_map(|layer| layer.get(path).cloned()).collect();
    let values: Vec<Value> = told.iter().map(|row| row.value.parse().unwrap()).collect();
    prop_assert_eq!(&values, &given, "{}", path);
    let winners: Vec<bool> = told.iter().map(|row| row.wins).collect();
    let last_wins: Vec<bool> =
        (1..=given.len()).map(|place| place == given.len() && base.contains_key(path)).collect();
    prop_assert_eq!(winners, last_wins, "{}", path);
    Ok(())
}

#[test]
fn whatever_the_layers_the_highest_one_that_sets_a_key_wins() {
    let cases = if cfg!(debug_assertions) { 500 } else { 10_000 };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(case in case())| {
        let (request, files) = case.request();
        let open = |path: &Path| {
            files.get(path).cloned().ok_or_else(|| Problem::new(format!("{} is not there", path.display())))
        };
        let experiment = match Experiment::load_from(&request, &open) {
            Ok(experiment) => experiment,
            Err(problems) => return Err(TestCaseError::fail(problems.to_string())),
        };
        let base = oracle(case.layers(false));
        holds(experiment.base(), &base)?;
        traces(&case, &experiment, &base)?;
        let point = case.settings(POINT).into_iter();
        let point: Vec<_> = point.map(|(path, value)| (path.to_owned(), value.parse().unwrap())).collect();
        match experiment.resolve(&point) {
            Ok(config) => holds(&config, &oracle(case.layers(true)))?,
            Err(problems) => return Err(TestCaseError::fail(problems.to_string())),
        }
    });
}
