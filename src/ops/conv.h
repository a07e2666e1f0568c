// Convolutions of feature maps in host memory, for Rust and for the operations built on them.

#pragma once

#include <ATen/core/Tensor.h>

namespace ablate::conv {

// Square, with as many zeros on every side; `bias` may be undefined.
at::Tensor forward(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, int64_t stride,
                   int64_t padding);

// That of x is undefined where it is not wanted.
struct Gradients {
  at::Tensor x, weight;
};

Gradients backward(const at::Tensor &grad, const at::Tensor &x, const at::Tensor &weight, int64_t stride,
                   int64_t padding, bool wants_x);

}  // namespace ablate::conv
