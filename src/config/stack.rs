//! Gathers the layers of one request, lowest first.
//!
//! In: a [`Request`]. Out: a [`Stack`]: built-in defaults, presets, `extends`, the experiment file, `-f`
//! files and the environment, then `--pin` and `-s`, which stand above a sweep point. Every problem found
//! on the way is collected; none stops the reading of the rest.

use std::path::PathBuf;

use toml::{Table, Value};

use super::assign;
use super::files::{Files, Open};
use super::keys::KEYS;
use super::layer::Layer;
use super::preset;
use super::problem::Problem;
use super::source::join;

/// What the user asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The experiment file.
    pub experiment: PathBuf,
    /// `-f FILE`, in order.
    pub files: Vec<PathBuf>,
    /// `-s KEY=VALUE`, in order; the last of one key counts.
    pub set: Vec<String>,
    /// `--pin KEY=VALUE`, in order; the last of one key counts.
    pub pin: Vec<String>,
    /// Environment variables; only those that start with `ABLATE_` are looked at.
    pub environment: Vec<(String, String)>,
}

/// One layer as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its file, or what else it is: `environment`, `--pin`, `-s`.
    pub name: String,
    /// Its text, verbatim.
    pub text: String,
}

/// The layers of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stack {
    /// Below a sweep point, lowest first.
    pub below: Vec<Layer>,
    /// `--pin`: above a sweep point, whose axis it collapses.
    pub pins: Layer,
    /// `-s`: above everything.
    pub set: Layer,
    /// Every layer verbatim, lowest first.
    pub sources: Vec<Source>,
    /// The experiment file's `[sweep]`.
    pub sweep: Option<Table>,
    /// Whether some layer could not be read, so that what follows from the rest would be guesswork.
    pub incomplete: bool,
}

/// Reads every layer of a request.
pub(crate) fn gather(request: &Request, open: Open<'_>, problems: &mut Vec<Problem>) -> Stack {
    let mut files = Files::new(open);
    files.read_named(&request.experiment, "experiment", problems);
    for path in &request.files {
        files.read_named(path, "-f", problems);
    }
    pile(files, request, problems)
}

/// Puts the files of a request in order with everything else it has.
pub(crate) fn pile(files: Files<'_>, request: &Request, problems: &mut Vec<Problem>) -> Stack {
    let environment = environment(&request.environment, problems);
    let mut pins = flags("--pin", &request.pin, problems);
    let set = flags("-s", &request.set, problems);
    if pins.preset.take().is_some() {
        problems
            .push(pins.layer.problem("preset", "preset cannot be pinned").with_help("use -s preset=NAME"));
    }
    for pin in pins.layer.entries.iter().filter(|pin| set.layer.entry(pin.key).is_some()) {
        let path = KEYS[pin.key].path;
        let message = format!("{path} is set with -s and with --pin");
        problems.push(set.layer.problem(path, message).with_help("keep one of them"));
    }

    let mut stack = Stack { sweep: files.sweep, incomplete: files.incomplete, ..Stack::default() };
    stack.push_all(preset::defaults(problems));
    let from_file = || files.read.iter().rev().find_map(|file| Some((file.preset.as_ref()?, &file.layer)));
    let named = set.preset.as_ref().map(|value| (value, &set.layer)).or_else(from_file);
    if let Some((value, layer)) = named {
        let layers = preset::layers(value, layer, problems);
        stack.incomplete |= layers.is_none();
        stack.push_all(layers.into_iter().flatten());
    }
    stack.push_all(files.read.into_iter().map(|file| (file.layer, file.text)));
    stack.below.push(environment);
    stack.pins = pins.layer;
    stack.set = set.layer;
    stack.note_settings(request);
    stack
}

impl Stack {
    fn push_all(&mut self, layers: impl IntoIterator<Item = (Layer, String)>) {
        for (layer, text) in layers {
            let name = layer.file.as_ref().map_or(String::new(), |file| file.display().to_string());
            self.sources.push(Source { name, text });
            self.below.push(layer);
        }
    }

    /// Records the settings that are no file, so that the sources are enough to plan the same again.
    fn note_settings(&mut self, request: &Request) {
        let variables: Vec<String> = request
            .environment
            .iter()
            .filter(|(name, value)| assign::parse_variable(name, value).is_some())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        for (name, words) in [("environment", &variables), ("--pin", &request.pin), ("-s", &request.set)] {
            if !words.is_empty() {
                self.sources.push(Source { name: name.to_owned(), text: words.join("\n") + "\n" });
            }
        }
    }

    /// Every layer, lowest first; a sweep point would stand before the last two.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Layer> {
        self.below.iter().chain([&self.pins, &self.set])
    }
}

/// Settings of the command line.
struct Flags {
    layer: Layer,
    preset: Option<Value>,
}

fn flags(flag: &str, words: &[String], problems: &mut Vec<Problem>) -> Flags {
    let mut flags = Flags { layer: titled(flag), preset: None };
    let mut settings: Vec<(String, Value, String)> = Vec::new();
    for word in words {
        match assign::parse(flag, word) {
            Ok((path, value)) if path == "preset" => {
                flags.layer.setters.insert(path, format!("{flag} {word}"));
                flags.preset = Some(value);
            }
            Ok((path, value)) => expand(path, value, &format!("{flag} {word}"), &mut settings),
            Err(problem) => problems.push(problem),
        }
    }
    fill(&mut flags.layer, settings, problems);
    flags
}

/// Adds a setting, or each of a table's; the last of one key counts.
fn expand(path: String, value: Value, setter: &str, settings: &mut Vec<(String, Value, String)>) {
    match value {
        Value::Table(inner) if !inner.is_empty() => {
            for (key, value) in inner {
                expand(join(&path, &key), value, setter, settings);
            }
        }
        value => {
            settings.retain(|(earlier, ..)| *earlier != path);
            settings.push((path, value, setter.to_owned()));
        }
    }
}

fn environment(variables: &[(String, String)], problems: &mut Vec<Problem>) -> Layer {
    let mut settings = Vec::new();
    for (name, value) in variables {
        match assign::parse_variable(name, value) {
            Some(Ok((path, value))) => settings.push((path, value, format!("{name} in the environment"))),
            Some(Err(problem)) => problems.push(problem),
            None => {}
        }
    }
    let mut layer = titled("environment");
    fill(&mut layer, settings, problems);
    layer
}

fn titled(title: &str) -> Layer {
    Layer { title: title.to_owned(), ..Layer::default() }
}

fn fill(layer: &mut Layer, settings: Vec<(String, Value, String)>, problems: &mut Vec<Problem>) {
    for (path, value, setter) in settings {
        layer.setters.insert(path.clone(), setter);
        layer.add(&path, &value, problems);
    }
    layer.refuse_rivals(problems);
}
