//! How good a network is held to be, before memory and time are asked.
//!
//! In: counts. Out: a number whose differences are logarithms of width; the module's own docs say why it is this one.

use super::network::Network;

/// For each level with attention.
const ATTENTION: f64 = 0.1;
/// For each block that is missing or beyond two.
const DEPTH: f64 = 0.1;
/// Where heads are not 64 wide.
const HEAD: f64 = 0.05;
/// The head width that ADM found best.
const BEST_HEAD: usize = 64;
/// Share of an operation's logarithm that is paid.
pub(super) const PRICE: f64 = 0.5;
/// For each factor by which images fall short of parameters.
const SHORTAGE: f64 = 0.5;

/// What a network is worth.
pub(super) fn of_network(network: &Network) -> f64 {
    let levels = network.level_parameters.len() as f64;
    let capacity: f64 = network.level_parameters.iter().map(|&count| (count as f64).ln()).sum();
    let work = (network.forward_flops as f64).ln();
    let depth = network.blocks.abs_diff(2) as f64;
    let head = if network.head == BEST_HEAD { 0.0 } else { HEAD };
    capacity / levels - PRICE * work + ATTENTION * network.attention.len() as f64 - DEPTH * depth - head
}

/// What is lost where training sees fewer images than there are parameters.
pub(super) fn shortage(images: f64, parameters: u64) -> f64 {
    SHORTAGE * (parameters as f64 / images.max(1.0)).ln().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters c² and operations c² r² at each level.
    fn ideal(multipliers: &[usize], size: usize) -> Network {
        let square = |m: usize| (m * m * 1_000_000) as u64;
        let level_parameters: Vec<u64> = multipliers.iter().map(|&m| square(m)).collect();
        let pixels = |level: usize| ((size >> level) * (size >> level)) as u64;
        let level_flops: Vec<u64> =
            level_parameters.iter().enumerate().map(|(level, count)| count * pixels(level)).collect();
        Network {
            base: 1,
            multipliers: multipliers.to_vec(),
            blocks: 2,
            attention: Vec::new(),
            head: 64,
            parameters: level_parameters.iter().sum(),
            forward_flops: level_flops.iter().sum(),
            attention_flops: vec![0; multipliers.len()],
            level_parameters,
            level_flops,
        }
    }

    /// The score at a given number of parameters, whatever the width that takes.
    fn at_equal_parameters(multipliers: &[usize]) -> f64 {
        let network = ideal(multipliers, 64);
        of_network(&network) - 0.5 * (network.parameters as f64).ln()
    }

    #[test]
    fn a_wider_network_gains_the_logarithm_of_its_width() {
        let gain = of_network(&ideal(&[2, 4, 6], 64)) - of_network(&ideal(&[1, 2, 3], 64));
        assert!((gain - 2.0_f64.ln()).abs() < 1e-12, "{gain}");
    }

    #[test]
    fn neither_constant_nor_doubling_widths_spend_parameters_and_work_evenly() {
        let [constant, adm, doubling] =
            [&[1, 1, 1, 1], &[1, 2, 3, 4], &[1, 2, 4, 8]].map(|multipliers| at_equal_parameters(multipliers));
        assert!(adm > constant && adm > doubling, "{constant} {adm} {doubling}");
    }

    #[test]
    fn only_a_lack_of_images_costs() {
        assert_eq!(shortage(5e6, 1_000_000), 0.0);
        assert!((shortage(1e6, 4_000_000) - 0.5 * 4.0_f64.ln()).abs() < 1e-12);
    }
}
