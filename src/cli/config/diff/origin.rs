//! Where a run's values were set, from what its experiment's folder has kept of the request.
//!
//! In: `plan.json` and `request/`. Out: for a key and its value the layer that set it. A later command may have replaced
//! the request, so a layer counts only where it has the very value that the run has.

use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use crate::config::Kind;
use crate::config::keys::{FILE_KEYS, Key};
use crate::rundir::plan_file::PlanFile;
use crate::rundir::{Disk, RunDir, files};

const INDEX: &str = "request.json";
const SIZE_LIMIT: u64 = 16 << 20;

/// The layers of the last request, and what the plan says of a variant.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Name and content, lowest first.
    layers: Vec<(String, Table)>,
    /// Swept keys with their values.
    swept: Vec<(String, serde_json::Value)>,
}

#[derive(Deserialize)]
struct Index {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    file: String,
    source: String,
}

impl Request {
    /// Reads what there is; what cannot be read tells nothing.
    pub(super) fn of(run: &RunDir) -> Request {
        let Some(experiment) = run.path().canonicalize().ok().and_then(|path| RunDir::at(path).experiment())
        else {
            return Request::default();
        };
        let folder = experiment.request_path();
        let index = text(&folder.join(INDEX)).and_then(|text| serde_json::from_str::<Index>(&text).ok());
        let layers = index.into_iter().flat_map(|index| index.layers);
        // A name with a path in it leads out of the folder.
        let own = |layer: &Layer| Path::new(&layer.file).file_name().is_some_and(|name| *name == *layer.file);
        let read = |layer: Layer| {
            let table = table(&text(&folder.join(&layer.file))?, &layer.file)?;
            Some((layer.source, table))
        };
        let plan = PlanFile::read(&experiment).ok().flatten();
        let canonical = run.path().canonicalize().ok();
        let variant = canonical.as_deref().and_then(|path| path.parent()?.file_name()?.to_str());
        let recorded = plan.into_iter().flat_map(|plan| plan.variants);
        let recorded = recorded.into_iter().find(|recorded| Some(recorded.name.as_str()) == variant);
        Request {
            layers: layers.filter(own).filter_map(read).collect(),
            swept: recorded.map(|recorded| recorded.overrides.0).unwrap_or_default(),
        }
    }

    /// Where a value was set.
    pub(super) fn origin(&self, key: &Key, value: &Value) -> Option<String> {
        let swept = self.swept.iter().find(|(name, _)| name == key.path);
        if let Some((_, swept)) = swept
            && Value::try_from(swept).is_ok_and(|swept| same(key, &swept, value))
        {
            return Some("sweep".to_owned());
        }
        let set = |(name, table): &(String, Table)| Some((name.clone(), find(table, key.path)?.clone()));
        let (name, found) = self.layers.iter().rev().find_map(set)?;
        same(key, &found, value).then_some(name)
    }
}

fn text(path: &Path) -> Option<String> {
    files::read_text(&Disk, path, SIZE_LIMIT).ok().flatten()
}

/// A layer: TOML, JSON, or settings a line each. Without its sweep, which sets nothing by itself.
fn table(text: &str, file: &str) -> Option<Table> {
    let mut table: Table = match Path::new(file).extension()?.to_str()? {
        "toml" => text.parse().ok()?,
        "json" => serde_json::from_str(text).ok()?,
        _ => text.lines().filter_map(setting).collect(),
    };
    FILE_KEYS.iter().for_each(|key| drop(table.remove(*key)));
    Some(table)
}

/// `key=value`, as on the command line: what is no TOML is a word.
fn setting(line: &str) -> Option<(String, Value)> {
    let (key, value) = line.split_once('=')?;
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    Some((key.trim().to_owned(), parsed.unwrap_or_else(|| Value::String(value.trim().to_owned()))))
}

/// A dotted key, nested or quoted.
fn find<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    if let Some(value) = table.get(path) {
        return Some(value);
    }
    let (section, leaf) = path.split_once('.')?;
    table.get(section)?.as_table()?.get(leaf)
}

/// Whether two spellings mean one value. A run's paths are absolute; a layer's are as they were written.
fn same(key: &Key, written: &Value, resolved: &Value) -> bool {
    match (written, resolved) {
        (Value::Array(written), Value::Array(resolved)) => {
            written.len() == resolved.len()
                && written.iter().zip(resolved).all(|(written, resolved)| same(key, written, resolved))
        }
        (Value::String(written), Value::String(resolved)) if key.kind == Kind::Path => {
            Path::new(resolved).ends_with(written.trim_start_matches("./"))
        }
        (Value::Integer(_) | Value::Float(_), Value::Integer(_) | Value::Float(_)) => {
            number(written) == number(resolved)
        }
        _ => written == resolved,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|integer| integer as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;
    use crate::rundir::ExperimentDir;

    fn origin(request: &Request, key: &str, value: Value) -> Option<String> {
        request.origin(keys::find(key).unwrap(), &value)
    }

    #[test]
    fn the_highest_layer_that_set_the_value_is_named_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        let request = experiment.request_path();
        std::fs::create_dir_all(&request).unwrap();
        let run = experiment.run("wide-1f3a9c02", 0);
        std::fs::create_dir_all(run.path()).unwrap();
        let write = |name: &str, text: &str| std::fs::write(request.join(name), text).unwrap();
        write(
            "00-default.toml",
            "[training]\nsteps = 10\nlearning_rate = 1e-4\n[runtime]\ndata_dir = \"data\"\n",
        );
        write("01-x.toml", "training.steps = 20\n[sweep.grid]\n\"model.dropout\" = [0.1]\n");
        write("02-more.json", "{\"model\": {\"dropout\": 0}}");
        write("03-s.txt", "ema.decay=0.5\ndiffusion.noise_schedule=cosine\n");
        let layer = |file: &str, source: &str| format!("{{\"file\": \"{file}\", \"source\": \"{source}\"}}");
        let layers = [
            layer("00-default.toml", "default.toml"),
            layer("01-x.toml", "x.toml"),
            layer("02-more.json", "more.json"),
            layer("03-s.txt", "-s"),
            layer("../escape.toml", "elsewhere"),
            layer("gone.toml", "gone"),
        ];
        write(INDEX, &format!("{{\"format\": 1, \"layers\": [{}]}}", layers.join(",")));
        std::fs::write(folder.path().join("escape.toml"), "training.seed = 9\n").unwrap();
        let plan = "{\"format\": 1, \"variants\": [{\"name\": \"wide-1f3a9c02\", \"id\": \"1f3a9c02\", \
                    \"overrides\": {\"model.dropout\": 0.1}}]}";
        std::fs::write(experiment.plan_path(), plan).unwrap();
        let found = Request::of(&run);
        assert_eq!(origin(&found, "training.steps", Value::Integer(20)).as_deref(), Some("x.toml"));
        assert_eq!(origin(&found, "training.steps", Value::Integer(30)), None, "set by an earlier request");
        assert_eq!(
            origin(&found, "training.learning_rate", Value::Float(1e-4)).as_deref(),
            Some("default.toml")
        );
        assert_eq!(origin(&found, "model.dropout", Value::Float(0.1)).as_deref(), Some("sweep"));
        assert_eq!(origin(&found, "model.dropout", Value::Float(0.0)).as_deref(), Some("more.json"));
        assert_eq!(origin(&found, "ema.decay", Value::Float(0.5)).as_deref(), Some("-s"));
        let word = Value::String("cosine".into());
        assert_eq!(origin(&found, "diffusion.noise_schedule", word).as_deref(), Some("-s"));
        let path = Value::String("/somewhere/data".into());
        assert_eq!(origin(&found, "runtime.data_dir", path).as_deref(), Some("default.toml"));
        assert_eq!(origin(&found, "training.seed", Value::Integer(9)), None, "no file outside is read");
        assert_eq!(origin(&Request::of(&RunDir::at("nowhere")), "ema.decay", Value::Float(0.5)), None);
    }
}
