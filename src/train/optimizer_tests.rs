//! Tests of the optimizers and the learning rate, held to numbers that PyTorch computed.

use super::*;
use crate::config::defaults;
use crate::ops::testing::{device, within};

fn flat(values: &[f32]) -> Flat {
    vec![Tensor::from_floats(values, &device())]
}

fn values(flat: &Flat) -> Vec<f32> {
    flat.iter().flat_map(|tensor| tensor.to_data().try_into_vec::<f32>().unwrap()).collect()
}

/// What `torch.optim.AdamW` and `torch.optim.Adam` of PyTorch 2.9.0 make of five weights in five steps with
/// betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, lr = 0.1/(k+1) at step k, and gradients sin(1 + 3k + i).
const START: [f32; 5] = [0.5, -1.25, 2.0, 0.1, -0.3];
const ADAMW: [[f64; 5]; 5] = [
    [0.3950001299381256, -1.3374998569488525, 1.8800007104873657, 0.19899986684322357, -0.19700011610984802],
    [0.39593181014060974, -1.3239357471466064, 1.891340732574463, 0.19598078727722168, -0.20234841108322144],
    [0.3838978409767151, -1.3310327529907227, 1.8724639415740967, 0.20581775903701782, -0.19025428593158722],
    [0.38380569219589233, -1.3245813846588135, 1.8747614622116089, 0.2050502896308899, -0.19263885915279388],
    [0.37972214818000793, -1.3262481689453125, 1.8657771348953247, 0.207614928483963, -0.18803444504737854],
];
const ADAM: [[f64; 5]; 5] = [
    [0.40000009536743164, -1.3499999046325684, 1.9000003337860107, 0.1999998688697815, -0.2000001072883606],
    [0.4001249372959137, -1.3364412784576416, 1.8793288469314575, 0.19689591228961945, -0.20505712926387787],
    [0.3878100514411926, -1.3435916900634766, 1.8542652130126953, 0.20654459297657013, -0.19298771023750305],
    [0.3872118592262268, -1.3371490240097046, 1.848954200744629, 0.20552904903888702, -0.19529390335083008],
    [0.3827240765094757, -1.3387541770835059, 1.8372292518615723, 0.20781008899211884, -0.19067439436912537],
];

/// A gradient without loss scale.
fn gradient(values: Flat) -> Gradient {
    let norm = ops::gradient_norms(&values, 1.0).global;
    Gradient { values, scale: 1.0, norm }
}

#[test]
fn both_optimizers_step_as_pytorchs_do() {
    for (optimizer, expected) in [(Optimizer::Adamw, ADAMW), (Optimizer::Adam, ADAM)] {
        let training = Training {
            optimizer,
            betas: [0.8, 0.95],
            eps: 1e-6,
            weight_decay: 0.1,
            grad_clip: 0.0,
            ..defaults().training
        };
        let mut weights = flat(&START);
        let mut adam = Adam::new(&weights);
        for (k, expected) in expected.iter().enumerate() {
            let slope: [f32; 5] = std::array::from_fn(|i| (1.0 + 3.0 * k as f64 + i as f64).sin() as f32);
            let gradient = gradient(flat(&slope));
            adam.update(&Writable::of(&mut weights), gradient, vec![], &training, 0.1 / (k + 1) as f64);
            for (ours, theirs) in values(&weights).iter().zip(expected) {
                let difference = (f64::from(*ours) - theirs).abs();
                assert!(difference < within(1e-6).into(), "{optimizer:?} step {k}: {ours} is not {theirs}");
            }
        }
        assert_eq!(adam.updates, 5);
    }
}

#[test]
fn clipping_scales_by_the_global_norm_as_pytorchs_does() {
    // torch.nn.utils.clip_grad_norm_ of [3, 4] and [12] to 2 says 13 and leaves these.
    let clipped_to_two = [0.461_538_43, 0.615_384_6, 1.846_153_7];
    for (grad_clip, expected) in [(2.0, clipped_to_two), (20.0, [3.0, 4.0, 12.0]), (0.0, [3.0, 4.0, 12.0])] {
        let gradient = gradient(vec![flat(&[3.0, 4.0]).remove(0), flat(&[12.0]).remove(0)]);
        assert_eq!(gradient.norm.clone().into_scalar::<f32>(), 13.0);
        let mut weights = vec![flat(&[0.0, 0.0]).remove(0), flat(&[0.0]).remove(0)];
        // Without memory the first moment is the clipped gradient.
        let training = Training { betas: [0.0, 0.5], grad_clip, ..defaults().training };
        let mut adam = Adam::new(&weights);
        adam.update(&Writable::of(&mut weights), gradient, vec![], &training, 1e-3);
        for (ours, theirs) in values(&adam.first).iter().zip(expected) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} is not {theirs}");
        }
    }
}

fn rates(lr_schedule: LrSchedule, warmup_steps: u64, total: u64) -> Vec<f64> {
    let training = Training { learning_rate: 2e-4, lr_schedule, warmup_steps, ..defaults().training };
    (0..=total).map(|step| learning_rate(&training, step, total)).collect()
}

fn assert_close(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    for (step, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() < 1e-16, "step {step}: {ours} is not {theirs}");
    }
}

#[test]
fn a_cosine_falls_as_pytorchs_and_reaches_0_after_the_last_step() {
    // torch.optim.lr_scheduler.CosineAnnealingLR(T_max=10) of a rate of 2e-4.
    let expected = [
        0.0002,
        0.00019510565162951537,
        0.00018090169943749473,
        0.00015877852522924732,
        0.00013090169943749474,
        9.999999999999999e-05,
        6.909830056250526e-05,
        4.122147477075269e-05,
        1.9098300562505263e-05,
        4.894348370484646e-06,
        0.0,
    ];
    assert_close(&rates(LrSchedule::Cosine, 0, 10), &expected);
    let warmed = rates(LrSchedule::Cosine, 4, 14);
    assert_close(&warmed[..4], &[0.5e-4, 1e-4, 1.5e-4, 2e-4]);
    assert_close(&warmed[4..], &expected);
}

#[test]
fn a_line_falls_evenly_from_the_peak_after_warm_up() {
    let expected: Vec<f64> = (0..=5).map(|step| 2e-4 * (5 - step) as f64 / 5.0).collect();
    assert_close(&rates(LrSchedule::Linear, 0, 5), &expected);
    assert_close(&rates(LrSchedule::Linear, 3, 8)[3..], &expected);
}

#[test]
fn a_run_shorter_than_its_warm_up_never_leaves_it() {
    for schedule in [LrSchedule::Constant, LrSchedule::Cosine, LrSchedule::Linear] {
        assert_close(&rates(schedule, 10, 4), &[0.2e-4, 0.4e-4, 0.6e-4, 0.8e-4, 1e-4]);
    }
    assert_close(&rates(LrSchedule::Constant, 2, 5), &[1e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4]);
}
