//! A network's tensors by published name, out of the module tree.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use super::unet::UNet;

/// One parameter on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Published name, such as `mid_block.resnets.0.conv1.weight`.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// Every parameter with its values, in the order of the module tree (host–device sync).
pub fn named_tensors(network: &UNet) -> Vec<NamedTensor> {
    collect(network, &mut |tensor| tensor.values())
}

/// Names and shapes alone, in the same order.
pub fn parameter_names(network: &UNet) -> Vec<(String, Vec<usize>)> {
    let tensors = collect(network, &mut |_| vec![]);
    tensors.into_iter().map(|tensor| (tensor.name, tensor.shape)).collect()
}

/// The gradient of every parameter, taken out of a backward pass (host–device sync).
pub fn named_gradients(network: &UNet, gradients: &mut Gradients) -> Vec<NamedTensor> {
    collect(network, &mut |tensor| tensor.gradient(gradients))
}

/// A parameter of any rank.
trait Parameter {
    fn values(&self) -> Vec<f32>;
    fn gradient(&self, gradients: &mut Gradients) -> Vec<f32>;
}

impl<const D: usize> Parameter for Tensor<D> {
    fn values(&self) -> Vec<f32> {
        self.clone().inner().into_data().try_into_vec().expect("parameters are 32-bit floats")
    }

    fn gradient(&self, gradients: &mut Gradients) -> Vec<f32> {
        let gradient = self.grad_remove(gradients).expect("every parameter takes part in the forward pass");
        gradient.into_data().try_into_vec().expect("gradients are 32-bit floats")
    }
}

fn collect(network: &UNet, read: &mut dyn FnMut(&dyn Parameter) -> Vec<f32>) -> Vec<NamedTensor> {
    let mut visitor = Collect { path: vec![], tensors: vec![], read };
    network.visit(&mut visitor);
    visitor.tensors
}

struct Collect<'a> {
    path: Vec<String>,
    tensors: Vec<NamedTensor>,
    read: &'a mut dyn FnMut(&dyn Parameter) -> Vec<f32>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let (name, shape) = (self.path.join("."), tensor.dims().to_vec());
        let values = (self.read)(&tensor);
        self.tensors.push(NamedTensor { name, shape, values });
    }
}
