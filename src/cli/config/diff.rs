//! `ablate config diff A B`: what two configurations differ in, and two runs besides.
//!
//! In: experiment files, or folders of runs or variants. Out: a table or JSON: each key that differs with both values and
//! where they were set; of two runs also the code, the machine and the way of executing. That they differ is no failure.

mod conditions;
mod origin;
mod side;
mod table;

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output::print;
use crate::cli::run::make_paths_absolute;
use crate::config;
use crate::guard::escape_json;
use conditions::Condition;
use side::Side;

/// `ablate config diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An experiment file, or the folder of a run or of a variant, whose first run then stands for it.
    #[arg(value_name = "A")]
    first: PathBuf,

    /// Another.
    #[arg(value_name = "B")]
    second: PathBuf,

    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// What two sides differ in.
#[derive(Serialize)]
struct Document {
    first: String,
    second: String,
    /// What each would train, as a hash: equal where the keys that differ change nothing of that.
    identities: [String; 2],
    differences: Vec<KeyRow>,
    /// What two runs were trained with, where it differs.
    conditions: Vec<Condition>,
    /// Whether both are runs that have begun, so that conditions could be compared.
    #[serde(skip)]
    ran: bool,
}

/// A key with different values.
#[derive(Serialize)]
struct KeyRow {
    key: &'static str,
    first: Option<toml::Value>,
    second: Option<toml::Value>,
    /// Where the first value was set, where that is known.
    first_origin: Option<String>,
    second_origin: Option<String>,
    /// Whether identity depends on the key.
    hashed: bool,
}

pub(super) fn exec(args: &Args) -> Result<(), Failure> {
    let mut sides = [Side::at(&args.first)?, Side::at(&args.second)?];
    // A run's paths are absolute; the same path in an experiment file is no difference.
    if sides.iter().any(|side| side.run.is_some()) {
        sides.iter_mut().for_each(|side| make_paths_absolute(&mut side.config));
    }
    let [first, second] = &sides;
    let differences = config::differences(&first.config, &second.config).map_err(Failure::internal)?;
    let row = |difference: config::Difference| KeyRow {
        key: difference.key.path,
        first_origin: difference.first.as_ref().and_then(|value| first.origin(difference.key, value)),
        second_origin: difference.second.as_ref().and_then(|value| second.origin(difference.key, value)),
        first: difference.first,
        second: difference.second,
        hashed: difference.key.hashed,
    };
    let ran = first.run.as_ref().zip(second.run.as_ref());
    let document = Document {
        first: first.shown.clone(),
        second: second.shown.clone(),
        identities: [config::identity(&first.config), config::identity(&second.config)],
        differences: differences.into_iter().map(row).collect(),
        conditions: ran.map_or_else(Vec::new, |(first, second)| conditions::differing(first, second)),
        ran: ran.is_some_and(|(first, second)| conditions::are_known(first, second)),
    };
    if !args.json {
        return print(&table::table(&document));
    }
    let text = serde_json::to_string_pretty(&document).map_err(Failure::internal)?;
    print(&format!("{}\n", escape_json(&text)))
}
