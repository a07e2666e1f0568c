//! An experiment: every layer of one request, ready to be resolved at any sweep point.
//!
//! In: a [`Request`]. Out: a checked [`Config`] per sweep point, and for any key where it was written.
//! Files are read and merged once; a point costs microseconds.

use std::path::Path;

use toml::{Table, Value};

use super::build::build;
use super::check;
use super::derive;
use super::files::{Files, Open};
use super::fit::Misfit;
use super::keys::{self, KEYS};
use super::layer::Layer;
use super::merge::{self, Origin, Slots};
use super::origin::{locate, point_location, sweep_location, unsure_keys};
use super::problem::{Location, Problem, Problems, SWEEP_POINT};
use super::schema::Config;
use super::source;
use super::stack::{self, Request, Source, Stack};

/// One experiment file with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Experiment {
    stack: Stack,
    base: Config,
    pins: Vec<(String, Value)>,
    /// What the layers below a sweep point give each key.
    below: Vec<Option<(Value, Origin)>>,
}

impl Experiment {
    /// Reads, merges and checks every layer.
    ///
    /// # Errors
    /// Everything that is wrong, except contradictions that a sweep axis may resolve: those are found when
    /// its points are.
    pub fn load(request: &Request) -> Result<Experiment, Problems> {
        Self::load_from(request, &source::read_text)
    }

    /// As [`Experiment::load`], with this text in place of the experiment's file, which need not be there.
    ///
    /// # Errors
    /// As for [`Experiment::load`].
    pub(crate) fn of_text(request: &Request, text: &str) -> Result<Experiment, Problems> {
        let open = |path: &Path| match path == request.experiment {
            true => Ok(text.to_owned()),
            false => source::read_text(path),
        };
        Self::load_from(request, &open)
    }

    /// As [`Experiment::load`], with the files' texts brought by `open`.
    pub(crate) fn load_from(request: &Request, open: Open<'_>) -> Result<Experiment, Problems> {
        let mut problems = Vec::new();
        let stack = stack::gather(request, open, &mut problems);
        Self::from_stack(stack, problems)
    }

    /// The built-in defaults below the environment's settings: what a command goes by that has no experiment.
    ///
    /// # Errors
    /// Everything that is wrong with the environment.
    pub fn settings(environment: Vec<(String, String)>) -> Result<Config, Problems> {
        let mut problems = Vec::new();
        let request = Request { environment, set: vec!["name=settings".to_owned()], ..Request::default() };
        let stack = stack::pile(Files::new(&source::read_text), &request, &mut problems);
        Ok(Self::from_stack(stack, problems)?.base)
    }

    fn from_stack(stack: Stack, mut problems: Vec<Problem>) -> Result<Experiment, Problems> {
        let below =
            merge::merge(&stack.below).into_iter().map(|slot| slot.map(|s| (s.value.into_owned(), s.origin)));
        let below: Vec<_> = below.collect();
        let slots = merged(&stack, &below, &[]);
        match build(&slots) {
            Ok(base) if !stack.incomplete => {
                let unsure = unsure_keys(&stack);
                let found = check::findings(&base).into_iter();
                let sure = found.filter(|finding| !finding.keys.iter().any(|key| unsure.contains(*key)));
                problems.extend(sure.map(|finding| locate(&stack, &slots, finding)));
                drop(slots);
                Problems(problems).into_result()?;
                let pins = stack.pins.entries.iter();
                let pins = pins.map(|pin| (KEYS[pin.key].path.to_owned(), pin.value.clone())).collect();
                Ok(Experiment { stack, base, pins, below })
            }
            // Without a base there is always a reason among the problems, unless the defaults lack a key.
            Err(problem) if problems.is_empty() => Err(problem.into()),
            _ => Err(Problems(problems)),
        }
    }

    /// The experiment's name: its folder in the run tree.
    pub fn name(&self) -> &str {
        &self.base.name
    }

    /// The configuration without a sweep point. Contradictions that involve a swept key are unchecked:
    /// `resolve(&[])` checks them too.
    pub fn base(&self) -> &Config {
        &self.base
    }

    /// `[sweep]` of the experiment file, in written order.
    pub fn sweep(&self) -> Option<&Table> {
        self.stack.sweep.as_ref()
    }

    /// What `--pin` holds, by dotted key.
    pub fn pins(&self) -> &[(String, Value)] {
        &self.pins
    }

    /// Every layer verbatim, lowest first: files by path, then `environment`, `--pin` and `-s`.
    pub fn sources(&self) -> &[Source] {
        &self.stack.sources
    }

    /// Keys set with `-s`.
    pub fn set_keys(&self) -> Vec<String> {
        self.stack.set.entries.iter().map(|entry| KEYS[entry.key].path.to_owned()).collect()
    }

    /// The checked configuration at a sweep point: layers < point < `--pin` < `-s`.
    ///
    /// # Errors
    /// Everything that is wrong at this point; the caller adds the variant's name.
    pub fn resolve(&self, point: &[(String, Value)]) -> Result<Config, Problems> {
        let (slots, config) = self.built(point)?;
        let found = check::findings(&config);
        if found.is_empty() {
            return Ok(config);
        }
        Err(Problems(found.into_iter().map(|finding| locate(&self.stack, &slots, finding)).collect()))
    }

    /// The configuration at a sweep point, its keys not yet held against each other.
    ///
    /// # Errors
    /// Every value that does not fit its key.
    pub fn resolve_unchecked(&self, point: &[(String, Value)]) -> Result<Config, Problems> {
        self.built(point).map(|(_, config)| config)
    }

    /// What a configuration has for a key where `value` is written: typed, and in normal form.
    ///
    /// # Errors
    /// The value does not fit the key.
    pub fn normal_form(&self, path: &str, value: &Value) -> Result<serde_json::Value, Misfit> {
        let unusable = |message: String| Misfit { message, help: None };
        let known = keys::find(path).zip(keys::index(path));
        let (key, index) = known.ok_or_else(|| unusable(format!("unknown key {path}")))?;
        key.kind.check(path, value)?;
        let mut slots: Slots<'_> = self.below.iter().map(|slot| slot.as_ref().map(merge::borrow)).collect();
        merge::lay(&mut slots, index, value, Origin::Point);
        derive::fill(&mut slots);
        let config = build(&slots).map_err(|problem| unusable(problem.message))?;
        let config = serde_json::to_value(config).map_err(|error| unusable(format!("{path}: {error}")))?;
        let found = path.split('.').try_fold(&config, |table, part| table.get(part));
        Ok(found.cloned().unwrap_or_default())
    }

    fn built<'a>(&'a self, point: &'a [(String, Value)]) -> Result<(Slots<'a>, Config), Problems> {
        let mut problems = Vec::new();
        let mut entries = Vec::with_capacity(point.len());
        for (path, value) in point {
            match keys::find(path).map(|key| key.kind.check(path, value)) {
                Some(Ok(())) => entries.extend(keys::index(path).map(|key| (key, value))),
                Some(Err(misfit)) => {
                    let mut problem = self.point_problem(path, misfit.message);
                    problem.help = misfit.help;
                    problems.push(problem);
                }
                None => {
                    let unknown = Layer::default().unknown(path);
                    problems
                        .push(Problem { help: unknown.help, ..self.point_problem(path, unknown.message) });
                }
            }
        }
        Problems(problems).into_result()?;
        for (first, second) in keys::RIVALS {
            let set = |wanted: &str| point.iter().any(|(path, _)| path == wanted);
            if set(first) && set(second) {
                let problem = self.point_problem(second, format!("{first} and {second} are both swept"));
                return Err(problem.with_help("each excludes the other; keep one").into());
            }
        }
        let slots = merged(&self.stack, &self.below, &entries);
        let config = build(&slots)?;
        Ok((slots, config))
    }

    fn point_problem(&self, path: &str, message: String) -> Problem {
        Problem::new(message).at(point_location(&self.stack, path)).in_layer(Some(SWEEP_POINT.to_owned()))
    }

    /// Where a dotted key was written, by its highest file; `sweep.grid.model.dropout` and
    /// `sweep.zip[0].model.dropout` work too.
    pub fn location(&self, key: &str) -> Option<Location> {
        if key == "sweep" || key.starts_with("sweep.") {
            return sweep_location(&self.stack, key);
        }
        let index = keys::index(key);
        let sets = |layer: &&Layer| match index {
            Some(index) => layer.entry(index).is_some(),
            None => layer.lines.contains_key(key),
        };
        self.stack.below.iter().rev().find(sets)?.location(key)
    }

    pub(super) fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The base's values with their origins.
    pub(super) fn slots(&self) -> Slots<'_> {
        merged(&self.stack, &self.below, &[])
    }
}

/// Lays a point, `--pin` and `-s` over the layers below, and derives the rest.
fn merged<'a>(
    stack: &'a Stack,
    below: &'a [Option<(Value, Origin)>],
    point: &[(usize, &'a Value)],
) -> Slots<'a> {
    let mut slots: Slots<'a> = below.iter().map(|slot| slot.as_ref().map(merge::borrow)).collect();
    for &(key, value) in point {
        merge::lay(&mut slots, key, value, Origin::Point);
    }
    for (layer, origin) in [(&stack.pins, Origin::Pin), (&stack.set, Origin::Set)] {
        for entry in &layer.entries {
            merge::lay(&mut slots, entry.key, &entry.value, origin);
        }
    }
    derive::fill(&mut slots);
    slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Folder;

    #[test]
    fn a_file_with_nothing_in_it_is_the_defaults_named_after_the_file() {
        let folder = Folder::with("plain.toml", "");
        let experiment = folder.load("plain.toml").unwrap();
        assert_eq!(experiment.name(), "plain");
        assert_eq!(experiment.base().model.norm_groups, 16);
        assert_eq!(experiment.base().model.time_embed_dim, 256);
        assert!(!experiment.base().diffusion.rescale_betas);
        assert!(experiment.sweep().is_none());
    }

    #[test]
    fn a_point_lies_above_files_and_below_settings() {
        let folder = Folder::with("x.toml", "model.dropout = 0.1\ntraining.batch_size = 8\n");
        let request = Request { set: vec!["training.batch_size=4".into()], ..folder.request("x.toml") };
        let experiment = Experiment::load(&request).unwrap();
        let point = [
            ("model.dropout".to_owned(), Value::Float(0.2)),
            ("training.batch_size".to_owned(), Value::Integer(16)),
            ("training.epochs".to_owned(), Value::Integer(3)),
        ];
        let config = experiment.resolve(&point).unwrap();
        assert_eq!((config.model.dropout, config.training.batch_size), (0.2, 4));
        assert_eq!((config.training.steps, config.training.epochs), (None, Some(3)));
        assert_eq!(experiment.resolve(&[]).unwrap(), *experiment.base());
        assert_eq!(experiment.set_keys(), ["training.batch_size"]);
    }

    #[test]
    fn ten_thousand_points_resolve_within_a_second() {
        let folder = Folder::with("x.toml", "");
        let experiment = folder.load("x.toml").unwrap();
        let started = std::time::Instant::now();
        for index in 0..10_000 {
            let point = [
                ("model.dropout".to_owned(), Value::Float(f64::from(index) / 20_000.0)),
                ("diffusion.timesteps".to_owned(), Value::Integer(1000)),
            ];
            experiment.resolve(&point).unwrap();
        }
        let took = started.elapsed();
        println!("{:.1} us a point", took.as_secs_f64() * 100.0);
        // Only an optimised build on an idle machine is held to the figure of 60 us.
        assert!(took.as_secs_f64() < if cfg!(debug_assertions) { 20.0 } else { 1.0 }, "took {took:?}");
    }
}
