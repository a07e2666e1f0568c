// Nearest ×2 and the 3×3 convolution after it, as one 2×2 convolution at the lower resolution: four ninths of the
// products, and no enlarged copy.
//
// An output pixel sees each input pixel through one, two or four taps of the kernel. Which ones depends on whether its
// row and column are even or odd, so four sets of 2×2 taps, a set a phase, give all pixels. One convolution with
// padding 1 makes the four as channels of an image one pixel larger, from which each phase takes its window. In
// host memory, in 32-bit floats. Each function returns null, or a message that the caller frees.

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "conv.h"
#include "guarded.h"
#include "maps.h"
#include "parallel.h"

namespace conv = ablate::conv;
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

// Calls body(line of the image, line of the phases, which two of them it holds) for each line of output pixels. Phase
// (dy, dx) of input pixel (y, x) lies at (y + dy, x + dx) of the phases, which are one line and column larger.
template <typename Body>
void each_line(int64_t images, int64_t h, int64_t w, const Body &body) {
  parallel(images * 2 * h, 4, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t image = line / (2 * h), y = line % (2 * h), down = y % 2;
      body(line * 2 * w, (image * (h + 1) + y / 2 + down) * (w + 1), down * 2);
    }
  });
}

// Puts the windows of the phases together and adds the bias.
at::Tensor woven(const at::Tensor &phases, const at::Tensor &bias, int64_t h, int64_t w) {
  const int64_t images = phases.size(0), outputs = phases.size(1) / PHASES;
  at::Tensor result = ablate::empty_maps({images, outputs, 2 * h, 2 * w}, phases.options());
  const float *from = phases.const_data_ptr<float>(), *biases = bias.const_data_ptr<float>();
  float *to = result.mutable_data_ptr<float>();
  each_line(images, h, w, [&](int64_t pixel, int64_t position, int64_t phase) {
    for (int64_t x = 0; x < 2 * w; ++x) {
      const float *taps = from + ((position + x / 2 + x % 2) * PHASES + phase + x % 2) * outputs;
      float *values = to + (pixel + x) * outputs;
      for (int64_t c = 0; c < outputs; ++c) values[c] = taps[c] + biases[c];
    }
  });
  return result;
}

// The gradient of the phases: zero outside their windows.
at::Tensor unwoven(const at::Tensor &grad) {
  const int64_t images = grad.size(0), outputs = grad.size(1), h = grad.size(2) / 2, w = grad.size(3) / 2;
  at::Tensor result = ablate::empty_maps({images, PHASES * outputs, h + 1, w + 1}, grad.options()).zero_();
  const float *from = grad.const_data_ptr<float>();
  float *to = result.mutable_data_ptr<float>();
  each_line(images, h, w, [&](int64_t pixel, int64_t position, int64_t phase) {
    for (int64_t x = 0; x < 2 * w; ++x) {
      const float *values = from + (pixel + x) * outputs;
      std::copy(values, values + outputs, to + ((position + x / 2 + x % 2) * PHASES + phase + x % 2) * outputs);
    }
  });
  return result;
}

}  // namespace

extern "C" {

// Of x [N, I, H, W], weight [O, I, 3, 3] and bias [O]: [N, O, 2H, 2W].
char *ablate_upsample_conv(at::Tensor **out, const at::Tensor *const *in, const int64_t *) {
  return guarded([&] {
    const at::Tensor &x = *in[0], weight = in[1]->contiguous(), bias = in[2]->contiguous();
    const at::Tensor phases = conv::forward(x, folded(weight), {}, /*stride=*/1, /*padding=*/1);
    put(out, 0, woven(phases, bias, x.size(2), x.size(3)));
  });
}

// Of the output's gradient, x and weight: the gradients of x, weight and bias.
char *ablate_upsample_conv_backward(at::Tensor **out, const at::Tensor *const *in, const int64_t *) {
  return guarded([&] {
    const at::Tensor grad = ablate::laid_out(*in[0]), weight = in[2]->contiguous();
    auto [dx, dfolded] = conv::backward(unwoven(grad), *in[1], folded(weight), 1, 1, /*wants_x=*/true);
    put(out, 0, std::move(dx));
    put(out, 1, unfolded(dfolded, weight));
    put(out, 2, ablate::rows(grad).sum(0));
  });
}
}
