//! The command line: one file a command; each parses, calls one library function and prints.

mod bench;
mod calibrate_worker;
mod check;
mod chosen;
mod compare;
mod config;
mod data;
mod eval;
mod experiment_args;
mod export;
mod extend;
mod failure;
mod grid;
mod import;
mod output;
mod plan;
mod probe_precision;
mod prune;
mod recommend;
mod report;
mod resume;
mod run;
mod sample;
mod sampler_flags;
mod schedule;
mod scope;
mod serve;
mod status;
mod terminal;
mod training_device;
mod wording;
mod worker;

use std::io::{self, Write};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::{Failure, exit};
use terminal::Color;

/// Ablations of diffusion models from one TOML file: define a sweep, train it, resume it, compare it.
#[derive(Debug, Parser)]
#[command(name = "ablate", version, max_term_width = 100, propagate_version = true)]
struct Cli {
    /// Whether the output is coloured
    #[arg(long, value_enum, value_name = "WHEN", global = true, default_value_t, display_order = 100)]
    color: Color,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plan an experiment and train whatever is not done; the same command again resumes.
    Run(run::Args),
    /// Show the variants, their cost and state; writes nothing.
    Plan(plan::Args),
    /// Go on with what a run or experiment folder holds.
    Resume(resume::Args),
    /// Make a run longer: a new run that starts from where this one is.
    Extend(extend::Args),
    /// States, progress, speed and time left.
    Status(status::Args),
    /// Rank the variants: mean ± std over seeds, only the keys that vary.
    Compare(compare::Args),
    /// Write one self-contained HTML file: ranking, curves, samples, settings, failures.
    Report(report::Args),
    /// Show the same page live while a sweep runs, to a browser on this machine.
    Serve(serve::Args),
    /// Draw images from a run's checkpoint.
    Sample(sample::Args),
    /// Evaluate a checkpoint again: another split, more images, bits per dimension of the chain.
    Eval(eval::Args),
    /// Write a checkpoint's network as a folder that diffusers loads, or its weights alone.
    Export(export::Args),
    /// Make a run of a folder of diffusers, to be sampled, evaluated and trained further.
    Import(import::Args),
    /// Verify every checkpoint, log and record, byte by byte; changes nothing.
    Check(check::Args),
    /// Delete the checkpoints that checkpoint.keep and checkpoint.pin let go.
    Prune(prune::Args),
    /// Measure the speed of a training step and where its time goes; makes no run.
    Bench(bench::Args),
    /// Noise schedules: beta, alpha_bar, SNR and log-SNR, several side by side, with a verdict on each.
    Schedule(schedule::Args),
    /// Find a network and its training for a memory, an image size and hours, with the reasons and alternatives.
    Recommend(recommend::Args),
    /// Show a resolved configuration, or where one of its values comes from.
    Config(config::Args),
    /// Data sets: what there is, fetching it, checking it.
    Data(data::Args),
    /// Train one run folder; what launchers start.
    #[command(hide = true)]
    Worker(worker::Args),
    /// Calculate in a 16-bit precision, which may kill this process; what `run` starts to find out.
    #[command(hide = true)]
    ProbePrecision(probe_precision::Args),
    /// Measure what one is told to on standard input; what `bench --calibrate` starts.
    #[command(hide = true)]
    CalibrateWorker(calibrate_worker::Args),
}

/// The command line, or what it comes to already. What is wrong with it, and the help, are told in the colours that it
/// asks for.
fn parsed() -> Result<Cli, clap::Error> {
    let color = Color::of_words(std::env::args_os());
    let mut command = Cli::command().color(color.of_parser());
    let mut matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let cli = Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    cli.color.choose();
    Ok(cli)
}

/// Prints the help, the version or what is wrong with the command line.
fn told(error: &clap::Error) -> u8 {
    // A reader that went away early has what it wanted.
    let _ = error.print();
    if error.use_stderr() { exit::USER } else { 0 }
}

/// Parses the command line, runs the command and returns the exit code.
pub fn main() -> u8 {
    let command = match parsed() {
        Ok(cli) => cli.command,
        Err(error) => return told(&error),
    };
    let outcome = match command {
        Command::Run(args) => run::exec(args),
        Command::Plan(args) => plan::exec(args),
        Command::Resume(args) => resume::exec(args),
        Command::Extend(args) => extend::exec(args),
        Command::Status(args) => status::exec(args),
        Command::Compare(args) => compare::exec(args),
        Command::Report(args) => report::exec(args),
        Command::Serve(args) => serve::exec(args),
        Command::Sample(args) => sample::exec(args),
        Command::Eval(args) => eval::exec(args),
        Command::Export(args) => export::exec(args),
        Command::Import(args) => import::exec(args),
        Command::Check(args) => check::exec(args),
        Command::Prune(args) => prune::exec(args),
        Command::Bench(args) => bench::exec(args),
        Command::Schedule(args) => schedule::exec(args),
        Command::Recommend(args) => recommend::exec(args),
        Command::Config(args) => config::exec(args),
        Command::Data(args) => data::exec(args),
        Command::Worker(args) => worker::exec(args),
        Command::ProbePrecision(args) => probe_precision::exec(args),
        Command::CalibrateWorker(args) => calibrate_worker::exec(args),
    };
    let code = outcome.unwrap_or_else(|failure: Failure| {
        let code = failure.exit_code();
        // Standard error may be a file on the disk that is full: the exit code must not be lost with the words.
        let _ = writeln!(io::stderr().lock(), "{:?}", failure.into_report());
        code
    });
    code.into()
}
