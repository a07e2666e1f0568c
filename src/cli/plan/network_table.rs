//! A network as a table: what each level, each multiplier, each part and the attention at each resolution costs.
//!
//! In: a [`Drawing`]. Out: text, indented as what is said of a variant.

use crate::cli::grid::grid;
use crate::cli::plan::network::Drawing;
use crate::memory::human;
use crate::sizing::{Cost, Level, Part, thousands};

/// Columns before the cost: name, pixels, channels, blocks, heads.
const SIZES: usize = 5;

/// The levels from the input to the output; their sums by multiplier and by part; attention by resolution.
pub(super) fn table(drawing: &Drawing) -> String {
    let units = Units::of(drawing);
    let levels = &drawing.levels;
    let mut rows: Vec<Vec<String>> =
        levels.iter().map(|level| units.row(sizes(level), level.cost())).collect();
    rows.push(vec![String::new()]);
    rows.extend(drawing.multipliers.iter().enumerate().map(|(place, multiplier)| {
        let cost = at(levels, place).map(Level::cost).sum();
        units.row(vec![format!("level {place}, x{multiplier}")], cost)
    }));
    rows.push(vec![String::new()]);
    rows.extend(Part::ALL.iter().map(|&part| {
        let cost = levels.iter().map(|level| level.part(part)).sum();
        units.row(vec![part.name().to_owned()], cost)
    }));
    rows.push(vec![String::new()]);
    rows.push(units.row(vec!["all".to_owned()], units.all));
    let mut text = format!("\n{}", indented(&grid(units.headings(), rows, |place| place > 0)));
    if let Some(bytes) = drawing.recomputed {
        let kept = human(bytes);
        text.push_str(&format!("\n  training.recompute keeps {kept} of one image at a time instead\n"));
    }
    let places = 0..drawing.multipliers.len();
    let rows: Vec<Vec<String>> = places.filter_map(|place| units.attention(at(levels, place))).collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n{}", indented(&grid(units.attention_headings(), rows, |place| place > 0))));
    }
    text
}

/// The levels of a multiplier: on the way down, at the lowest the middle, and on the way up.
fn at(levels: &[Level], place: usize) -> impl Iterator<Item = &Level> {
    levels.iter().filter(move |level| level.multiplier == Some(place))
}

/// Name, size, blocks and attention of a level.
fn sizes(level: &Level) -> Vec<String> {
    let pixels = match level.name.as_str() {
        "time_embedding" => String::new(),
        _ => format!("{0}x{0}", level.resolution),
    };
    let blocks = if level.blocks == 0 { String::new() } else { level.blocks.to_string() };
    vec![level.name.clone(), pixels, level.channels.to_string(), blocks, heads(level)]
}

/// `4 x 64`: heads, and channels of each.
fn heads(level: &Level) -> String {
    match (level.heads, level.head_dim()) {
        (Some(heads), Some(width)) => format!("{heads} x {width}"),
        _ => String::new(),
    }
}

/// Units that a network's numbers are shown in, one for each column.
struct Units {
    all: Cost,
    flops: (&'static str, f64),
    kept: (&'static str, f64),
}

impl Units {
    fn of(drawing: &Drawing) -> Units {
        let all: Cost = drawing.levels.iter().map(Level::cost).sum();
        let flops = match all.forward_flops as f64 {
            small if small < 1e9 => ("MFLOP", 1e6),
            usual if usual < 1e13 => ("GFLOP", 1e9),
            _ => ("TFLOP", 1e12),
        };
        let kept = unit(all.kept_bytes);
        Units { all, flops, kept }
    }

    fn headings(&self) -> Vec<String> {
        let flops = self.flops.0;
        let sizes = ["", "pixels", "channels", "blocks", "heads", "parameters"].map(String::from);
        let costs = [format!("forward\n{flops}"), "share".into(), format!("training\n{flops}"), self.kept()];
        sizes.into_iter().chain(costs).collect()
    }

    fn row(&self, mut cells: Vec<String>, cost: Cost) -> Vec<String> {
        cells.resize(SIZES, String::new());
        let [parameters, forward, share, kept] = self.costs(cost);
        cells.extend([parameters, forward, share, amount(cost.train_flops as f64 / self.flops.1), kept]);
        cells
    }

    fn costs(&self, cost: Cost) -> [String; 4] {
        let share = cost.forward_flops as f64 / (self.all.forward_flops as f64).max(1.0);
        [
            thousands(cost.parameters),
            amount(cost.forward_flops as f64 / self.flops.1),
            percent(share),
            amount(cost.kept_bytes as f64 / self.kept.1),
        ]
    }

    fn kept(&self) -> String {
        format!("kept\n{}", self.kept.0)
    }

    fn attention_headings(&self) -> Vec<String> {
        let sizes = ["attention", "blocks", "heads", "parameters"].map(String::from);
        let costs = [format!("forward\n{}", self.flops.0), "share".into(), self.kept()];
        let scores = ["scores,\nfused", "scores,\nmaterialised"].map(String::from);
        sizes.into_iter().chain(costs).chain(scores).collect()
    }

    /// The attention of the levels at one resolution; none where they have none.
    fn attention<'a>(&self, levels: impl Iterator<Item = &'a Level>) -> Option<Vec<String>> {
        let levels: Vec<&Level> = levels.filter(|level| level.attentions > 0).collect();
        let first = levels.first()?;
        let middle = if levels.iter().all(|level| level.name == "mid_block") { ", middle" } else { "" };
        let blocks: usize = levels.iter().map(|level| level.attentions).sum();
        let cost = levels.iter().map(|level| level.part(Part::Attention)).sum();
        let sum =
            |of: fn(&Level) -> u64| human(levels.iter().map(|level| of(level)).fold(0, u64::saturating_add));
        let scores = [sum(|level| level.fused_score_bytes), sum(|level| level.materialised_score_bytes)];
        let sizes = [format!("{0}x{0}{middle}", first.resolution), blocks.to_string(), heads(first)];
        Some(sizes.into_iter().chain(self.costs(cost)).chain(scores).collect())
    }
}

/// Three digits, or all of a large number.
fn amount(value: f64) -> String {
    let digits = match value {
        0.0 => return "0".into(),
        tiny if tiny < 0.005 => return "<0.01".into(),
        small if small < 9.995 => 2,
        medium if medium < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".into(),
        tiny if tiny < 0.05 => "<0.1 %".into(),
        small if small < 0.95 => format!("{small:.1} %"),
        usual => format!("{usual:.0} %"),
    }
}

/// The unit in which a number of bytes has few digits, and its size.
fn unit(bytes: u64) -> (&'static str, f64) {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, shift)| bytes >> shift > 0);
    unit.map_or(("bytes", 1.0), |(name, shift)| (name, (1_u64 << shift) as f64))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("  {line}\n") }).collect()
}
