//! `ablate config diff A B`: the keys in which two configurations differ.
//!
//! In: experiment files or run folders. Out: a table or JSON; that they differ is no failure.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::grid;
use crate::cli::experiment_args::environment;
use crate::cli::failure::Failure;
use crate::cli::output::{print, warn};
use crate::cli::run::make_paths_absolute;
use crate::config::{self, Config, Difference, Experiment, Request};
use crate::guard::printable;
use crate::rundir::RunDir;
use crate::rundir::provenance::{Attempt, Provenance};

/// Digits of an identity that people are shown, as in a variant's name.
const ID_DIGITS: usize = 8;

/// `ablate config diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An experiment file or a run folder.
    #[arg(value_name = "A")]
    first: PathBuf,

    /// Another.
    #[arg(value_name = "B")]
    second: PathBuf,

    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// One of the two.
struct Side {
    shown: String,
    config: Config,
    is_run: bool,
    /// The conditions of a run's last attempt, if there has been one.
    attempt: Option<Attempt>,
}

#[derive(Serialize)]
struct Document<'a> {
    first: &'a str,
    second: &'a str,
    /// What each would train, as a hash: equal where the keys that differ change nothing of that.
    identities: [&'a str; 2],
    differences: Vec<KeyRow<'a>>,
    /// What two runs were trained with, where it differs.
    conditions: &'a [Condition],
}

#[derive(Serialize)]
struct KeyRow<'a> {
    key: &'static str,
    first: &'a Option<toml::Value>,
    second: &'a Option<toml::Value>,
    /// Whether identity depends on the key.
    hashed: bool,
}

impl KeyRow<'_> {
    fn of(difference: &Difference) -> KeyRow<'_> {
        let Difference { key, first, second } = difference;
        KeyRow { key: key.path, first, second, hashed: key.hashed }
    }
}

#[derive(Serialize)]
struct Condition {
    name: &'static str,
    first: String,
    second: String,
}

pub(super) fn exec(args: &Args) -> Result<(), Failure> {
    let mut sides = [side(&args.first)?, side(&args.second)?];
    // A run's paths are absolute; the same path in an experiment file is no difference.
    if sides.iter().any(|side| side.is_run) {
        sides.iter_mut().for_each(|side| make_paths_absolute(&mut side.config));
    }
    let [first, second] = &sides;
    let differences = config::differences(&first.config, &second.config).map_err(Failure::internal)?;
    let identities = [config::identity(&first.config), config::identity(&second.config)];
    let conditions = conditions(first, second);
    if !args.json {
        return print(&table([first, second], &identities, &differences, &conditions));
    }
    let document = Document {
        first: &first.shown,
        second: &second.shown,
        identities: [&identities[0], &identities[1]],
        differences: differences.iter().map(KeyRow::of).collect(),
        conditions: &conditions,
    };
    let text = serde_json::to_string_pretty(&document).map_err(Failure::internal)?;
    print(&format!("{text}\n"))
}

fn side(path: &Path) -> Result<Side, Failure> {
    let shown = path.display().to_string();
    if !path.is_dir() {
        let experiment = path.to_owned();
        let request = Request { experiment, environment: environment(), ..Request::default() };
        let config = Experiment::load(&request)?.base().clone();
        return Ok(Side { shown, config, is_run: false, attempt: None });
    }
    let run = RunDir::at(path);
    if !run.config_path().is_file() {
        return Err(Failure::user(format!(
            "{} is not a run folder: it has no config.toml",
            printable(&shown)
        ))
        .with_help("name an experiment file, or one run: runs/<experiment>/<variant>/seed-<n>"));
    }
    let config = config::read_run_config(&run.config_path()).map_err(Failure::user)?;
    let attempts = Provenance::read(&run).map(|provenance| provenance.attempts).unwrap_or_else(|error| {
        warn(&error);
        Vec::new()
    });
    Ok(Side { shown, config, is_run: true, attempt: attempts.into_iter().next_back() })
}

/// What two runs were trained with, where it differs.
fn conditions(first: &Side, second: &Side) -> Vec<Condition> {
    let attempts = first.attempt.as_ref().zip(second.attempt.as_ref());
    let Some((first, second)) = attempts else { return Vec::new() };
    let program = |attempt: &Attempt| {
        let changes = if attempt.code_dirty { "+changes" } else { "" };
        format!("{} ({}{changes})", attempt.version, attempt.code_revision)
    };
    let told = [
        ("program", program(first), program(second)),
        ("libtorch", first.libtorch.clone(), second.libtorch.clone()),
    ];
    let differing = told.into_iter().filter(|(_, first, second)| first != second);
    differing.map(|(name, first, second)| Condition { name, first, second }).collect()
}

fn table(
    sides: [&Side; 2],
    identities: &[String; 2],
    differences: &[Difference],
    conditions: &[Condition],
) -> String {
    let [first, second] = sides.map(|side| printable(&side.shown));
    let ids = identities.each_ref().map(|identity| &identity[..ID_DIGITS]);
    let variants = match ids[0] == ids[1] {
        true => format!("both train the same variant, {}", ids[0]),
        false => format!("A trains variant {}, B {}", ids[0], ids[1]),
    };
    let names = format!("A  {first}\nB  {second}\n");
    if differences.is_empty() && conditions.is_empty() {
        return format!("{names}\nno key differs; {variants}\n");
    }
    let shown = |value: &Option<toml::Value>| match value {
        Some(value) => printable(&value.to_string().replace('\n', " ")),
        None => "-".to_owned(),
    };
    let key = |difference: &Difference| {
        let Difference { key, first, second } = difference;
        let note = if key.hashed { "" } else { "not part of the variant" };
        [key.path.to_owned(), shown(first), shown(second), note.to_owned()]
    };
    let condition = |condition: &Condition| {
        let Condition { name, first, second } = condition;
        [(*name).to_owned(), printable(first), printable(second), "of the last attempt".to_owned()]
    };
    let rows = differences.iter().map(key).chain(conditions.iter().map(condition)).collect();
    format!("{names}\n{}\n{variants}\n", grid(["key", "A", "B", ""], rows, &[]))
}
