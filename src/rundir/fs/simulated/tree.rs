//! What a simulated disk holds: nodes as seen and as kept, and the changes between the two.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};

use super::{Asked, Fate, Trouble};

const ROOT: usize = 0;

/// A file or a folder, as seen and as on the platters.
#[derive(Debug, Clone)]
pub(super) enum Node {
    File { seen: Vec<u8>, kept: Vec<u8> },
    Folder { seen: BTreeMap<OsString, usize>, kept: BTreeMap<OsString, usize> },
}

/// What is not durable yet.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
    Link(OsString, usize),
    Unlink(OsString),
    Rename { from: OsString, to: OsString, node: usize },
}

#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) nodes: Vec<Node>,
    pub(super) pending: Vec<(usize, Change)>,
    pub(super) asked: Vec<Asked>,
    pub(super) trouble: Trouble,
}

impl Node {
    pub(super) fn keep(&mut self, change: Change, fate: Fate) {
        if fate == Fate::Dropped {
            return;
        }
        match (self, change) {
            (Node::File { kept, .. }, Change::Write { at, bytes }) => {
                let whole = if fate == Fate::Torn { bytes.len() / 2 } else { bytes.len() };
                kept.resize(kept.len().max(at + bytes.len()), 0);
                kept[at..at + whole].copy_from_slice(&bytes[..whole]);
            }
            (Node::File { kept, .. }, Change::Length(length)) => kept.resize(length, 0),
            (Node::Folder { kept, .. }, change) => apply(kept, change),
            (Node::File { .. }, _) => unreachable!("a file has no entries"),
        }
    }

    pub(super) fn show_what_was_kept(&mut self) {
        match self {
            Node::File { seen, kept } => seen.clone_from(kept),
            Node::Folder { seen, kept } => seen.clone_from(kept),
        }
    }
}

fn apply(entries: &mut BTreeMap<OsString, usize>, change: Change) {
    match change {
        Change::Link(name, node) => drop(entries.insert(name, node)),
        Change::Unlink(name) => drop(entries.remove(&name)),
        Change::Rename { from, to, node } => {
            entries.remove(&from);
            entries.insert(to, node);
        }
        Change::Write { .. } | Change::Length(_) => unreachable!("a folder has no content"),
    }
}

pub(super) fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    pub(super) fn find(&self, path: &Path) -> io::Result<usize> {
        let names = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        names.into_iter().try_fold(ROOT, |node, name| match &self.nodes[node] {
            Node::Folder { seen, .. } => seen.get(name).copied().ok_or_else(not_found),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        })
    }

    pub(super) fn parent<'p>(&self, path: &'p Path) -> io::Result<(usize, &'p OsStr)> {
        let name = path.file_name().ok_or_else(not_found)?;
        Ok((self.find(path.parent().unwrap_or(Path::new("")))?, name))
    }

    pub(super) fn entries(&self, node: usize) -> io::Result<&BTreeMap<OsString, usize>> {
        match &self.nodes[node] {
            Node::Folder { seen, .. } => Ok(seen),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Changes a folder as seen; the platters wait for its sync.
    pub(super) fn enter(&mut self, folder: usize, change: Change) {
        if let Node::Folder { seen, .. } = &mut self.nodes[folder] {
            apply(seen, change.clone());
        }
        self.pending.push((folder, change));
    }

    pub(super) fn create(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let (folder, name) = self.parent(path)?;
        if self.entries(folder)?.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.nodes.push(node);
        let node = self.nodes.len() - 1;
        self.enter(folder, Change::Link(name.to_owned(), node));
        Ok(node)
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        self.entries(folder)?.get(name).ok_or_else(not_found)?;
        self.enter(folder, Change::Unlink(name.to_owned()));
        Ok(())
    }

    pub(super) fn sync(&mut self, node: usize) {
        let pending = std::mem::take(&mut self.pending);
        for (of, change) in pending {
            if of == node {
                self.nodes[of].keep(change, Fate::Kept);
            } else {
                self.pending.push((of, change));
            }
        }
    }
}
