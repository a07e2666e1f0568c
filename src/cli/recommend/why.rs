//! The reasons for a recommendation, each a paragraph.
//!
//! In: what was asked and the advice. Out: sentences with the figures they rest on.

use super::speed::how_to_tell;
use super::text::{gflop, hours, percent};
use super::{Args, gigabytes};
use crate::cli::wording::counted;
use crate::config::NoiseSchedule;
use crate::sizing::recommend::{Advice, Ask, Bounds, End, Limit, Proposal};
use crate::sizing::{forward_flops_per_image, step_memory, thousands};

/// Images for each parameter below which a network is far from what it could be.
const UNFINISHED: f64 = 0.5;
/// Hours at 10 TFLOP/s beyond which nobody waits.
const LONG: f64 = 1000.0;

/// Every paragraph.
pub(super) fn reasons(args: &Args, ask: &Ask<'_>, advice: &Advice, chosen: &Proposal) -> Vec<String> {
    vec![
        size(args, advice),
        multipliers(chosen),
        attention(chosen),
        memory(args, ask, chosen),
        training(args, chosen),
        time(args, chosen),
        schedule(chosen),
    ]
}

/// What bounds it.
fn size(args: &Args, advice: &Advice) -> String {
    let images = match args.dataset_size {
        Some(images) => format!("{} images", thousands(images)),
        None => "50,000 images (assumed; --dataset-size says otherwise)".to_owned(),
    };
    let bound = advice.bounds.parameters;
    let mut text = format!("size: {images} bear about {} parameters.", millions(bound));
    let said: Vec<String> = advice.limits.iter().map(|limit| limit_text(*limit, &advice.bounds)).collect();
    if said.is_empty() {
        text += " Twice the memory or four times the images alone would not change the network.";
    } else {
        text += &format!(" What limits it: {}.", said.join("; "));
    }
    if !advice.limits.iter().any(|limit| matches!(limit, Limit::Memory(_))) && !said.is_empty() {
        text += " More memory would not change the network.";
    }
    text
}

fn limit_text(limit: Limit, bounds: &Bounds) -> String {
    let parameters = millions(limit.parameters());
    match limit {
        Limit::Memory(_) => format!("memory (twice as much: {parameters})"),
        Limit::Data(_) => format!("the data set (four times the images: {parameters})"),
        Limit::Work(_) => {
            let flops = bounds.forward_flops.map_or_else(String::new, gflop);
            format!(
                "work, kept below {flops} GFLOP an image while no hours say otherwise (twice: {parameters})"
            )
        }
        Limit::Hours(_) => format!("time (twice the hours: {parameters})"),
    }
}

fn multipliers(chosen: &Proposal) -> String {
    let shares = chosen.levels.iter().map(|level| 0.5 * (level.parameters + level.flops));
    let (least, most) = (shares.clone().fold(1.0, f64::min), shares.fold(0.0, f64::max));
    format!(
        "multipliers: with {} each level has {} to {} of the budget, parameters and operations counted half each; {} \
         would be even. Equal widths would spend most work at full size, doubling ones most parameters at {} pixels, and \
         of all that fit this loses least to either.",
        list(&chosen.config.model.channel_multipliers),
        percent(least),
        percent(most),
        percent(1.0 / chosen.levels.len() as f64),
        chosen.levels.last().map_or(0, |level| level.pixels)
    )
}

fn attention(chosen: &Proposal) -> String {
    let (model, data) = (&chosen.config.model, &chosen.config.data);
    let cost: f64 = chosen.levels.iter().map(|level| level.attention_flops).sum();
    let mut text = match &model.attention_resolutions[..] {
        [] => {
            "attention: in the middle block alone; anywhere else it costs more than it is held to be worth."
                .to_owned()
        }
        resolutions => format!(
            "attention: at {} pixels and in the middle block, where it adds {} to the operations; heads are up to {} wide.",
            spoken(resolutions),
            percent(cost),
            model.attention_head_dim.unwrap_or(0)
        ),
    };
    let next = chosen.levels.iter().rev().find(|level| !level.attention).map(|level| level.pixels);
    if let Some(pixels) = next {
        let mut more = model.clone();
        more.attention_resolutions.push(pixels);
        let added = forward_flops_per_image(&more, data) as f64 / chosen.forward_flops as f64 - 1.0;
        text += &format!(" At {pixels} it would add {}.", percent(added));
    }
    text
}

fn memory(args: &Args, ask: &Ask<'_>, chosen: &Proposal) -> String {
    let (config, training) = (&chosen.config, &chosen.config.training);
    let step = step_memory(config, ask.place);
    let micro_batch = training.batch_size / training.gradient_accumulation;
    let mut text = format!(
        "memory: {} of {} GB at most, by estimate; 85 % may be filled. A step holds {} GB: weights {}, gradients {}, \
         optimizer {}, averages {}, feature maps {}, and what is beside them {}.",
        gigabytes(chosen.peak_bytes),
        args.memory,
        gigabytes(step.total()),
        gigabytes(step.weights),
        gigabytes(step.gradients),
        gigabytes(step.optimizer),
        gigabytes(step.averages),
        gigabytes(step.activations),
        gigabytes(step.program + step.inputs + step.workspace)
    );
    text += &match training.gradient_accumulation {
        1 => format!(" All {} of a step are on the device at a time", counted(micro_batch, "image")),
        parts => format!(
            " {} at a time, {parts} times a step (gradient_accumulation), which changes nothing that is trained",
            counted(micro_batch, "image")
        ),
    };
    text += &format!(", in {}", training.precision.name());
    text += if training.recompute {
        ", with feature maps computed twice: a third more work, without which it would not fit."
    } else {
        "."
    };
    text
}

fn training(args: &Args, chosen: &Proposal) -> String {
    let (config, reasons) = (&chosen.config, &chosen.reasons);
    let steps = config.training.steps.unwrap_or(0);
    let mut text = format!(
        "training: {} steps of {} see {} images, {:.2} for each parameter and {} passes over the data set.",
        thousands(steps),
        counted(config.training.batch_size, "image"),
        millions(chosen.images),
        reasons.images_per_parameter,
        thousands(reasons.passes.round() as u64)
    );
    text += match reasons.end {
        End::Parameters if reasons.images_per_parameter > 2.0 => {
            " Published networks saw 0.9 to 3.7, so that the hours are not used up."
        }
        End::Parameters => " Published networks saw 0.9 to 3.7.",
        End::Passes => " Nobody has made more passes.",
        End::Hours if reasons.images_per_parameter < UNFINISHED => {
            " That is what the hours allow; published networks saw 0.9 to 3.7, so expect an unfinished one."
        }
        End::Hours => " That is what the hours allow; a larger network would see fewer for each parameter.",
    };
    let per_value = reasons.parameters_per_value;
    text += &match config.model.dropout > 0.0 {
        true => format!(
            " With {per_value:.2} parameters for each number of the data set it can learn the images by heart: dropout {}.",
            config.model.dropout
        ),
        false => " No dropout: it cannot learn so many images by heart in so few passes.".to_owned(),
    };
    if args.dataset_size.is_none() {
        text += " All of it changes with --dataset-size.";
    }
    text
}

fn time(args: &Args, chosen: &Proposal) -> String {
    match (chosen.hours, args.hours) {
        (Some(taken), Some(given)) => format!("time: {} of {given} hours, by estimate.", hours(taken)),
        (Some(taken), None) => {
            format!("time: {} hours, by estimate; --hours H fits the network to H.", hours(taken))
        }
        (None, _) => {
            let at_10_tflops = chosen.work() / 1e13 / 3600.0;
            let text = format!(
                "hours: unknown; {}. The training is {:.1e} operations, {} hours at a sustained 10 TFLOP/s.",
                how_to_tell(args.device),
                chosen.work(),
                hours(at_10_tflops)
            );
            match at_10_tflops > LONG {
                true => {
                    text + " If that is too long, --hours H fits the network and its steps to H, once the speed is known."
                }
                false => text,
            }
        }
    }
}

fn schedule(chosen: &Proposal) -> String {
    let why = match chosen.config.diffusion.noise_schedule {
        NoiseSchedule::Cosine => {
            "schedule: cosine, which keeps more steps where there is something to learn in a small image"
        }
        _ => {
            "schedule: linear; neighbouring pixels of a large image repeat each other, so that it takes more noise to hide \
             it than cosine gives half way"
        }
    };
    format!(
        "{why} (`ablate schedule`). {} timesteps: training costs the same for any number.",
        thousands(chosen.config.diffusion.timesteps as u64)
    )
}

/// What an alternative is, in a line.
pub(super) fn alternative(proposal: &Proposal, best: &Proposal, bounds: &Bounds) -> String {
    let times = |ratio: f64| format!("{ratio:.2} times");
    let parameters = times(proposal.parameters as f64 / best.parameters as f64);
    let work = times(proposal.train_flops as f64 / best.train_flops as f64);
    match proposal.name {
        "smaller" => format!(
            "smaller: the best with at most half the work an image; {parameters} the parameters, {work} the work."
        ),
        "leaner" if proposal.parameters == best.parameters => {
            "leaner: the same network within half of the memory.".to_owned()
        }
        "exact" if proposal.parameters == best.parameters => {
            "exact: the same network in 32 bits throughout, which every device has.".to_owned()
        }
        "exact" => {
            format!("exact: the best in 32 bits throughout; {parameters} the parameters, {work} the work.")
        }
        "leaner" => format!(
            "leaner: the best within half of the memory; {parameters} the parameters, {work} the work."
        ),
        _ => {
            let beyond = match (bounds.hours, proposal.config.training.recompute) {
                (Some(hours), _) => format!(", in {} hours", hours * 2.0),
                (None, true) => " and its feature maps computed twice".to_owned(),
                (None, false) => String::new(),
            };
            format!(
                "larger: the best with twice the parameters and the work allowed{beyond}; {parameters} the parameters, \
                 {work} the work. It learns a data set by heart sooner."
            )
        }
    }
}

fn millions(count: u64) -> String {
    let value = count as f64 / 1e6;
    if value < 10.0 { format!("{value:.2} million") } else { format!("{value:.1} million") }
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `32, 16 and 8`.
fn spoken(numbers: &[usize]) -> String {
    match numbers {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", list(first)),
        numbers => list(numbers),
    }
}
