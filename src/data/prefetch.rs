//! Batches made ahead of time, off the training thread.
//!
//! In: a split, a plan, the step to begin with. Out: the batches of that step and of every later one, in
//! order. A thread keeps a few of them ready and is stopped and awaited on drop. What it makes is a
//! function of the step, so a thread more or less changes nothing but the time waited.

use std::any::Any;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::batch::{Batch, BatchPlan, Batcher};
use super::error::Error;
use super::split::Split;

/// Batches kept ready, besides the one in the making.
const AHEAD: usize = 3;

/// Hands out the batches of consecutive steps.
#[derive(Debug)]
pub struct Prefetch {
    /// `None` only while dropping.
    batches: Option<Receiver<Result<Batch, Error>>>,
    /// `None` once the thread has been awaited.
    thread: Option<JoinHandle<()>>,
    waited: Duration,
    /// What ended it.
    failure: Option<String>,
}

impl Prefetch {
    /// Starts making the batches of `first_step`, `first_step` + 1, …
    ///
    /// # Errors
    /// If the plan is one of nothing (see [`Batcher::new`]) or no thread can be started.
    pub fn start(train: Split, plan: BatchPlan, first_step: u64) -> Result<Self, Error> {
        let mut batcher = Batcher::new(train, plan)?;
        Self::spawn(first_step, move |step| batcher.batch(step))
    }

    fn spawn(
        first_step: u64,
        mut make: impl FnMut(u64) -> Result<Batch, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (sender, receiver) = sync_channel(AHEAD);
        let work = move || {
            for step in first_step.. {
                let made = make(step);
                let last = made.is_err();
                // A closed channel is the order to stop.
                if sender.send(made).is_err() || last {
                    break;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("batches".to_owned())
            .spawn(work)
            .map_err(|source| Error::Thread { source })?;
        Ok(Self { batches: Some(receiver), thread: Some(thread), waited: Duration::ZERO, failure: None })
    }

    /// The batch of the next step; waits until it is made.
    ///
    /// # Errors
    /// If an image could not be read or the thread panicked; then on every later call as well.
    pub fn next_batch(&mut self) -> Result<Batch, Error> {
        let start = Instant::now();
        let received = self.batches.as_ref().and_then(|batches| batches.recv().ok());
        self.waited += start.elapsed();
        match received {
            Some(Ok(batch)) => Ok(batch),
            Some(Err(error)) => {
                self.failure = Some(error.to_string());
                Err(error)
            }
            None => Err(self.ended()),
        }
    }

    /// Why nothing comes any more.
    fn ended(&mut self) -> Error {
        if let Some(message) = self.failure.clone() {
            return Error::Stopped { message };
        }
        let message = match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => panic_message(panic.as_ref()),
            _ => "no message".to_owned(),
        };
        self.failure = Some(format!("the thread panicked: {message}"));
        Error::Panicked { message }
    }

    /// How long [`Prefetch::next_batch`] has waited in all so far.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // Closing the channel first wakes a thread that waits for room in it.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been reported on stderr by the thread itself; there is nobody left to return it to.
            let _ = thread.join();
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::data::batch::tests::{PLAN, shapes};

    fn empty(step: u64) -> Result<Batch, Error> {
        Ok(Batch { step, images: vec![], noise: vec![], timesteps: vec![], ids: vec![] })
    }

    #[test]
    fn batches_come_in_order_from_the_first_step_and_equal_the_ones_made_directly() {
        let mut batcher = Batcher::new(shapes(50), PLAN).unwrap();
        let mut prefetch = Prefetch::start(shapes(50), PLAN, 7).unwrap();
        for step in 7..30 {
            assert!(prefetch.next_batch().unwrap() == batcher.batch(step).unwrap());
        }
    }

    #[test]
    fn dropping_stops_the_thread_whatever_it_is_doing() {
        for taken in 0..5 {
            let alive = Arc::new(());
            let token = Arc::clone(&alive);
            let mut prefetch = Prefetch::spawn(0, move |step| {
                let _token = &token;
                empty(step)
            })
            .unwrap();
            for _ in 0..taken {
                prefetch.next_batch().unwrap();
            }
            drop(prefetch);
            assert_eq!(Arc::strong_count(&alive), 1, "the thread is still there");
        }
    }

    #[test]
    fn no_more_than_a_few_batches_are_made_ahead() {
        let made = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&made);
        let mut prefetch = Prefetch::spawn(0, move |step| {
            counter.fetch_add(1, Ordering::Relaxed);
            empty(step)
        })
        .unwrap();
        prefetch.next_batch().unwrap();
        thread::sleep(Duration::from_millis(50));
        assert!(made.load(Ordering::Relaxed) <= AHEAD as u64 + 2);
    }

    #[test]
    fn a_panic_of_the_thread_is_an_error_on_every_later_call() {
        let mut prefetch = Prefetch::spawn(0, |step| {
            assert!(step < 2, "no batch {step} today");
            empty(step)
        })
        .unwrap();
        assert_eq!([0, 1].map(|_| prefetch.next_batch().unwrap().step), [0, 1]);
        let errors = [(); 2].map(|()| prefetch.next_batch().unwrap_err().to_string());
        assert_eq!(errors[0], "the thread that prepares batches panicked: no batch 2 today");
        assert_eq!(errors[1], "no more batches are prepared: the thread panicked: no batch 2 today");
    }

    #[test]
    fn an_image_that_cannot_be_read_is_an_error_in_its_turn_and_on_every_later_call() {
        let mut prefetch = Prefetch::spawn(0, |step| {
            if step < 1 { empty(step) } else { Err(Error::Changed { image: "cat.png".to_owned() }) }
        })
        .unwrap();
        assert_eq!(prefetch.next_batch().unwrap().step, 0);
        let errors = [(); 2].map(|()| prefetch.next_batch().unwrap_err().to_string());
        let text = "cat.png changed while it was in use; restore it, or start the run anew";
        assert_eq!(errors, [text.to_owned(), format!("no more batches are prepared: {text}")]);
    }

    #[test]
    fn waiting_is_counted() {
        let mut prefetch = Prefetch::spawn(0, |step| {
            thread::sleep(Duration::from_millis(20));
            empty(step)
        })
        .unwrap();
        prefetch.next_batch().unwrap();
        assert!(prefetch.waited() >= Duration::from_millis(15), "{:?}", prefetch.waited());
    }
}
