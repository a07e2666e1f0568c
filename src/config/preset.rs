//! The built-in presets: a few files that come with the program.
//!
//! In: the value of `preset`, a name or a list of names. Out: one layer each, left to right.

use std::path::Path;

use toml::Value;

use super::files::names;
use super::fit::{quoted, shown};
use super::layer::Layer;
use super::problem::Problem;
use super::source;

/// Name and text of every preset.
const PRESETS: &[(&str, &str)] =
    &[("mnist", include_str!("presets/mnist.toml")), ("tiny", include_str!("presets/tiny.toml"))];

/// Presets of a later version.
const LATER: &[&str] =
    &["cifar10", "celeba64", "imagenet256", "ddpm-cifar10", "small", "medium", "large", "xl"];

/// The built-in defaults, and the only home of a default.
const DEFAULTS: &str = include_str!("default.toml");

/// A layer and its text.
pub(crate) type Embedded = (Layer, String);

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
        .map(|name| match PRESETS.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => {
                embedded(format!("preset \"{name}\""), &format!("presets/{name}.toml"), text, problems)
            }
            None => {
                let what =
                    if LATER.contains(&name) { "comes with a later version" } else { "does not exist" };
                let name = shown(&Value::String(name.to_owned()));
                let problem = layer.problem("preset", format!("the preset {name} {what}"));
                problems.push(problem.with_help(known()));
                None
            }
        })
        .collect();
    found.into_iter().collect()
}

fn known() -> String {
    let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    format!("this version has {}", quoted(&names))
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
mod tests {
    use super::*;
    use crate::config::Experiment;
    use crate::config::testing::{Folder, refusal};

    #[test]
    fn every_preset_passes_every_rule() {
        for (name, _) in PRESETS {
            let folder = Folder::with("x.toml", &format!("preset = \"{name}\"\n"));
            folder.load("x.toml").unwrap();
        }
    }

    #[test]
    fn a_preset_lies_above_the_defaults_and_below_every_file() {
        let folder = Folder::with("x.toml", "preset = [\"tiny\", \"mnist\"]\nextends = [\"y.toml\"]\n");
        folder.write("y.toml", "data.validation_fraction = 0.1\nmodel.attention_resolutions = []\n");
        let experiment = folder.load("x.toml").unwrap();
        let config = experiment.base();
        assert_eq!((config.data.image_size, config.data.in_channels), (28, 1));
        assert_eq!(config.model.channels(), [32, 64, 128]);
        assert!(config.model.attention_resolutions.is_empty());
        let names: Vec<&str> = experiment.sources().iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names[..3], ["default.toml", "presets/tiny.toml", "presets/mnist.toml"]);
    }

    #[test]
    fn a_preset_set_on_the_command_line_takes_the_place_of_the_files() {
        let folder = Folder::with("x.toml", "preset = \"mnist\"\ntraining.batch_size = 8\n");
        let mut request = folder.request("x.toml");
        request.set.push("preset=tiny".into());
        let experiment = Experiment::load(&request).unwrap();
        assert_eq!(experiment.base().data.image_size, 32);
        assert_eq!(experiment.base().training.batch_size, 8);
    }

    #[test]
    fn an_unknown_preset_lists_the_known_ones() {
        assert_eq!(
            refusal("\npreset = \"minst\"\n"),
            "error: the preset \"minst\" does not exist\n  set in x.toml:2\n  \
             help: this version has \"mnist\", \"tiny\""
        );
        assert_eq!(
            refusal("preset = [\"cifar10\"]\n"),
            "error: the preset \"cifar10\" comes with a later version\n  set in x.toml:1\n  \
             help: this version has \"mnist\", \"tiny\""
        );
        assert!(
            refusal("preset = 3\n").starts_with("error: preset = 3 is neither a name nor a list of names")
        );
    }
}
