//! A calibration, for people: each network with what it took and how far the others would have missed it.

use std::fmt::Write;

use super::Calibrated;
use crate::calibration::{Layout, MeasuredNetwork};
use crate::cli::grid::grid;
use crate::guard::printable;

/// Everything, as text.
pub(in crate::cli::bench) fn text(calibrated: &Calibrated) -> String {
    let Calibrated { machine, calibration, path } = calibrated;
    let here = &calibration.machine;
    let gpu = here.gpu.iter().map(|gpu| format!(" ({gpu})")).collect::<String>();
    let libtorch = here.libtorch.as_deref().unwrap_or_default();
    let mut text = format!("{}{gpu}, libtorch {libtorch}\n{}\n", here.device, printable(&machine.line()));
    for layout in &calibration.layouts {
        let _ = write!(text, "\n{}", layout_text(layout));
    }
    let _ = write!(
        text,
        "\nError: what is said of a network by the measurements of all others, over what it took.\n\
         stored in {}; `ablate plan` tells hours from now on\n",
        printable(&path.display().to_string())
    );
    text
}

fn layout_text(layout: &Layout) -> String {
    let plural = |count: usize, one: &'static str, more: &'static str| if count == 1 { one } else { more };
    let heading = format!(
        "{} {} of {} {}",
        layout.workers,
        plural(layout.workers, "process", "processes at a time"),
        layout.threads,
        plural(layout.threads, "thread", "threads")
    );
    let mut rows: Vec<_> = layout.networks.iter().map(row).collect();
    let errors =
        |place: usize| layout.networks.iter().map(move |network| network.left_out_errors[place].abs());
    let mean = |place: usize| 100.0 * errors(place).sum::<f64>() / layout.networks.len().max(1) as f64;
    let mean = |place: usize| format!("{:.1}%", mean(place));
    rows.push(["mean size of the errors".into(), String::new(), mean(0), String::new(), mean(1)]);
    grid([heading.as_str(), "step ms", "error", "forward ms", "error"], rows, |place| place > 0)
}

fn row(network: &MeasuredNetwork) -> [String; 5] {
    let milliseconds = |seconds: f64| format!("{:.2}", seconds * 1e3);
    let percent = |error: f64| format!("{:+.1}%", error * 100.0);
    let [step, forward] = network.left_out_errors;
    [
        network.name.clone(),
        milliseconds(network.step_seconds),
        percent(step),
        milliseconds(network.forward_seconds),
        percent(forward),
    ]
}
