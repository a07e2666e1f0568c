//! One layer: a file's or a command line's settings, checked key by key.
//!
//! In: a parsed [`Document`]. Out: a [`Layer`] of known keys with values of the right kind, and a
//! [`Problem`] for everything else. What is refused here is left out, so that later checks see the rest.

use std::collections::HashMap;
use std::path::PathBuf;

use toml::{Table, Value};

use super::fit::shown;
use super::keys::{self, FILE_KEYS, KEYS, RIVALS};
use super::problem::{Location, Problem};
use super::source::join;

/// Most problems listed.
const MAX_PROBLEMS: usize = 100;

/// One value of one layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The key's place in [`KEYS`].
    pub key: usize,
    /// Of the key's kind.
    pub value: Value,
    /// Line in the layer's file.
    pub line: Option<usize>,
}

/// One layer, lowest to highest in a `Stack`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    /// What the user calls it: `built-in defaults`, `preset "mnist"`, `extends`, `experiment`, `-f`, …
    pub title: String,
    /// The file, for those that have one.
    pub file: Option<PathBuf>,
    /// Whether this is the experiment file, whose locations need no further words.
    pub is_experiment: bool,
    /// Known keys with values of the right kind, at most one entry a key.
    pub entries: Vec<Entry>,
    /// Keys that were set, but to something unusable.
    pub refused: Vec<usize>,
    /// Line of every dotted path.
    pub lines: HashMap<String, usize>,
    /// For settings that are no file, what set each path: `-s data.image_size=36`.
    pub setters: HashMap<String, String>,
}

impl Layer {
    /// The entry of a key.
    pub(crate) fn entry(&self, key: usize) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Where a path was written, if this layer is a file.
    pub(crate) fn location(&self, path: &str) -> Option<Location> {
        self.file.as_ref().map(|file| Location { file: file.clone(), line: self.lines.get(path).copied() })
    }

    /// What set `path`, where a reader needs more than the file: the layer's title or its setter.
    pub(crate) fn words(&self, path: &str) -> Option<String> {
        let words = self.setters.get(path).unwrap_or(&self.title);
        (!self.is_experiment && !words.is_empty()).then(|| words.clone())
    }

    /// A problem that this layer's `path` caused.
    pub(crate) fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        Problem::new(message).at(self.location(path)).in_layer(self.words(path))
    }

    /// Sorts a table's keys into entries; anything unknown or unfit becomes a problem.
    ///
    /// `preset`, `extends` and `sweep` are left to the reader of files.
    pub(crate) fn fill(&mut self, table: &Table, problems: &mut Vec<Problem>) {
        for (key, value) in table {
            // A quoted `"sweep.…"` is refused, once, by the reader of files.
            let below_sweep = self.is_experiment && key.starts_with("sweep.");
            if !FILE_KEYS.contains(&key.as_str()) && !below_sweep {
                self.add(key, value, problems);
            }
        }
        self.refuse_rivals(problems);
    }

    /// Adds whatever is at `path`: a value, or a table of deeper keys.
    pub(crate) fn add(&mut self, path: &str, value: &Value, problems: &mut Vec<Problem>) {
        // A file that is not meant as a configuration at all must not fill the screen.
        if problems.len() == MAX_PROBLEMS {
            problems.push(Problem::new("there are more problems than these; the rest is not listed"));
        }
        if problems.len() > MAX_PROBLEMS {
            return;
        }
        if let Some(index) = keys::index(path) {
            return self.set(index, value, problems);
        }
        match value {
            _ if keys::is_later(path) => {
                problems.push(self.problem(path, format!("{path} comes with a later version")));
            }
            Value::Table(inner) if !inner.is_empty() && keys::is_section(path) => {
                for (key, value) in inner {
                    self.add(&join(path, key), value, problems);
                }
            }
            Value::Table(inner) if inner.is_empty() && keys::is_section(path) => {}
            _ if keys::is_section(path) => problems.push(
                self.problem(path, format!("{path} = {} is not a section", shown(value)))
                    .with_help(format!("write [{path}] and its keys below it")),
            ),
            _ => problems.push(self.unknown(path)),
        }
    }

    fn set(&mut self, key: usize, value: &Value, problems: &mut Vec<Problem>) {
        let path = KEYS[key].path;
        if let Err(misfit) = KEYS[key].kind.check(path, value) {
            let mut problem = self.problem(path, misfit.message);
            problem.help = misfit.help;
            problems.push(problem);
            self.refused.push(key);
        } else if self.entry(key).is_some() {
            problems.push(self.problem(path, format!("{path} is written twice")));
        } else {
            let line = self.lines.get(path).copied();
            self.entries.push(Entry { key, value: value.clone(), line });
        }
    }

    /// An unknown key, with the nearest known one or what its section has.
    pub(crate) fn unknown(&self, path: &str) -> Problem {
        let problem = self.problem(path, format!("unknown key {path}"));
        let section = path.split('.').next().unwrap_or(path);
        if let Some(nearest) = keys::nearest(path) {
            problem.with_help(format!("did you mean {nearest}?"))
        } else if keys::is_section(section) {
            let names: Vec<&str> = keys::section_keys(section).collect();
            problem.with_help(format!("[{section}] has {}", names.join(", ")))
        } else {
            let sections: Vec<&str> = keys::sections();
            let alike = |known: &&&str| strsim::damerau_levenshtein(known, section) <= 2;
            match sections.iter().find(alike) {
                Some(nearest) => problem.with_help(format!("did you mean [{nearest}]?")),
                None => problem.with_help(format!("the sections are {}, sweep", sections.join(", "))),
            }
        }
    }

    /// Refuses both of a pair of which only one may be set.
    pub(crate) fn refuse_rivals(&mut self, problems: &mut Vec<Problem>) {
        for (first, second) in RIVALS {
            let set = |path: &str| self.entries.iter().any(|entry| KEYS[entry.key].path == path);
            if set(first) && set(second) {
                let leaf = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
                let message = format!("{first} and {} are both set in one layer", leaf(second));
                problems.push(self.problem(second, message).with_help("each excludes the other; keep one"));
                self.refused.extend(keys::index(first).into_iter().chain(keys::index(second)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{Folder, refusal};

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        assert_eq!(
            refusal("[model]\ndropuot = 0.1\n"),
            "error: unknown key model.dropuot\n  set in x.toml:2\n  help: did you mean model.dropout?"
        );
        assert_eq!(
            refusal("[modle]\ndropout = 0.1\n"),
            "error: unknown key modle\n  set in x.toml:1\n  help: did you mean [model]?"
        );
        assert_eq!(
            refusal("[ema]\nmomentum = 0.1\n"),
            "error: unknown key ema.momentum\n  set in x.toml:2\n  help: [ema] has kind, decay, sigma_rel, warmup, every"
        );
        assert_eq!(
            refusal("wombat = 1\n"),
            "error: unknown key wombat\n  set in x.toml:1\n  help: the sections are data, model, diffusion, \
             training, ema, checkpoint, evaluation, sampling, runtime, launcher, sweep"
        );
        assert_eq!(
            refusal("data = 3\n"),
            "error: data = 3 is not a section\n  set in x.toml:1\n  help: write [data] and its keys below it"
        );
    }

    #[test]
    fn all_problems_of_a_file_are_reported_in_one_go() {
        let text = refusal(
            "[model]\ndropuot = 0.1\nbase_channels = \"64\"\n[training]\ngradient_accumulation = 7\n",
        );
        let messages: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(
            messages,
            [
                "error: unknown key model.dropuot",
                "error: model.base_channels = \"64\" is not an integer",
                "error: training.gradient_accumulation = 7 does not divide training.batch_size = 64",
            ]
        );
        assert!(text.ends_with("\n\n3 problems; nothing was started"), "{text}");
    }

    #[test]
    fn the_list_of_problems_is_bounded() {
        let lines: String = (0..50_000).map(|index| format!("k{index} = 1\n")).collect();
        let started = std::time::Instant::now();
        let text = refusal(&lines);
        assert!(started.elapsed().as_secs_f64() < 2.0);
        assert!(text.ends_with(
            "error: there are more problems than these; the rest is not listed\n\n\
                                101 problems; nothing was started"
        ));
    }

    #[test]
    fn a_rule_about_an_unusable_value_stays_silent() {
        // The default image of 32 pixels would not reach these resolutions.
        let text = refusal("data.image_size = \"28\"\nmodel.attention_resolutions = [14]\n");
        assert_eq!(text.matches("error: ").count(), 1, "{text}");
    }

    #[test]
    fn quoted_dotted_keys_and_nested_tables_mean_the_same() {
        let nested = Folder::with("x.toml", "[model]\ndropout = 0.1\n[data]\nlimit = 5\n");
        let quoted = Folder::with("x.toml", "\"model.dropout\" = 0.1\ndata.\"limit\" = 5\n");
        assert_eq!(nested.load("x.toml").unwrap().base(), quoted.load("x.toml").unwrap().base());
        assert_eq!(
            refusal("\"model.dropout\" = 0.1\n[model]\ndropout = 0.2\n"),
            "error: model.dropout is written twice\n  set in x.toml:1"
        );
    }

    #[test]
    fn two_keys_that_exclude_each_other_cannot_share_a_layer() {
        assert_eq!(
            refusal("[training]\nsteps = 5\nepochs = 2\n"),
            "error: training.steps and epochs are both set in one layer\n  set in x.toml:3\n  \
             help: each excludes the other; keep one"
        );
        let folder = Folder::with("x.toml", "");
        let mut request = folder.request("x.toml");
        request.set = vec!["model.num_attention_heads=4".into(), "model.attention_head_dim=32".into()];
        assert_eq!(
            folder.refusal(&request),
            "error: model.num_attention_heads and attention_head_dim are both set in one layer\n  \
             set by -s model.attention_head_dim=32\n  help: each excludes the other; keep one"
        );
    }
}
