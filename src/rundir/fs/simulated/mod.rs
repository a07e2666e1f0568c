//! A disk that forgets what was never synced, for tests.
//!
//! In: what [`Fs`] is asked. Out: what a program sees while the power is on, and, after [`Simulated::cut`], one of
//! the states that a real file system may come up with. POSIX promises no more than this: the content of a file
//! survives after its fsync, an entry of a folder after the folder's; whatever is pending is there, or not, or in
//! part, in any combination. A rename is there or not, never half.

mod file;
mod tree;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Entry, Fs, FsFile, Kind};
use file::Opened;
use tree::{Change, Node, State, not_found};

/// What was asked, as far as it changes something: the kind and the path with its numbers taken out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::rundir) struct Asked {
    pub(in crate::rundir) kind: &'static str,
    pub(in crate::rundir) path: String,
}

/// What goes wrong, and when.
#[derive(Debug, Clone, Default)]
pub(in crate::rundir) struct Trouble {
    /// The power goes before this operation, counted from 0.
    pub(in crate::rundir) cut_before: Option<usize>,
    /// This operation fails with this error number; a sync that fails drops what it should have kept.
    pub(in crate::rundir) fail: Option<(usize, i32)>,
    /// Such operations answer that all is well and do nothing.
    pub(in crate::rundir) ignored: Option<Asked>,
}

/// What becomes of one pending operation when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rundir) enum Fate {
    Kept,
    Dropped,
    /// Of a write: its length is there, its bytes up to half.
    Torn,
}

/// The disk; clones are the same disk.
#[derive(Debug, Clone)]
pub(in crate::rundir) struct Simulated(Arc<Mutex<State>>);

impl Simulated {
    pub(in crate::rundir) fn new(trouble: Trouble) -> Simulated {
        let root = Node::Folder { seen: BTreeMap::new(), kept: BTreeMap::new() };
        Simulated::of(State { nodes: vec![root], pending: vec![], asked: vec![], trouble })
    }

    fn of(state: State) -> Simulated {
        Simulated(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }

    /// Everything that was asked, in order.
    pub(in crate::rundir) fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// The disk after a power cut, in which trouble of another kind may wait.
    pub(in crate::rundir) fn cut(&self, mut fate: impl FnMut(usize) -> Fate, trouble: Trouble) -> Simulated {
        let mut state = self.state().clone();
        for (number, (node, change)) in std::mem::take(&mut state.pending).into_iter().enumerate() {
            state.nodes[node].keep(change, fate(number));
        }
        for node in &mut state.nodes {
            node.show_what_was_kept();
        }
        Simulated::of(State { trouble, asked: vec![], ..state })
    }

    fn opened(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let node = self.state().find(path)?;
        if !matches!(self.state().nodes[node], Node::File { .. }) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Box::new(Opened { disk: self.clone(), path: path.to_owned(), node, at: 0 }))
    }

    fn change(&self, kind: &'static str, path: &Path) -> io::Result<Option<MutexGuard<'_, State>>> {
        let mut state = self.state();
        let number = state.asked.len();
        let asked = Asked { kind, path: without_numbers(path) };
        state.asked.push(asked.clone());
        let Trouble { cut_before, fail, ignored } = state.trouble.clone();
        if cut_before.is_some_and(|cut| number >= cut) {
            return Err(io::Error::other("the power is off"));
        }
        if let Some((_, errno)) = fail.filter(|(at, _)| *at == number) {
            if kind.starts_with("sync")
                && let Ok(node) = state.find(path)
            {
                state.pending.retain(|(of, _)| *of != node);
            }
            return Err(io::Error::from_raw_os_error(errno));
        }
        Ok((ignored.as_ref() != Some(&asked)).then_some(state))
    }
}

/// `checkpoints/step-00000004` and `step-00000006` are the same place.
fn without_numbers(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut words = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if words.ends_with('#') => {}
            '0'..='9' => words.push('#'),
            other => words.push(other),
        }
    }
    words
}

impl Fs for Simulated {
    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.opened(path)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.opened(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let file = Node::File { seen: vec![], kept: vec![] };
        if let Some(mut state) = self.change("create", path)? {
            state.create(path, file)?;
        }
        self.opened(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let folder = Node::Folder { seen: BTreeMap::new(), kept: BTreeMap::new() };
        self.change("create folder", path)?.map_or(Ok(()), |mut state| state.create(path, folder).map(drop))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let Some(mut state) = self.change("rename", to)? else { return Ok(()) };
        let ((folder, from), (into, to)) = (state.parent(from)?, state.parent(to)?);
        assert_eq!(folder, into, "we rename inside one folder, which is atomic everywhere");
        let node = *state.entries(folder)?.get(from).ok_or_else(not_found)?;
        if state.entries(folder)?.contains_key(to) && matches!(state.nodes[node], Node::Folder { .. }) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.enter(folder, Change::Rename { from: from.to_owned(), to: to.to_owned(), node });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change("remove", path)?.map_or(Ok(()), |mut state| state.unlink(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let Some(mut state) = self.change("remove folder", path)? else { return Ok(()) };
        let node = state.find(path)?;
        if !state.entries(node)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.unlink(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let Some(mut state) = self.change("sync folder", path)? else { return Ok(()) };
        let node = state.find(path)?;
        state.sync(node);
        Ok(())
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let state = self.state();
        Ok(match &state.nodes[state.find(path)?] {
            Node::File { seen, .. } => Entry { kind: Kind::File, bytes: seen.len() as u64 },
            Node::Folder { .. } => Entry { kind: Kind::Folder, bytes: 0 },
        })
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let state = self.state();
        Ok(state.entries(state.find(path)?)?.keys().cloned().collect())
    }

    fn free_bytes(&self, _path: &Path) -> Option<u64> {
        None
    }
}
