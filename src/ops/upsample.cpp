// Nearest ×2 and the 3×3 convolution after it, as one 2×2 convolution at the lower resolution: four ninths of the
// products, and no enlarged copy.
//
// An output pixel sees each input pixel through one, two or four taps of the kernel. Which ones depends on whether its
// row and column are even or odd, so four sets of 2×2 taps, a set a phase, give all pixels. One convolution with
// padding 1 makes the four as channels of an image one pixel larger, from which each phase takes its window. In
// host memory, in 32-bit floats. Each function returns null, or a message that the caller frees.

#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <array>

#include "guarded.h"
#include "parallel.h"

using ablate::guarded;
using ablate::parallel;
using ablate::put;

namespace {

constexpr int64_t PHASES = 4;

// Which of the two taps of a phase holds row (or column) `r` of the kernel.
constexpr int64_t tap(int64_t phase, int64_t r) { return phase == 0 ? (r == 0 ? 0 : 1) : (r == 2 ? 1 : 0); }

// From [O, I, 3, 3] to [4·O, I, 2, 2], phases outermost.
at::Tensor folded(const at::Tensor &weight) {
  const int64_t outputs = weight.size(0), inputs = weight.size(1);
  at::Tensor result = at::zeros({PHASES * outputs, inputs, 2, 2}, weight.options());
  const float *from = weight.const_data_ptr<float>();
  float *to = result.mutable_data_ptr<float>();
  parallel(outputs, 4, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin * inputs; k < end * inputs; ++k) {
      for (int64_t phase = 0; phase < PHASES; ++phase) {
        float *taps = to + (phase * outputs * inputs + k) * 4;
        for (int64_t r = 0; r < 3; ++r) {
          for (int64_t s = 0; s < 3; ++s) taps[tap(phase / 2, r) * 2 + tap(phase % 2, s)] += from[k * 9 + r * 3 + s];
        }
      }
    }
  });
  return result;
}

// Its transpose, for the gradient.
at::Tensor unfolded(const at::Tensor &grad, const at::Tensor &weight) {
  const int64_t outputs = weight.size(0), inputs = weight.size(1);
  at::Tensor result = at::zeros({outputs, inputs, 3, 3}, weight.options());
  const float *from = grad.const_data_ptr<float>();
  float *to = result.mutable_data_ptr<float>();
  parallel(outputs, 4, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin * inputs; k < end * inputs; ++k) {
      for (int64_t phase = 0; phase < PHASES; ++phase) {
        const float *taps = from + (phase * outputs * inputs + k) * 4;
        for (int64_t r = 0; r < 3; ++r) {
          for (int64_t s = 0; s < 3; ++s) to[k * 9 + r * 3 + s] += taps[tap(phase / 2, r) * 2 + tap(phase % 2, s)];
        }
      }
    }
  });
  return result;
}

// Where the phases of a channel of an image lie: at [phase, row, column] of a plane of (h + 1)·(w + 1).
struct Planes {
  int64_t outputs, h, w;
  int64_t at(int64_t image, int64_t channel, int64_t phase) const {
    return ((image * PHASES + phase) * outputs + channel) * (h + 1) * (w + 1);
  }
};

// Puts the windows of the phases together and adds the bias.
at::Tensor woven(const at::Tensor &phases, const at::Tensor &bias, int64_t h, int64_t w) {
  const int64_t images = phases.size(0), outputs = phases.size(1) / PHASES;
  const Planes planes{outputs, h, w};
  at::Tensor result = at::empty({images, outputs, 2 * h, 2 * w}, phases.options());
  const float *from = phases.const_data_ptr<float>(), *biases = bias.const_data_ptr<float>();
  float *to = result.mutable_data_ptr<float>();
  parallel(images * outputs, 16, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const float shift = biases[plane % outputs];
      for (int64_t y = 0; y < 2 * h; ++y) {
        const int64_t down = y % 2, row = (y / 2 + down) * (w + 1);
        const float *even = from + planes.at(plane / outputs, plane % outputs, down * 2) + row;
        const float *odd = from + planes.at(plane / outputs, plane % outputs, down * 2 + 1) + row + 1;
        float *line = to + (plane * 2 * h + y) * 2 * w;
        for (int64_t x = 0; x < w; ++x) {
          line[2 * x] = even[x] + shift;
          line[2 * x + 1] = odd[x] + shift;
        }
      }
    }
  });
  return result;
}

// The gradient of the phases: zero outside their windows.
at::Tensor unwoven(const at::Tensor &grad) {
  const int64_t images = grad.size(0), outputs = grad.size(1), h = grad.size(2) / 2, w = grad.size(3) / 2;
  const Planes planes{outputs, h, w};
  at::Tensor result = at::zeros({images, PHASES * outputs, h + 1, w + 1}, grad.options());
  const float *from = grad.const_data_ptr<float>();
  float *to = result.mutable_data_ptr<float>();
  parallel(images * outputs, 16, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      for (int64_t y = 0; y < 2 * h; ++y) {
        const int64_t down = y % 2, row = (y / 2 + down) * (w + 1);
        float *even = to + planes.at(plane / outputs, plane % outputs, down * 2) + row;
        float *odd = to + planes.at(plane / outputs, plane % outputs, down * 2 + 1) + row + 1;
        const float *line = from + (plane * 2 * h + y) * 2 * w;
        for (int64_t x = 0; x < w; ++x) {
          even[x] = line[2 * x];
          odd[x] = line[2 * x + 1];
        }
      }
    }
  });
  return result;
}

constexpr std::array<int64_t, 2> kOnes{1, 1}, kZeros{0, 0};

}  // namespace

extern "C" {

// Of x [N, I, H, W], weight [O, I, 3, 3] and bias [O]: [N, O, 2H, 2W].
char *ablate_upsample_conv(at::Tensor **out, const at::Tensor *const *in, int64_t) {
  return guarded([&] {
    const at::Tensor x = in[0]->contiguous(), weight = in[1]->contiguous(), bias = in[2]->contiguous();
    const at::Tensor phases = at::conv2d(x, folded(weight), {}, kOnes, kOnes, kOnes).contiguous();
    put(out, 0, woven(phases, bias, x.size(2), x.size(3)));
  });
}

// Of the output's gradient, x and weight: the gradients of x, weight and bias.
char *ablate_upsample_conv_backward(at::Tensor **out, const at::Tensor *const *in, int64_t) {
  return guarded([&] {
    const at::Tensor grad = in[0]->contiguous(), x = in[1]->contiguous(), weight = in[2]->contiguous();
    auto [dx, dfolded, none] =
        at::convolution_backward(unwoven(grad), x, folded(weight), at::nullopt, kOnes, kOnes, kOnes,
                                 /*transposed=*/false, kZeros, /*groups=*/1, {true, true, false});
    put(out, 0, std::move(dx));
    put(out, 1, unfolded(dfolded.contiguous(), weight));
    put(out, 2, grad.sum(at::IntArrayRef{0, 2, 3}));
  });
}
}
