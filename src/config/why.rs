//! Where a value comes from: what every layer gave a key, and the resolved file with its origins.
//!
//! In: an [`Experiment`] and a key. Out: one [`LayerValue`] a layer, lowest first.

use toml::{Table, Value};

use super::experiment::Experiment;
use super::keys::{self, FILE_KEYS, KEYS, Key};
use super::layer::Layer;
use super::merge::Origin;
use super::origin::origin_words;
use super::problem::{Location, Problems};
use super::run_config::to_toml;

/// What one layer gave a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerValue {
    /// The layer, as the user calls it.
    pub layer: String,
    /// Where it was written, for a file.
    pub location: Option<Location>,
    /// The value, as in TOML.
    pub value: String,
    /// Whether this is the value that counts.
    pub wins: bool,
    /// Why it does not count, where a higher value of the same key is not the reason.
    pub note: Option<String>,
}

impl Experiment {
    /// What each layer gave `key`, lowest first; a swept key's axis stands between files and `--pin`.
    ///
    /// # Errors
    /// The key is unknown, or says where layers are and has no value of its own.
    pub fn why(&self, key: &str) -> Result<Vec<LayerValue>, Problems> {
        let Some(index) = keys::index(key) else {
            let mut problem = Layer::default().unknown(key);
            if FILE_KEYS.contains(&key) {
                problem.message = format!("{key} says which layers there are; it has no value of its own");
                problem.help = Some("ask for a key such as model.dropout".to_owned());
            }
            return Err(problem.into());
        };
        let slots = self.slots();
        let slot = slots[index].as_ref();
        let origin = slot.map(|slot| slot.origin);
        let stack = self.stack();
        let ranked = stack.below.iter().enumerate().map(|(rank, layer)| (Origin::Below(rank), layer));
        let above = [(Origin::Pin, &stack.pins), (Origin::Set, &stack.set)];
        let mut values = Vec::new();
        if let (Some(slot), Some(Origin::Derived)) = (slot, origin) {
            values.push(LayerValue {
                layer: "derived".to_owned(),
                location: None,
                value: slot.value.to_string(),
                wins: true,
                note: None,
            });
        }
        values.extend(ranked.filter_map(|(rank, layer)| self.layer_value(&KEYS[index], rank, origin, layer)));
        values.extend(self.swept(key));
        values.extend(
            above.into_iter().filter_map(|(rank, layer)| self.layer_value(&KEYS[index], rank, origin, layer)),
        );
        Ok(values)
    }

    fn layer_value(
        &self,
        key: &Key,
        rank: Origin,
        winner: Option<Origin>,
        layer: &Layer,
    ) -> Option<LayerValue> {
        let entry = layer.entry(keys::index(key.path)?)?;
        // A winner is missing only where the rival key took its place.
        let note = winner.is_none().then(|| keys::rival(key.path)).flatten();
        Some(LayerValue {
            layer: layer.words(key.path).unwrap_or_else(|| "experiment".to_owned()),
            location: layer.location(key.path),
            value: entry.value.to_string(),
            wins: winner == Some(rank),
            note: note.map(|rival| format!("removed by {rival}")),
        })
    }

    /// What each form of `[sweep]` gives a key, in written order.
    fn swept(&self, key: &str) -> Vec<LayerValue> {
        let nested = |table: &'_ Table| -> Option<Value> {
            let (first, rest) = key.split_once('.')?;
            rest.split('.').try_fold(table.get(first)?, |table, part| table.get(part)).cloned()
        };
        let found = |form: &str, table: &Table, location: String, note: String| {
            let value = table.get(key).cloned().or_else(|| nested(table))?;
            let location = self.location(&format!("{location}.{key}"));
            let layer = format!("sweep.{form}");
            Some(LayerValue { layer, location, value: value.to_string(), wins: false, note: Some(note) })
        };
        let mut values = Vec::new();
        for (form, tables) in self.sweep().into_iter().flatten().filter(|(form, _)| *form != "exclude") {
            let path = format!("sweep.{form}");
            match tables {
                Value::Table(table) => values.extend(found(form, table, path, "one a variant".into())),
                Value::Array(tables) => {
                    for (index, table) in tables.iter().enumerate() {
                        let Value::Table(table) = table else { continue };
                        let note = match table.get("name") {
                            Some(name) => format!("variant {name}"),
                            None => "one a variant".into(),
                        };
                        values.extend(found(form, table, format!("{path}[{index}]"), note));
                    }
                }
                _ => {}
            }
        }
        values
    }

    /// Where the base's value of a key comes from, in few words; `None` where the key is unknown or has no value.
    pub fn origin(&self, key: &str) -> Option<String> {
        let index = keys::index(key)?;
        let slots = self.slots();
        Some(origin_words(self.stack(), KEYS[index].path, slots[index].as_ref()?.origin))
    }

    /// The base configuration as TOML, each line with a comment that says where its value comes from.
    pub fn annotated_toml(&self) -> String {
        let slots = self.slots();
        let text = to_toml(self.base()).expect("its paths were read from UTF-8 files");
        let width =
            text.lines().map(|line| line.chars().count()).filter(|&width| width <= 48).max().unwrap_or(0);
        let mut section = String::new();
        let mut out = String::new();
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = format!("{header}.");
            }
            let path = line.split_once(" = ").map(|(leaf, _)| format!("{section}{leaf}"));
            let origin = path.as_deref().and_then(keys::index).and_then(|index| {
                Some(origin_words(self.stack(), KEYS[index].path, slots[index].as_ref()?.origin))
            });
            match origin {
                // A comment is one line: a path may hold a line break.
                Some(origin) => {
                    out.push_str(&format!("{line:width$}  # {}\n", origin.replace(char::is_control, "?")));
                }
                None => out.push_str(&format!("{line}\n")),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Folder;

    fn table(folder: &Folder, experiment: &Experiment, key: &str) -> Vec<String> {
        let row = |value: LayerValue| {
            let place = value.location.map(|place| folder.relative(&place.to_string())).unwrap_or_default();
            let mark = if value.wins { "*" } else { " " };
            format!("{mark} {} | {place} | {} | {}", value.layer, value.value, value.note.unwrap_or_default())
        };
        experiment.why(key).unwrap().into_iter().map(row).collect()
    }

    #[test]
    fn every_layer_that_sets_a_key_is_listed_and_one_wins() {
        let folder = Folder::with("x.toml", "extends = [\"base.toml\"]\n[model]\ndropout = 0.2\n");
        folder.write("base.toml", "\n\nmodel.dropout = 0.1\n");
        let mut request = folder.request("x.toml");
        request.set.push("model.dropout=0.3".into());
        let experiment = Experiment::load(&request).unwrap();
        let rows = table(&folder, &experiment, "model.dropout");
        assert!(rows[0].starts_with("  built-in defaults | default.toml:"), "{rows:?}");
        assert_eq!(
            rows[1..],
            [
                "  extends | base.toml:3 | 0.1 | ",
                "  experiment | x.toml:3 | 0.2 | ",
                "* -s model.dropout=0.3 |  | 0.3 | ",
            ]
        );
    }

    #[test]
    fn derived_swept_and_removed_values_say_so() {
        let folder =
            Folder::with("x.toml", "training.epochs = 3\n[sweep.grid]\n\"model.dropout\" = [0.0, 0.1]\n");
        let experiment = folder.load("x.toml").unwrap();
        assert_eq!(table(&folder, &experiment, "model.norm_groups"), ["* derived |  | 16 | "]);
        assert_eq!(
            table(&folder, &experiment, "model.dropout").last().unwrap(),
            "  sweep.grid | x.toml:3 | [0.0, 0.1] | one a variant"
        );
        let forms = "[[sweep.zip]]\ndata.limit = [1]\n[[sweep.zip]]\n\"model.dropout\" = [0.2]\n\
                     [[sweep.variant]]\nname = \"a\"\nmodel.dropout = 0.3\n";
        folder.write("forms.toml", forms);
        assert_eq!(
            table(&folder, &folder.load("forms.toml").unwrap(), "model.dropout")[1..],
            [
                "  sweep.zip | forms.toml:4 | [0.2] | one a variant",
                "  sweep.variant | forms.toml:7 | 0.3 | variant \"a\"",
            ]
        );
        assert!(
            table(&folder, &experiment, "training.steps")[0]
                .ends_with("| 10000 | removed by training.epochs")
        );
        assert_eq!(
            experiment.why("model.dropuot").unwrap_err().to_string(),
            "error: unknown key model.dropuot\n  help: did you mean model.dropout?"
        );
    }

    #[test]
    fn the_annotated_file_reads_back_as_the_same_configuration() {
        let folder = Folder::with("x.toml", "preset = \"mnist\"\ndescription = \"a # b\"\n");
        let experiment = folder.load("x.toml").unwrap();
        let text = experiment.annotated_toml();
        assert!(text.contains("# derived"), "{text}");
        folder.write("again/x.toml", &text);
        assert_eq!(folder.load("again/x.toml").unwrap().base(), experiment.base());
    }
}
