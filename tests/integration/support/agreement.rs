//! Our network held to PyTorch's with the same weights: outputs, and the gradient of every parameter.

use std::convert::Infallible;
use std::path::Path;

use ablate::config::{Data, Model};
use ablate::model::{Mode, UNet, named_gradients};
use burn::tensor::{Device, Tensor};

use super::tensors::TensorFile;

/// Largest difference of an output, as a share of the largest value of the tensor.
const OUTPUT: f64 = 2e-5;
/// Largest difference of a gradient, norm against norm ...
const GRADIENT: f64 = 1e-4;
/// ... and against that of all gradients together. The softmax does not see a bias of all keys: its gradient is zero
/// but for rounding, which grows with the gradients it is summed from.
const WHOLE_GRADIENT: f64 = 1e-6;

/// The largest differences that were found, as shares of what was allowed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Worst {
    pub(crate) output: f64,
    pub(crate) gradient: f64,
    /// Gradients that were looked at.
    pub(crate) gradients: usize,
}

impl Worst {
    pub(crate) fn and(self, other: Worst) -> Worst {
        Worst {
            output: self.output.max(other.output),
            gradient: self.gradient.max(other.gradient),
            gradients: self.gradients + other.gradients,
        }
    }

    /// What was found, beside what is allowed.
    pub(crate) fn told(&self) -> String {
        format!(
            "the worst output is off by {:.1e} of its largest value, where {OUTPUT:.0e} are allowed; the worst of {} \
             gradients by {:.0}% of what is allowed",
            self.output * OUTPUT,
            self.gradients,
            self.gradient * 100.0
        )
    }
}

/// The processor, as PyTorch uses it.
#[expect(deprecated, reason = "burn steers towards CubeCL; the libtorch backend is this project's choice")]
pub(crate) fn cpu() -> Device {
    Device::libtorch().autodiff()
}

/// The network of a configuration with the weights that a file has below a prefix.
pub(crate) fn network(model: &Model, data: &Data, weights: &TensorFile, prefix: &str) -> UNet {
    let built = UNet::new::<Infallible>(model, data, &cpu(), &mut |name, shape, _| {
        let name = format!("{prefix}{name}");
        assert_eq!(weights.shape(&name), shape, "{name}");
        Ok(weights.values(&name))
    });
    match built {
        Ok(network) => network,
        Err(never) => match never {},
    }
}

/// Holds a network to what PyTorch made of `x` and `t`, and to its gradients where the file has them.
#[track_caller]
pub(crate) fn assert_agrees(network: &UNet, theirs: &TensorFile, path: &Path) -> Worst {
    let device = cpu();
    let x = theirs.tensor::<4>("x", &device).require_grad();
    let output = network.forward(x.clone(), theirs.tensor::<1>("t", &device), Mode::Eval);
    let found = on_host(output.clone());
    let mut worst =
        Worst { output: largest_difference(&found, &theirs.values("output")) / OUTPUT, ..Worst::default() };
    let name = path.display();
    assert!(
        worst.output <= 1.0,
        "{name}: the output is off by {:.1e} of its largest value",
        worst.output * OUTPUT
    );
    if !theirs.has("cotangent") {
        return worst;
    }
    let mut gradients = (output * theirs.tensor::<4>("cotangent", &device)).sum().backward();
    let of_input = on_host(x.grad(&gradients).unwrap());
    let mut ours = vec![("grad_x".to_owned(), of_input)];
    ours.extend(
        named_gradients(network, &mut gradients).into_iter().map(|g| (format!("grad/{}", g.name), g.values)),
    );
    let whole = norm(theirs.under("grad/").flat_map(|name| theirs.values(&format!("grad/{name}"))));
    for (tensor, found) in &ours {
        let expected = theirs.values(tensor);
        assert_eq!(found.len(), expected.len(), "{name}: {tensor}");
        let difference = norm(found.iter().zip(&expected).map(|(a, b)| a - b));
        let share = difference / (GRADIENT * norm(expected) + WHOLE_GRADIENT * whole);
        assert!(
            share <= 1.0,
            "{name}: {tensor} is off by {difference:.1e}, {share:.1} times what is allowed"
        );
        worst.gradient = worst.gradient.max(share);
    }
    worst.gradients = ours.len();
    worst
}

fn on_host(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// max|a − b| / max|b|.
fn largest_difference(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let largest =
        |values: &mut dyn Iterator<Item = f32>| values.fold(0.0_f32, |most, value| most.max(value.abs()));
    assert!(ours.iter().all(|value| value.is_finite()));
    f64::from(
        largest(&mut ours.iter().zip(theirs).map(|(a, b)| a - b)) / largest(&mut theirs.iter().copied()),
    )
}

fn norm(values: impl IntoIterator<Item = f32>) -> f64 {
    values.into_iter().map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}
