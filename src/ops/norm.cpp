// Group norm, and silu where asked for, in one pass each way over feature maps in host memory, in 32-bit floats.
//
// A second tensor may ride along: [N, C] is added to every position first (the time embedding), [N, C', H, W] is
// joined to the channels first (a skip connection). Only the inputs and two numbers a group outlive the forward pass.

#include "norm.h"

#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <string>
#include <vector>

#include "guarded.h"
#include "norm_kernel.h"
#include "parallel.h"

namespace ablate::norm {

namespace {

// The widest instruction set that libtorch itself uses on this machine.
enum class Isa { plain, avx2, avx512 };

Isa isa() {
  static const Isa found = [] {
    const std::string capability = at::get_cpu_capability();
    if (capability == "AVX512") return Isa::avx512;
    return capability == "AVX2" ? Isa::avx2 : Isa::plain;
  }();
  return found;
}

template <bool SILU>
void over(const Forward &p, int64_t begin, int64_t end) {
  for (int64_t index = begin; index < end; ++index) forward_group<SILU>(p, index);
}

template <bool SILU>
void over(const Backward &p, int64_t begin, int64_t end) {
  for (int64_t index = begin; index < end; ++index) backward_group<SILU>(p, index);
}

#if defined(__x86_64__)
#define ABLATE_FOR(NAME, TARGET, PASS, KERNEL)                                      \
  template <bool SILU>                                                              \
  __attribute__((target(TARGET))) void NAME(const PASS &p, int64_t begin, int64_t end) { \
    for (int64_t index = begin; index < end; ++index) KERNEL<SILU>(p, index);       \
  }
ABLATE_FOR(over_avx2, "avx2,fma", Forward, forward_group)
ABLATE_FOR(over_avx2, "avx2,fma", Backward, backward_group)
ABLATE_FOR(over_avx512, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl", Forward, forward_group)
ABLATE_FOR(over_avx512, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl", Backward, backward_group)
#undef ABLATE_FOR
#endif

// Every group of every image; ranges of at least 2¹⁵ elements go to other threads.
template <bool SILU, typename Pass>
void run(const Pass &p, int64_t images) {
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, p.in.width() * p.in.area));
  parallel(images * p.in.groups, grain, [&](int64_t begin, int64_t end) {
    switch (isa()) {
#if defined(__x86_64__)
      case Isa::avx512: return over_avx512<SILU>(p, begin, end);
      case Isa::avx2: return over_avx2<SILU>(p, begin, end);
#endif
      default: return over<SILU>(p, begin, end);
    }
  });
}

Rows rows(const at::Tensor &x, const at::Tensor &other, int64_t groups) {
  Rows in{};
  in.x = x.const_data_ptr<float>();
  in.split = in.channels = x.size(1);
  in.area = x.size(2) * x.size(3);
  in.groups = groups;
  if (other.defined() && other.dim() == 2) in.shift = other.const_data_ptr<float>();
  if (other.defined() && other.dim() == 4) {
    in.skip = other.const_data_ptr<float>();
    in.channels += other.size(1);
  }
  return in;
}

at::Tensor dense(const at::Tensor &tensor) { return tensor.defined() ? tensor.contiguous() : tensor; }

// Σ over images, in their order.
at::Tensor summed(const std::vector<double> &parts, int64_t images, int64_t channels, const at::Tensor &like) {
  std::vector<double> totals(channels, 0.0);
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < channels; ++c) totals[c] += parts[n * channels + c];
  }
  at::Tensor result = at::empty({channels}, like.options());
  std::copy(totals.begin(), totals.end(), result.mutable_data_ptr<float>());
  return result;
}

}  // namespace

Saved forward(const at::Tensor &x_any, const at::Tensor &other_any, const at::Tensor &weight, const at::Tensor &bias,
              int64_t groups, double eps, bool silu) {
  const at::Tensor x = dense(x_any), other = dense(other_any), scale = dense(weight), shift = dense(bias);
  const int64_t images = x.size(0);
  const Rows in = rows(x, other, groups);
  const auto moments = x.options().dtype(at::kDouble);
  Saved saved{at::empty({images, in.channels, x.size(2), x.size(3)}, x.options()), at::empty({images, groups}, moments),
              at::empty({images, groups}, moments)};
  const Forward pass{in,
                     scale.const_data_ptr<float>(),
                     shift.const_data_ptr<float>(),
                     eps,
                     saved.y.mutable_data_ptr<float>(),
                     saved.mean.mutable_data_ptr<double>(),
                     saved.rstd.mutable_data_ptr<double>()};
  silu ? run<true>(pass, images) : run<false>(pass, images);
  return saved;
}

Gradients backward(const at::Tensor &grad_any, const at::Tensor &x_any, const at::Tensor &other_any,
                   const at::Tensor &mean, const at::Tensor &rstd, const at::Tensor &weight, const at::Tensor &bias,
                   int64_t groups, bool silu, bool reuse) {
  const at::Tensor grad = dense(grad_any), x = dense(x_any), other = dense(other_any);
  const at::Tensor scale = dense(weight), shift = dense(bias);
  const int64_t images = x.size(0);
  const Rows in = rows(x, other, groups);
  Gradients gradients;
  // Every element of the gradient is read before its place is written.
  const bool in_place = in.skip == nullptr && (reuse || !grad.is_same(grad_any));
  gradients.x = in_place ? grad : at::empty_like(x, x.options());
  if (other.defined()) gradients.other = at::empty_like(other, other.options());
  std::vector<double> dweight(images * in.channels), dbias(images * in.channels);
  Backward pass{};
  pass.in = in;
  pass.weight = scale.const_data_ptr<float>();
  pass.bias = shift.const_data_ptr<float>();
  pass.mean = mean.const_data_ptr<double>();
  pass.rstd = rstd.const_data_ptr<double>();
  pass.grad = grad.const_data_ptr<float>();
  pass.dx = gradients.x.mutable_data_ptr<float>();
  pass.dskip = in.skip ? gradients.other.mutable_data_ptr<float>() : nullptr;
  pass.dshift = in.shift ? gradients.other.mutable_data_ptr<float>() : nullptr;
  pass.dweight = dweight.data();
  pass.dbias = dbias.data();
  silu ? run<true>(pass, images) : run<false>(pass, images);
  gradients.weight = summed(dweight, images, in.channels, weight);
  gradients.bias = summed(dbias, images, in.channels, bias);
  return gradients;
}

}  // namespace ablate::norm

extern "C" {

// Fills y, then mean and rstd of the groups; `other` may be null.
char *ablate_norm(at::Tensor **out, const at::Tensor *x, const at::Tensor *other, const at::Tensor *weight,
                  const at::Tensor *bias, int64_t groups, double eps, bool silu) {
  return ablate::guarded([&] {
    auto saved = ablate::norm::forward(*x, other ? *other : at::Tensor(), *weight, *bias, groups, eps, silu);
    ablate::put(out, 0, std::move(saved.y));
    ablate::put(out, 1, std::move(saved.mean));
    ablate::put(out, 2, std::move(saved.rstd));
  });
}

// Gradients of x, weight, bias and other. With `reuse` that of x may take the place of `grad`.
char *ablate_norm_backward(at::Tensor **out, const at::Tensor *grad, const at::Tensor *x, const at::Tensor *other,
                           const at::Tensor *mean, const at::Tensor *rstd, const at::Tensor *weight,
                           const at::Tensor *bias, int64_t groups, bool silu, bool reuse) {
  return ablate::guarded([&] {
    auto gradients = ablate::norm::backward(*grad, *x, other ? *other : at::Tensor(), *mean, *rstd, *weight, *bias,
                                            groups, silu, reuse);
    ablate::put(out, 0, std::move(gradients.x));
    ablate::put(out, 1, std::move(gradients.weight));
    ablate::put(out, 2, std::move(gradients.bias));
    ablate::put(out, 3, std::move(gradients.other));
  });
}
}
