//! An open file of a simulated disk.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::tree::{Change, Node, State};
use super::{FsFile, Simulated};

/// An open file: it stays the same node when its name changes.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) disk: Simulated,
    pub(super) path: PathBuf,
    pub(super) node: usize,
    pub(super) at: usize,
}

impl Opened {
    fn content<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        match &self.disk.state().nodes[self.node] {
            Node::File { seen, .. } => look(seen),
            Node::Folder { .. } => unreachable!("only files are opened"),
        }
    }

    fn change(&self, state: &mut State, change: Change) {
        let node = &mut state.nodes[self.node];
        let Node::File { seen, .. } = node else { unreachable!("only files are opened") };
        match &change {
            Change::Write { at, bytes } => {
                seen.resize(seen.len().max(at + bytes.len()), 0);
                seen[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Change::Length(length) => seen.resize(*length, 0),
            _ => unreachable!("a file has no entries"),
        }
        state.pending.push((self.node, change));
    }
}

impl Read for Opened {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let at = self.at;
        let read = self.content(|bytes| (&bytes[at.min(bytes.len())..]).read(into))?;
        self.at += read;
        Ok(read)
    }
}

impl Write for Opened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let at = self.content(<[u8]>::len);
        let write = |state: &mut State, bytes: &[u8]| {
            self.change(state, Change::Write { at, bytes: bytes.to_vec() });
        };
        match self.disk.change("write", &self.path) {
            Ok(Some(mut state)) => write(&mut state, bytes),
            Ok(None) => {}
            // A disk that is full takes what fits.
            Err(error) => {
                if error.raw_os_error().is_some() {
                    write(&mut self.disk.state(), &bytes[..bytes.len() / 2]);
                }
                return Err(error);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Opened {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Start(at) => self.at = at as usize,
            SeekFrom::Current(_) | SeekFrom::End(_) => unreachable!("we seek from the start"),
        }
        Ok(self.at as u64)
    }
}

impl FsFile for Opened {
    fn sync(&self) -> io::Result<()> {
        if let Some(mut state) = self.disk.change("sync", &self.path)? {
            state.sync(self.node);
        }
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        if let Some(mut state) = self.disk.change("set length", &self.path)? {
            self.change(&mut state, Change::Length(bytes as usize));
        }
        Ok(())
    }
}
