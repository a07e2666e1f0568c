//! Asking a worker to stop.
//!
//! In: signals. Out: while it trains, a flag that it looks at after each step. Before that it may be decoding
//! images for minutes, or waiting for another worker that does: there is nothing to lose then, so it ends at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rundir::{RunDir, State, Status};

/// Exit code of a run that goes on when it is started again.
pub(super) const INTERRUPTED: u8 = 75;

/// Whether to stop, and whether that may be at once.
#[derive(Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    /// The run that is being prepared, with its status as it stands.
    preparing: Mutex<Option<(RunDir, Status)>>,
}

impl Stop {
    /// The flag, for whoever may do no more than raise it.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.asked
    }

    /// Whether a stop was asked for.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// To be called from a thread once the flag is up: ends this process if its run is only being prepared.
    pub fn end_preparation(&self) {
        if let Some((run, status)) = self.preparing().as_mut() {
            status.state = State::Interrupted;
            // Where it cannot be written, a running state whose owner is gone means the same.
            let _ = status.write(run);
            // Without the destructors of a library that another thread is in the middle of.
            signal_hook::low_level::exit(i32::from(INTERRUPTED));
        }
    }

    /// Does work that a stop may cut short, and that writes nothing which a kill could harm; `None` where the stop
    /// came before.
    pub(super) fn while_preparing<T>(
        &self,
        run: &RunDir,
        status: &Status,
        work: impl FnOnce() -> T,
    ) -> Option<T> {
        *self.preparing() = Some((run.clone(), status.clone()));
        let _cleared = Cleared(self);
        if self.is_asked() { None } else { Some(work()) }
    }

    fn preparing(&self) -> MutexGuard<'_, Option<(RunDir, Status)>> {
        // It is whole between any two statements.
        self.preparing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a preparation, however it ends.
struct Cleared<'a>(&'a Stop);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        *self.0.preparing() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_that_came_before_leaves_out_the_work() {
        let stop = Stop::default();
        let (run, status) = (RunDir::at("/nowhere"), Status::planned(1));
        assert_eq!(stop.while_preparing(&run, &status, || 7), Some(7));
        stop.end_preparation();
        stop.flag().store(true, Ordering::Relaxed);
        assert_eq!(stop.while_preparing(&run, &status, || 7), None);
        stop.end_preparation();
    }

    #[test]
    fn a_preparation_that_panics_is_over() {
        let stop = Stop::default();
        let (run, status) = (RunDir::at("/nowhere"), Status::planned(1));
        let work = || stop.while_preparing(&run, &status, || panic!("no images"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
        assert!(stop.preparing().is_none());
    }
}
