//! A recommendation for people: what it is, why, what else there is, and the file.
//!
//! In: what was asked and the advice. Out: text without colour.

use super::{Args, gigabytes, why};
use crate::cli::grid::grid;
use crate::cli::wording::wrapped;
use crate::sizing::recommend::{Advice, Ask, Proposal};
use crate::sizing::thousands;

/// Everything.
pub(super) fn text(args: &Args, ask: &Ask<'_>, advice: &Advice, chosen: &Proposal) -> String {
    let mut text = format!("{}\n{}\n", title(chosen), levels(chosen));
    for reason in why::reasons(args, ask, advice, chosen) {
        text += &wrapped(&reason);
    }
    text += &format!("\n{}", alternatives(advice, chosen));
    text += &format!("\n{}", next(args));
    if args.output.is_none() {
        text += &format!("\n{}", chosen.toml);
    }
    text
}

fn title(chosen: &Proposal) -> String {
    let what = match chosen.name {
        "best" => "recommended".to_owned(),
        name => format!("the {name} alternative"),
    };
    format!(
        "{what}: {} parameters, {} GFLOP forward and {} GFLOP in training for each image\n",
        thousands(chosen.parameters),
        gflop(chosen.forward_flops),
        gflop(chosen.train_flops)
    )
}

/// A row a resolution: what it has of the network.
fn levels(chosen: &Proposal) -> String {
    let model = &chosen.config.model;
    let rows = chosen.levels.iter().zip(&model.channel_multipliers).map(|(level, multiplier)| {
        let heads = level.channels / model.head_dim(level.channels);
        let attention = match (level.attention, heads) {
            (false, _) => "-".to_owned(),
            (true, 1) => "1 head".to_owned(),
            (true, heads) => format!("{heads} heads"),
        };
        [
            level.pixels.to_string(),
            format!("x {multiplier}"),
            level.channels.to_string(),
            attention,
            percent(level.parameters),
            percent(level.flops),
        ]
    });
    let header = ["pixels", "multiplier", "channels", "attention", "parameters", "operations"];
    grid(header, rows, |_| true)
}

/// A row a proposal, the chosen one marked.
fn alternatives(advice: &Advice, chosen: &Proposal) -> String {
    let all = || advice.others.iter().chain([&advice.best]);
    let mut all: Vec<&Proposal> = all().collect();
    all.sort_by_key(|proposal| (proposal.forward_flops, proposal.peak_bytes));
    let rows = all.iter().map(|proposal| {
        let (model, training) = (&proposal.config.model, &proposal.config.training);
        let multipliers: Vec<String> = model.channel_multipliers.iter().map(ToString::to_string).collect();
        [
            format!("{} {}", if proposal.name == chosen.name { "*" } else { " " }, proposal.name),
            format!("{} x {}", model.base_channels, multipliers.join(",")),
            model.num_res_blocks.to_string(),
            thousands(proposal.parameters),
            gflop(proposal.train_flops),
            gigabytes(proposal.peak_bytes),
            (training.batch_size / training.gradient_accumulation).to_string(),
            if training.recompute { "twice" } else { "once" }.to_owned(),
            proposal.hours.map_or_else(|| "unknown".to_owned(), hours),
        ]
    });
    const MAPS: usize = 7;
    let header = ["  name", "channels", "blocks", "parameters", "GFLOP", "GB", "at a time", "maps", "hours"];
    let mut text = grid(header, rows, |place| place > 1 && place != MAPS);
    for proposal in &advice.others {
        text += &wrapped(&why::alternative(proposal, &advice.best, &advice.bounds));
    }
    text
}

/// What to type next.
fn next(args: &Args) -> String {
    let file = args.output.as_ref().map_or_else(|| "FILE.toml".to_owned(), |path| path.display().to_string());
    let file = crate::guard::printable(&file);
    let mut lines = vec![
        (
            format!("ablate plan {file} --memory {} --strict", args.memory),
            "whether it still fits once it is changed",
        ),
        (format!("ablate run {file}"), "trains it: on drawings, until data.dataset names your images"),
    ];
    if args.output.is_none() {
        lines.insert(0, (format!("the same with -o {file}"), "writes what stands below"));
    }
    let width = lines.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let lines = lines.iter().map(|(command, what)| format!("  {command:<width$}  {what}\n"));
    format!("next\n{}", lines.collect::<String>())
}

/// `12.7`, in 10^9.
pub(super) fn gflop(flops: u64) -> String {
    let value = flops as f64 / 1e9;
    match value {
        ..10.0 => format!("{value:.2}"),
        ..1000.0 => format!("{value:.1}"),
        _ => thousands(value.round() as u64),
    }
}

/// `0.42`, `26`: two digits at least.
pub(super) fn hours(hours: f64) -> String {
    match hours {
        ..10.0 => format!("{hours:.2}"),
        ..100.0 => format!("{hours:.1}"),
        _ => thousands(hours.round() as u64),
    }
}

/// `12 %`; a little is never nothing.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        little @ 0.0..1.0 => format!("{little:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}
