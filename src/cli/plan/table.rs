//! A plan for people: one row a variant, only what differs in columns, everything else once below.
//!
//! In: a [`Plan`], how far its runs are, and what they hold. Out: text without colour.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::grid::grid;
use crate::cli::plan::Shown;
use crate::cli::plan::left_out;
use crate::cli::plan::network::Networks;
use crate::cli::wording::{counted, wrapped};
use crate::guard::printable;
use crate::memory::human;
use crate::plan::{Plan, Progress, Variant, short_float, variant_state};
use crate::rundir::State;
use crate::sizing::thousands;

/// A column: its heading, its cells, and whether numbers in it line up on the right.
struct Column {
    heading: String,
    cells: Vec<String>,
    numeric: bool,
    /// Whether it moves below the table where all cells are equal.
    foldable: bool,
}

/// The table, the remarks and the totals.
pub(super) fn table(shown: &Shown) -> String {
    let plan = shown.plan;
    let several = plan.variants.len() > 1;
    let folds = |column: &Column| {
        column.foldable && several && column.cells.iter().all(|cell| *cell == column.cells[0])
    };
    let (folded, visible): (Vec<Column>, Vec<Column>) = columns(shown).into_iter().partition(folds);
    let rows =
        (0..plan.variants.len()).map(|row| visible.iter().map(move |column| column.cells[row].clone()));
    let mut text = grid(visible.iter().map(stacked), rows, |place| visible[place].numeric);
    if !folded.is_empty() {
        let facts: Vec<String> =
            folded.iter().map(|column| format!("{} {}", column.heading, column.cells[0])).collect();
        let _ = writeln!(text, "\nall variants: {}", facts.join(", "));
    }
    text.push_str(&remarks(plan));
    let _ = write!(text, "\n{}", ends(shown));
    text
}

/// A heading broken after its underscores where it is wider than what stands below it.
fn stacked(column: &Column) -> String {
    let width = |text: &String| text.chars().count();
    let below = column.cells.iter().map(width).max().unwrap_or(0);
    if width(&column.heading) > below { column.heading.replace('_', "_\n") } else { column.heading.clone() }
}

/// Every variant in full, with its network.
pub(super) fn verbose(shown: &Shown) -> String {
    let Shown { plan, progress, fit, hours } = shown;
    let experiment = plan.experiment_dir();
    let mut networks = Networks::of(fit.place());
    let mut text = String::new();
    let cells = hours.cells();
    for (place, (variant, states)) in plan.variants.iter().zip(&progress.states).enumerate() {
        let _ = writeln!(text, "{}", printable(&variant.name));
        let mut line = |what: &str, value: String| {
            let _ = writeln!(text, "  {what:<16} {}", printable(&value));
        };
        if let Some(title) = &variant.title {
            line("variant", title.clone());
        }
        line("folder", experiment.variant_path(&variant.name).display().to_string());
        for (key, value) in &variant.overrides {
            line(key, value_text(value));
        }
        line("parameters", thousands(variant.parameters));
        line("training", format!("{} GFLOP/image", gflop(variant)));
        fit.lines(place).into_iter().for_each(|(what, value)| line(what, value));
        if let Some(cells) = &cells {
            line("hours", format!("{} a run", cells[place]));
        }
        line(
            "alpha_bar",
            format!("{:.4e} to {}", variant.schedule.alpha_bar_first, alpha_bar_last(variant, 4)),
        );
        line("log-SNR", log_snr(variant));
        let runs = variant.seeds.iter().zip(states).map(|(seed, state)| format!("{seed} {}", state.name()));
        line("seeds", runs.collect::<Vec<_>>().join(", "));
        for note in &variant.notes {
            line("note", note.clone());
        }
        text.push_str(&networks.next(variant));
        text.push('\n');
    }
    text.push_str(&networks.legend());
    text.push_str(&left_out::full(plan));
    text.push_str(&ends(shown));
    text
}

/// What there is in all, and how long it takes.
fn ends(shown: &Shown) -> String {
    let totals = totals(shown.plan, shown.progress);
    match shown.hours.remark.as_str() {
        "" => totals,
        remark => format!("{totals}\n{remark}"),
    }
}

fn columns(shown: &Shown) -> Vec<Column> {
    let Shown { plan, progress, fit, hours } = shown;
    let of = |heading: &str, numeric: bool, foldable: bool, cell: &dyn Fn(&Variant) -> String| Column {
        heading: heading.to_owned(),
        cells: plan.variants.iter().map(cell).collect(),
        numeric,
        foldable,
    };
    let mut columns = vec![of("id", false, false, &|variant| variant.id.clone())];
    if plan.variants.iter().any(|variant| variant.title.is_some()) {
        let title = |variant: &Variant| variant.title.clone().unwrap_or_else(|| "-".into());
        columns.push(of("variant", false, false, &title));
    }
    for (place, key) in plan.varying.iter().enumerate() {
        let value = |variant: &Variant| value_text(&variant.overrides[place].1);
        let numeric = plan.variants.iter().all(|variant| variant.overrides[place].1.is_number());
        columns.push(of(&heading(key, &plan.varying), numeric, false, &value));
    }
    columns.push(of("parameters", true, false, &|variant| thousands(variant.parameters)));
    columns.push(of("GFLOP\n/image", true, false, &gflop));
    let peaks = (0..plan.variants.len()).map(|place| human(fit.peak(place))).collect();
    columns.push(Column { heading: "memory".into(), cells: peaks, numeric: true, foldable: true });
    if let Some(cells) = hours.cells() {
        columns.push(Column { heading: "hours".into(), cells, numeric: true, foldable: true });
    }
    columns.push(of("ᾱ_T", true, true, &|variant| alpha_bar_last(variant, 1)));
    columns.push(of("log-SNR", true, true, &log_snr));
    columns.push(of("seeds", false, true, &|variant| listed(&variant.seeds)));
    let states = progress.states.iter().map(|states| state_text(states)).collect();
    columns.push(Column { heading: "state".into(), cells: states, numeric: false, foldable: false });
    columns
}

/// The last part of a key, or all of it where two swept keys share their last part.
fn heading(key: &str, varying: &[String]) -> String {
    let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let shared = varying.iter().filter(|other| leaf(other) == leaf(key)).count() > 1;
    if shared { key.to_owned() } else { leaf(key) }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Number(number) if number.is_f64() => number.as_f64().map(short_float).unwrap_or_default(),
        Value::String(text) => printable(text),
        Value::Array(values) => format!("[{}]", values.iter().map(value_text).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn gflop(variant: &Variant) -> String {
    let value = variant.train_flops_per_image as f64 / 1e9;
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") }
}

/// ᾱ_T; with zero terminal SNR without an exponent.
fn alpha_bar_last(variant: &Variant, digits: usize) -> String {
    match variant.schedule.alpha_bar_last {
        0.0 => "0.0".to_owned(),
        last => format!("{last:.digits$e}"),
    }
}

fn log_snr(variant: &Variant) -> String {
    format!("{:.1}…{:.1}", variant.schedule.log_snr_first, variant.schedule.log_snr_last)
}

fn listed(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// `done`, or where replicates differ how many are in the state that matters most: `1/3 failed`.
fn state_text(states: &[State]) -> String {
    let mut telling = variant_state(states);
    if telling == State::Planned && states.contains(&State::Done) {
        telling = State::Done;
    }
    match states.iter().filter(|state| **state == telling).count() {
        count if count == states.len() => telling.name().to_owned(),
        count => format!("{count}/{} {}", states.len(), telling.name()),
    }
}

/// Notes, and what the sweep names but does not plan.
fn remarks(plan: &Plan) -> String {
    let mut text = String::new();
    for (note, variants) in plan.notes() {
        let who = match variants[..] {
            _ if variants.len() == plan.variants.len() => String::new(),
            [only] => format!(" ({only})"),
            [first, ref others @ ..] => format!(" ({first} and {} more)", others.len()),
            [] => continue,
        };
        text.push('\n');
        text.push_str(&wrapped(&printable(&format!("note: {note}{who}"))));
    }
    text + &left_out::brief(plan)
}

/// `8 variants x 2 seeds = 16 runs in runs/x; 3 done, 13 to do`.
fn totals(plan: &Plan, progress: &Progress) -> String {
    let (variants, seeds) = (plan.variants.len(), plan.seeds.len());
    let runs = variants * seeds;
    let done = progress.count(|state| state == State::Done);
    let failed = progress.count(State::is_failure);
    let running = progress.count(|state| matches!(state, State::Running | State::Submitted));
    let mut text = format!(
        "{} x {} = {} in {}; {} done",
        counted(variants, "variant"),
        counted(seeds, "seed"),
        counted(runs, "run"),
        printable(&plan.directory.display().to_string()),
        thousands(done as u64)
    );
    if running > 0 {
        let _ = write!(text, ", {running} running");
    }
    if failed > 0 {
        let _ = write!(text, ", {failed} failed (--retry-failed)");
    }
    let _ = write!(text, ", {} to do", thousands((runs - done - failed - running) as u64));
    text
}
