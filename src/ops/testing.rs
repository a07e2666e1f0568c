//! Holds a fused operation to its plain form: outputs and the gradient of every input.
//!
//! The fused one runs on the device under test, which the environment names; the plain one runs on the CPU in 32 bits,
//! whose kernels share nothing with a GPU's. Inputs are drawn on the host and moved.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use burn::tensor::{Device, FloatDType, Tensor};

use super::probe::{distance, probe};
use super::{DeviceName, open};

/// Names the device under test, as `runtime.device` is written; the CPU where it is not set.
const DEVICE: &str = "ABLATE_TEST_DEVICE";

/// The device under test.
pub(crate) fn device() -> Device {
    open(under_test()).unwrap().1
}

/// The CPU, for tests of what is done in host memory alone, and for plain forms.
pub(crate) fn host() -> Device {
    open(DeviceName::Cpu).unwrap().1
}

/// Its name.
pub(super) fn under_test() -> DeviceName {
    use crate::config::Device;
    let Ok(text) = std::env::var(DEVICE) else { return DeviceName::Cpu };
    match text.parse().unwrap_or_else(|reason| panic!("{DEVICE}: {reason}")) {
        Device::Auto => DeviceName::Auto,
        Device::Cpu => DeviceName::Cpu,
        Device::Cuda(index) => DeviceName::Cuda(index),
        Device::Mps => DeviceName::Mps,
    }
}

/// How far results in 32 bits may be from the plain form's, where `on_host` is what host memory gets.
///
/// A GPU gets three times that: it adds in another order and contracts products and sums, and for 3×3 convolutions
/// cuDNN may take Winograd's transforms, which lose a bit or two. TF32 rounds what it multiplies to 11 bits and would
/// be off by some 1e-4.
pub(crate) fn within(on_host: f32) -> f32 {
    if under_test() == DeviceName::Cpu { on_host } else { 3.0 * on_host }
}

/// Normal draws that depend on the number alone, on the device under test.
pub(super) fn random(shape: [usize; 4], seed: u64) -> Tensor<4> {
    random_on(&device(), shape, seed)
}

/// The same draws elsewhere.
pub(super) fn random_on(device: &Device, shape: [usize; 4], seed: u64) -> Tensor<4> {
    let count = shape.iter().product();
    let mut values = vec![0.0; count];
    crate::data::Draw::new(seed, "test", 0).normal_fill(&mut values);
    let values = burn::tensor::TensorData::new(values, shape);
    Tensor::from_data(values, device)
}

fn to_host<const N: usize>(tensors: &[Tensor<4>; N]) -> [Tensor<4>; N] {
    tensors.clone().map(|tensor| tensor.to_device(&host()))
}

/// Runs the one on the device under test and the other on the host, on the same inputs, and compares.
pub(super) fn assert_same<const N: usize>(
    inputs: [Tensor<4>; N],
    fused: impl Fn([Tensor<4>; N]) -> Tensor<4>,
    plain: impl Fn([Tensor<4>; N]) -> Tensor<4>,
) {
    let without_gradient = fused(inputs.clone());
    let ours = run(&inputs, &fused);
    let theirs = run(&to_host(&inputs), &plain);
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
    let cotangent = random_on(&inputs[0].device(), output.dims(), 99);
    let gradients = (output.clone() * cotangent).sum().backward();
    let mut all = vec![output.inner()];
    all.extend(leaves.iter().map(|leaf| leaf.grad(&gradients).expect("every input has a gradient")));
    all
}

fn close(ours: &Tensor<4>, theirs: &Tensor<4>, what: &str) {
    let largest = |x: Tensor<4>| x.abs().max().into_scalar::<f32>();
    let [ours, theirs] = to_host(&[ours.clone(), theirs.clone()]);
    let scale = largest(theirs.clone()).max(1e-3);
    let difference = largest(ours - theirs);
    assert!(difference <= within(1e-5) * scale, "{what}: differs by {difference} at scale {scale}");
}

/// The 16-bit formats, each with how far from 32 bits its rounding may lead, as a share of the norm: a few units in
/// the last place of an 8- or 11-bit mantissa. A format that the device cannot compute in is left out, with a word.
pub(crate) fn reduced_formats() -> Vec<(FloatDType, f32)> {
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
        eprintln!("skipped: {} does not compute in {format:?}", under_test());
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
    probe(&device(), format).unwrap();
}

/// Runs an operation in 16 bits on the device under test and in 32 on the host, on the same inputs, those that `cast`
/// names rounded to 16 beforehand, and compares outputs and gradients, which must come back in 32.
pub(super) fn assert_near<const N: usize>(
    inputs: [Tensor<4>; N],
    cast: [bool; N],
    op: impl Fn([Tensor<4>; N]) -> Tensor<4>,
) {
    assert_near_of(1, inputs, cast, op);
}

/// The same for several operations in a row, each of which rounds: what is independent adds up by its squares.
pub(super) fn assert_near_of<const N: usize>(
    operations: u8,
    inputs: [Tensor<4>; N],
    cast: [bool; N],
    op: impl Fn([Tensor<4>; N]) -> Tensor<4>,
) {
    for (format, of_one) in reduced_formats() {
        let tolerance = of_one * f32::from(operations).sqrt();
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
        let (ours, exact) = (run(&rounded, &reduced), run(&to_host(&rounded), &op));
        for (place, (ours, exact)) in ours.into_iter().zip(exact).enumerate() {
            let what = named(place);
            assert_eq!(FloatDType::from(ours.dtype()), FloatDType::F32, "{what}");
            let flat = |x: Tensor<4>| x.flatten::<1>(0, 3);
            let [ours, exact] = to_host(&[ours, exact]).map(flat);
            let found = distance(ours, exact);
            assert!(found <= tolerance, "{format:?} {what}: off by {found} of its norm");
        }
    }
}
