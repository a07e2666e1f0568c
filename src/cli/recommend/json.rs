//! A recommendation for programs.
//!
//! In: what was asked and the advice. Out: JSON.

use serde::Serialize;

use super::Args;
use crate::config::Config;
use crate::sizing::recommend::{Advice, End, Limit, Proposal};

#[derive(Serialize)]
struct Document<'a> {
    memory_gb: f64,
    image_size: usize,
    channels: usize,
    dataset_size: Option<u64>,
    hours: Option<f64>,
    bounds: Bounds,
    /// What keeps the best from being larger, and the parameters of the best where that is doubled.
    limits: Vec<LimitRow>,
    best: Row<'a>,
    others: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Bounds {
    parameters: u64,
    forward_flops_per_image: Option<u64>,
    hours: Option<f64>,
}

#[derive(Serialize)]
struct LimitRow {
    bound: &'static str,
    doubled_parameters: u64,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'static str,
    parameters: u64,
    forward_flops_per_image: u64,
    train_flops_per_image: u64,
    train_memory_bytes: u64,
    images: u64,
    images_per_parameter: f64,
    passes: f64,
    ended_by: &'static str,
    /// Null where the speed is not known.
    hours: Option<f64>,
    levels: Vec<LevelRow>,
    config: &'a Config,
    toml: &'a str,
}

#[derive(Serialize)]
struct LevelRow {
    pixels: usize,
    channels: usize,
    attention: bool,
    parameters_share: f64,
    flops_share: f64,
}

/// The document.
pub(super) fn json(args: &Args, advice: &Advice) -> serde_json::Result<String> {
    let bounds = &advice.bounds;
    let document = Document {
        memory_gb: args.memory,
        image_size: args.image_size,
        channels: args.channels,
        dataset_size: args.dataset_size,
        hours: args.hours,
        bounds: Bounds {
            parameters: bounds.parameters,
            forward_flops_per_image: bounds.forward_flops,
            hours: bounds.hours,
        },
        limits: advice.limits.iter().copied().map(limit).collect(),
        best: row(&advice.best),
        others: advice.others.iter().map(row).collect(),
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

fn limit(limit: Limit) -> LimitRow {
    let bound = match limit {
        Limit::Memory(_) => "memory",
        Limit::Data(_) => "data",
        Limit::Work(_) => "work",
        Limit::Hours(_) => "hours",
    };
    LimitRow { bound, doubled_parameters: limit.parameters() }
}

fn row(proposal: &Proposal) -> Row<'_> {
    Row {
        name: proposal.name,
        parameters: proposal.parameters,
        forward_flops_per_image: proposal.forward_flops,
        train_flops_per_image: proposal.train_flops,
        train_memory_bytes: proposal.peak_bytes,
        images: proposal.images,
        images_per_parameter: proposal.reasons.images_per_parameter,
        passes: proposal.reasons.passes,
        ended_by: match proposal.reasons.end {
            End::Parameters => "parameters",
            End::Passes => "passes",
            End::Hours => "hours",
        },
        hours: proposal.hours,
        levels: proposal
            .levels
            .iter()
            .map(|level| LevelRow {
                pixels: level.pixels,
                channels: level.channels,
                attention: level.attention,
                parameters_share: level.parameters,
                flops_share: level.flops,
            })
            .collect(),
        config: &proposal.config,
        toml: &proposal.toml,
    }
}
