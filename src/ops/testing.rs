//! Holds a fused operation to its plain form: outputs and the gradient of every input.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use burn::tensor::{FloatDType, Tensor};

use super::DeviceName;
use super::probe::{distance, probe};

/// Normal draws that depend on the number alone.
pub(super) fn random(shape: [usize; 4], seed: u64) -> Tensor<4> {
    let (_, device) = super::open(DeviceName::Cpu).unwrap();
    let count = shape.iter().product();
    let mut values = vec![0.0; count];
    crate::data::Draw::new(seed, "test", 0).normal_fill(&mut values);
    let values = burn::tensor::TensorData::new(values, shape);
    Tensor::from_data(values, &device)
}

/// Runs both on the same inputs and compares.
pub(super) fn assert_same<const N: usize>(
    inputs: [Tensor<4>; N],
    fused: impl Fn([Tensor<4>; N]) -> Tensor<4>,
    plain: impl Fn([Tensor<4>; N]) -> Tensor<4>,
) {
    let without_gradient = fused(inputs.clone());
    let ours = run(&inputs, &fused);
    let theirs = run(&inputs, &plain);
    close(&without_gradient, &theirs[0], "output outside training");
    for (place, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        close(ours, theirs, &named(place));
    }
}

/// What stands at this place of what `run` gives.
fn named(place: usize) -> String {
    if place == 0 { "output".into() } else { format!("gradient of input {place}") }
}

/// The output and the gradients of Σ output·cotangent.
fn run<const N: usize>(inputs: &[Tensor<4>; N], op: &impl Fn([Tensor<4>; N]) -> Tensor<4>) -> Vec<Tensor<4>> {
    let leaves = inputs.clone().map(|input| input.autodiff().require_grad());
    let output = op(leaves.clone());
    let cotangent = random(output.dims(), 99);
    let gradients = (output.clone() * cotangent).sum().backward();
    let mut all = vec![output.inner()];
    all.extend(leaves.iter().map(|leaf| leaf.grad(&gradients).expect("every input has a gradient")));
    all
}

fn close(ours: &Tensor<4>, theirs: &Tensor<4>, what: &str) {
    let largest = |x: Tensor<4>| x.abs().max().into_scalar::<f32>();
    let difference = largest(ours.clone() - theirs.clone());
    let scale = largest(theirs.clone()).max(1e-3);
    assert!(difference <= 1e-5 * scale, "{what}: differs by {difference} at scale {scale}");
}

/// The 16-bit formats, each with how far from 32 bits its rounding may lead, as a share of the norm: a few units in
/// the last place of an 8- or 11-bit mantissa. A format that this machine cannot compute in is left out, with a word.
pub(super) fn reduced_formats() -> Vec<(FloatDType, f32)> {
    let all = [(FloatDType::BF16, 0.02), (FloatDType::F16, 0.003)];
    all.into_iter().filter(|(format, _)| is_supported(*format)).collect()
}

/// Names the format that [`a_process_that_may_die`] is to compute in.
const FORMAT: &str = "ABLATE_TEST_FORMAT";

/// Asks this test program, started anew, since the answer may be its death.
fn is_supported(format: FloatDType) -> bool {
    static KNOWN: Mutex<Vec<(FloatDType, bool)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap();
    if let Some((_, answer)) = known.iter().find(|(asked, _)| *asked == format) {
        return *answer;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["ops::testing::a_process_that_may_die", "--exact"]).env(FORMAT, format!("{format:?}"));
    let answer = child.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success();
    if !answer {
        eprintln!("skipped: this machine does not compute in {format:?}");
    }
    known.push((format, answer));
    answer
}

#[test]
fn a_process_that_may_die() {
    let format = match std::env::var(FORMAT).as_deref() {
        Ok("BF16") => FloatDType::BF16,
        Ok("F16") => FloatDType::F16,
        _ => return,
    };
    let (_, device) = super::open(DeviceName::Cpu).unwrap();
    probe(&device, format).unwrap();
}

/// Runs an operation in 16 and in 32 bits on the same inputs, those that `cast` names rounded to 16 beforehand, and
/// compares outputs and gradients, which must come back in 32.
pub(super) fn assert_near<const N: usize>(
    inputs: [Tensor<4>; N],
    cast: [bool; N],
    op: impl Fn([Tensor<4>; N]) -> Tensor<4>,
) {
    for (format, tolerance) in reduced_formats() {
        let mut which = cast.into_iter();
        let rounded = inputs.clone().map(|x| match which.next() {
            Some(true) => x.cast(format).cast(FloatDType::F32),
            _ => x,
        });
        let reduced = |inputs: [Tensor<4>; N]| {
            let mut which = cast.into_iter();
            let y = op(inputs.map(|x| if which.next() == Some(true) { x.cast(format) } else { x }));
            assert_eq!(FloatDType::from(y.dtype()), format, "the result has the format of the input");
            y.cast(FloatDType::F32)
        };
        let (ours, exact) = (run(&rounded, &reduced), run(&rounded, &op));
        for (place, (ours, exact)) in ours.into_iter().zip(exact).enumerate() {
            let what = named(place);
            assert_eq!(FloatDType::from(ours.dtype()), FloatDType::F32, "{what}");
            let flat = |x: Tensor<4>| x.flatten::<1>(0, 3);
            let found = distance(flat(ours), flat(exact));
            assert!(found <= tolerance, "{format:?} {what}: off by {found} of its norm");
        }
    }
}
