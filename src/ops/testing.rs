//! Holds a fused operation to its plain form: outputs and the gradient of every input.

use burn::tensor::Tensor;

use super::DeviceName;

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
pub(super) fn assert_same(
    inputs: [Tensor<4>; 3],
    fused: impl Fn([Tensor<4>; 3]) -> Tensor<4>,
    plain: impl Fn([Tensor<4>; 3]) -> Tensor<4>,
) {
    let without_gradient = fused(inputs.clone());
    let ours = run(&inputs, &fused);
    let theirs = run(&inputs, &plain);
    close(&without_gradient, &theirs[0], "output outside training");
    for ((ours, theirs), what) in ours.iter().zip(&theirs).zip(["output", "first", "second", "third"]) {
        close(ours, theirs, what);
    }
}

/// The output and the gradients of Σ output·cotangent.
fn run(inputs: &[Tensor<4>; 3], op: &impl Fn([Tensor<4>; 3]) -> Tensor<4>) -> Vec<Tensor<4>> {
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
