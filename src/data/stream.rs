//! The named streams of random numbers that belong to an image, a sample or a tensor.
//!
//! In: what a draw belongs to. Out: a filled buffer. A stream's name stands for one purpose for ever: changing
//! what is drawn from it changes every result made with it, so a new purpose takes a new name.

use super::random::Draw;

/// Fills `out` with the noise ε(image, k) of the held-out denoising curve.
///
/// It depends on the image and the node `k` alone: every variant, seed and step is
/// measured with the same noise, which is what makes their differences paired.
pub fn eval_noise(image_id: u64, k: u64, out: &mut [f32]) {
    Draw::new(image_id, "eval", k).normal_fill(out);
}

/// Fills `out` with the noise of step `t` of the chain's bound, the same for every variant, seed and step.
pub fn chain_noise(image_id: u64, t: u64, out: &mut [f32]) {
    Draw::new(image_id, "eval/chain", t).normal_fill(out);
}

/// Fills `out` with a sampler's noise for one image of a grid: `draw` 0 is the start,
/// `draw` n the fresh noise of the n-th denoising step.
pub fn sample_noise(seed: u64, image: u64, draw: u64, out: &mut [f32]) {
    Draw::new(seed, &format!("sample/{image}"), draw).normal_fill(out);
}

/// Fills `out` with the first values of the weight called `tensor_name`, uniform in
/// `[-bound, bound]`.
///
/// Keyed by name: a variant that adds or removes a layer starts from the same values
/// in all tensors that keep their name and shape.
pub fn uniform_fill(seed: u64, tensor_name: &str, bound: f64, out: &mut [f32]) {
    let mut draw = Draw::new(seed, &format!("init/{tensor_name}"), 0);
    for value in out {
        *value = ((2.0 * draw.uniform() - 1.0) * bound) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(fill: impl Fn(&mut [f32])) -> [u32; 3] {
        let mut out = [0.0; 3];
        fill(&mut out);
        out.map(f32::to_bits)
    }

    #[test]
    fn evaluation_noise_is_the_one_of_every_earlier_version() {
        assert_eq!(
            bits(|out| eval_noise(0x0123_4567_89ab_cdef, 4, out)),
            [0x3e6e_23a1, 0xbe90_8ba4, 0x3eae_a1d6]
        );
    }

    #[test]
    fn the_noise_of_the_bound_is_the_one_of_every_earlier_version() {
        assert_eq!(bits(|out| chain_noise(7, 3, out)), [0x3ef0_9703, 0x4005_539e, 0xbf4d_1e36]);
    }

    #[test]
    fn sample_noise_is_the_one_of_every_earlier_version() {
        assert_eq!(bits(|out| sample_noise(0, 5, 0, out)), [0xbfaa_563c, 0x3f56_cd6d, 0x3e67_22c9]);
    }

    #[test]
    fn first_weights_are_the_ones_of_every_earlier_version() {
        assert_eq!(
            bits(|out| uniform_fill(0, "conv_in.weight", 0.5, out)),
            [0xbe96_c7f2, 0x3edd_9618, 0x3e52_fad9]
        );
    }

    #[test]
    fn first_weights_fill_their_range() {
        let mut out = vec![0.0; 50_000];
        uniform_fill(1, "mid_block.resnets.0.conv1.weight", 0.1, &mut out);
        assert!(out.iter().all(|x| x.abs() <= 0.1));
        let mean = out.iter().map(|&x| f64::from(x)).sum::<f64>() / out.len() as f64;
        let square = out.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / out.len() as f64;
        assert!(mean.abs() < 0.001, "mean {mean}");
        assert!((square - 0.01 / 3.0).abs() < 1e-4, "second moment {square}");
    }

    #[test]
    fn images_draws_and_tensors_have_their_own_numbers() {
        let base = bits(|out| sample_noise(0, 1, 2, out));
        assert_ne!(base, bits(|out| sample_noise(0, 2, 1, out)));
        assert_ne!(base, bits(|out| sample_noise(1, 1, 2, out)));
        assert_ne!(bits(|out| eval_noise(1, 2, out)), bits(|out| eval_noise(2, 1, out)));
        let weight = bits(|out| uniform_fill(0, "a", 1.0, out));
        assert_ne!(weight, bits(|out| uniform_fill(0, "b", 1.0, out)));
    }
}
