//! `ablate config why EXPERIMENT KEY`: the value each layer gave a key, lowest first.

use comfy_table::{ContentArrangement, Table, presets};

use crate::cli::experiment_args::ExperimentArgs;
use crate::cli::failure::Failure;
use crate::cli::output::print;
use crate::config::{Experiment, LayerValue};
use crate::guard::printable;

pub(super) fn exec(experiment: &ExperimentArgs, key: &str) -> Result<(), Failure> {
    let experiment = Experiment::load(&experiment.request())?;
    print(&format!("{}\n", table(key, &experiment.why(key)?)))
}

fn table(key: &str, values: &[LayerValue]) -> String {
    if values.is_empty() {
        return format!("{key} is not set by any layer, and has no default");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["", "value", "layer", "written in", ""]);
    for value in values {
        table.add_row([
            if value.wins { "->" } else { "" }.to_owned(),
            printable(&value.value),
            printable(&value.layer),
            value.location.as_ref().map(|place| printable(&place.to_string())).unwrap_or_default(),
            value.note.clone().unwrap_or_default(),
        ]);
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    format!("{key}\n{}", lines.collect::<Vec<_>>().join("\n"))
}
