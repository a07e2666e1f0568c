//! `ablate sample RUN`: draw images from a checkpoint and write them as one PNG.

use std::path::PathBuf;

use crate::config::{Sampler, TimestepSpacing, Variance};

/// Options of `ablate sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run folder, such as runs/quickstart/<variant>/seed-0.
    run: PathBuf,
    /// Number of images.
    #[arg(short, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    n: u32,
    /// Algorithm [default: the run's sampling.sampler].
    #[arg(long, value_enum, value_name = "S")]
    sampler: Option<Sampler>,
    /// Network evaluations per image [default: the run's sampling.steps].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Noise of "ddim": 0 is deterministic, 1 as noisy as DDPM [default: the run's sampling.eta].
    #[arg(long, value_name = "E")]
    eta: Option<f64>,
    /// Noise of "ddpm" [default: the run's sampling.variance].
    #[arg(long, value_enum, value_name = "V")]
    variance: Option<Variance>,
    /// Which timesteps are visited [default: the run's sampling.timestep_spacing].
    #[arg(long, value_enum, value_name = "SPACING")]
    timestep_spacing: Option<TimestepSpacing>,
    /// Seed of the noise; image i of a seed starts from the same noise in every run.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Weights: ema (the first average), one by its name such as ema-0.99, or raw.
    #[arg(long, value_name = "NAME", default_value = "ema")]
    weights: String,
    /// Checkpoint: last, best or step=N.
    #[arg(long, value_name = "WHICH", default_value = "last")]
    at: String,
    /// The PNG to write [default: RUN/samples/sample-<at>-<weights>-seed<seed>.png].
    #[arg(short, long, value_name = "FILE.png")]
    output: Option<PathBuf>,
}

#[cfg(not(feature = "torch"))]
pub(crate) fn exec(args: Args) -> Result<super::failure::ExitCode, super::failure::Failure> {
    Err(super::failure::without_torch(&format!("draw images: {args:?}")))
}

#[cfg(feature = "torch")]
pub(crate) use with_torch::exec;

#[cfg(feature = "torch")]
mod with_torch {
    use std::path::PathBuf;

    use super::super::failure::{ExitCode, Failure};
    use super::super::output::print;
    use super::Args;
    use crate::cli::chosen::{checkpoint_at, run_at, weights_named};
    use crate::config::{self, Config, Sampler, Sampling, Variance};
    use crate::guard::printable;
    use crate::rundir::{Disk, RunDir, files};
    use crate::train;

    pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
        let run = run_at(&args.run)?;
        let config = config::read_run_config(&run.config_path()).map_err(Failure::user)?;
        let settings = settings(&args, &config)?;
        let weights = weights_named(&args.weights, &config)?;
        let chosen = checkpoint_at(&run, &args.at)?;
        let output = output(&args, &run)?;
        let request = train::SampleRequest {
            config: &config,
            settings: &settings,
            checkpoint: &chosen.path,
            weights: &weights.file,
            n: args.n as usize,
            seed: args.seed,
        };
        train::sample_to(&request, &output).map_err(Failure::internal)?;
        let said = format!(
            "{} images of {} at step {} ({} weights, {} steps of {}, seed {}): {}",
            args.n,
            run.path().display(),
            chosen.step,
            args.weights,
            settings.steps,
            settings.sampler.name(),
            args.seed,
            output.display()
        );
        print(&format!("{}\n", printable(&said)))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The run's own settings with the flags laid over them.
    fn settings(args: &Args, config: &Config) -> Result<Sampling, Failure> {
        let mut sampling = config.sampling.clone();
        let sampler = args.sampler.unwrap_or(sampling.sampler);
        // What the run set for another sampler is no mistake of the flags.
        if sampler != Sampler::Ddim {
            sampling.eta = 0.0;
        }
        if sampler != Sampler::Ddpm {
            sampling.variance = Variance::FixedSmall;
        }
        sampling.sampler = sampler;
        sampling.steps = args.steps.map_or(sampling.steps, |steps| steps as usize);
        sampling.eta = args.eta.unwrap_or(sampling.eta);
        sampling.variance = args.variance.unwrap_or(sampling.variance);
        sampling.timestep_spacing = args.timestep_spacing.unwrap_or(sampling.timestep_spacing);
        if !(0.0..=1.0).contains(&sampling.eta) {
            return Err(Failure::user(format!("--eta {} is out of range", sampling.eta))
                .with_help("use 0 (deterministic) to 1 (as noisy as DDPM)"));
        }
        let drawn = Config { sampling, ..config.clone() };
        config::check_sampling(&drawn)?;
        Ok(drawn.sampling)
    }

    fn output(args: &Args, run: &RunDir) -> Result<PathBuf, Failure> {
        if let Some(path) = &args.output {
            return Ok(path.clone());
        }
        let folder = run.samples_path();
        files::create_dir(&Disk, &folder).map_err(Failure::internal)?;
        Ok(folder.join(format!("sample-{}-{}-seed{}.png", args.at, args.weights, args.seed)))
    }
}
