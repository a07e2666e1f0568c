// Convolutions by libtorch's kernels, in the form of feature maps in which they are fastest, in 32-bit floats.
//
// With the channels of a position side by side, oneDNN neither rearranges feature maps beforehand nor afterwards: 64
// channels at 32×32 take 0.7 of the time that planes do. It rearranges weights instead, which costs more where there are
// many of them and few positions: 512 channels at 8×8 in batches of 2 take 1.6 of it. Each function that Rust calls
// returns null, or a message that the caller frees.

#include "conv.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>

#include <array>

#include "guarded.h"
#include "maps.h"

using ablate::guarded;
using ablate::put;

namespace ablate::conv {

namespace {

constexpr std::array<int64_t, 2> kOnes{1, 1}, kZeros{0, 0};

// Whether the weights outnumber the values of both feature maps so far that planes are faster.
bool in_planes(const at::Tensor &x, const at::Tensor &weight, int64_t stride) {
  const int64_t positions = x.size(0) * x.size(2) * x.size(3);
  return weight.numel() > 8 * (positions * x.size(1) + positions / (stride * stride) * weight.size(0));
}

}  // namespace

at::Tensor forward(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, int64_t stride,
                   int64_t padding) {
  const at::Tensor input = in_planes(x, weight, stride) ? x.contiguous() : laid_out(x);
  const std::array<int64_t, 2> strides{stride, stride}, paddings{padding, padding};
  return laid_out(at::conv2d(input, weight, bias, strides, paddings, kOnes));
}

Gradients backward(const at::Tensor &grad, const at::Tensor &x, const at::Tensor &weight, int64_t stride,
                   int64_t padding, bool wants_x) {
  const bool planes = in_planes(x, weight, stride);
  const auto form = [&](const at::Tensor &maps) { return planes ? maps.contiguous() : laid_out(maps); };
  const std::array<int64_t, 2> strides{stride, stride}, paddings{padding, padding};
  auto [dx, dweight, dbias] =
      at::convolution_backward(form(grad), form(x), weight, at::nullopt, strides, paddings, kOnes, /*transposed=*/false,
                               kZeros, /*groups=*/1, {wants_x, true, false});
  return {wants_x ? laid_out(dx) : at::Tensor(), dweight.contiguous()};
}

}  // namespace ablate::conv

extern "C" {

// Of x [N, I, H, W], weight [O, I, k, k] and bias [O]; options: stride, padding.
char *ablate_conv(at::Tensor **out, const at::Tensor *const *in, const int64_t *options) {
  return guarded([&] { put(out, 0, ablate::conv::forward(*in[0], *in[1], *in[2], options[0], options[1])); });
}

// Of the output's gradient, x and weight: the gradients of x, weight and bias; options: stride, padding, whether the
// first is wanted.
char *ablate_conv_backward(at::Tensor **out, const at::Tensor *const *in, const int64_t *options) {
  return guarded([&] {
    auto [dx, dweight] = ablate::conv::backward(*in[0], *in[1], *in[2], options[0], options[1], options[2] != 0);
    put(out, 0, std::move(dx));
    put(out, 1, std::move(dweight));
    put(out, 2, ablate::rows(*in[0]).sum(0));
  });
}
}
