//! The search as a whole: what it finds is sensible, fits and follows what it is asked.

use super::*;
use crate::config::{Device, NoiseSchedule, Precision};
use crate::sizing::{Place, peak_bytes};

const GB: f64 = 1e9;

/// A GPU of so many gigabytes, for RGB images of a size.
pub(crate) fn ask(gigabytes: f64, image_size: usize) -> Ask<'static> {
    Ask {
        memory: (gigabytes * GB) as u64,
        place: Place::Accelerator,
        image_size,
        channels: 3,
        dataset_size: None,
        batch_size: None,
        hours: None,
        precision: None,
        pace: None,
    }
}

fn best(ask: &Ask<'_>) -> Proposal {
    recommend(ask).unwrap().best
}

#[test]
fn for_cifar_10_it_finds_the_widths_of_ho() {
    let advice = recommend(&Ask { dataset_size: Some(50_000), ..ask(24.0, 32) }).unwrap();
    let model = &advice.best.config.model;
    assert_eq!((model.base_channels, &model.channel_multipliers[..]), (128, &[1, 2, 2, 2][..]));
    assert_eq!(model.num_res_blocks, 2);
    assert!(model.attention_resolutions.contains(&16) && !model.attention_resolutions.contains(&32));
    assert_eq!(model.dropout, 0.1);
    assert_eq!(advice.best.config.diffusion.noise_schedule, NoiseSchedule::Cosine);
}

#[test]
fn for_imagenet_at_64_pixels_it_finds_the_network_of_nichol_and_dhariwal() {
    let model = best(&Ask { dataset_size: Some(1_281_167), ..ask(24.0, 64) }).config.model;
    assert_eq!((model.base_channels, &model.channel_multipliers[..]), (128, &[1, 2, 3, 4][..]));
    assert_eq!(model.attention_resolutions, [16, 8]);
}

#[test]
fn whatever_it_finds_fits_and_so_do_the_alternatives() {
    for (gigabytes, size) in [(4.0, 28), (4.0, 64), (8.0, 128), (6.0, 512)] {
        let ask = ask(gigabytes, size);
        let advice = recommend(&ask).unwrap();
        for proposal in advice.others.iter().chain([&advice.best]) {
            assert_eq!(proposal.peak_bytes, peak_bytes(&proposal.config, ask.place));
            assert!(proposal.peak_bytes <= ask.memory, "{size}: {}", proposal.name);
        }
        assert!((2..=4).contains(&advice.others.len()), "{size}: {} alternatives", advice.others.len());
    }
}

#[test]
fn more_memory_never_means_less_network() {
    let scores: Vec<u64> =
        [4.0, 8.0, 16.0, 24.0].map(|gigabytes| best(&ask(gigabytes, 256)).parameters).into();
    assert!(scores.is_sorted() && scores[0] < scores[3], "{scores:?}");
}

#[test]
fn no_level_takes_more_than_half_of_the_budget() {
    for size in [28, 32, 64, 128, 256, 512] {
        for level in best(&ask(16.0, size)).levels {
            let share = 0.5 * (level.parameters + level.flops);
            assert!(share < 0.5, "{size}: {level:?}");
        }
    }
}

#[test]
fn the_size_of_the_data_set_bounds_the_parameters_and_sets_the_dropout() {
    let of = |images| best(&Ask { dataset_size: Some(images), ..ask(24.0, 64) });
    let [few, usual, many] = [1_000, 50_000, 1_281_167].map(of);
    assert!(few.parameters < usual.parameters && usual.parameters < many.parameters);
    assert!(few.config.model.dropout > usual.config.model.dropout || usual.config.model.dropout >= 0.05);
    assert!(many.config.model.dropout <= usual.config.model.dropout);
    let root = |images: f64| (images * 3.0 * 64.0 * 64.0).sqrt();
    assert!(few.parameters as f64 <= 3200.0 * root(1_000.0));
    assert!(usual.parameters as f64 <= 3200.0 * root(50_000.0));
}

#[test]
fn hours_bound_the_network_by_what_it_can_see() {
    let pace = Sustained { flops_per_second: 1e13 };
    let of = |hours| best(&Ask { hours: Some(hours), pace: Some(&pace), ..ask(24.0, 64) });
    let [short, long] = [1.0, 100.0].map(of);
    assert!(short.parameters < long.parameters);
    for (proposal, hours) in [(&short, 1.0), (&long, 100.0)] {
        let taken = proposal.hours.unwrap();
        assert!(taken <= hours && taken > 0.8 * hours, "{taken} of {hours}");
        assert!(proposal.reasons.images_per_parameter > 0.5, "{:?}", proposal.reasons);
        assert_eq!(proposal.reasons.end, End::Hours);
    }
    // Without a speed hours cannot be counted, and work is bounded instead.
    let advice = recommend(&Ask { hours: Some(1.0), ..ask(24.0, 64) }).unwrap();
    assert!(advice.bounds.hours.is_none() && advice.bounds.forward_flops.is_some());
    assert_eq!(advice.best.hours, None);
}

#[test]
fn a_year_is_not_used_up_by_a_small_data_set() {
    let pace = Sustained { flops_per_second: 1e14 };
    let of = |images| {
        let ask = Ask { hours: Some(9000.0), pace: Some(&pace), dataset_size: Some(images), ..ask(24.0, 32) };
        best(&ask)
    };
    let proposal = of(50_000);
    assert_eq!(proposal.reasons.end, End::Parameters);
    assert!(proposal.hours.unwrap() < 1000.0);
    assert_eq!(of(100).reasons.end, End::Passes);
}

#[test]
fn the_file_says_what_was_decided_and_reads_back_as_the_same() {
    let host = Ask { place: Place::Host, batch_size: Some(48), ..ask(16.0, 28) };
    let proposal = best(&Ask { channels: 1, ..host });
    let config = &proposal.config;
    assert_eq!((config.data.in_channels, config.training.batch_size), (1, 48));
    assert_eq!((config.runtime.device, config.training.precision), (Device::Cpu, Precision::F32));
    for line in proposal.toml.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
        assert!(line.contains(" # "), "no comment: {line}");
    }
    assert!(proposal.toml.contains("steps = ") && proposal.toml.contains("[model]"));
}

#[test]
fn what_limits_it_is_named() {
    let limits = |ask: &Ask<'_>| recommend(ask).unwrap().limits;
    let of_data = limits(&ask(40.0, 28));
    assert!(matches!(of_data.first(), Some(Limit::Data(_))), "{of_data:?}");
    let of_memory = limits(&Ask { dataset_size: Some(1_000_000), ..ask(4.0, 256) });
    assert!(matches!(of_memory.first(), Some(Limit::Memory(_))), "{of_memory:?}");
}

#[test]
fn a_budget_that_nothing_fits_is_refused_with_what_the_smallest_needs() {
    match recommend(&ask(0.2, 512)) {
        Err(Error::Memory { needed, usable, .. }) => assert!(needed > usable, "{needed}"),
        other => panic!("{other:?}"),
    }
}
