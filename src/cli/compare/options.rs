//! The words of `ablate compare`.
//!
//! In: the command line. Out: a [`Query`], filters, and a refusal of what cannot be asked together.

use std::path::PathBuf;
use std::str::FromStr;

use crate::cli::failure::Failure;
use crate::report::compare::Query;
use crate::report::cost::Cost;
use crate::report::filter::Filter;
use crate::report::format::Format;
use crate::report::metric::{DEFAULT_METRIC, Log, Metric};
use crate::report::point::{At, Weights};
use crate::report::query::{Split, Window};

/// Arguments of `ablate compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Runs, variants, experiments or folders of experiments.
    #[arg(value_name = "DIR", default_value = "runs")]
    pub(super) folders: Vec<PathBuf>,

    /// A column of eval.csv or metrics.csv, and which direction is better; a bare `loss` is the training
    /// loss, `eval.loss` the held-out one; bits_per_dim is what `ablate eval` measured
    /// [default: denoise_score:min]
    #[arg(long, value_name = "NAME[:min|max]")]
    metric: Option<Metric>,

    /// Where in training: `last` (the default once every run has ended), `common` (the greatest step that
    /// all have reached; the default until then), `best` (chosen on val), one step, or the last row within a
    /// budget of images, floating-point operations or seconds of training.
    #[arg(long, value_name = "best|last|common|step=N|images=N|flops=N|seconds=N")]
    at: Option<At>,

    /// Which weights held-out metrics were measured on; `ema` is the first moving average [default: ema].
    #[arg(long, value_name = "ema|ema-DECAY|raw")]
    weights: Option<Weights>,

    /// Which images held-out metrics were measured on; test and train are what `ablate eval` left.
    #[arg(long, value_enum, default_value_t)]
    split: Split,

    /// Take denoise_score and denoise_bits over the noise levels that every schedule here covers.
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    window: Window,

    /// Only variants with this setting, written as with -s; may be repeated.
    #[arg(long = "where", value_name = "KEY=VALUE")]
    filters: Vec<String>,

    /// One row for all variants that agree in these keys: means over them within each seed, then over seeds.
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    group_by: Vec<String>,

    /// Let the best value of a key stand for each variant (a learning rate, say), chosen by its mean on val.
    #[arg(long, value_name = "KEY")]
    best_over: Option<String>,

    /// Every other row against this one, paired by seed: a name, an id, or how one of them begins.
    #[arg(long, value_name = "VARIANT")]
    baseline: Option<String>,

    /// What each setting changes: every value against the base's, over cells that match in everything else.
    #[arg(long)]
    pub(super) effects: bool,

    /// Quality against cost: which variants no other beats in both.
    #[arg(long, value_name = "METRIC,parameters|seconds|memory")]
    pub(super) pareto: Option<Trade>,

    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

/// A metric and what it is held against.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trade {
    pub(super) metric: Metric,
    pub(super) cost: Cost,
}

impl FromStr for Trade {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (metric, cost) = text
            .rsplit_once(',')
            .ok_or_else(|| format!("\"{text}\" names no cost; write {text},parameters"))?;
        let metric = metric.parse().map_err(|error| format!("{error}"))?;
        let cost = cost.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { metric, cost })
    }
}

impl Args {
    /// Refuses what has no meaning together.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let metric = self.chosen_metric();
        if metric.log == Log::Metrics && self.weights.is_some() {
            return Err(Failure::user(format!(
                "--weights does not apply to {}, which is measured in training",
                metric.name
            ))
            .with_help("held-out metrics are those of eval.csv, such as denoise_score or eval.loss"));
        }
        if self.pareto.is_some() && !self.group_by.is_empty() {
            return Err(Failure::user("--pareto is about variants, and --group-by makes rows of several")
                .with_help("ask for one of them; --where narrows down which variants"));
        }
        let also = [("--baseline", self.baseline.is_some()), ("--pareto", self.pareto.is_some())];
        if let Some((option, _)) = also.iter().find(|(_, asked)| *asked)
            && self.effects
            && self.format == Format::Csv
        {
            return Err(Failure::user(format!(
                "--effects and {option} are two tables, and a CSV file is one"
            ))
            .with_help("ask for each by itself, or use --format json"));
        }
        Ok(())
    }

    /// What is asked of the runs.
    pub(super) fn query(&self) -> Query {
        Query {
            metric: self.chosen_metric(),
            at: self.at,
            weights: self.weights.clone().unwrap_or_default(),
            split: self.split,
            window: self.window,
            best_over: self.best_over.clone(),
            group_by: self.group_by.clone(),
            baseline: self.baseline.clone(),
        }
    }

    /// Which variants are wanted.
    pub(super) fn filters(&self) -> Result<Vec<Filter>, Failure> {
        self.filters.iter().map(|word| Filter::parse(word).map_err(Failure::user)).collect()
    }

    /// The metric of the table: the one that is named, if only that of `--pareto`.
    fn chosen_metric(&self) -> Metric {
        let named = self.metric.clone().or_else(|| self.pareto.as_ref().map(|trade| trade.metric.clone()));
        named.unwrap_or_else(|| DEFAULT_METRIC.parse().expect("the default metric is well formed"))
    }
}
