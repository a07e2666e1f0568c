//! The built-in presets: a few files that come with the program.
//!
//! In: the value of `preset`, a name or a list of names. Out: one layer each, left to right. [`Preset`] shows
//! them one by one, for `ablate config presets`.

use std::path::Path;

use toml::Value;

use super::build::build;
use super::files::names;
use super::fit::{quoted, shown};
use super::keys;
use super::layer::{Entry, Layer};
use super::problem::{Problem, Problems};
use super::schema::Config;
use super::{check, derive, merge, source};

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(Preset { name: $name, text: include_str!(concat!("presets/", $name, ".toml")) }),*]
    };
}

/// Every preset: data sets from the smallest to the largest, then budgets likewise.
const PRESETS: &[Preset] = presets![
    "mnist",
    "cifar10",
    "ddpm-cifar10",
    "celeba64",
    "imagenet256",
    "tiny",
    "small",
    "medium",
    "large",
    "xl",
];

/// The built-in defaults, and the only home of a default.
const DEFAULTS: &str = include_str!("default.toml");

/// A layer and its text.
pub(crate) type Embedded = (Layer, String);

/// A built-in preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What `preset` calls it.
    pub name: &'static str,
    /// Its file, verbatim.
    pub text: &'static str,
}

impl Preset {
    /// Every preset, in the order in which they are listed.
    pub fn all() -> &'static [Preset] {
        PRESETS
    }

    /// The preset of a name.
    ///
    /// # Errors
    /// There is none; the problem lists those there are.
    pub fn named(name: &str) -> Result<Preset, Problem> {
        PRESETS.iter().find(|preset| preset.name == name).copied().ok_or_else(|| {
            let name = shown(&Value::String(name.to_owned()));
            Problem::new(format!("the preset {name} does not exist")).with_help(known())
        })
    }

    /// What it is: the first line of its file.
    pub fn summary(self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']).trim_end_matches('.')
    }

    /// Whether its file sets a key.
    pub fn sets(self, path: &str) -> bool {
        let layer = self.layer(&mut Vec::new());
        layer.zip(keys::index(path)).is_some_and(|((layer, _), key)| layer.entry(key).is_some())
    }

    /// The configuration of an experiment that consists of this preset alone.
    ///
    /// # Errors
    /// The preset breaks a rule; a test holds them all to every rule.
    pub fn config(self) -> Result<Config, Problems> {
        let mut problems = Vec::new();
        let embedded = [defaults(&mut problems), self.layer(&mut problems)];
        Problems(problems).into_result()?;
        let mut layers: Vec<Layer> = embedded.into_iter().flatten().map(|(layer, _)| layer).collect();
        let name = Value::String(self.name.to_owned());
        let name = keys::index("name").map(|key| Entry { key, value: name, line: None });
        layers.push(Layer { entries: name.into_iter().collect(), ..Layer::default() });
        let mut slots = merge::merge(&layers);
        derive::fill(&mut slots);
        let config = build(&slots)?;
        let broken = check::findings(&config).into_iter();
        let broken = broken.map(|finding| Problem::new(finding.message).with_help(finding.help));
        Problems(broken.collect()).into_result()?;
        Ok(config)
    }

    fn layer(self, problems: &mut Vec<Problem>) -> Option<Embedded> {
        let Preset { name, text } = self;
        embedded(format!("preset \"{name}\""), &format!("presets/{name}.toml"), text, problems)
    }
}

/// The built-in defaults as the lowest layer.
pub(crate) fn defaults(problems: &mut Vec<Problem>) -> Option<Embedded> {
    embedded("built-in defaults".to_owned(), "default.toml", DEFAULTS, problems)
}

/// The layers of the presets that `value` names; `layer` is where it was written.
pub(crate) fn layers(value: &Value, layer: &Layer, problems: &mut Vec<Problem>) -> Option<Vec<Embedded>> {
    let Some(names) = names(value) else {
        let message = format!("preset = {} is neither a name nor a list of names", shown(value));
        problems.push(layer.problem("preset", message).with_help(known()));
        return None;
    };
    let found: Vec<Option<Embedded>> = names
        .into_iter()
        .map(|name| match Preset::named(name) {
            Ok(preset) => preset.layer(problems),
            Err(problem) => {
                problems.push(problem.at(layer.location("preset")).in_layer(layer.words("preset")));
                None
            }
        })
        .collect();
    found.into_iter().collect()
}

fn known() -> String {
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    format!("the presets are {}", quoted(&names))
}

fn embedded(title: String, file: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Embedded> {
    let file = Path::new(file);
    match source::parse_toml(text.to_owned(), file) {
        Ok(document) => {
            let lines = document.lines;
            let mut layer = Layer { title, file: Some(file.to_owned()), lines, ..Layer::default() };
            layer.fill(&document.table, problems);
            Some((layer, document.text))
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

#[cfg(test)]
#[path = "preset_tests.rs"]
mod tests;
