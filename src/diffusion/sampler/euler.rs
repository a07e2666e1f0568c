//! Euler's method on the sigma scale (Karras et al. 2022, Alg. 1 without churn): the probability-flow equation, one
//! network evaluation a step. No noise is added and x̂0 is not clipped.

use burn::tensor::Tensor;

use super::sigma::{along, ask, levels, start};
use super::{Chain, Network};

/// Runs the chain, to σ = 0.
pub(super) fn sample(chain: &Chain<'_>, x: Tensor<4>, network: &mut Network<'_>) -> Tensor<4> {
    let levels = levels(chain);
    let mut y = start(chain, x, levels[0]);
    for (i, &here) in levels.iter().enumerate() {
        let next = levels.get(i + 1).map_or(0.0, |next| next.sigma);
        y = along(ask(chain, &y, here, network), next);
    }
    y
}
