// Group norm, and silu where asked for, in one pass each way over feature maps in host memory, in 32-bit floats.
//
// A second tensor may ride along: [N, C] is added to every position first (the time embedding), [N, C', H, W] is
// joined to the channels first (a skip connection). Only the inputs and two numbers a group outlive the forward pass.

#include "norm.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "guarded.h"
#include "maps.h"
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

template <bool SILU, typename Pass>
void over(const Pass &p, Part part, int64_t begin, int64_t end) {
  for (int64_t index = begin; index < end; ++index) run_part<SILU>(p, part, index);
}

#if defined(__x86_64__)
#define ABLATE_FOR(NAME, TARGET)                                                                       \
  template <bool SILU, typename Pass>                                                                  \
  __attribute__((target(TARGET))) void NAME(const Pass &p, Part part, int64_t begin, int64_t end) {    \
    for (int64_t index = begin; index < end; ++index) run_part<SILU>(p, part, index);                  \
  }
ABLATE_FOR(over_avx2, "avx2,fma")
ABLATE_FOR(over_avx512, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#undef ABLATE_FOR
#endif

// One part of a pass, `each` elements an index; ranges of at least 2¹⁵ elements go to other threads.
template <bool SILU, typename Pass>
void run(const Pass &p, Part part, int64_t count, int64_t each) {
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, each));
  parallel(count, grain, [&](int64_t begin, int64_t end) {
    switch (isa()) {
#if defined(__x86_64__)
      case Isa::avx512: return over_avx512<SILU>(p, part, begin, end);
      case Isa::avx2: return over_avx2<SILU>(p, part, begin, end);
#endif
      default: return over<SILU>(p, part, begin, end);
    }
  });
}

// An image stays in a thread's cache from its first part to its last; unless there are too few to go round.
template <bool SILU, typename Pass>
void run(const Pass &p) {
  const Maps &maps = p.maps;
  const int64_t images = maps.images, threads = at::get_num_threads(), blocks = images * maps.blocks();
  if (images % threads == 0 || images >= 4 * threads) {
    return run<SILU>(p, Part::image, images, maps.positions * maps.channels);
  }
  run<SILU>(p, Part::first, blocks, maps.length() * maps.channels);
  run<SILU>(p, Part::middle, images, maps.blocks() * maps.channels);
  run<SILU>(p, Part::last, blocks, maps.length() * maps.channels);
}

Maps maps_of(const at::Tensor &x, const at::Tensor &other, int64_t groups) {
  Maps maps{};
  maps.images = x.size(0);
  maps.positions = x.size(2) * x.size(3);
  maps.channels = x.size(1);
  maps.groups = groups;
  maps.sources[0] = {x.const_data_ptr<float>(), nullptr, 0, x.size(1)};
  if (other.defined() && other.dim() == 2) maps.shift = other.const_data_ptr<float>();
  if (other.defined() && other.dim() == 4) {
    maps.sources[1] = {other.const_data_ptr<float>(), nullptr, x.size(1), other.size(1)};
    maps.channels += other.size(1);
  }
  return maps;
}

at::Tensor dense(const at::Tensor &tensor) {
  return tensor.defined() && tensor.dim() == 4 ? laid_out(tensor) : tensor.defined() ? tensor.contiguous() : tensor;
}

// Room for numbers that a pass needs while it runs.
struct Scratch {
  std::vector<float> values;
  int64_t used = 0;

  explicit Scratch(int64_t count) : values(count) {}
  float *take(int64_t count) { return values.data() + std::exchange(used, used + count); }
};

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
  const Maps maps = maps_of(x, other, groups);
  const int64_t of_images = maps.images * maps.channels, of_blocks = of_images * maps.blocks();
  const auto moments = x.options().dtype(at::kDouble);
  Saved saved{empty_maps({maps.images, maps.channels, x.size(2), x.size(3)}, x.options()),
              at::empty({maps.images, groups}, moments), at::empty({maps.images, groups}, moments)};
  Scratch scratch(2 * of_images + 2 * of_blocks);
  Forward pass{};
  pass.maps = maps;
  pass.affine = {scratch.take(of_images), scratch.take(of_images), scale.const_data_ptr<float>(),
                 shift.const_data_ptr<float>()};
  pass.eps = eps;
  pass.sums = scratch.take(of_blocks);
  pass.squares = scratch.take(of_blocks);
  pass.y = saved.y.mutable_data_ptr<float>();
  pass.mean = saved.mean.mutable_data_ptr<double>();
  pass.rstd = saved.rstd.mutable_data_ptr<double>();
  silu ? run<true>(pass) : run<false>(pass);
  return saved;
}

Gradients backward(const at::Tensor &grad_any, const at::Tensor &x_any, const at::Tensor &other_any,
                   const at::Tensor &mean, const at::Tensor &rstd, const at::Tensor &weight, const at::Tensor &bias,
                   int64_t groups, bool silu, bool reuse) {
  const at::Tensor grad = dense(grad_any), x = dense(x_any), other = dense(other_any);
  const at::Tensor scale = dense(weight), shift = dense(bias);
  Maps maps = maps_of(x, other, groups);
  const bool joins = maps.sources[1].width > 0;
  const int64_t of_images = maps.images * maps.channels, of_blocks = of_images * maps.blocks();
  Gradients gradients;
  // Every element of the gradient is read before its place is written.
  const bool in_place = !joins && (reuse || !grad.is_same(grad_any));
  gradients.x = in_place ? grad : empty_maps(x.sizes(), x.options());
  if (joins) gradients.other = empty_maps(other.sizes(), other.options());
  if (maps.shift) gradients.other = at::empty_like(other);
  maps.sources[0].dx = gradients.x.mutable_data_ptr<float>();
  maps.sources[1].dx = joins ? gradients.other.mutable_data_ptr<float>() : nullptr;
  Scratch scratch(4 * of_images + 3 * of_blocks);
  std::vector<double> dweight(of_images), dbias(of_images);
  Backward pass{};
  pass.maps = maps;
  pass.affine = {scratch.take(of_images), scratch.take(of_images), scale.const_data_ptr<float>(),
                 shift.const_data_ptr<float>()};
  pass.mean = mean.const_data_ptr<double>();
  pass.rstd = rstd.const_data_ptr<double>();
  pass.grad = grad.const_data_ptr<float>();
  pass.plain = scratch.take(of_blocks);
  pass.times_input = scratch.take(of_blocks);
  pass.inputs = scratch.take(of_blocks);
  pass.by_input = scratch.take(of_images);
  pass.constant = scratch.take(of_images);
  pass.dshift = maps.shift ? gradients.other.mutable_data_ptr<float>() : nullptr;
  pass.dweight = dweight.data();
  pass.dbias = dbias.data();
  for (int64_t n = 0; n < maps.images; ++n) pass.affine.set(maps, n, pass.mean, pass.rstd);
  silu ? run<true>(pass) : run<false>(pass);
  gradients.weight = summed(dweight, maps.images, maps.channels, weight);
  gradients.bias = summed(dbias, maps.images, maps.channels, bias);
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
