//! A run's event file, so that `tensorboard --logdir runs` shows its curves, samples and settings.
//!
//! In: the run's CSVs and sample grids, which are the truth. Out: one file in `tensorboard/` that says the same to
//! TensorBoard. Each attempt writes it anew from what the resume kept, which leaves no point twice, and then follows
//! the logs as they grow. An event's time is that of the first attempt plus the seconds of training in `timing.csv`:
//! it rises with the step whatever interrupted the run.
//!
//! Nothing here can end a run: what cannot be written is told once in the log, and then no more events are.

mod event;
mod file;
mod hparams;
mod proto;
#[cfg(test)]
mod reader;
mod record;
mod source;
mod tail;

use super::fs::Fs;
use super::{RunDir, RunDirError};
use crate::config::Config;
use file::EventFile;
use source::{Item, Source};

/// The event file of a run under way, or none where it is not wanted or could not be written.
#[derive(Debug)]
pub struct EventLog<'a>(Option<Followed<'a>>);

/// Where a run stands in its training.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Steps that were made.
    pub step: u64,
    /// Steps of the whole run.
    pub total: u64,
}

#[derive(Debug)]
struct Followed<'a> {
    source: Source<'a>,
    file: EventFile<'a>,
    total: u64,
    ended: bool,
}

impl<'a> EventLog<'a> {
    /// Writes the file anew from the rows and grids up to `place`; the logs must have been taken back to it. What an
    /// earlier attempt wrote goes.
    pub fn open(fs: &'a dyn Fs, run: &RunDir, config: &Config, attempt: u32, place: Place) -> EventLog<'a> {
        if !config.runtime.tensorboard {
            return EventLog(None);
        }
        EventLog(told(Followed::open(fs, run, config, attempt, place)))
    }

    /// Writes what the logs have gained, and the grid of this step if there is one.
    pub fn follow(&mut self, step: u64) {
        if let Some(followed) = &mut self.0
            && told(followed.follow(step)).is_none()
        {
            self.0 = None;
        }
    }
}

/// The value, or a line in the log.
fn told<T>(done: Result<T, RunDirError>) -> Option<T> {
    done.inspect_err(|error| {
        tracing::warn!(%error, "no TensorBoard events from here on in this attempt; the run itself goes on");
    })
    .ok()
}

impl<'a> Followed<'a> {
    fn open(
        fs: &'a dyn Fs,
        run: &RunDir,
        config: &Config,
        attempt: u32,
        place: Place,
    ) -> Result<Followed<'a>, RunDirError> {
        let source = Source::open(fs, run, place.step)?;
        let file = EventFile::create(fs, run.tensorboard_path(), attempt)?;
        let begun = source.begun();
        let group = run.variant().unwrap_or(&config.name).to_owned();
        let mut followed = Followed { source, file, total: place.total, ended: false };
        let filled = [event::version(begun), event::start(begun)]
            .into_iter()
            .chain([hparams::start(begun, config, &group)])
            .try_for_each(|message| followed.file.push(&message))
            .and_then(|()| followed.catch_up(place.step))
            .and_then(|()| followed.file.publish());
        match filled {
            Ok(()) => Ok(followed),
            Err(error) => {
                followed.file.discard();
                Err(error)
            }
        }
    }

    fn follow(&mut self, step: u64) -> Result<(), RunDirError> {
        self.source.grid_of(step);
        self.catch_up(step)
    }

    fn catch_up(&mut self, step: u64) -> Result<(), RunDirError> {
        while let Some((time, item)) = self.source.next()? {
            match item {
                Item::Scalars { values, .. } if values.is_empty() => {}
                Item::Scalars { step, values } => {
                    self.file.push(&event::scalars(time, step, &values))?;
                }
                Item::Grid { step, picture } => {
                    self.file.push(&event::image(time, step, source::GRID, &picture))?;
                }
            }
        }
        if step >= self.total && !self.ended {
            self.ended = true;
            self.file.push(&hparams::end(self.source.now()))?;
        }
        self.file.flush()
    }
}

#[cfg(test)]
mod tests;
