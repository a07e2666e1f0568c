//! The training loop: batches in; steps, rows, evaluations, samples and checkpoints out, in that order.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use burn::tensor::Tensor;

use super::clock::Clock;
use super::evaluation::Evaluator;
use super::job::{Job, Outcome, Prepared, Progress, total_steps};
use super::recorder::{MetricsRow, Recorder, Timing};
use super::sampling::{Drawing, Grid};
use super::state::State;
use super::step::{Step, scalar, step, to_host};
use super::{Error, parameters};
use crate::data::{BatchPlan, Prefetch};
use crate::diffusion::Schedule;
use crate::rundir::{Best, Disk, EventLog, Journal, Place, Retention, files};

/// How often progress is reported.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// One training under way.
pub(super) struct Trainer<'t, 'j> {
    job: Job<'j>,
    on: &'t Prepared,
    schedule: &'t Schedule,
    evaluator: &'t Evaluator<'t>,
    state: State,
    recorder: Recorder<'j>,
    batches: Prefetch,
    total: u64,
    /// Steps nobody has looked at yet, oldest first.
    pending: Vec<Pending>,
    timing: Timing,
    reported: (Instant, u64),
    /// Mean loss of the last row, for reports that come before the next.
    last_loss: Option<f64>,
    /// Step of the newest checkpoint of this attempt.
    saved: Option<u64>,
}

/// What a step left on the device, with its timesteps.
struct Pending {
    step: u64,
    losses: Vec<Tensor<1>>,
    timesteps: Vec<i64>,
    norm: Tensor<1>,
    skipped: bool,
    squared_norms: Tensor<1>,
}

impl<'t, 'j> Trainer<'t, 'j> {
    /// Goes on from the newest checkpoint that verifies, else starts.
    pub(super) fn open(
        job: Job<'j>,
        on: &'t Prepared,
        schedule: &'t Schedule,
        evaluator: &'t Evaluator<'t>,
    ) -> Result<Self, Error> {
        let config = job.config;
        let retention = Retention { keep: config.checkpoint.keep, pinned: &config.checkpoint.pin };
        let (journal, latest) = Journal::open(&Disk, job.run, job.owner.clone(), job.attempt, retention)?;
        for (path, reason) in &latest.damaged {
            tracing::warn!(path = %path.display(), reason, "checkpoint is damaged; falling back");
        }
        let state = match &latest.checkpoint {
            Some(found) => State::load(config, &on.device, &found.path)?,
            None => State::start(config, &on.device)?,
        };
        let total = total_steps(config, on.data.train.len());
        let events = EventLog::open(&Disk, job.run, config, job.attempt, Place { step: state.step, total });
        tracing::info!(step = state.step, attempt = job.attempt, "training starts");
        Ok(Self {
            recorder: Recorder::new(journal, events),
            batches: Prefetch::start(on.data.train.clone(), BatchPlan::of(config), state.step)?,
            total,
            pending: vec![],
            timing: Timing::default(),
            reported: (Instant::now(), state.step),
            last_loss: None,
            saved: None,
            state,
            schedule,
            evaluator,
            on,
            job,
        })
    }

    /// Trains until done or stopped.
    pub(super) fn run(mut self) -> Result<Outcome, Error> {
        while self.state.step < self.total {
            let started = Instant::now();
            let batch = self.batches.next_batch()?;
            self.timing.data_wait += started.elapsed();
            let made = step(
                &mut self.state,
                &batch,
                self.job.config,
                self.schedule,
                self.total,
                &self.on.device,
                &mut Clock::stopped(),
            )?;
            self.timing.images += batch.timesteps.len() as u64;
            self.pending.push(Pending {
                step: self.state.step,
                losses: made.losses.clone(),
                timesteps: batch.timesteps,
                norm: made.norm.clone(),
                squared_norms: made.squared_norms.clone(),
                skipped: made.skipped,
            });
            if self.due(self.job.config.training.log_every) || self.report_due() {
                self.drain()?;
            }
            self.timing.training += started.elapsed();
            self.after_step(&made)?;
            if self.job.stop.load(Ordering::Relaxed) && self.state.step < self.total {
                self.check_finite()?;
                if self.saved != Some(self.state.step) {
                    self.save()?;
                }
                return Ok(Outcome::Stopped { step: self.state.step });
            }
        }
        Ok(Outcome::Done)
    }

    /// What is due after a step: a row, an evaluation, samples, a checkpoint.
    fn after_step(&mut self, made: &Step) -> Result<(), Error> {
        let config = self.job.config;
        let last = self.state.step == self.total;
        let logs = last || self.due(config.training.log_every);
        if logs {
            self.drain()?;
            self.log(made)?;
        }
        let on = |every: u64| every > 0 && (last || self.due(every));
        let (evaluates, samples) = (on(config.evaluation.every), on(config.sampling.every));
        let pinned = config.checkpoint.pin.contains(&self.state.step);
        let saves = last || pinned || self.due(config.checkpoint.every);
        if evaluates || samples || saves {
            self.check_finite()?;
        }
        let improved = evaluates && self.evaluate()?;
        if samples {
            self.sample()?;
        }
        if logs || evaluates || samples {
            self.recorder.events.follow(self.state.step);
        }
        // Speed is that of training: what the report covers begins after the pause.
        if evaluates || samples {
            self.reported = (Instant::now(), self.state.step);
        }
        if saves || improved {
            self.save()?;
        }
        if last || self.report_due() {
            self.report()?;
        }
        Ok(())
    }

    fn due(&self, every: u64) -> bool {
        every > 0 && self.state.step.is_multiple_of(every)
    }

    /// Brings what is pending to the host and adds the losses up (host–device sync); a loss or a gradient norm that
    /// is not finite ends the run.
    fn drain(&mut self) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let timesteps = self.job.config.diffusion.timesteps;
        let norms = to_host(Tensor::cat(pending.iter().map(|step| step.norm.clone()).collect(), 0));
        for (made, norm) in pending.into_iter().zip(norms) {
            let losses: Vec<f32> = made.losses.into_iter().flat_map(to_host).collect();
            if made.skipped {
                // The scale was too large for this batch, which says nothing about the weights.
                let finite = losses.iter().zip(&made.timesteps).filter(|(loss, _)| loss.is_finite());
                finite.for_each(|(loss, t)| self.state.tally.add(f64::from(*loss), *t, timesteps));
                continue;
            }
            if losses.iter().any(|loss| !loss.is_finite()) {
                let tensor = self.state.first_bad_tensor(self.job.config);
                let tensor = tensor.or_else(|| self.first_bad_gradient(made.squared_norms));
                return Err(diverged(made.step, "the loss", tensor));
            }
            if !norm.is_finite() {
                let tensor = self.first_bad_gradient(made.squared_norms);
                return Err(diverged(made.step, "the gradient norm", tensor));
            }
            for (loss, t) in losses.iter().zip(made.timesteps) {
                self.state.tally.add(f64::from(*loss), t, timesteps);
            }
        }
        Ok(())
    }

    fn first_bad_gradient(&self, squared_norms: Tensor<1>) -> Option<String> {
        let bad = to_host(squared_norms).iter().position(|square| !square.is_finite())?;
        let (name, _) = &crate::model::parameter_names(&self.state.network)[bad];
        Some(format!("the gradient of {name}"))
    }

    /// What comes before anything is evaluated, shown or saved: every step and every tensor so far is finite, so that
    /// no file ever holds what is not (host–device sync).
    fn check_finite(&mut self) -> Result<(), Error> {
        self.drain()?;
        match self.state.first_bad_tensor(self.job.config) {
            None => Ok(()),
            bad => Err(diverged(self.state.step, "a tensor", bad)),
        }
    }

    fn log(&mut self, made: &Step) -> Result<(), Error> {
        let step = self.state.step;
        let images = step * self.job.config.training.batch_size as u64;
        let row = MetricsRow {
            step,
            epoch: images as f64 / self.on.data.train.len() as f64,
            images,
            means: self.state.tally.means(),
            grad_norm: (!made.skipped).then(|| scalar(&made.norm)),
            learning_rate: made.learning_rate,
            ema_decay: made.ema_decay,
        };
        self.recorder.progress(&row, std::mem::take(&mut self.timing))?;
        self.last_loss = row.means.loss;
        self.state.tally.clear();
        Ok(())
    }

    /// Evaluates every average and the raw weights; says whether the first average is the best so far.
    fn evaluate(&mut self) -> Result<bool, Error> {
        let step = self.state.step;
        let raw = ("raw".to_owned(), self.evaluator.evaluate(&self.state.network));
        let labels = self.job.config.ema.labels();
        let averages = labels.into_iter().zip(&self.state.averages).map(|(label, average)| {
            let network = parameters::with_weights(self.state.network.clone(), average.clone());
            (label, self.evaluator.evaluate(&network))
        });
        let mut rows: Vec<_> = averages.chain([raw]).collect();
        if let Some((weights, _)) = rows.iter().find(|(_, evaluation)| !evaluation.is_finite()) {
            return Err(diverged(step, &format!("the evaluation of {weights}"), None));
        }
        let ranked = rows[0].1.ranking();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        self.recorder.evaluations(step, &rows)?;
        let Some((metric, value)) = ranked else { return Ok(false) };
        // Another metric than before cannot be compared with it: the best begins anew.
        let comparable = |best: &Best| best.metric.is_none_or(|before| before == metric);
        let improved = self.state.best.filter(comparable).is_none_or(|best| value < best.value);
        if improved {
            self.state.best = Some(Best { step, value, metric: Some(metric) });
        }
        Ok(improved)
    }

    fn sample(&self) -> Result<(), Error> {
        let config = self.job.config;
        let average = self.state.averages[0].clone();
        let average = parameters::with_weights(self.state.network.clone(), average);
        let drawing = Drawing {
            config,
            settings: &config.sampling,
            schedule: self.schedule,
            n: config.sampling.num_samples,
            seed: config.training.seed,
            batch: self.job.execution.sampling_batch,
            first: None,
            device: &self.on.device,
        };
        let mut grid = Grid::of(drawing.shape());
        drawing.draw(&average, &mut |_| {}, &mut |values| {
            grid.push(&values);
            Ok(())
        })?;
        let folder = self.job.run.samples_path();
        files::create_dir(&Disk, &folder)?;
        grid.write(&folder.join(format!("step-{:08}.png", self.state.step)))
    }

    fn save(&mut self) -> Result<(), Error> {
        let (state, config) = (&self.state, self.job.config);
        self.recorder.journal.save(state.step, state.best, |folder| state.save(config, folder))?;
        self.saved = Some(state.step);
        Ok(())
    }

    fn report_due(&self) -> bool {
        self.reported.0.elapsed() >= REPORT_EVERY
    }

    fn report(&mut self) -> Result<(), Error> {
        let (since, step) = self.reported;
        let images = (self.state.step - step) * self.job.config.training.batch_size as u64;
        let seconds = since.elapsed().as_secs_f64();
        self.reported = (Instant::now(), self.state.step);
        (self.job.report)(Progress {
            step: self.state.step,
            loss: self.state.tally.means().loss.or(self.last_loss),
            images_per_second: (images > 0).then(|| images as f64 / seconds),
        })
    }
}

fn diverged(step: u64, what: &str, tensor: Option<String>) -> Error {
    tracing::error!(step, what, ?tensor, "not finite");
    Error::Diverged { step, what: what.to_owned(), tensor }
}
