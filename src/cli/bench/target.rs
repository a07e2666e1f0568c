//! Which configuration is measured.
//!
//! In: the words after `bench`: an experiment file, or names of presets, or none. Out: the configuration of one variant,
//! its name, and what a user should know about the choice.

use std::path::{Path, PathBuf};

use crate::cli::experiment_args::Layers;
use crate::cli::failure::Failure;
use crate::cli::run::make_paths_absolute;
use crate::config::{Config, Experiment, Preset};
use crate::guard::printable;
use crate::plan::{Plan, Variant};

/// The words that name a configuration.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct TargetArgs {
    /// An experiment file, or presets such as `cifar10 small`; none: the built-in defaults.
    #[arg(value_name = "EXPERIMENT | PRESET")]
    words: Vec<String>,
    #[command(flatten)]
    layers: Layers,

    /// The variant of a sweep to measure, by its name, its title or the first digits of its id [default: the first].
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    /// The experiment's name, or the presets'.
    pub(super) name: String,
    /// The variant's folder name, where there is a choice.
    pub(super) variant: Option<String>,
    pub(super) config: Config,
    /// What a user should know.
    pub(super) notes: Vec<String>,
}

impl TargetArgs {
    /// Reads, plans and chooses.
    pub(super) fn resolve(&self) -> Result<Target, Failure> {
        let experiment = self.experiment()?;
        let plan = Plan::build(&experiment)?;
        let variant = self.choose(&plan)?;
        let several = plan.variants.len() > 1;
        let mut notes = vec![];
        if several && self.variant.is_none() {
            let (name, of) = (printable(&variant.name), plan.variants.len());
            notes.push(format!("{name} is the first of {of} variants; --variant NAME measures another"));
        }
        let mut config = variant.config.clone();
        make_paths_absolute(&mut config);
        let name = if self.words.is_empty() { "built-in defaults".into() } else { plan.experiment.clone() };
        Ok(Target { name, variant: several.then(|| variant.name.clone()), config, notes })
    }

    /// The settings laid over.
    #[cfg(feature = "torch")]
    pub(super) fn layers(&self) -> &Layers {
        &self.layers
    }

    fn experiment(&self) -> Result<Experiment, Failure> {
        match &self.words[..] {
            [file] if names_a_file(file) => Ok(Experiment::load(&self.layers.request(file.into()))?),
            words => {
                if let Some(file) = words.iter().find(|word| names_a_file(word)) {
                    let message =
                        format!("{} is an experiment, so it must be the only word", printable(file));
                    return Err(Failure::user(message).with_help("lay other files over it with -f FILE"));
                }
                for word in words {
                    Preset::named(word).map_err(|problem| {
                        let message = format!("{} is neither a file nor a preset", printable(word));
                        let known = problem.help.unwrap_or_default();
                        Failure::user(message).with_help(format!("{known}; an experiment ends in .toml"))
                    })?;
                }
                self.of_presets(words)
            }
        }
    }

    /// An experiment that consists of its presets, as a file of one line would have them.
    fn of_presets(&self, words: &[String]) -> Result<Experiment, Failure> {
        let name = if words.is_empty() { "defaults".to_owned() } else { words.join("-") };
        let names: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let preset =
            if names.is_empty() { String::new() } else { format!("preset = [{}]\n", names.join(", ")) };
        let request = self.layers.request(PathBuf::from(format!("{name}.toml")));
        Ok(Experiment::of_text(&request, &format!("name = \"{name}\"\n{preset}"))?)
    }

    fn choose<'a>(&self, plan: &'a Plan) -> Result<&'a Variant, Failure> {
        let Some(wanted) = &self.variant else {
            return plan.variants.first().ok_or_else(|| {
                Failure::user(format!("the sweep of {} leaves no variant", plan.experiment))
                    .with_help("`ablate plan` says what is excluded and why")
            });
        };
        let is_it = |variant: &&Variant| {
            variant.name == *wanted
                || variant.title.as_ref() == Some(wanted)
                || is_id(wanted, &variant.identity)
        };
        let mut found = plan.variants.iter().filter(is_it);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (first, _) => {
                let what = if first.is_some() { "several variants" } else { "no variant" };
                let names = plan.variants.iter().take(8).map(|v| format!("\n    {}", printable(&v.name)));
                let message = format!("--variant {} names {what} of {}", printable(wanted), plan.experiment);
                let names: String = names.collect();
                Err(Failure::user(message).with_help(format!("the plan has {}:{names}", plan.variants.len())))
            }
        }
    }
}

/// Whether a word is meant to be a file: it is there, or looks like one.
fn names_a_file(word: &str) -> bool {
    let path = Path::new(word);
    let ends = path.extension().is_some_and(|extension| extension == "toml" || extension == "json");
    ends || path.components().count() > 1 || path.is_file()
}

/// Four digits tell variants apart as far as people do.
fn is_id(wanted: &str, identity: &str) -> bool {
    wanted.len() >= 4 && identity.starts_with(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(words: &[&str], set: &[&str]) -> TargetArgs {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let layers = Layers { set: owned(set), ..Layers::default() };
        TargetArgs { words: owned(words), layers, variant: None }
    }

    #[test]
    fn presets_are_laid_over_one_another_and_settings_over_them() {
        let found = target(&["cifar10", "tiny"], &["training.batch_size=3"]).resolve().unwrap();
        assert_eq!(
            (found.name.as_str(), found.variant, found.config.data.image_size),
            ("cifar10-tiny", None, 32)
        );
        assert_eq!(found.config.training.batch_size, 3);
        let plain = target(&[], &[]).resolve().unwrap();
        assert_eq!(plain.name, "built-in defaults");
    }

    #[test]
    fn a_word_that_is_nothing_is_refused_with_what_there_is() {
        let error = target(&["cifar11"], &[]).resolve().unwrap_err().into_report();
        let text = format!("{error:?}");
        assert!(
            text.starts_with("error: cifar11 is neither a file nor a preset\n  help: the presets are "),
            "{text}"
        );
        let error = target(&["a.toml", "tiny"], &[]).resolve().unwrap_err().to_string();
        assert_eq!(error, "a.toml is an experiment, so it must be the only word");
    }

    #[test]
    fn a_sweep_gives_its_first_variant_and_says_so_or_the_one_that_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        std::fs::write(&file, "[sweep.grid]\n\"training.batch_size\" = [4, 8]\n").unwrap();
        let mut args = target(&[file.to_str().unwrap()], &[]);
        let found = args.resolve().unwrap();
        assert_eq!(found.config.training.batch_size, 4);
        let first = found.variant.unwrap();
        assert_eq!(
            found.notes,
            [format!("{first} is the first of 2 variants; --variant NAME measures another")]
        );
        let plan = Plan::build(&args.experiment().unwrap()).unwrap();
        for wanted in [&plan.variants[1].name, &plan.variants[1].id] {
            args.variant = Some(wanted.clone());
            let found = args.resolve().unwrap();
            assert_eq!((found.config.training.batch_size, found.notes.len()), (8, 0));
        }
        args.variant = Some("none".into());
        let error = format!("{:?}", args.resolve().unwrap_err().into_report());
        assert!(error.contains("--variant none names no variant of x\n  help: the plan has 2:"), "{error}");
    }
}
