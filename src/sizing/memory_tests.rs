//! Tests of the memory of training.

use super::*;
use crate::config::Precision;
use crate::sizing::fixture::network;

fn with(batch_size: usize, change: impl Fn(&mut Config)) -> Config {
    let mut config = network(batch_size);
    change(&mut config);
    config
}

#[test]
fn the_parts_are_what_their_names_say() {
    let config = with(48, |config| {
        config.training.gradient_accumulation = 4;
        config.training.precision = Precision::Bf16;
    });
    let parameters = 16_056_451;
    let step = step_memory(&config, Place::Accelerator);
    assert_eq!(step.weights, parameters * (4 + 2));
    assert_eq!(step.gradients, parameters * 8, "of a micro-batch, and of those before");
    assert_eq!(step.optimizer, parameters * 8);
    assert_eq!(step.averages, parameters * 4);
    assert_eq!(step.inputs, 12 * 4 * 3 * 32 * 32 * 4);
    let parts = [step.program, step.weights, step.gradients, step.optimizer, step.averages];
    let rest = [step.inputs, step.activations, step.workspace];
    assert_eq!(step.total(), parts.into_iter().chain(rest).sum::<u64>());
}

#[test]
fn what_costs_memory_costs_it_in_the_estimate() {
    for place in [Place::Host, Place::Accelerator] {
        let peak = |change: &dyn Fn(&mut Config)| peak_bytes(&with(64, change), place);
        let plain = peak(&|_| ());
        assert!(peak(&|config| config.training.batch_size = 128) > plain);
        assert!(peak(&|config| config.training.gradient_accumulation = 4) < plain);
        assert!(peak(&|config| config.training.recompute = true) < plain);
        assert!(peak(&|config| config.training.precision = Precision::Bf16) < plain);
        assert_eq!(peak(&|config| config.training.precision = Precision::Tf32), plain);
        assert!(peak(&|config| config.model.base_channels = 128) > plain);
        assert!(peak(&|config| config.model.dropout = 0.1) > plain);
    }
}

#[test]
fn heads_cost_no_memory_since_scores_are_never_made() {
    let heads = |width: usize| with(64, move |config| config.model.attention_head_dim = Some(width));
    for place in [Place::Host, Place::Accelerator] {
        assert_eq!(peak_bytes(&heads(8), place), peak_bytes(&heads(64), place));
    }
}

#[test]
fn a_look_may_hold_more_than_a_step_with_few_images() {
    let looking = with(2, |_| ());
    let training = with(2, |config| (config.evaluation.every, config.sampling.every) = (0, 0));
    for place in [Place::Host, Place::Accelerator] {
        assert_eq!(peak_bytes(&training, place), step_memory(&training, place).total());
        assert!(peak_bytes(&looking, place) > peak_bytes(&training, place));
    }
}

#[test]
fn the_least_accumulation_that_fits_divides_the_batch() {
    let place = Place::Host;
    let parts = |count| {
        with(48, move |config| {
            config.training.gradient_accumulation = count;
            (config.evaluation.every, config.sampling.every) = (0, 0);
        })
    };
    let fits = |config: &Config, room| accumulation_that_fits(config, place, room);
    let whole = parts(1);
    assert_eq!(fits(&whole, peak_bytes(&whole, place)), Some(1));
    let quarter = peak_bytes(&parts(4), place);
    assert_eq!(fits(&whole, quarter), Some(4));
    assert_eq!(fits(&whole, quarter - 1), Some(6), "5 does not divide 48");
    assert_eq!(fits(&parts(8), u64::MAX), Some(8), "never fewer than the configuration has");
    assert_eq!(fits(&whole, PROGRAM), None);
}

#[test]
fn an_absurd_network_is_enormous() {
    let config = with(64, |config| config.model.base_channels = usize::MAX / 8);
    assert_eq!(peak_bytes(&config, Place::Host), u64::MAX);
    assert_eq!(peak_bytes(&config, Place::Accelerator), u64::MAX);
}
