//! `ablate config presets [NAME]`: what comes with the program.
//!
//! In: a preset's name, or none. Out: its file as it is, or one line each; with `--json` the same for programs.

use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::grid::grid;
use crate::cli::output::print;
use crate::config::{Config, Preset, Problems};
use crate::sizing::{self, thousands};

/// `ablate config presets`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print this preset's file instead of the list.
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// A preset in figures. A budget, which has no data set, is counted over the built-in defaults.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    summary: &'static str,
    dataset: Option<&'static str>,
    image_size: Option<usize>,
    in_channels: Option<usize>,
    base_channels: usize,
    batch_size: usize,
    parameters: u64,
    train_flops_per_image: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    toml: Option<&'static str>,
}

pub(super) fn exec(args: &Args) -> Result<(), Failure> {
    let Some(name) = &args.name else {
        let rows = Preset::all().iter().map(|preset| row(*preset)).collect::<Result<Vec<Row>, _>>()?;
        return print(&if args.json { json(&rows)? } else { table(rows) });
    };
    let preset = Preset::named(name).map_err(Problems::from)?;
    if !args.json {
        return print(preset.text);
    }
    print(&json(&Row { toml: Some(preset.text), ..row(preset)? })?)
}

fn row(preset: Preset) -> Result<Row, Failure> {
    let Config { data, model, training, .. } = preset.config()?;
    let with_data = preset.sets("data.dataset");
    Ok(Row {
        name: preset.name,
        summary: preset.summary(),
        dataset: with_data.then(|| data.dataset.name()),
        image_size: with_data.then_some(data.image_size),
        in_channels: with_data.then_some(data.in_channels),
        base_channels: model.base_channels,
        batch_size: training.batch_size,
        parameters: sizing::parameters(&model, &data),
        train_flops_per_image: sizing::train_flops_per_image(&model, &data),
        toml: None,
    })
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).map_err(Failure::internal)? + "\n")
}

/// One line each, and how to use them.
fn table(rows: Vec<Row>) -> String {
    let cells = |row: Row| {
        let size = row.image_size.map_or("any".to_owned(), |size| format!("{size}x{size}"));
        [
            row.name.to_owned(),
            thousands(row.parameters),
            row.dataset.unwrap_or("any").to_owned(),
            size,
            row.summary.to_owned(),
        ]
    };
    let header = ["preset", "parameters", "data set", "image", "what it is"];
    let list = grid(header, rows.into_iter().map(cells), |place| place == 1);
    format!(
        "{list}\n\
         A budget goes over a data set: preset = [\"cifar10\", \"small\"]. Its parameters are counted for the built-in\n\
         defaults, 32x32 RGB. `ablate config presets NAME` prints a preset's file, which says more.\n"
    )
}
