// What libtorch has and tch does not bind. Each function returns null, or a message that the caller frees.
//
// Tensors cross as pointers to at::Tensor; results are new at::Tensor objects that the caller owns.

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/native_group_norm_backward.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <array>

#include "guarded.h"

using ablate::guarded;
using ablate::put;

extern "C" {

// Gradients of a square 2-D convolution with bias, in the order input, weight, bias; those not wanted stay null.
char *ablate_conv2d_backward(at::Tensor **out, const at::Tensor *grad, const at::Tensor *input,
                             const at::Tensor *weight, int64_t stride, int64_t padding, const bool *wanted) {
  return guarded([&] {
    const std::array<int64_t, 1> bias{weight->size(0)};
    const std::array<int64_t, 2> strides{stride, stride}, paddings{padding, padding}, ones{1, 1}, zeros{0, 0};
    auto [grad_input, grad_weight, grad_bias] =
        at::convolution_backward(*grad, *input, *weight, bias, strides, paddings, ones, /*transposed=*/false, zeros,
                                 /*groups=*/1, {wanted[0], wanted[1], wanted[2]});
    put(out, 0, std::move(grad_input));
    put(out, 1, std::move(grad_weight));
    put(out, 2, std::move(grad_bias));
  });
}

// Gradients of native_group_norm, in the order input, weight, bias.
char *ablate_group_norm_backward(at::Tensor **out, const at::Tensor *grad, const at::Tensor *input,
                                 const at::Tensor *mean, const at::Tensor *rstd, const at::Tensor *weight,
                                 int64_t groups) {
  return guarded([&] {
    const int64_t n = input->size(0), c = input->size(1), area = input->size(2) * input->size(3);
    auto [grad_input, grad_weight, grad_bias] =
        at::native_group_norm_backward(grad->contiguous(), *input, *mean, *rstd, *weight, n, c, area, groups,
                                       {true, true, true});
    put(out, 0, std::move(grad_input));
    put(out, 1, std::move(grad_weight));
    put(out, 2, std::move(grad_bias));
  });
}

// Attention by the kernel that libtorch has for the device, recorded for its own automatic differentiation: what was
// attended, then the q, k and v that it was recorded for.
char *ablate_attention(at::Tensor **out, const at::Tensor *q, const at::Tensor *k, const at::Tensor *v) {
  return guarded([&] {
    const c10::AutoGradMode recording(true);
    std::array<at::Tensor, 3> leaves{q->detach(), k->detach(), v->detach()};
    for (at::Tensor &leaf : leaves) {
      leaf.set_requires_grad(true);
    }
    put(out, 0, at::scaled_dot_product_attention(leaves[0], leaves[1], leaves[2]));
    for (int i = 0; i < 3; ++i) {
      put(out, 1 + i, std::move(leaves[i]));
    }
  });
}

// Gradients of recorded attention, in the order q, k, v; the record ends with it.
char *ablate_attention_backward(at::Tensor **out, const at::Tensor *attended, const at::Tensor *q, const at::Tensor *k,
                                const at::Tensor *v, const at::Tensor *grad) {
  return guarded([&] {
    auto gradients = torch::autograd::grad({*attended}, {*q, *k, *v}, {*grad});
    for (int i = 0; i < 3; ++i) {
      put(out, i, std::move(gradients[i]));
    }
  });
}

// A tensor of host memory on a GPU, from pages that stay where they are, so that nobody waits for the copy.
char *ablate_upload(at::Tensor **out, const at::Tensor *values, int64_t index) {
  return guarded([&] {
    const c10::Device device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
    put(out, 0, values->pin_memory().to(values->options().device(device), /*non_blocking=*/true));
  });
}

// Singular values of a matrix, falling.
char *ablate_singular_values(at::Tensor **out, const at::Tensor *matrix) {
  return guarded([&] { put(out, 0, at::linalg_svdvals(*matrix)); });
}

// Whether a GPU may round the factors of 32-bit products to TF32, whatever the environment says; before: whether it might.
char *ablate_allow_tf32(bool allowed, bool *before) {
  return guarded([&] {
    // libtorch would tell people about newer names of these two, which only some of its versions have.
    struct Silent final : c10::WarningHandler {
      void process(const c10::Warning &) override {}
    } silent;
    const c10::WarningUtils::WarningHandlerGuard guard(&silent);
    at::Context &context = at::globalContext();
    *before = context.allowTF32CuBLAS() && context.allowTF32CuDNN();
    context.setAllowTF32CuBLAS(allowed);
    context.setAllowTF32CuDNN(allowed);
  });
}

// Memory that was given back is kept for what comes next. A step frees and asks for the same hundreds of megabytes again;
// from the system each page of them comes anew and cleared, which costs a twentieth of a step.
void ablate_keep_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

// On: an operation of a GPU that could give other bits the next time is replaced, or an error where nothing can
// replace it. cuBLAS also wants CUBLAS_WORKSPACE_CONFIG, read when it is first used.
char *ablate_set_deterministic(bool on) {
  return guarded([&] {
    at::Context &context = at::globalContext();
    context.setDeterministicAlgorithms(on, /*warn_only=*/false);
    // Every kernel used here writes all it reads; filling fresh memory first would cost a pass over it.
    context.setDeterministicFillUninitializedMemory(false);
    context.setDeterministicCuDNN(on);
    context.setBenchmarkCuDNN(false);
  });
}
}
