//! Noise schedules for people: some timesteps of each side by side, then what each comes to.
//!
//! In: schedules with their settings, and the timesteps to show. Out: text without colour.

use std::fmt::Write;

use super::guidance::guidance;
use super::words::{Shown, figure, label, percent, verdict};
use crate::cli::grid::grid;
use crate::cli::wording::wrapped;
use crate::diffusion::{Schedule, curve};

/// Rows of the table where none are chosen, evenly spread from the first timestep to the last.
const ROWS: usize = 11;

/// The timesteps, those `at` where there are any; a summary line each, a verdict each, what the shapes are good for,
/// and what T costs.
pub(crate) fn table(shown: &[Shown], at: &[usize]) -> String {
    let labels: Vec<Vec<String>> = shown.iter().map(|one| label(one, shown)).collect();
    let mut text = match shown {
        [only] => format!("{}\n\n{}", labels[0].join(", "), single(&only.schedule, at)),
        several => side_by_side(several, &labels, at),
    };
    let _ = write!(text, "\n{}\n", summary(shown, &labels));
    for (one, label) in shown.iter().zip(&labels) {
        let name = if shown.len() > 1 { format!("{}: ", label.join(", ")) } else { String::new() };
        text.push_str(&wrapped(&format!("{name}{}", verdict(one))));
    }
    text.push('\n');
    for paragraph in guidance(shown) {
        text.push_str(&wrapped(&paragraph));
    }
    text.push('\n');
    text.push_str(&wrapped(
        "What T costs: training takes the same time for any T, since a step trains each image at one timestep. \
         Sampling takes sampling.steps evaluations of the network; only a full chain (sampler \"ddpm\" with \
         sampling.steps = T) grows with T.",
    ));
    text
}

/// A column: its name, and its cell for a timestep.
type Quantity = (&'static str, fn(&Schedule, usize) -> String);

/// What is shown of a timestep.
const QUANTITIES: [Quantity; 4] = [
    ("beta", |schedule, t| figure(schedule.betas[t])),
    ("alpha_bar", |schedule, t| figure(schedule.alpha_bars[t])),
    ("SNR", |schedule, t| figure(schedule.snr(t))),
    ("log-SNR", |schedule, t| format!("{:.2}", schedule.log_snr(t))),
];

/// Every quantity of one schedule.
fn single(schedule: &Schedule, at: &[usize]) -> String {
    let even = ROWS.min(schedule.len());
    let even = (0..even).map(|row| spread(schedule, row, even));
    let timesteps: Vec<usize> = if at.is_empty() { even.collect() } else { at.to_vec() };
    let cells = timesteps
        .into_iter()
        .map(|t| [t.to_string()].into_iter().chain(QUANTITIES.map(|(_, value)| value(schedule, t))));
    let headings = ["t"].into_iter().chain(QUANTITIES.map(|(name, _)| name));
    grid(headings, cells, |_| true)
}

/// A block a quantity, a column a schedule.
fn side_by_side(shown: &[Shown], labels: &[Vec<String>], at: &[usize]) -> String {
    let (first, rows) = if at.is_empty() { evenly(shown) } else { ("t", chosen(shown, at)) };
    let blocks = QUANTITIES.map(|(name, value)| {
        let headings =
            [format!("{name}\n{first}")].into_iter().chain(labels.iter().map(|label| label.join("\n")));
        let cells = rows.iter().map(|(place, timesteps)| {
            let values = shown.iter().zip(timesteps);
            // A shorter chain has ended before.
            let values = values.map(|(one, t)| t.map_or("-".to_owned(), |t| value(&one.schedule, t)));
            [place.clone()].into_iter().chain(values).collect::<Vec<_>>()
        });
        grid(headings, cells, |_| true)
    });
    blocks.join("\n")
}

/// A row: what it is called, and its timestep in each schedule that has it.
type Row = (String, Vec<Option<usize>>);

/// Rows at the same part of the way, and what they are called by: timesteps, where all chains are of one length.
fn evenly(shown: &[Shown]) -> (&'static str, Vec<Row>) {
    let lengths = || shown.iter().map(|one| one.schedule.len());
    let rows = lengths().fold(ROWS, usize::min);
    let same_length = lengths().all(|length| length == shown[0].schedule.len());
    let place = |row: usize| match same_length {
        true => spread(&shown[0].schedule, row, rows).to_string(),
        false => format!("{:.2}", row as f64 / (rows - 1) as f64),
    };
    let timesteps = |row| shown.iter().map(|one| Some(spread(&one.schedule, row, rows))).collect();
    let name = if same_length { "t" } else { "t/(T-1)" };
    (name, (0..rows).map(|row| (place(row), timesteps(row))).collect())
}

/// Rows at these timesteps.
fn chosen(shown: &[Shown], at: &[usize]) -> Vec<Row> {
    let timesteps = |t: usize| shown.iter().map(|one| (t < one.schedule.len()).then_some(t)).collect();
    at.iter().map(|&t| (t.to_string(), timesteps(t))).collect()
}

/// The timestep of a row, evenly from the first to the last; a chain has two steps at least.
fn spread(schedule: &Schedule, row: usize, rows: usize) -> usize {
    ((schedule.len() - 1) as f64 * row as f64 / (rows - 1) as f64).round() as usize
}

/// Both ends of each schedule.
fn summary(shown: &[Shown], labels: &[Vec<String>]) -> String {
    let headings =
        ["schedule", "alpha_bar_1", "alpha_bar_T", "signal left", "log-SNR", "steps within -6 to 6"];
    let rows = shown.iter().zip(labels).map(|(one, label)| {
        let schedule = &one.schedule;
        let (highest, lowest) = (schedule.log_snr(0), schedule.log_snr(schedule.len() - 1));
        vec![
            label.join(", "),
            figure(schedule.alpha_bars[0]),
            figure(one.last_alpha_bar()),
            percent(one.last_alpha_bar().sqrt()),
            format!("{highest:.1} to {lowest:.1}"),
            percent(share_within(schedule)),
        ]
    });
    grid(headings, rows, |place| place > 0)
}

/// Share of the timesteps at noise levels that the held-out scores cover.
fn share_within(schedule: &Schedule) -> f64 {
    let (low, high) = curve::WINDOW;
    let within = (0..schedule.len()).filter(|t| (low..=high).contains(&schedule.log_snr(*t))).count();
    within as f64 / schedule.len() as f64
}
