//! A measured step, for people: its parts, then each operation beside the machine's matrix product.

use std::fmt::Write;

use super::step::{Configuration, Measured};
use crate::cli::grid::grid;
use crate::guard::printable;
use crate::train::bench::{Averages, Inputs, Operation, Report, Spread, Steps};

/// Everything, as text.
pub(super) fn text(measured: &Measured) -> String {
    let Measured { machine, libtorch, configuration, report, .. } = measured;
    let Report { threads, device, .. } = report;
    let mut text = about(configuration, report);
    let plural = if *threads == 1 { "" } else { "s" };
    let _ = writeln!(
        text,
        "on {device} with {threads} thread{plural}, libtorch {libtorch}\n{}\n",
        printable(&machine.line())
    );
    text.push_str(&parts(&report.steps));
    text.push('\n');
    text.push_str(&rates(report));
    if !report.operations.is_empty() {
        text.push('\n');
        text.push_str(&operations(report));
    }
    text
}

fn about(configuration: &Configuration, report: &Report) -> String {
    let Configuration { image_size, image_channels, batch_size, .. } = configuration;
    let variant = configuration.variant.iter().map(|name| format!(", {name}"));
    let variant: String = variant.collect();
    let channels: Vec<String> = configuration.channels.iter().map(usize::to_string).collect();
    let inputs = match report.inputs {
        Inputs::Preloaded => "images drawn beforehand",
        Inputs::Data => "images of the data set",
    };
    let micro = match configuration.gradient_accumulation {
        1 => String::new(),
        parts => format!(" in {parts} parts"),
    };
    let precision = configuration.precision.name();
    let name = printable(&format!("{}{variant}", configuration.name));
    format!(
        "{name}: {} parameters, channels {}, {image_size}x{image_size}x{image_channels}, batch {batch_size}{micro}, \
         {precision}; {inputs}\n",
        report.parameters,
        channels.join(","),
    )
}

/// The step and what it consists of.
fn parts(steps: &Steps) -> String {
    let row = |name: &str, seconds: &Spread, share: f64| {
        let [median, min, max] = [seconds.median, seconds.min, seconds.max].map(milliseconds);
        [name.to_owned(), median, min, max, percent(share)]
    };
    let mut rows = vec![row("step", &steps.step_seconds, 1.0)];
    rows.extend(steps.parts.iter().map(|part| {
        let name = format!("  {}", part.name.replace('_', " "));
        row(&name, &part.seconds, part.share)
    }));
    let median = format!("ms of {} steps", steps.count);
    let mut text = grid([median.as_str(), "median", "min", "max", "share"], rows, |place| place > 0);
    if let Some(averages) = &steps.averages {
        text.push_str(&averages_line(averages, steps.step_seconds.median));
    }
    text
}

/// What the averages cost; the difference of two noisy times may come out below 0.
fn averages_line(averages: &Averages, step_seconds: f64) -> String {
    let Averages { tracks, with_seconds, without_seconds, seconds_per_step, .. } = averages;
    let plural = if *tracks == 1 { "" } else { "s" };
    let cost = match *seconds_per_step {
        cost if cost > 0.0 => format!("{} ms a step, {}", milliseconds(cost), percent(cost / step_seconds)),
        _ => "less than the noise".to_owned(),
    };
    let [with, without] = [with_seconds.median, without_seconds.median].map(milliseconds);
    format!(
        "of the update, {tracks} average{plural} of the weights: {cost} ({with} with, {without} without)\n"
    )
}

/// Speed and memory.
fn rates(report: &Report) -> String {
    let steps = &report.steps;
    let achieved = report.step_flops as f64 / steps.step_seconds.median;
    let of_peak = report.matrix_product.map(|product| {
        let (size, peak) = (product.size, giga(product.flops_per_second));
        format!(
            ", {} of the {peak} of a {size}x{size} matrix product",
            percent(achieved / product.flops_per_second)
        )
    });
    let mut text = format!(
        "{:.1} images/s; {} GFLOP a step, {} GFLOP/s{}\n",
        steps.images_per_second,
        giga(report.step_flops as f64),
        giga(achieved),
        of_peak.unwrap_or_default()
    );
    if let (Some(before), Some(peak)) = (steps.memory_before_bytes, steps.peak_memory_bytes) {
        let mebibytes = |bytes: u64| bytes >> 20;
        let (before, peak) = (mebibytes(before), mebibytes(peak));
        let _ = writeln!(text, "peak memory of the process {peak} MiB, {before} MiB before the first step");
    }
    text
}

/// One row an operation, and one for all that is none.
fn operations(report: &Report) -> String {
    let steps = &report.steps;
    let row = |operation: &Operation| {
        let peak = report.matrix_product.map(|product| product.flops_per_second);
        let rate = operation.flops_per_second;
        [
            operation.kind.clone(),
            operation.shape.clone(),
            operation.count.to_string(),
            milliseconds(operation.forward_seconds.median),
            milliseconds(operation.backward_seconds.median),
            if operation.flops > 0 { giga(operation.flops as f64) } else { String::new() },
            rate.map(giga).unwrap_or_default(),
            rate.zip(peak).map(|(rate, peak)| percent(rate / peak)).unwrap_or_default(),
            percent(operation.share_of_step),
        ]
    };
    let mut rows: Vec<_> = report.operations.iter().map(row).collect();
    let listed: f64 = report.operations.iter().map(|operation| operation.share_of_step).sum();
    let computing = steps.parts.iter().filter(|part| ["forward", "backward"].contains(&part.name));
    let computing: f64 = computing.map(|part| part.seconds.median).sum();
    let between = computing / steps.step_seconds.median - listed;
    let mut rest = [(); 9].map(|()| String::new());
    (rest[0], rest[8]) = ("all else".into(), percent(between));
    rows.push(rest);
    let header =
        ["operation", "shape", "count", "forward", "backward", "GFLOP", "GFLOP/s", "of peak", "of step"];
    let mut text = grid(header, rows, |place| place > 1);
    text.push_str(
        "Each by itself, ms of one pass; the share is that of all of them. GFLOP are counted for the plain form: one that \
         needs\nfewer may pass the peak. All else is what forward and backward have beyond, such as sums and the loss. Alone \
         an\noperation may run faster or slower than among others.\n",
    );
    text
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.2}", seconds * 1e3)
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// In thousand millions, with three digits where one would be lost.
fn giga(number: f64) -> String {
    let digits = if number < 1e9 { 3 } else { 1 };
    format!("{:.digits$}", number / 1e9)
}
