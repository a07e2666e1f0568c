//! Decides which layer's value a key gets.
//!
//! In: layers, lowest first. Out: [`Slots`], one per key, each with the value and its [`Origin`]. The
//! layers below a sweep point are merged once, by figment; a point is laid over that result.

use std::borrow::Cow;

use figment::value::{Dict, Map, Tag};
use figment::{Figment, Metadata, Profile, Provider};
use toml::Value;

use super::keys::{self, KEYS};
use super::layer::Layer;

/// Which layer a value comes from, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Worked out from other keys.
    Derived,
    /// A layer below the sweep point, by its place.
    Below(usize),
    /// The sweep point.
    Point,
    /// `--pin`.
    Pin,
    /// `-s`.
    Set,
}

/// A key's value and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot<'a> {
    pub value: Cow<'a, Value>,
    pub origin: Origin,
}

/// One slot per key of [`KEYS`]; empty where no layer sets the key.
pub(crate) type Slots<'a> = Vec<Option<Slot<'a>>>;

/// A slot that borrows from a stored one.
pub(crate) fn borrow(stored: &(Value, Origin)) -> Slot<'_> {
    Slot { value: Cow::Borrowed(&stored.0), origin: stored.1 }
}

/// Merges the layers below a sweep point.
pub(crate) fn merge(layers: &[Layer]) -> Slots<'_> {
    let mut figment = Figment::new();
    for (rank, layer) in layers.iter().enumerate() {
        figment = figment.merge(Ranked { rank, layer, hidden: hidden(layers, rank) });
    }
    let merged = figment.data().unwrap_or_default().remove(&Profile::Default).unwrap_or_default();
    let merged = figment::value::Value::Dict(Tag::Default, merged);
    let winner = |path: &str| -> Option<usize> {
        match figment.get_metadata(merged.find_ref(path)?.tag())?.source.as_ref()? {
            figment::Source::Custom(rank) => rank.parse().ok(),
            _ => None,
        }
    };
    let slot = |(index, key): (usize, &keys::Key)| {
        let rank = winner(key.path)?;
        let value = Cow::Borrowed(&layers[rank].entry(index)?.value);
        Some(Slot { value, origin: Origin::Below(rank) })
    };
    KEYS.iter().enumerate().map(slot).collect()
}

/// What [`merge`] makes of one layer: nothing is above it, so that its values are the winners.
pub(crate) fn alone(layer: &Layer) -> Slots<'_> {
    let slot = |index: usize| {
        let value = Cow::Borrowed(&layer.entry(index)?.value);
        Some(Slot { value, origin: Origin::Below(0) })
    };
    (0..KEYS.len()).map(slot).collect()
}

/// The keys of a layer that a higher layer removes by setting their rival.
fn hidden(layers: &[Layer], rank: usize) -> Vec<usize> {
    let above = || layers[rank + 1..].iter().flat_map(|layer| &layer.entries);
    above().filter_map(|entry| keys::index(keys::rival(KEYS[entry.key].path)?)).collect()
}

/// Lays one value over the slots; a rival from below gives way.
pub(crate) fn lay<'a>(slots: &mut Slots<'a>, key: usize, value: &'a Value, origin: Origin) {
    if let Some(rival) = keys::rival(KEYS[key].path).and_then(keys::index)
        && slots[rival].as_ref().is_some_and(|slot| slot.origin < origin)
    {
        slots[rival] = None;
    }
    slots[key] = Some(Slot { value: Cow::Borrowed(value), origin });
}

/// A layer as figment reads it; its rank comes back as the source of every value.
struct Ranked<'a> {
    rank: usize,
    layer: &'a Layer,
    hidden: Vec<usize>,
}

impl Provider for Ranked<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::from(self.layer.title.clone(), self.rank.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = Dict::new();
        for entry in self.layer.entries.iter().filter(|entry| !self.hidden.contains(&entry.key)) {
            let value = figment::value::Value::serialize(&entry.value)?;
            match KEYS[entry.key].path.split_once('.') {
                None => dict.insert(KEYS[entry.key].path.to_owned(), value),
                Some((section, key)) => {
                    let section = dict.entry(section.to_owned()).or_insert_with(|| Dict::new().into());
                    match section {
                        figment::value::Value::Dict(_, inner) => inner.insert(key.to_owned(), value),
                        _ => None,
                    }
                }
            };
        }
        Ok(Profile::Default.collect(dict))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::Folder;
    use crate::config::{Experiment, Request};

    #[test]
    fn the_environment_lies_above_files_and_below_settings() {
        let folder = Folder::with("x.toml", "runtime.jobs = 1\nruntime.threads = 1\n");
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Request {
            set: vec!["runtime.jobs=3".into()],
            environment: vec![
                variable("ABLATE_RUNTIME__JOBS", "2"),
                variable("ABLATE_RUNTIME__THREADS", "2"),
                variable("ABLATE_LIBTORCH", "/somewhere"),
            ],
            ..folder.request("x.toml")
        };
        let experiment = Experiment::load(&request).unwrap();
        let runtime = &experiment.base().runtime;
        assert_eq!((runtime.jobs, runtime.threads), (3, 2));
        let environment = experiment.sources().iter().find(|source| source.name == "environment").unwrap();
        assert_eq!(environment.text, "ABLATE_RUNTIME__JOBS=2\nABLATE_RUNTIME__THREADS=2\n");
    }

    #[test]
    fn a_key_cannot_be_set_and_pinned() {
        let folder = Folder::with("x.toml", "");
        let request = Request {
            set: vec!["model.dropout=0.1".into()],
            pin: vec!["model.dropout=0.2".into()],
            ..folder.request("x.toml")
        };
        assert_eq!(
            folder.refusal(&request),
            "error: model.dropout is set with -s and with --pin\n  set by -s model.dropout=0.1\n  \
             help: keep one of them"
        );
    }

    #[test]
    fn tables_given_on_the_command_line_merge_and_the_last_of_one_key_counts() {
        let folder = Folder::with("x.toml", "");
        let set = ["model={dropout=0.1, norm_eps=1e-6}", "model={dropout=0.2}", "ema.every=3", "ema.every=4"];
        let request = Request { set: set.map(str::to_owned).to_vec(), ..folder.request("x.toml") };
        let config = Experiment::load(&request).unwrap().base().clone();
        assert_eq!((config.model.dropout, config.model.norm_eps, config.ema.every), (0.2, 1e-6, 4));
    }
}
