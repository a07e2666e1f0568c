//! The work of a step and of a forward pass, by kinds that have a price each.
//!
//! In: a configuration. Out: amounts. Operations are those of [`crate::sizing`]; values are those that layers read and
//! write, which is what costs where arithmetic does not: norms, sums. Positions are those that layers write, whatever
//! their width: each costs something, which is most of it where channels are few.

use crate::config::Config;
use crate::sizing::count::{layer_forward_flops, layer_train_flops};
use crate::sizing::layers::{Kind, Layer, layers};
use crate::sizing::parameters_of;

/// Kinds of work of a step.
pub(super) const STEP: usize = 7;
/// Place among them of what the update moves.
pub(super) const UPDATE: usize = 6;
/// Kinds of work of a forward pass.
pub(super) const FORWARD: usize = 6;
/// Images that an evaluation or a sampler puts through the network together.
pub(super) const TOGETHER: u64 = 64;

/// What the convolution after an up-sampling costs in host memory, where it is done at the lower resolution with four
/// kernels of 2x2 (4/9 of the operations, the same values written): 0.56 to 0.77 of its plain form where measured.
const UPSAMPLED: f64 = 0.6;
/// Numbers that one update moves for each parameter: weight, gradient and two moments read, all but the gradient written.
const UPDATE_MOVES: f64 = 7.0;
/// The same for each average: read and written.
const AVERAGE_MOVES: f64 = 2.0;

/// Sums over the layers of a network, for one image where they depend on images: what a time is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkWork {
    parameters: f64,
    layers: f64,
    values: f64,
    positions: f64,
    /// Values that dropout reads and writes, and how often.
    dropped: f64,
    drops: f64,
    /// Operations as they are counted.
    counted: Flops,
    /// Operations that take as long as what a CPU does instead.
    on_host: Flops,
}

/// Floating-point operations: of convolutions and linear maps, of attention products.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Flops {
    forward: [f64; 2],
    train: [f64; 2],
}

impl NetworkWork {
    /// Counts the layers.
    pub fn of(config: &Config) -> NetworkWork {
        let layers = layers(&config.model, &config.data);
        let moved = |layer: &Layer| (layer.inputs + layer.outputs) as f64 * layer.positions as f64;
        // Dropout stands before the second convolution of each residual block.
        let dropped = |layer: &&Layer| config.model.dropout > 0.0 && layer.name.ends_with(".conv2");
        NetworkWork {
            parameters: parameters_of(&layers) as f64,
            layers: layers.len() as f64,
            values: layers.iter().map(moved).sum(),
            positions: layers.iter().map(|layer| layer.positions as f64).sum(),
            dropped: layers.iter().filter(dropped).map(moved).sum(),
            drops: layers.iter().filter(dropped).count() as f64,
            counted: Flops::of(&layers, counted),
            on_host: Flops::of(&layers, on_host),
        }
    }

    /// Bytes of all weights in 32 bits.
    pub(super) fn bytes(&self) -> f64 {
        self.parameters * 4.0
    }

    fn flops(&self, host: bool) -> &Flops {
        if host { &self.on_host } else { &self.counted }
    }

    /// A forward pass of so many images together: operations of convolutions and linear maps, of attention, values,
    /// positions, weights, layers.
    pub(super) fn forward(&self, host: bool, images: u64) -> [f64; FORWARD] {
        let images = images as f64;
        let [maps, attention] = self.flops(host).forward;
        [
            maps * images,
            attention * images,
            self.values * images,
            self.positions * images,
            self.parameters,
            self.layers,
        ]
    }

    /// An optimizer step: the same of all images, the last two once a micro-batch; then what the update moves.
    pub(super) fn step(&self, config: &Config, host: bool) -> [f64; STEP] {
        let training = &config.training;
        let (images, passes) = (training.batch_size as f64, training.gradient_accumulation.max(1) as f64);
        // Forward, and back for the weights and for what was put in.
        let values = 3.0 * self.values + 2.0 * self.dropped;
        let [maps, attention] = self.flops(host).train;
        let averages = config.ema.tracks().len() as f64 / config.ema.every.max(1) as f64;
        [
            maps * images,
            attention * images,
            values * images,
            self.positions * images,
            self.parameters * passes,
            (self.layers + self.drops) * passes,
            self.parameters * (UPDATE_MOVES + AVERAGE_MOVES * averages),
        ]
    }
}

impl Flops {
    fn of(layers: &[Layer], count: fn(&Layer) -> [f64; 2]) -> Flops {
        let mut flops = Flops::default();
        for layer in layers {
            let kind = usize::from(layer.kind == Kind::Attention);
            let [forward, train] = count(layer);
            flops.forward[kind] += forward;
            flops.train[kind] += train;
        }
        flops
    }
}

/// Operations forward, and of forward and backward together.
fn counted(layer: &Layer) -> [f64; 2] {
    [layer_forward_flops(layer) as f64, layer_train_flops(layer) as f64]
}

/// The same as they cost in host memory.
fn on_host(layer: &Layer) -> [f64; 2] {
    let share = if layer.name.ends_with(".upsamplers.0.conv") { UPSAMPLED } else { 1.0 };
    counted(layer).map(|flops| share * flops)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;
    use crate::sizing;

    #[test]
    fn the_operations_are_those_that_plan_shows() {
        let config = defaults();
        let network = NetworkWork::of(&config);
        let [maps, attention, ..] = network.step(&config, false);
        let shown = sizing::train_flops_per_image(&config.model, &config.data) as f64;
        assert_eq!(maps + attention, shown * config.training.batch_size as f64);
        let [maps, attention, ..] = network.forward(false, 3);
        assert_eq!(
            maps + attention,
            3.0 * sizing::forward_flops_per_image(&config.model, &config.data) as f64
        );
        assert!(network.forward(true, 3)[0] < maps, "joined with its up-sampling a convolution is cheaper");
    }

    #[test]
    fn positions_grow_with_the_image_and_not_with_the_width() {
        let positions = |change: fn(&mut crate::config::Config)| {
            let mut config = defaults();
            config.model.attention_resolutions = vec![];
            change(&mut config);
            let network = NetworkWork::of(&config);
            (network.step(&config, true)[3], network.values)
        };
        let (base, wide) = (positions(|_| ()), positions(|config| config.model.base_channels *= 2));
        assert_eq!(wide.0, base.0);
        assert!(wide.1 > 1.9 * base.1);
        assert!(positions(|config| config.data.image_size *= 2).0 > 3.9 * base.0);
    }

    #[test]
    fn micro_batches_go_through_weights_and_layers_again_and_through_images_once() {
        let mut config = defaults();
        let network = NetworkWork::of(&config);
        let one = network.step(&config, true);
        config.training.gradient_accumulation = 4;
        let four = network.step(&config, true);
        assert_eq!([four[4], four[5]], [4.0 * one[4], 4.0 * one[5]]);
        assert_eq!([0, 1, 2, 3, 6].map(|kind| four[kind]), [0, 1, 2, 3, 6].map(|kind| one[kind]));
    }

    #[test]
    fn averages_that_move_every_tenth_step_move_a_tenth() {
        let mut config = defaults();
        let network = NetworkWork::of(&config);
        let moves = |config: &Config| network.step(config, true)[UPDATE] / network.parameters;
        assert_eq!(moves(&config), 9.0);
        config.ema.every = 10;
        assert!((moves(&config) - 7.2).abs() < 1e-9);
    }
}
