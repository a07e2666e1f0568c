//! Noise schedules as a picture: β, ᾱ and log-SNR side by side, over the timesteps.
//!
//! In: schedules with their settings, and the timesteps to mark. Out: a PNG file's bytes. Lines and letters are drawn here: a plotting crate would
//! bring a font file, or ask the system for one that a cluster's node does not have.

mod axis;
mod canvas;
mod font;

use std::io::Cursor;

use image::ImageFormat;

use super::words::{Shown, label, percent};
use crate::cli::failure::Failure;
use crate::diffusion::curve;
use axis::Axis;
use canvas::{Align, Canvas, Colour, Pen, Point};

/// More than this nobody tells apart.
const MOST: usize = 32;
/// Points of a curve: a little more than its panel has columns.
const POINTS: usize = 600;
/// Noise levels beyond are all signal, or none.
const LEVELS: (f64, f64) = (-20.0, 15.0);
/// The least β that is shown: its axis has a logarithm.
const LEAST_BETA: f64 = 1e-8;

const PAPER: Colour = [255, 255, 255];
const INK: Colour = [30, 30, 34];
const FAINT: Colour = [228, 229, 232];
const QUIET: Colour = [104, 106, 112];
const BAND: Colour = [241, 245, 250];
/// Colours that the colour-blind tell apart (Okabe and Ito), without the yellow, which white paper swallows.
const COLOURS: [Colour; 8] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [0, 0, 0],
    [140, 86, 75],
];
/// So that lines which lie on each other are seen, and print without colour.
const DASHES: [&[f32]; 4] = [&[], &[16.0, 9.0], &[3.0, 8.0], &[18.0, 7.0, 3.0, 7.0]];

const WIDTH: f32 = 1920.0;
const MARGIN: f32 = 40.0;
const PANEL: Point = [500.0, 420.0];
/// Left of a panel, for the words of its axis.
const WORDS: f32 = 110.0;
const TOP: f32 = 150.0;
const LEGEND: f32 = TOP + PANEL[1] + 120.0;
const ROW: f32 = 38.0;
const SWATCH: f32 = 64.0;
const LETTERS: f32 = 14.0;
/// Half of a mark's side.
const MARK: f32 = 6.0;

/// A quantity over the timesteps.
struct Panel {
    title: &'static str,
    under: &'static str,
    axis: Axis,
    /// The words of the ticks, where they are not the values.
    word: Option<fn(f64) -> String>,
    /// Values between which the panel is shaded.
    band: Option<(f64, f64)>,
    value: fn(&Shown, usize) -> f64,
}

/// Draws the schedules, with a mark on each curve at the timesteps `at`.
///
/// # Errors
/// There are more than can be told apart.
pub(crate) fn png(shown: &[Shown], at: &[usize]) -> Result<Vec<u8>, Failure> {
    if shown.len() > MOST {
        return Err(Failure::user(format!(
            "{} schedules are more than {MOST}, which is what a picture can tell apart",
            shown.len()
        ))
        .with_help("name some with --noise-schedule and --timesteps, or use --format csv"));
    }
    let labels: Vec<String> = shown.iter().map(|one| legend_words(one, shown)).collect();
    let (columns, column) = columns(&labels);
    let rows = labels.len().div_ceil(columns);
    let height = LEGEND + rows as f32 * ROW + MARGIN / 2.0;
    let mut canvas = Canvas::new(WIDTH as u32, height as u32, PAPER);
    canvas.text("Noise schedules", [MARGIN, 58.0], 22.0, Align::Left, INK);
    for (place, panel) in panels(shown).iter().enumerate() {
        let left = MARGIN + WORDS + place as f32 * (PANEL[0] + WORDS);
        draw(&mut canvas, [left, TOP], panel, shown, at);
    }
    for (place, words) in labels.iter().enumerate() {
        let at = [MARGIN + WORDS + (place / rows) as f32 * column, LEGEND + (place % rows) as f32 * ROW];
        let middle = at[1] - LETTERS / 2.0;
        canvas.line(&[[at[0], middle], [at[0] + SWATCH, middle]], pen(place));
        canvas.text(words, [at[0] + SWATCH + 18.0, at[1]], LETTERS, Align::Left, INK);
    }
    let mut file = Cursor::new(Vec::new());
    canvas.image.write_to(&mut file, ImageFormat::Png).map_err(Failure::internal)?;
    Ok(file.into_inner())
}

/// What a schedule is called, and what is left at its end.
fn legend_words(one: &Shown, shown: &[Shown]) -> String {
    let left = percent(one.last_alpha_bar().sqrt());
    format!("{}: {left} signal left", label(one, shown).join(", "))
}

/// Columns of the legend, and the width of each.
fn columns(labels: &[String]) -> (usize, f32) {
    let widest = labels.iter().map(|words| font::width(words)).fold(0.0, f32::max) * LETTERS / 10.0;
    let column = SWATCH + 18.0 + widest + 48.0;
    let fitting = ((WIDTH - 2.0 * MARGIN - WORDS) / column) as usize;
    (fitting.clamp(1, labels.len().max(1)), column)
}

fn pen(place: usize) -> Pen<'static> {
    let dash = DASHES[(place + place / COLOURS.len()) % DASHES.len()];
    Pen { colour: COLOURS[place % COLOURS.len()], width: 3.2, dash }
}

fn panels(shown: &[Shown]) -> [Panel; 3] {
    let all = |value: fn(&Shown, usize) -> f64| {
        let values = shown.iter().flat_map(move |one| (0..one.schedule.len()).map(move |t| value(one, t)));
        values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let beta = |one: &Shown, t: usize| one.schedule.betas[t].max(LEAST_BETA).log10();
    let level = |one: &Shown, t: usize| one.schedule.log_snr(t).clamp(LEVELS.0, LEVELS.1);
    let (low_beta, high_beta) = all(beta);
    let (low, high) = all(level);
    [
        Panel {
            title: "\u{3b2}",
            under: "variance of the noise of a step, on a log scale",
            axis: Axis::around(low_beta.floor(), high_beta.ceil(), 8),
            word: Some(|power| format!("{:.*}", (-power).max(0.0) as usize, 10_f64.powf(power))),
            band: None,
            value: beta,
        },
        Panel {
            title: "\u{1fb1}",
            under: "share of the image in the variance",
            axis: Axis::around(0.0, 1.0, 5),
            word: None,
            band: None,
            value: |one, t| one.schedule.alpha_bars[t],
        },
        Panel {
            title: "log-SNR",
            under: "shaded: the levels that held-out scores cover",
            axis: Axis::around(low, high, 7),
            word: None,
            band: Some(curve::WINDOW),
            value: level,
        },
    ]
}

/// A panel with its axes and a curve for each schedule; `corner` is its upper left one.
fn draw(canvas: &mut Canvas, corner: Point, panel: &Panel, shown: &[Shown], at: &[usize]) {
    let [left, top] = corner;
    let [right, bottom] = [left + PANEL[0], top + PANEL[1]];
    let height = |value: f64| bottom - (panel.axis.place(value) as f32).clamp(0.0, 1.0) * PANEL[1];
    let thin = |colour: Colour| Pen { colour, width: 1.4, dash: &[] };
    canvas.text(panel.title, [left, top - 46.0], 18.0, Align::Left, INK);
    canvas.text(panel.under, [left, top - 16.0], LETTERS - 2.0, Align::Left, QUIET);
    if let Some((low, high)) = panel.band {
        canvas.fill([left, height(high)], [right, height(low)], BAND);
    }
    for (value, word) in panel.axis.ticks() {
        let y = height(value);
        canvas.line(&[[left, y], [right, y]], thin(FAINT));
        let word = panel.word.map_or(word, |words| words(value));
        canvas.text(&word, [left - 14.0, y + LETTERS / 2.0], LETTERS, Align::Right, INK);
    }
    let (across, name) = timesteps(shown);
    for (value, word) in across.ticks() {
        let x = left + across.place(value) as f32 * PANEL[0];
        canvas.line(&[[x, bottom], [x, bottom + 7.0]], thin(QUIET));
        canvas.text(&word, [x, bottom + 14.0 + LETTERS], LETTERS, Align::Middle, INK);
    }
    let middle = (left + right) / 2.0;
    canvas.text(name, [middle, bottom + 30.0 + 2.0 * LETTERS], LETTERS, Align::Middle, QUIET);
    canvas.line(&[[left, top], [left, bottom], [right, bottom]], thin(QUIET));
    for (place, one) in shown.iter().enumerate() {
        let steps = one.schedule.len();
        let count = POINTS.min(steps);
        let point = |number: usize| {
            let share = number as f32 / (count - 1) as f32;
            let t = (share * (steps - 1) as f32).round() as usize;
            [left + share * PANEL[0], height((panel.value)(one, t.min(steps - 1)))]
        };
        canvas.line(&(0..count).map(point).collect::<Vec<_>>(), pen(place));
        for &t in at.iter().filter(|t| **t < steps) {
            let x = left + t as f32 / (steps - 1) as f32 * PANEL[0];
            let y = height((panel.value)(one, t));
            canvas.fill([x - MARK, y - MARK], [x + MARK, y + MARK], pen(place).colour);
        }
    }
}

/// The axis of the timesteps: their numbers, or shares of the way where chains differ in length.
fn timesteps(shown: &[Shown]) -> (Axis, &'static str) {
    let first = shown.first().map_or(2, |one| one.schedule.len());
    if shown.iter().all(|one| one.schedule.len() == first) {
        (Axis::exactly(0.0, (first - 1) as f64, 5), "t")
    } else {
        (Axis::exactly(0.0, 1.0, 5), "t / (T - 1)")
    }
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
