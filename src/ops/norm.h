// Group norm with silu in host memory, for Rust and for the operations built on it.

#pragma once

#include <ATen/core/Tensor.h>

namespace ablate::norm {

// The result, and mean and 1/√(variance + eps) of each group of each image in 64 bits.
struct Saved {
  at::Tensor y, mean, rstd;
};

struct Gradients {
  at::Tensor x, other, weight, bias;
};

// `other` is undefined, or [N, C] to add, or [N, C', H, W] to join.
Saved forward(const at::Tensor &x, const at::Tensor &other, const at::Tensor &weight, const at::Tensor &bias,
              int64_t groups, double eps, bool silu);

// With `reuse` the gradient of x may take the place of `grad`.
Gradients backward(const at::Tensor &grad, const at::Tensor &x, const at::Tensor &other, const at::Tensor &mean,
                   const at::Tensor &rstd, const at::Tensor &weight, const at::Tensor &bias, int64_t groups, bool silu,
                   bool reuse);

}  // namespace ablate::norm
