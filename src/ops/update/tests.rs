//! Holds both ways of an update to its plain form in burn, and to the rule that nobody else's numbers change. The kernel
//! is of host memory; the other way runs on the device under test. Plain forms run on the host.

use burn::tensor::Device;

use super::*;
use crate::data::Draw;
use crate::ops::testing::{device, host, within};

/// One element, odd ones, nothing at all, exactly a block of the kernel, and more than a few.
const SIZES: [usize; 7] = [1, 7, 0, 33, 4096, 4097, 20_011];

/// Normal draws that depend on the number alone, one tensor a size.
fn list(device: &Device, seed: u64, spread: f32) -> Vec<Tensor<1>> {
    let draw = |(index, size): (usize, usize)| {
        let mut values = vec![0.0; size];
        Draw::new(seed, "test", index as u64).normal_fill(&mut values);
        let values: Vec<f32> = values.into_iter().map(|value: f32| value * spread).collect();
        Tensor::from_data(TensorData::new(values, [size]), device)
    };
    SIZES.into_iter().enumerate().map(draw).collect()
}

fn values(list: &[Tensor<1>]) -> Vec<f32> {
    list.iter().flat_map(|tensor| tensor.to_data().try_into_vec::<f32>().unwrap()).collect()
}

/// Everything an update moves.
#[derive(Clone)]
struct Moved {
    weights: Vec<Tensor<1>>,
    first: Vec<Tensor<1>>,
    second: Vec<Tensor<1>>,
    averages: Vec<Vec<Tensor<1>>>,
}

impl Moved {
    fn start(device: &Device, tracks: usize) -> Self {
        let zeros = || list(device, 1, 0.0);
        let averages = (0..tracks).map(|track| list(device, 20 + track as u64, 1.0)).collect();
        Self { weights: list(device, 1, 1.0), first: zeros(), second: zeros(), averages }
    }

    fn lists(&self) -> Vec<&Vec<Tensor<1>>> {
        [&self.weights, &self.first, &self.second].into_iter().chain(&self.averages).collect()
    }

    /// The readable reference: one parameter after the other, each line a pass over it.
    fn plain(&mut self, gradients: Vec<Tensor<1>>, by: &Case, number: u64) {
        let gradients: Vec<_> = gradients.into_iter().map(|gradient| gradient / by.scale).collect();
        let squares: Vec<_> = gradients.iter().map(|gradient| gradient.clone().square().sum()).collect();
        let norm = Tensor::cat(squares, 0).sum().sqrt();
        let clipping = by.limit.map(|limit| ((norm + 1e-6).recip() * limit).clamp_max(1.0));
        let Adam { rate, betas: [beta1, beta2], eps, weight_decay, .. } = by.adam(number);
        let correction1 = 1.0 - beta1.powf(number as f64);
        let correction2 = (1.0 - beta2.powf(number as f64)).sqrt();
        let (shrink, pull) =
            if by.decoupled { (1.0 - rate * weight_decay, 0.0) } else { (1.0, weight_decay) };
        for (i, gradient) in gradients.into_iter().enumerate() {
            let (weight, first, second) = (&mut self.weights[i], &mut self.first[i], &mut self.second[i]);
            let gradient = match &clipping {
                Some(clipping) => gradient * clipping.clone(),
                None => gradient,
            };
            let gradient = gradient + weight.clone() * pull;
            *first = first.clone() * beta1 + gradient.clone() * (1.0 - beta1);
            *second = second.clone() * beta2 + gradient.square() * (1.0 - beta2);
            let spread = second.clone().sqrt() / correction2 + eps;
            *weight = weight.clone() * shrink - first.clone() / spread * (rate / correction1);
            for (average, decay) in self.averages.iter_mut().zip(DECAYS) {
                average[i] = average[i].clone() * decay + weight.clone() * (1.0 - decay);
            }
        }
    }

    fn fused(&mut self, gradients: Vec<Tensor<1>>, by: &Case, number: u64, update: Update) {
        let norm = gradient_norms(&gradients, by.scale).global;
        let descent = Descent {
            gradients,
            scale: by.scale,
            clip: by.limit.map(|limit| (norm, limit)),
            first: &mut self.first,
            second: &mut self.second,
            adam: by.adam(number),
        };
        let averages = self.averages.iter_mut().zip(DECAYS);
        let averages = averages.map(|(values, decay)| Average { values, decay }).collect();
        update(&Writable::of(&mut self.weights), Some(descent), averages);
    }
}

type Update = fn(&Writable, Option<Descent<'_>>, Vec<Average<'_>>);

/// A way to make an update, where, and how far from the plain form it may be.
struct Route {
    update: Update,
    device: Device,
    tolerance: f32,
}

fn routes() -> [Route; 2] {
    [
        Route { update: update_by_kernel, device: host(), tolerance: 1e-6 },
        Route { update: update_by_lists, device: device(), tolerance: within(4e-6) },
    ]
}

/// The second forgets its start, the third hardly moves.
const DECAYS: [f64; 3] = [0.9, 0.0, 0.9999];

#[derive(Debug)]
struct Case {
    decoupled: bool,
    weight_decay: f64,
    limit: Option<f64>,
    scale: f64,
    tracks: usize,
}

impl Case {
    fn adam(&self, number: u64) -> Adam {
        let Case { decoupled, weight_decay, .. } = *self;
        Adam { rate: 3e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay, decoupled, number }
    }

    /// Every combination; the gradients' norm is about 170.
    fn all() -> Vec<Case> {
        let mut cases = vec![];
        for (decoupled, weight_decay) in [(true, 0.0), (true, 0.1), (false, 0.0), (false, 0.1)] {
            for limit in [None, Some(1.0), Some(1e4)] {
                for (scale, tracks) in [(1.0, 1), (65_536.0, 0), (1.0, 3)] {
                    cases.push(Case { decoupled, weight_decay, limit, scale, tracks });
                }
            }
        }
        cases
    }
}

fn assert_close(ours: &Moved, plain: &Moved, tolerance: f32, what: &str) {
    for (ours, plain) in ours.lists().into_iter().zip(plain.lists()) {
        for (ours, plain) in values(ours).into_iter().zip(values(plain)) {
            let difference = (ours - plain).abs();
            assert!(difference <= tolerance * plain.abs().max(0.1), "{what}: {ours} is not {plain}");
        }
    }
}

#[test]
fn both_ways_equal_the_plain_form_in_every_combination() {
    for Route { update, device, tolerance } in routes() {
        for by in Case::all() {
            let (mut ours, mut plain) = (Moved::start(&device, by.tracks), Moved::start(&host(), by.tracks));
            for number in 1..=3 {
                let gradients = |device: &Device| list(device, 10 + number, by.scale as f32);
                ours.fused(gradients(&device), &by, number, update);
                plain.plain(gradients(&host()), &by, number);
            }
            assert_close(&ours, &plain, tolerance, &format!("{by:?}"));
        }
    }
}

/// Runs with each of some numbers of threads.
fn with_threads<T>(make: impl Fn() -> T) -> [T; 4] {
    let before = tch::get_num_threads();
    let made = [1, 2, 3, 7].map(|threads| {
        tch::set_num_threads(threads);
        make()
    });
    tch::set_num_threads(before);
    made
}

#[test]
fn the_kernel_gives_the_same_bits_for_any_number_of_threads() {
    let by = Case { decoupled: false, weight_decay: 0.1, limit: Some(1.0), scale: 1024.0, tracks: 3 };
    let made = with_threads(|| {
        let mut moved = Moved::start(&host(), by.tracks);
        moved.fused(list(&host(), 10, by.scale as f32), &by, 1, update_by_kernel);
        moved.lists().into_iter().flat_map(|list| values(list)).map(f32::to_bits).collect::<Vec<_>>()
    });
    assert!(made.iter().all(|bits| *bits == made[0]));
}

#[test]
fn norms_are_exact_sums_whatever_the_threads_and_the_way() {
    let gradients = list(&host(), 3, 1.0);
    let exact: Vec<f64> = gradients
        .iter()
        .map(|gradient| values(std::slice::from_ref(gradient)).iter().map(|x| f64::from(*x).powi(2)).sum())
        .collect();
    let handles = |gradients: &[Tensor<1>]| gradients.iter().cloned().map(primitive).collect::<Vec<_>>();
    let handled = handles(&gradients);
    let found = with_threads(|| kernel::squared_norms(&handled));
    assert!(found.iter().all(|squares| squares == &found[0]), "{found:?}");
    let global = exact.iter().sum::<f64>().sqrt();
    let elsewhere = list(&device(), 3, 1.0);
    let ways = [
        (gradient_norms(&gradients, 1.0), 1e-6),
        (gradient_norms(&elsewhere, 1.0), within(1e-6)),
        (lists::norms(&handles(&elsewhere), 1.0), within(1e-6)),
    ];
    for (norms, tolerance) in ways {
        let tolerance = f64::from(tolerance);
        assert!((f64::from(norms.global.into_scalar::<f32>()) / global - 1.0).abs() < tolerance);
        for (ours, exact) in values(&[norms.squares]).into_iter().zip(&exact) {
            assert!((f64::from(ours) - exact).abs() <= tolerance * exact, "{ours} is not {exact}");
        }
    }
}

#[test]
fn a_gradient_without_value_shows_in_its_own_square_alone() {
    for spoiled in [f32::NAN, f32::INFINITY] {
        let mut gradients = list(&device(), 3, 1.0);
        gradients[4] = gradients[4].clone() * 0.0 + spoiled;
        let handles: Vec<_> = gradients.iter().cloned().map(primitive).collect();
        for norms in [gradient_norms(&gradients, 1.0), lists::norms(&handles, 1.0)] {
            let bad: Vec<_> = values(&[norms.squares]).iter().map(|square| !square.is_finite()).collect();
            assert_eq!(bad, [false, false, false, false, true, false, false]);
            assert!(!norms.global.into_scalar::<f32>().is_finite());
        }
    }
}

#[test]
fn nobody_elses_numbers_change_and_nothing_is_allocated_otherwise() {
    let case = Case { decoupled: true, weight_decay: 0.1, limit: None, scale: 1.0, tracks: 1 };
    for Route { update, device, .. } in routes() {
        let mut moved = Moved::start(&device, 1);
        let kept = [moved.averages[0][4].clone(), moved.first[3].clone()];
        let before = kept.each_ref().map(|tensor| values(std::slice::from_ref(tensor)));
        let addresses = |moved: &Moved| -> Vec<_> {
            let tensors = moved.lists().into_iter().flatten().cloned();
            tensors.map(|tensor| primitive(tensor).tensor.data_ptr()).collect()
        };
        let start = addresses(&moved);
        moved.fused(list(&device, 10, 1.0), &case, 1, update);
        assert_eq!(kept.each_ref().map(|tensor| values(std::slice::from_ref(tensor))), before);
        assert_ne!(values(&moved.averages[0][4..5]), before[0], "the average itself has moved");
        let apart = addresses(&moved);
        let changed = start.iter().zip(&apart).filter(|(before, after)| before != after).count();
        assert_eq!(changed, kept.len(), "only what was shared got a place of its own");
        drop(kept);
        moved.fused(list(&device, 11, 1.0), &case, 2, update);
        assert_eq!(addresses(&moved), apart);
    }
}

#[test]
fn a_handle_is_refused_while_a_third_party_holds_the_tensor() {
    let owner = list(&device(), 1, 1.0);
    assert!(Writable::new(owner.clone()).is_ok());
    let third = owner[1].clone();
    let copies = Writable::new(owner.clone()).unwrap_err();
    assert_eq!(values(&copies), values(&owner));
    drop(third);
    assert!(Writable::new(owner.clone()).is_ok());
    assert!(Writable::new(vec![owner[3].clone().slice(1..5)]).is_err(), "a part of a tensor is not its own");
}

#[test]
fn sums_grow_in_place_and_leave_their_terms_alone() {
    let (mut sums, terms) = (list(&device(), 1, 1.0), list(&device(), 2, 1.0));
    let expected = values(&sums.iter().zip(&terms).map(|(a, b)| a.clone() + b.clone()).collect::<Vec<_>>());
    let before = values(&terms);
    let address = primitive(sums[3].clone()).tensor.data_ptr();
    accumulate(&mut sums, terms.clone());
    assert_eq!(values(&sums), expected);
    assert_eq!(values(&terms), before);
    assert_eq!(primitive(sums[3].clone()).tensor.data_ptr(), address);
}
