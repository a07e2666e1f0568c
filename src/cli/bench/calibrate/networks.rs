//! The networks that a machine is calibrated by: small ones, each with much of one kind of work.
//!
//! In: where tensors live and a precision. Out: configurations, checked like anybody's, and how many images they are
//! given together. A GPU is given many more images, or it would only be waiting for its next order.

use std::path::PathBuf;

use crate::cli::experiment_args::Layers;
use crate::cli::failure::Failure;
use crate::cli::run::make_paths_absolute;
use crate::config::{Config, Experiment, Precision};
use crate::plan::Plan;

/// A network and its batch.
#[derive(Debug, Clone, Copy)]
struct Network {
    name: &'static str,
    /// Pixels of a side, then image channels.
    image: (usize, usize),
    base_channels: usize,
    multipliers: &'static [usize],
    blocks: usize,
    attention: &'static [usize],
    /// Images of a step and of a forward pass in host memory.
    images: (usize, usize),
    /// Micro-batches of a step.
    accumulation: usize,
    /// What both are multiplied by on an accelerator.
    more: usize,
}

/// About 2 to 80 thousand million operations a step. Two have hardly any, which shows what layers and updates cost.
const NETWORKS: [Network; 13] = [
    network("two levels, few pixels", (16, 1), (32, &[1, 2]), 1, &[8], (2, 8), 4),
    network("MNIST, 32 to 128", (28, 1), (32, &[1, 2, 4]), 2, &[], (16, 64), 16),
    network("CIFAR, 64 to 256", (32, 3), (64, &[1, 2, 4]), 2, &[16, 8], (4, 16), 16),
    network("CIFAR, 128 to 256", (32, 3), (128, &[1, 2, 2, 2]), 2, &[16], (2, 8), 16),
    network("wide and low, 128 to 512", (16, 3), (128, &[1, 2, 4]), 1, &[8], (4, 16), 16),
    network("narrow, 16 to 64", (32, 3), (16, &[1, 2, 4]), 2, &[], (24, 64), 32),
    network("64 pixels, 32 to 128", (64, 3), (32, &[1, 2, 4]), 2, &[], (4, 16), 16),
    network("attention at 32 and 16", (32, 3), (64, &[1, 2]), 1, &[32, 16], (4, 16), 16),
    network("attention at 14 and 7", (28, 1), (64, &[1, 2, 2]), 2, &[14, 7], (8, 32), 16),
    network("one image, 96 and 192", (48, 3), (96, &[1, 2]), 2, &[24], (1, 4), 32),
    Network {
        accumulation: 4,
        ..network("micro-batches, 64 and 128", (32, 3), (64, &[1, 2, 2]), 1, &[8], (4, 8), 16)
    },
    network("one image, 64 to 256", (64, 3), (64, &[1, 2, 4, 4]), 1, &[16], (1, 2), 32),
    network("narrowest, 8 to 32", (32, 1), (8, &[1, 2, 4]), 1, &[], (32, 64), 32),
];

/// Those that show what a precision costs beside another, where the machine has no instructions for it and takes long.
const FEW: [usize; 2] = [1, 7];

const fn network(
    name: &'static str,
    image: (usize, usize),
    (base_channels, multipliers): (usize, &'static [usize]),
    blocks: usize,
    attention: &'static [usize],
    images: (usize, usize),
    more: usize,
) -> Network {
    Network { name, image, base_channels, multipliers, blocks, attention, images, accumulation: 1, more }
}

/// A configuration to be measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) config: Config,
    /// Images of a forward pass.
    pub(super) forward_images: usize,
}

/// Every network in a precision, or a few of them; `layers` has `runtime` keys alone.
pub(super) fn subjects(
    layers: &Layers,
    precision: Precision,
    on_accelerator: bool,
    few: bool,
) -> Result<Vec<Subject>, Failure> {
    let wanted = |place: &usize| !few || FEW.contains(place);
    let places = (0..NETWORKS.len()).filter(wanted);
    places.map(|place| NETWORKS[place].subject(layers, precision, on_accelerator)).collect()
}

impl Network {
    fn subject(
        &self,
        layers: &Layers,
        precision: Precision,
        on_accelerator: bool,
    ) -> Result<Subject, Failure> {
        let more = if on_accelerator { self.more } else { 1 };
        let text = format!(
            "name = \"calibration\"\n[data]\nimage_size = {}\nin_channels = {}\n[model]\nbase_channels = {}\n\
             channel_multipliers = {:?}\nnum_res_blocks = {}\nattention_resolutions = {:?}\n[training]\n\
             batch_size = {}\ngradient_accumulation = {}\nprecision = \"{}\"\n",
            self.image.0,
            self.image.1,
            self.base_channels,
            self.multipliers,
            self.blocks,
            self.attention,
            self.images.0 * more,
            self.accumulation,
            precision.name(),
        );
        let request = layers.request(PathBuf::from("calibration.toml"));
        // Settings of the environment are for the user's own networks.
        let request = crate::config::Request { environment: vec![], ..request };
        let plan = Plan::build(&Experiment::of_text(&request, &text)?)?;
        let variant = plan.variants.into_iter().next();
        let mut config = variant.expect("an experiment without a sweep has one variant").config;
        make_paths_absolute(&mut config);
        let name = match precision {
            Precision::F32 => self.name.to_owned(),
            other => format!("{}, {}", self.name, other.name()),
        };
        Ok(Subject { name, config, forward_images: (self.images.1 * more).min(64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing;

    #[test]
    fn every_network_is_a_configuration_that_passes_its_checks_and_is_small_enough_for_a_cpu() {
        let found = subjects(&Layers::default(), Precision::F32, false, false).unwrap();
        assert_eq!(found.len(), NETWORKS.len());
        for subject in &found {
            let Config { model, data, training, .. } = &subject.config;
            let flops = sizing::train_flops_per_image(model, data) as f64 * training.batch_size as f64 / 1e9;
            let parameters = sizing::parameters(model, data) as f64 / 1e6;
            assert!((0.1..90.0).contains(&flops), "{}: {flops} GFLOP a step", subject.name);
            assert!(parameters < 45.0, "{}: {parameters} million parameters", subject.name);
        }
        let mut names: Vec<&str> = found.iter().map(|subject| subject.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), found.len());
    }

    #[test]
    fn settings_of_the_runtime_reach_them_and_an_accelerator_gets_more_images() {
        let layers = Layers { set: vec!["runtime.device=\"cpu\"".into()], ..Layers::default() };
        let few = subjects(&layers, Precision::Bf16, true, true).unwrap();
        assert_eq!(few.len(), FEW.len());
        assert_eq!(few[0].name, "MNIST, 32 to 128, bf16");
        assert_eq!(few[0].config.runtime.device, crate::config::Device::Cpu);
        assert_eq!((few[0].config.training.batch_size, few[0].forward_images), (256, 64));
    }
}
