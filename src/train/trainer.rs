//! The training loop: batches in; steps, rows, evaluations, samples and checkpoints out, in that order.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use burn::tensor::Tensor;

use super::evaluation::{Evaluation, Evaluator};
use super::job::{Job, Outcome, Prepared, Progress, total_steps};
use super::recorder::{MetricsRow, Recorder, Timing};
use super::state::State;
use super::step::{Step, first_bad_tensor, scalar, step, to_host};
use super::{Error, ema, parameters, sampling};
use crate::data::{BatchPlan, Prefetch};
use crate::diffusion::Schedule;
use crate::rundir::{self, Best, ManifestMeta, checkpoint};

/// How often progress is reported.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// One training under way.
pub(super) struct Trainer<'t, 'j> {
    job: Job<'j>,
    on: &'t Prepared,
    schedule: &'t Schedule,
    evaluator: &'t Evaluator<'t>,
    state: State,
    recorder: Recorder,
    batches: Prefetch,
    total: u64,
    /// Losses still on the device, with their timesteps, oldest first.
    pending: Vec<(u64, Vec<Tensor<1>>, Vec<i64>)>,
    timing: Timing,
    reported: (Instant, u64),
    /// Mean loss of the last row, for reports that come before the next.
    last_loss: Option<f64>,
    /// Step of the newest checkpoint of this attempt.
    saved: Option<u64>,
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
        let latest = checkpoint::latest_verified(job.run, Some(&job.owner))?;
        for (path, reason) in &latest.damaged {
            tracing::warn!(path = %path.display(), reason, "checkpoint is damaged; falling back");
        }
        let (state, marks) = match &latest.checkpoint {
            Some(found) => (State::load(config, &on.device, &found.path)?, Some(&found.manifest.logs)),
            None => (State::start(config, &on.device), None),
        };
        tracing::info!(step = state.step, attempt = job.attempt, "training starts");
        let plan = BatchPlan {
            seed: config.training.seed,
            batch_size: config.training.batch_size,
            timesteps: config.diffusion.timesteps,
            timestep_sampler: config.diffusion.timestep_sampler,
            horizontal_flip: config.data.horizontal_flip,
        };
        Ok(Self {
            recorder: Recorder::open(job.run, marks, job.attempt)?,
            batches: Prefetch::start(on.data.train.clone(), plan, state.step)?,
            total: total_steps(config, on.data.train.len()),
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
            let made =
                step(&mut self.state, &batch, self.job.config, self.schedule, self.total, &self.on.device);
            self.timing.images += batch.timesteps.len() as u64;
            self.pending.push((self.state.step, made.losses.clone(), batch.timesteps.clone()));
            if self.due(self.job.config.training.log_every) || self.report_due() {
                self.drain()?;
            }
            self.timing.training += started.elapsed();
            self.after_step(&made)?;
            if self.job.stop.load(Ordering::Relaxed) && self.state.step < self.total {
                self.drain()?;
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
        if last || self.due(config.training.log_every) {
            self.drain()?;
            self.log(made)?;
        }
        let mut improved = false;
        if config.evaluation.every > 0 && (last || self.due(config.evaluation.every)) {
            improved = self.evaluate()?;
        }
        if config.sampling.every > 0 && (last || self.due(config.sampling.every)) {
            self.sample()?;
        }
        // Speed is that of training: what the report covers begins after the pause.
        if improved || self.due(config.evaluation.every) || self.due(config.sampling.every) {
            self.reported = (Instant::now(), self.state.step);
        }
        if last || improved || self.due(config.checkpoint.every) {
            self.drain()?;
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

    /// Brings pending losses to the host and adds them up (host–device sync); one that is not finite ends the run
    /// before anything of it reaches a checkpoint.
    fn drain(&mut self) -> Result<(), Error> {
        let timesteps = self.job.config.diffusion.timesteps;
        for (step, losses, t) in std::mem::take(&mut self.pending) {
            let values: Vec<f32> = losses.into_iter().flat_map(to_host).collect();
            if values.iter().any(|value| !value.is_finite()) {
                let tensor = first_bad_tensor(&self.state.network);
                tracing::error!(step, ?tensor, "the loss is not finite");
                return Err(Error::Diverged { step, tensor });
            }
            for (value, t) in values.iter().zip(t) {
                self.state.tally.add(f64::from(*value), t, timesteps);
            }
        }
        Ok(())
    }

    fn log(&mut self, made: &Step) -> Result<(), Error> {
        let step = self.state.step;
        let images = step * self.job.config.training.batch_size as u64;
        let row = MetricsRow {
            step,
            epoch: images as f64 / self.on.data.train.len() as f64,
            images,
            means: self.state.tally.means(),
            grad_norm: scalar(&made.norm),
            learning_rate: made.learning_rate,
            ema_decay: made.ema_decay,
        };
        self.recorder.progress(&row, std::mem::take(&mut self.timing))?;
        self.last_loss = row.means.loss;
        self.state.tally.clear();
        Ok(())
    }

    /// Evaluates the average and the raw weights; says whether the average is the best so far.
    fn evaluate(&mut self) -> Result<bool, Error> {
        let average = parameters::with_weights(self.state.network.clone(), self.state.average.clone());
        let of_average = self.evaluator.evaluate(&average);
        let value = of_average.scores.denoise_score.unwrap_or(of_average.loss);
        let of_raw = self.evaluator.evaluate(&self.state.network);
        let rows: [(String, Evaluation); 2] =
            [(ema::label(&self.job.config.ema), of_average), ("raw".into(), of_raw)];
        self.recorder.evaluations(self.state.step, &rows)?;
        let improved = self.state.best.is_none_or(|best| value < best.value);
        if improved {
            self.state.best = Some(Best { step: self.state.step, value });
        }
        Ok(improved)
    }

    fn sample(&self) -> Result<(), Error> {
        let config = self.job.config;
        let average = parameters::with_weights(self.state.network.clone(), self.state.average.clone());
        let samples = sampling::sample(
            &average,
            config,
            &config.sampling,
            self.schedule,
            (config.sampling.num_samples, config.training.seed, self.job.execution.sampling_batch),
            &self.on.device,
        );
        let folder = self.job.run.samples_path();
        rundir::files::create_dir(&folder)?;
        sampling::write_grid(&folder.join(format!("step-{:08}.png", self.state.step)), &samples)
    }

    /// Rows to disk, then the checkpoint that remembers where they ended, then the oldest ones go.
    fn save(&mut self) -> Result<(), Error> {
        let meta = ManifestMeta {
            owner: self.job.owner.clone(),
            logs: self.recorder.marks()?,
            best: self.state.best,
        };
        let state = &self.state;
        checkpoint::save(self.job.run, state.step, meta, |folder| state.save(folder))?;
        self.saved = Some(state.step);
        let best = state.best.map(|best| best.step);
        let protect: Vec<u64> = best.into_iter().chain([state.step]).collect();
        checkpoint::rotate(self.job.run, self.job.config.checkpoint.keep, &protect)?;
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
