//! Variant folders that exist already: a run is found by its id, so a folder keeps its name.
//!
//! In: the experiment's folder. Out: for an identity, the name it has there and the id in that name.

use std::collections::HashMap;
use std::fs;

use super::identity::id_of_folder;
use super::record;
use crate::rundir::ExperimentDir;
use crate::rundir::layout::is_safe_name;

/// Digits of an id where eight are taken by another identity.
const MORE_DIGITS: usize = 16;

/// The folders of one experiment.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    /// Name by id; of several with one id, the first by name.
    names: HashMap<String, String>,
    /// Identity by name, as far as an earlier plan recorded it.
    identities: HashMap<String, String>,
}

impl Folders {
    /// Looks at an experiment's folder; one that cannot be read counts as empty here, and whoever writes to
    /// it will say why. Links are not followed.
    pub(crate) fn of(experiment: &ExperimentDir) -> Folders {
        let Ok(entries) = fs::read_dir(experiment.path()) else { return Folders::default() };
        let mut found: Vec<String> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_safe_name(name))
            .collect();
        found.sort_unstable();
        let mut names = HashMap::new();
        for name in found {
            if let Some(id) = id_of_folder(&name).map(str::to_owned) {
                names.entry(id).or_insert(name);
            }
        }
        let identities = if names.is_empty() { HashMap::new() } else { record::identities(experiment) };
        Folders { names, identities }
    }

    /// The folder of an identity: its id and its name.
    pub(crate) fn find(&self, identity: &str, id: &str) -> Option<(&str, &str)> {
        [&identity[..MORE_DIGITS], id].into_iter().find_map(|id| {
            let (id, name) = self.names.get_key_value(id)?;
            self.belongs(name, identity).then_some((id.as_str(), name.as_str()))
        })
    }

    /// An id for a folder yet to be made: `id`, or more digits where another identity's folder has it.
    pub(crate) fn free_id<'a>(&self, identity: &'a str, id: &'a str) -> &'a str {
        match self.names.get(id) {
            Some(name) if !self.belongs(name, identity) => &identity[..MORE_DIGITS],
            _ => id,
        }
    }

    fn belongs(&self, name: &str, identity: &str) -> bool {
        self.identities.get(name).is_none_or(|recorded| recorded == identity)
    }
}
