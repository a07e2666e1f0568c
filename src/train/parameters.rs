//! All parameters of a network as flat vectors, in the order of the module tree, and back.
//!
//! The optimizer and the average do the same to every tensor whatever its rank; flat views let them be loops.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use crate::model::UNet;
use crate::ops::Writable;

/// One flat tensor per parameter, outside autodiff.
pub(super) type Flat = Vec<Tensor<1>>;

/// Views of the weights.
pub(super) fn weights(network: &UNet) -> Flat {
    struct Read(Flat);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(flatten(param.val().inner()));
        }
    }
    let mut visitor = Read(vec![]);
    network.visit(&mut visitor);
    visitor.0
}

/// Handles through which the weights are written in place, each leaf of the network staying the same leaf.
///
/// A clone of the network is the same leaves and sees what is written. Whoever holds a tensor of its own on the same
/// numbers (an average that began as the weights, a backward graph that is still alive) does not: the network then
/// takes fresh leaves with copies.
pub(super) fn writable(network: &mut UNet) -> Writable {
    Writable::new(weights(network)).unwrap_or_else(|copies| {
        *network = with_weights(network.clone(), copies);
        Writable::new(weights(network)).expect("nobody else holds the tensors of a fresh leaf")
    })
}

/// Takes the gradients out of the backward passes they came from.
pub(super) fn gradients(network: &UNet, passes: &mut [Gradients]) -> Flat {
    struct Take<'a>(Flat, &'a mut [Gradients]);
    impl ModuleVisitor for Take<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let weight = param.val();
            let gradient = self.1.iter_mut().find_map(|pass| weight.grad_remove(pass));
            self.0.push(flatten(gradient.expect("every parameter takes part in the forward pass")));
        }
    }
    let mut visitor = Take(vec![], passes);
    network.visit(&mut visitor);
    visitor.0
}

/// The same network with other weights, each a fresh leaf for the next backward pass.
pub(super) fn with_weights(network: UNet, weights: Flat) -> UNet {
    struct Put(std::vec::IntoIter<Tensor<1>>, bool);
    impl ModuleMapper for Put {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.val().dims();
            let value = self.0.next().expect("as many weights as parameters").reshape(shape);
            let track = self.1;
            param.map(|_| if track { value.autodiff().require_grad() } else { value })
        }
    }
    let track = is_tracked(&network);
    network.map(&mut Put(weights.into_iter(), track))
}

fn is_tracked(network: &UNet) -> bool {
    network.devices().iter().any(|device| device.is_autodiff())
}

fn flatten<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let n = tensor.shape().num_elements();
    tensor.reshape([n])
}
