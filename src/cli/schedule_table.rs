//! Noise schedules for people: some timesteps of each side by side, then what each comes to.
//!
//! In: schedules with their settings. Out: text without colour.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::plan_table::wrapped;
use crate::config::{Diffusion, NoiseSchedule};
use crate::diffusion::{Schedule, curve};
use crate::plan::short_float;

/// Rows of the table, evenly spread from the first timestep to the last.
const ROWS: usize = 11;

/// Shares of the signal's standard deviation that a chain may end with: below the first nothing is noticed, below
/// the second only brightness suffers (Lin et al. 2024 found it with 6.8 %).
const LEFT: (f64, f64) = (0.01, 0.1);

/// A schedule and what it was made from.
pub(crate) struct Shown {
    pub(crate) diffusion: Diffusion,
    pub(crate) schedule: Schedule,
}

impl Shown {
    /// The timestep of a row.
    fn t(&self, row: usize) -> usize {
        ((self.schedule.len() - 1) as f64 * row as f64 / (ROWS - 1) as f64).round() as usize
    }

    fn last_alpha_bar(&self) -> f64 {
        self.schedule.alpha_bars[self.schedule.len() - 1]
    }
}

/// The timesteps, a summary line each, a verdict each, and what T costs.
pub(crate) fn table(shown: &[Shown]) -> String {
    let labels: Vec<Vec<String>> = shown.iter().map(|one| label(one, shown)).collect();
    let mut text = match shown {
        [only] => format!("{}\n\n{}", labels[0].join(", "), single(only)),
        several => side_by_side(several, &labels),
    };
    let _ = write!(text, "\n{}\n", summary(shown, &labels));
    for (one, label) in shown.iter().zip(&labels) {
        let name = if shown.len() > 1 { format!("{}: ", label.join(", ")) } else { String::new() };
        text.push_str(&wrapped(&format!("{name}{}", verdict(one))));
    }
    text.push('\n');
    text.push_str(&wrapped(
        "What T costs: training takes the same time for any T, since a step trains each image at one timestep. \
         Sampling takes sampling.steps evaluations of the network; only a full chain (sampler \"ddpm\" with \
         sampling.steps = T) grows with T.",
    ));
    text
}

/// Shape and length, then whatever differs between the schedules, or, of a single one, from the defaults.
fn label(one: &Shown, shown: &[Shown]) -> Vec<String> {
    let settings = |shown: &Shown| {
        let diffusion = &shown.diffusion;
        let made_of_betas = diffusion.noise_schedule != NoiseSchedule::Cosine;
        let rescales = diffusion.timesteps != 1000;
        let betas =
            format!("beta {} to {}", short_float(diffusion.beta_start), short_float(diffusion.beta_end));
        [
            made_of_betas.then_some(betas),
            (made_of_betas && rescales)
                .then(|| if diffusion.rescale_betas { "rescaled" } else { "not rescaled" }.to_owned()),
            diffusion.zero_terminal_snr.then(|| "zero SNR".to_owned()),
        ]
    };
    let mine = settings(one);
    let told = |place: usize| match shown {
        [_] => true,
        several => {
            let stated: Vec<String> =
                several.iter().filter_map(|other| settings(other)[place].clone()).collect();
            // Of the last, absence says something too.
            stated.iter().any(|other| *other != stated[0]) || place == 2 && stated.len() < several.len()
        }
    };
    let mut parts =
        vec![one.diffusion.noise_schedule.name().to_owned(), format!("T = {}", one.diffusion.timesteps)];
    parts.extend((0..mine.len()).filter(|place| told(*place)).filter_map(|place| mine[place].clone()));
    parts
}

/// Every quantity of one schedule.
fn single(one: &Shown) -> String {
    let schedule = &one.schedule;
    let rows = (0..ROWS.min(schedule.len())).map(|row| {
        let t = if schedule.len() < ROWS { row } else { one.t(row) };
        let log_snr = decimals(schedule.log_snr(t));
        vec![
            t.to_string(),
            figure(schedule.betas[t]),
            figure(schedule.alpha_bars[t]),
            figure(schedule.snr(t)),
            log_snr,
        ]
    });
    grid(["t", "beta", "alpha_bar", "SNR", "log-SNR"].map(String::from).to_vec(), rows.collect(), 0)
}

/// A block a quantity, a column a schedule.
fn side_by_side(shown: &[Shown], labels: &[Vec<String>]) -> String {
    let same_length = shown.iter().all(|one| one.schedule.len() == shown[0].schedule.len());
    let quantities: [(&str, fn(&Schedule, usize) -> String); 4] = [
        ("beta", |schedule, t| figure(schedule.betas[t])),
        ("alpha_bar", |schedule, t| figure(schedule.alpha_bars[t])),
        ("SNR", |schedule, t| figure(schedule.snr(t))),
        ("log-SNR", |schedule, t| decimals(schedule.log_snr(t))),
    ];
    let blocks = quantities.map(|(name, value)| {
        let first = if same_length { "t" } else { "t/(T-1)" };
        let headings =
            [format!("{name}\n{first}")].into_iter().chain(labels.iter().map(|label| label.join("\n")));
        let rows = (0..ROWS).map(|row| {
            let place =
                if same_length { shown[0].t(row).to_string() } else { format!("{:.1}", row as f64 / 10.0) };
            [place].into_iter().chain(shown.iter().map(|one| value(&one.schedule, one.t(row)))).collect()
        });
        grid(headings.collect(), rows.collect(), 0)
    });
    blocks.join("\n")
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
    grid(headings.map(String::from).to_vec(), rows.collect(), 1)
}

/// Share of the timesteps at noise levels that the held-out scores cover.
fn share_within(schedule: &Schedule) -> f64 {
    let (low, high) = curve::WINDOW;
    let within = (0..schedule.len()).filter(|t| (low..=high).contains(&schedule.log_snr(*t))).count();
    within as f64 / schedule.len() as f64
}

/// What the end of a chain means for sampling, and what to do about it.
fn verdict(one: &Shown) -> String {
    let left = one.last_alpha_bar().sqrt();
    let share = percent(left);
    let end = if left == 0.0 {
        "ends in noise alone, which is what sampling starts from. It needs prediction_type \"v\" or \"x0\", and a \
         timestep_spacing that visits the last step (\"trailing\")."
            .to_owned()
    } else if left < LEFT.0 {
        format!(
            "ends in practically pure noise, which is what sampling starts from: {share} of the signal's standard \
             deviation is left."
        )
    } else if left < LEFT.1 {
        format!(
            "leaves {share} of the signal's standard deviation at the last step, and sampling starts from noise \
             without it: very dark and very bright images come out nearer to grey. {}",
            remedy(one)
        )
    } else {
        format!(
            "leaves {share} of the signal's standard deviation at the last step. Sampling starts from pure noise, \
             which this network never sees in training, so its images will be poor whatever else is right. {}",
            remedy(one)
        )
    };
    match curve::reach(&one.schedule) {
        Some((low, high)) if low <= curve::WINDOW.0 && high >= curve::WINDOW.1 => end,
        _ => format!(
            "{end} It does not cover log-SNR 6 to -6, so denoise_score and denoise_bits will be empty."
        ),
    }
}

/// The setting that mends a chain which ends too early, and what it would leave.
fn remedy(one: &Shown) -> String {
    let without = "zero_terminal_snr = true with prediction_type \"v\" leaves none.";
    if one.diffusion.noise_schedule == NoiseSchedule::Cosine {
        return format!("More timesteps leave less; {without}");
    }
    let rescaled = Diffusion { rescale_betas: true, ..one.diffusion.clone() };
    let better = Schedule::new(&rescaled).ok().map(|schedule| schedule.alpha_bars[schedule.len() - 1].sqrt());
    match better.filter(|better| *better < one.last_alpha_bar().sqrt() / 2.0) {
        Some(better) => format!("rescale_betas = true leaves {}; {without}", percent(better)),
        None => format!("A larger beta_end leaves less; {without}"),
    }
}

/// Four digits, with an exponent where zeros would hide them.
fn figure(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    match value.abs().log10().floor() as i32 {
        digits @ -3..=5 => format!("{value:.*}", (3 - digits).max(0) as usize),
        _ => format!("{value:.3e}"),
    }
}

fn decimals(value: f64) -> String {
    format!("{value:.2}")
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".into(),
        small if small < 0.001 => format!("{small:.0e} %"),
        small if small < 0.1 => format!("{small:.3} %"),
        medium if medium < 10.0 => format!("{medium:.2} %"),
        large => format!("{large:.0} %"),
    }
}

/// Numbers to the right, the first `texts` columns to the left.
fn grid(headings: Vec<String>, rows: Vec<Vec<String>>, texts: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let height = headings.iter().map(|heading| heading.matches('\n').count()).max().unwrap_or(0);
    // Headings end on the line above the first row.
    table.set_header(
        headings.iter().map(|heading| "\n".repeat(height - heading.matches('\n').count()) + heading),
    );
    table.add_rows(rows);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place >= texts {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
