//! Reads the files of a request: the experiment, what it extends, and every `-f`.
//!
//! In: paths. Out: one [`FileLayer`] a file, what a file extends before the file itself. A circle, a
//! missing file or a misplaced `[sweep]` becomes a [`Problem`], and the rest is read all the same.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::fit::shown;
use super::keys;
use super::layer::Layer;
use super::problem::Problem;
use super::source;

/// Most files of one request: files that each extend the next one twice would double at every step.
const MAX_FILES: usize = 64;

/// One file that was read.
pub(crate) struct FileLayer {
    /// Its settings.
    pub layer: Layer,
    /// Its text.
    pub text: String,
    /// Its `preset`.
    pub preset: Option<Value>,
}

/// Brings a file's text: from the disk, or for a test from memory.
pub(crate) type Open<'a> = &'a dyn Fn(&Path) -> Result<String, Problem>;

/// The files read so far.
pub(crate) struct Files<'a> {
    open: Open<'a>,
    /// Lowest first.
    pub read: Vec<FileLayer>,
    /// The experiment file's `[sweep]`.
    pub sweep: Option<Table>,
    /// Whether a file could not be read.
    pub incomplete: bool,
    /// The files being read, outermost first: a file met again closes a circle.
    chain: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Files<'a> {
    /// None yet.
    pub(crate) fn new(open: Open<'a>) -> Self {
        Files { open, read: Vec::new(), sweep: None, incomplete: false, chain: Vec::new() }
    }

    /// Reads a file that the command line names, and all it extends.
    pub(crate) fn read_named(&mut self, path: &Path, title: &str, problems: &mut Vec<Problem>) {
        self.read_file(path, title, problems, |problem| problem);
    }

    /// `blame` adds to a problem with the file itself who asked for it.
    fn read_file(
        &mut self,
        path: &Path,
        title: &str,
        problems: &mut Vec<Problem>,
        blame: impl Fn(Problem) -> Problem,
    ) {
        let opened = self.check_chain(path);
        let opened = opened.and_then(|whole| Ok((whole, source::parse((self.open)(path)?, path)?)));
        let (whole, document) = match opened {
            Ok(opened) => opened,
            Err(problem) => {
                self.incomplete = true;
                return problems.push(blame(problem));
            }
        };
        let mut layer = Layer {
            title: title.to_owned(),
            file: Some(path.to_owned()),
            is_experiment: title == EXPERIMENT,
            lines: document.lines,
            ..Layer::default()
        };
        self.chain.push((whole, path.to_owned()));
        self.read_extended(&document.table, &layer, path, problems);
        self.chain.pop();

        layer.fill(&document.table, problems);
        if layer.is_experiment {
            self.sweep = take_sweep(&document.table, &mut layer, problems);
            name_after_file(&mut layer, path, problems);
        } else if document.table.contains_key("sweep") {
            let problem = layer.problem("sweep", "[sweep] may be written in the experiment file alone");
            problems
                .push(problem.with_help("move it there, or keep the shared settings in a file without it"));
        }
        let preset = document.table.get("preset").cloned();
        self.read.push(FileLayer { layer, text: document.text, preset });
    }

    /// Refuses a file that is already being read, and too many of them.
    fn check_chain(&self, path: &Path) -> Result<PathBuf, Problem> {
        // A file that does not exist has no canonical path; reading it says so better.
        let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if self.read.len() + self.chain.len() >= MAX_FILES {
            return Err(Problem::new(format!(
                "more than {MAX_FILES} files to read, the last {}",
                path.display()
            )));
        }
        let Some(start) = self.chain.iter().position(|(open, _)| *open == whole) else { return Ok(whole) };
        let circle: Vec<String> =
            self.chain[start..].iter().map(|(_, shown)| shown.display().to_string()).collect();
        Err(Problem::new(format!("extends makes a circle: {} -> {}", circle.join(" -> "), circle[0])))
    }

    fn read_extended(&mut self, table: &Table, layer: &Layer, path: &Path, problems: &mut Vec<Problem>) {
        let Some(value) = table.get("extends") else { return };
        let Some(names) = names(value) else {
            self.incomplete = true;
            let message = format!("extends = {} is not a list of files", shown(value));
            return problems
                .push(layer.problem("extends", message).with_help("write extends = [\"base.toml\"]"));
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        for name in names {
            self.read_file(&folder.join(name), "extends", problems, |problem| {
                problem.at(layer.location("extends")).in_layer(layer.words("extends"))
            });
        }
    }
}

/// The title of the experiment file's layer.
const EXPERIMENT: &str = "experiment";

/// A name, or a list of names.
pub(crate) fn names(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(name) => Some(vec![name]),
        Value::Array(names) => names.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn take_sweep(table: &Table, layer: &mut Layer, problems: &mut Vec<Problem>) -> Option<Table> {
    // Quoted dotted keys at the top mean the same as tables, and only tables are read.
    for key in table.keys().filter(|key| key.starts_with("sweep.")) {
        problems.push(layer.problem(key, format!("\"{key}\" must be written below [sweep]")));
    }
    match table.get("sweep")? {
        Value::Table(sweep) => Some(sweep.clone()),
        other => {
            problems.push(
                layer
                    .problem("sweep", format!("sweep = {} is not a section", shown(other)))
                    .with_help("write [sweep.grid] and its axes below it"),
            );
            None
        }
    }
}

/// The experiment is named after its file, whatever a file it extends is called.
fn name_after_file(layer: &mut Layer, path: &Path, problems: &mut Vec<Problem>) {
    let unnamed =
        keys::index("name").is_some_and(|name| layer.entry(name).is_none() && !layer.refused.contains(&name));
    if let (true, Some(stem)) = (unnamed, path.file_stem()) {
        let stem = Value::String(stem.to_string_lossy().into_owned());
        layer.add("name", &stem, problems);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Request;
    use crate::config::testing::{Folder, refusal};

    #[test]
    fn extended_files_lie_below_the_file_that_names_them_left_to_right() {
        let folder =
            Folder::with("a/x.toml", "extends = [\"../one.toml\", \"two.json\"]\nmodel.dropout = 0.3\n");
        folder
            .write("one.toml", "extends = [\"zero.toml\"]\n[training]\nbatch_size = 10\nwarmup_steps = 10\n");
        folder.write("zero.toml", "name = \"zero\"\n[training]\nwarmup_steps = 20\nlog_every = 20\n");
        folder.write("a/two.json", "{\"training\": {\"batch_size\": 30}, \"model\": {\"dropout\": 0.1}}");
        let experiment = folder.load("a/x.toml").unwrap();
        let config = experiment.base();
        assert_eq!(config.model.dropout, 0.3);
        assert_eq!((config.training.batch_size, config.training.warmup_steps), (30, 10));
        assert_eq!(config.training.log_every, 20);
        // Two experiments that extend one file must not share its folder.
        assert_eq!(config.name, "x");
        let names: Vec<String> =
            experiment.sources().iter().map(|source| folder.relative(&source.name)).collect();
        assert_eq!(names, ["default.toml", "a/../zero.toml", "a/../one.toml", "a/two.json", "a/x.toml"]);
    }

    #[test]
    fn a_circle_of_files_is_an_error_that_shows_it() {
        let folder = Folder::with("x.toml", "\nextends = [\"y.toml\"]\n");
        folder.write("y.toml", "extends = \"x.toml\"\n");
        assert_eq!(
            folder.refusal(&folder.request("x.toml")),
            "error: extends makes a circle: x.toml -> y.toml -> x.toml\n  set in y.toml:1 (extends)"
        );
    }

    #[test]
    fn files_that_double_at_every_step_are_refused() {
        let folder = Folder::with("x.toml", "extends = [\"1.toml\", \"1.toml\"]\n");
        for step in 1..30 {
            let next = step + 1;
            folder.write(&format!("{step}.toml"), &format!("extends = [\"{next}.toml\", \"{next}.toml\"]\n"));
        }
        folder.write("30.toml", "");
        let text = folder.refusal(&folder.request("x.toml"));
        assert!(text.starts_with("error: more than 64 files to read"), "{text}");
    }

    #[test]
    fn a_missing_file_is_named_with_the_line_that_asks_for_it() {
        let folder = Folder::with("x.toml", "description = \"x\"\nextends = [\"none.toml\"]\n");
        assert_eq!(
            folder.refusal(&folder.request("x.toml")),
            "error: none.toml does not exist\n  set in x.toml:2"
        );
        let missing = folder.path().join("none.toml");
        let request = Request { files: vec![missing], ..folder.request("absent.toml") };
        assert_eq!(
            folder.refusal(&request),
            "error: absent.toml does not exist\n\nerror: none.toml does not exist\n\n\
             2 problems; nothing was started"
        );
        assert_eq!(
            refusal("extends = 3\n"),
            "error: extends = 3 is not a list of files\n  set in x.toml:1\n  \
             help: write extends = [\"base.toml\"]"
        );
    }

    #[test]
    fn a_sweep_belongs_in_the_experiment_file() {
        let folder = Folder::with("x.toml", "extends = [\"y.toml\"]\n");
        folder.write("y.toml", "[sweep]\nseeds = [0, 1]\n");
        assert_eq!(
            folder.refusal(&folder.request("x.toml")),
            "error: [sweep] may be written in the experiment file alone\n  set in y.toml:1 (extends)\n  \
             help: move it there, or keep the shared settings in a file without it"
        );
        assert_eq!(
            refusal("\"sweep.seeds\" = [0, 1]\n"),
            "error: \"sweep.seeds\" must be written below [sweep]\n  set in x.toml:1"
        );
        assert_eq!(
            refusal("sweep = 3\n"),
            "error: sweep = 3 is not a section\n  set in x.toml:1\n  \
             help: write [sweep.grid] and its axes below it"
        );
    }

    #[test]
    fn the_sweep_keeps_its_written_order_in_toml_and_json() {
        let order = |folder: &Folder, name: &str| {
            let experiment = folder.load(name).unwrap();
            let grid = experiment.sweep().unwrap()["grid"].as_table().unwrap().clone();
            grid.keys().cloned().collect::<Vec<_>>()
        };
        let toml =
            "[sweep.grid]\n\"training.eps\" = [1e-8]\n\"model.dropout\" = [0.1]\n\"data.limit\" = [1]\n";
        let folder = Folder::with("x.toml", toml);
        folder.write(
            "y.json",
            "{\"sweep\": {\"grid\": {\"training.eps\": [1e-8], \"model.dropout\": [0.1], \"data.limit\": [1]}}}",
        );
        assert_eq!(order(&folder, "x.toml"), ["training.eps", "model.dropout", "data.limit"]);
        assert_eq!(order(&folder, "y.json"), ["training.eps", "model.dropout", "data.limit"]);
        let location = folder.load("x.toml").unwrap().location("sweep.grid.model.dropout").unwrap();
        assert_eq!(location.line, Some(3));
    }

    #[test]
    fn a_file_whose_stem_is_no_folder_name_needs_a_name() {
        let folder = Folder::with("my sweep.toml", "");
        assert_eq!(
            folder.refusal(&folder.request("my sweep.toml")),
            "error: name = \"my sweep\" contains ' '\n  set in my sweep.toml\n  \
             help: it names a folder: use letters, digits, \".\", \"_\" and \"-\"; it may not start with a dot"
        );
        folder.write("my sweep.toml", "name = \"mine\"\n");
        assert_eq!(folder.load("my sweep.toml").unwrap().name(), "mine");
    }
}
