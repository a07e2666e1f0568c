//! A forward and a backward pass that hold the feature maps of one level at a time.
//!
//! In: what [`UNet::forward`] takes, and what makes a number of its prediction. Out: the gradient of that number. The
//! network is run level by level without a graph, keeping only what levels hand to each other; then, from the last level
//! to the first, each is run again with one (Chen et al. 2016, "Training deep nets with sublinear memory cost").
//!
//! The gradients are those of the plain way but for rounding: dropout draws the same masks and sums keep their order,
//! except the time embedding's, over all blocks; but a linear map without a graph may be another kernel of libtorch.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::activation::silu;
use burn::tensor::{Gradients, Tensor};

use super::{Mode, UNet};
use crate::ops;

/// What levels hand to each other.
struct Handed {
    /// In the order in which the way down leaves them; the last of a level is also the input of the next.
    skips: Vec<Tensor<4>>,
    /// How many of them there are before each level on the way down.
    starts: Vec<usize>,
    /// Those that each level on the way up takes.
    taken: Vec<Range<usize>>,
    /// Inputs of the levels on the way up, and of what follows them.
    inputs: Vec<Tensor<4>>,
}

/// A backward pass under way.
struct Pass {
    time: Tensor<2>,
    of_time: Option<Tensor<2>>,
    /// The gradient of each skip, as far as the pass has come.
    of_skips: Vec<Option<Tensor<4>>>,
    /// Gradients of the parameters of the levels behind it.
    done: Vec<Gradients>,
}

impl UNet {
    /// The gradient of `objective(prediction)`; that of each parameter is in one of the results.
    ///
    /// # Shapes
    /// - `x` and `t` as in [`UNet::forward`], whose result `objective` takes, to return `[1]`
    pub fn gradients_by_level(
        &self,
        x: Tensor<4>,
        t: Tensor<1>,
        mode: Mode,
        objective: impl FnOnce(Tensor<4>) -> Tensor<1>,
    ) -> Vec<Gradients> {
        let x = x.cast(mode.dtype());
        let time = silu(self.time_embedding.forward(t, mode.dtype()));
        let handed = self.valid().hand_down(x.clone(), &time.clone().inner(), mode);
        let Handed { mut skips, starts, taken, mut inputs } = handed;
        let of_skips = vec![None; skips.len()];
        let mut pass = Pass { time: time.clone().inner(), of_time: None, of_skips, done: vec![] };

        let last = inputs.pop().expect("what follows the levels has an input");
        let mut gradient = pass.close(last, |x| objective(self.predict(x)));
        for ((block, input), range) in self.up_blocks.iter().zip(inputs).zip(taken).rev() {
            let mut leaves = vec![input];
            leaves.extend_from_slice(&skips[range.clone()]);
            let unknown = vec![None; leaves.len()];
            let mut found = pass.level(leaves, unknown, vec![Some(gradient)], |mut leaves, time| {
                let mut skips = leaves.split_off(1);
                vec![block.forward(leaves.remove(0), time, &mut skips, mode)]
            });
            gradient = found.remove(0).expect("a level passes a gradient on");
            pass.of_skips.splice(range, found);
        }
        pass.down(&skips, vec![Some(gradient)], |x, time| vec![self.mid_block.forward(x, time, mode)]);
        for (block, start) in self.down_blocks.iter().zip(starts).rev() {
            skips.truncate(start);
            let gradients = pass.of_skips.split_off(start);
            pass.down(&skips, gradients, |x, time| {
                let mut outputs = vec![];
                block.forward(x, time, &mut outputs, mode);
                outputs
            });
        }
        let gradient = pass.of_skips.split_off(0);
        pass.level(vec![], vec![], gradient, |_, _| vec![self.conv_in.forward(x)]);
        let of_time = pass.of_time.take().expect("every block takes the time");
        pass.done.push(ops::seed(none_yet(&of_time), time, of_time).backward());
        pass.done
    }

    /// The way down and up of a network without a graph.
    fn hand_down(&self, x: Tensor<4>, time: &Tensor<2>, mode: Mode) -> Handed {
        let mut x = self.conv_in.forward(x);
        let (mut skips, mut starts) = (vec![x.clone()], vec![]);
        for block in &self.down_blocks {
            starts.push(skips.len());
            x = block.forward(x, time, &mut skips, mode);
        }
        x = self.mid_block.forward(x, time, mode);
        let (mut left, mut taken, mut inputs) = (skips.clone(), vec![], vec![]);
        for block in &self.up_blocks {
            inputs.push(x.clone());
            let before = left.len();
            x = block.forward(x, time, &mut left, mode);
            taken.push(left.len()..before);
        }
        inputs.push(x);
        Handed { skips, starts, taken, inputs }
    }
}

impl Pass {
    /// What follows the last level; returns the gradient of its input.
    fn close(&mut self, input: Tensor<4>, run: impl FnOnce(Tensor<4>) -> Tensor<1>) -> Tensor<4> {
        let leaf = input.autodiff().require_grad();
        let mut gradients = run(leaf.clone()).backward();
        let gradient = leaf.grad_remove(&mut gradients).expect("the objective depends on the prediction");
        self.done.push(gradients);
        gradient
    }

    /// A level whose input is the last skip, which gets its gradient.
    fn down(
        &mut self,
        skips: &[Tensor<4>],
        gradients: Vec<Option<Tensor<4>>>,
        run: impl FnOnce(Tensor<4>, &Tensor<2>) -> Vec<Tensor<4>>,
    ) {
        let last = skips.len() - 1;
        let known = self.of_skips[last].take();
        let found = self.level(vec![skips[last].clone()], vec![known], gradients, |mut leaves, time| {
            run(leaves.remove(0), time)
        });
        self.of_skips.splice(last.., found);
    }

    /// Runs a level with a graph, then back: of the gradients of its outputs, and what is already `known` of those of
    /// its inputs, makes the latter.
    fn level(
        &mut self,
        inputs: Vec<Tensor<4>>,
        known: Vec<Option<Tensor<4>>>,
        gradients: Vec<Option<Tensor<4>>>,
        run: impl FnOnce(Vec<Tensor<4>>, &Tensor<2>) -> Vec<Tensor<4>>,
    ) -> Vec<Option<Tensor<4>>> {
        let leaves: Vec<_> = inputs.into_iter().map(|input| input.autodiff().require_grad()).collect();
        let time = self.time.clone().autodiff().require_grad();
        let outputs = run(leaves.clone(), &time);
        let mut total = none_yet(&self.time);
        // The last output is the one that most operations led to.
        let links = outputs.into_iter().zip(gradients).rev().chain(leaves.iter().cloned().zip(known));
        for (x, gradient) in links.filter_map(|(x, gradient)| Some((x, gradient?))) {
            total = ops::seed(total, x, gradient);
        }
        if let Some(of_time) = self.of_time.take() {
            total = ops::seed(total, time.clone(), of_time);
        }
        let mut gradients = total.backward();
        self.of_time = time.grad_remove(&mut gradients);
        let found = leaves.iter().map(|leaf| leaf.grad_remove(&mut gradients)).collect();
        self.done.push(gradients);
        found
    }
}

/// The number that gradients are hung on.
fn none_yet(like: &Tensor<2>) -> Tensor<1> {
    Tensor::zeros([1], &like.device())
}
