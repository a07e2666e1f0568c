//! Group norm against plain burn, at the edges of silu, and in 16 bits.

use super::super::testing::{assert_near, assert_same, device, host, random, random_on, within};
use super::*;

/// The same in plain burn.
fn plain(x: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>, groups: usize, eps: f64) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let grouped: Tensor<3> = x.reshape([n, groups, c / groups * h * w]);
    let centred = grouped.clone() - grouped.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    let normalised = centred / (variance + eps).sqrt();
    normalised.reshape([n, c, h, w]) * weight.reshape([1, c, 1, 1]) + bias.reshape([1, c, 1, 1])
}

#[test]
fn the_fused_group_norm_equals_the_plain_one_forward_and_backward() {
    for (c, groups, size) in [(4, 2, 6), (6, 3, 5), (8, 8, 3), (12, 1, 4)] {
        for silu in [false, true] {
            let inputs = [random([3, c, size, size], 1), random([c, 1, 1, 1], 2), random([c, 1, 1, 1], 3)];
            assert_same(
                inputs,
                |[x, w, b]| group_norm(x, w.reshape([c]), b.reshape([c]), groups, 1e-5, silu),
                |[x, w, b]| {
                    let y = plain(x, w.reshape([c]), b.reshape([c]), groups, 1e-5);
                    if silu { burn::tensor::activation::silu(y) } else { y }
                },
            );
        }
    }
}

#[test]
fn a_norm_of_a_sum_or_of_joined_maps_equals_the_plain_one_forward_and_backward() {
    let finish = |y: Tensor<4>, silu| if silu { burn::tensor::activation::silu(y) } else { y };
    // Groups that lie on both sides of the seam, areas that are no multiple of a vector.
    for (n, [c, d], groups, [h, w]) in
        [(3, [4, 2], 2, [6, 6]), (2, [5, 7], 4, [7, 7]), (1, [1, 2], 1, [1, 3]), (2, [16, 8], 8, [33, 35])]
    {
        for silu in [false, true] {
            let affine = |all: usize| [random([all, 1, 1, 1], 3), random([all, 1, 1, 1], 4)];
            let ([weight, bias], all) = (affine(c + d), c + d);
            assert_same(
                [random([n, c, h, w], 1), random([n, d, h, w], 2), weight.clone(), bias.clone()],
                |[x, skip, w, b]| {
                    group_norm_of_joined(x, skip, w.reshape([all]), b.reshape([all]), groups, 1e-5, silu)
                },
                |[x, skip, w, b]| {
                    let x = Tensor::cat(vec![x, skip], 1);
                    finish(plain(x, w.reshape([all]), b.reshape([all]), groups, 1e-5), silu)
                },
            );
            assert_same(
                [random([n, all, h, w], 1), random([n, all, 1, 1], 2), weight, bias],
                |[x, t, w, b]| {
                    let t = t.reshape([n, all]);
                    group_norm_of_sum(x, t, w.reshape([all]), b.reshape([all]), groups, 1e-5, silu)
                },
                |[x, t, w, b]| finish(plain(x + t, w.reshape([all]), b.reshape([all]), groups, 1e-5), silu),
            );
        }
    }
}

#[test]
fn sixteen_bits_of_a_sum_or_of_joined_maps_stay_near_thirty_two() {
    let affine = || [random([12, 1, 1, 1], 3), random([12, 1, 1, 1], 4)];
    let [w, b] = affine();
    assert_near(
        [random([2, 8, 5, 5], 1), random([2, 4, 5, 5], 2), w, b],
        [true, true, false, false],
        |[x, skip, w, b]| group_norm_of_joined(x, skip, w.reshape([12]), b.reshape([12]), 4, 1e-5, true),
    );
    let [w, b] = affine();
    assert_near(
        [random([2, 12, 5, 5], 1), random([2, 12, 1, 1], 2), w, b],
        [true, true, false, false],
        |[x, t, w, b]| {
            group_norm_of_sum(x, t.reshape([2, 12]), w.reshape([12]), b.reshape([12]), 4, 1e-5, true)
        },
    );
}

/// As a residual connection does: burn adds in place where it believes that nobody else has the tensor.
#[test]
fn what_a_backward_pass_reads_is_not_written_by_what_comes_after_the_norm() {
    let inputs = || [random([2, 6, 5, 5], 1), random([6, 1, 1, 1], 2), random([6, 1, 1, 1], 3)];
    let residual = |[x, w, b]: [Tensor<4>; 3],
                    norm: &dyn Fn(Tensor<4>, Tensor<1>, Tensor<1>) -> Tensor<4>| {
        let x = x * 2.0;
        let y = norm(x.clone(), w.reshape([6]), b.reshape([6]));
        x + y
    };
    let fused = |x, w, b| group_norm(x, w, b, 3, 1e-5, false);
    assert_same(
        inputs(),
        |all| residual(all, &fused),
        |all| residual(all, &|x, w, b| plain(x, w, b, 3, 1e-5)),
    );
    assert_near(inputs(), [true, false, false], |all| residual(all, &fused));
}

/// In host memory a result does not depend on how many threads there are, nor on what it is computed beside.
#[test]
fn an_image_gets_the_same_bits_alone_and_among_others() {
    let random = |shape, seed| random_on(&host(), shape, seed);
    let of = |x: Tensor<4>| {
        let (weight, bias) = (Tensor::ones([24], &host()), random([24, 1, 1, 1], 3).reshape([24]));
        group_norm(x, weight, bias, 8, 1e-5, true).into_data().try_into_vec::<f32>().unwrap()
    };
    let many = random([40, 24, 9, 9], 1);
    let (all, length) = (of(many.clone()), 24 * 81);
    for image in [0, 7, 39] {
        let alone = of(many.clone().slice([image..image + 1, 0..24, 0..9, 0..9]));
        let among = &all[image * length..(image + 1) * length];
        assert!(alone.iter().zip(among).all(|(a, b)| a.to_bits() == b.to_bits()), "image {image}");
    }
}

#[test]
fn silu_is_right_where_its_exponential_overflows_or_is_no_number() {
    let probes = [-1000.0, -104.0, -88.5, -20.0, -1e-8, 0.0, 1e-8, 20.0, 88.5, 104.0, 1000.0, f32::NAN];
    let device = device();
    let bias = Tensor::<1>::from_data(burn::tensor::TensorData::new(probes.to_vec(), [12]), &device);
    // A weight of zero leaves the bias alone.
    let y = group_norm(random([1, 12, 2, 2], 1), Tensor::zeros([12], &device), bias, 12, 1e-5, true);
    let y: Vec<f32> = y.into_data().try_into_vec().unwrap();
    for (found, z) in y.chunks(4).zip(probes) {
        let expected = f64::from(z) / (1.0 + (-f64::from(z)).exp());
        let tolerance = f64::from(within(3e-7)) * expected.abs() + 1e-37;
        let near = |y: f32| (f64::from(y) - expected).abs() <= tolerance;
        assert!(found.iter().all(|y| near(*y) || (y.is_nan() && z.is_nan())), "silu({z}) is not {found:?}");
    }
    assert!(y[0].to_bits() == (-0.0f32).to_bits(), "{}", y[0]);
}

#[test]
fn sixteen_bits_stay_near_thirty_two_with_thirty_two_bit_scale_and_shift() {
    for (c, groups, size, offset) in [(4, 2, 6, 0.0), (64, 16, 8, 0.0), (12, 1, 5, 0.0), (32, 8, 16, 20.0)] {
        for silu in [false, true] {
            // A mean of 20 spreads leaves nothing of a variance that 8 bits of mantissa would hold.
            let inputs =
                [random([3, c, size, size], 1) + offset, random([c, 1, 1, 1], 2), random([c, 1, 1, 1], 3)];
            assert_near(inputs, [true, false, false], |[x, w, b]| {
                group_norm(x, w.reshape([c]), b.reshape([c]), groups, 1e-5, silu)
            });
        }
    }
}
