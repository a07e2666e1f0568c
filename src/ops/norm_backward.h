// Gradients of group norm, and of silu after it where asked for, in 32-bit floats on feature maps whose channels lie side
// by side.

#pragma once

#include <cstdint>

#include "norm_maps.h"

namespace ablate::norm {

struct Backward {
  Maps maps;
  Affine affine;
  const double *mean, *rstd;
  // May be the first source's dx itself, where there is no second.
  const float *grad;
  // [images·blocks, channels]: Σdz, Σdz·u and Σu, u = x + shift − mean, dz the gradient before the activation.
  float *plain, *times_input, *inputs;
  // [images, channels]: dx = dz·scale + u·by_input + constant.
  float *by_input, *constant;
  // [images, channels]; dshift may be null.
  float *dshift;
  double *dweight, *dbias;
};

template <bool SILU>
ABLATE_INLINE void first(const Backward &p, const Block &block, int64_t index) {
  const int64_t channels = p.maps.channels, length = block.length();
  for (const Source &source : p.maps.sources) {
    const float *x = source.x + block.at(p.maps, source.width);
    const float *grad = p.grad + block.at(p.maps, channels) + source.first;
    float *dz = source.dx + block.at(p.maps, source.width);
    const int64_t of_image = block.image * channels + source.first, to = index * channels + source.first;
    each_vector(source.width, [&](int64_t c, int64_t lanes) ABLATE_LAMBDA {
      const Vec offset = some(p.affine.offset + of_image + c, lanes), scale = some(p.affine.scale + of_image + c, lanes);
      const Vec bias = some(p.affine.bias + source.first + c, lanes);
      Vec plain = {}, times_input = {}, inputs = {};
      for (int64_t i = 0; i < length; ++i) {
        const Vec u = some(x + i * source.width + c, lanes) + offset;
        const Vec d = through<SILU>(some(grad + i * channels + c, lanes), u * scale + bias);
        if (SILU) put_some(dz + i * source.width + c, d, lanes);
        plain += d;
        times_input += d * u;
        inputs += u;
      }
      put_some(p.plain + to + c, plain, lanes);
      put_some(p.times_input + to + c, times_input, lanes);
      put_some(p.inputs + to + c, inputs, lanes);
    });
  }
}

// Σ over the blocks of an image.
ABLATE_INLINE double over_blocks(const Maps &maps, const float *parts, int64_t n, int64_t c) {
  double total = 0.0;
  for (int64_t b = 0; b < maps.blocks(); ++b) total += parts[(n * maps.blocks() + b) * maps.channels + c];
  return total;
}

// dx = rstd·(γ·dz − Σγ·dz/M − x̂·Σγ·dz·x̂/M) over the M elements of a group, x̂ = u·rstd.
ABLATE_INLINE void middle(const Backward &p, int64_t n) {
  const Maps &maps = p.maps;
  const double count = static_cast<double>(maps.width() * maps.positions);
  for (int64_t group = 0; group < maps.groups; ++group) {
    const int64_t begin = group * maps.width(), end = begin + maps.width();
    const double rstd = p.rstd[n * maps.groups + group];
    double plain = 0.0, times_input = 0.0;
    for (int64_t c = begin; c < end; ++c) {
      const int64_t at = n * maps.channels + c;
      p.dbias[at] = over_blocks(maps, p.plain, n, c);
      const double products = over_blocks(maps, p.times_input, n, c);
      p.dweight[at] = products * rstd;
      plain += p.dbias[at] * p.affine.weight[c];
      times_input += products * p.affine.weight[c];
    }
    const double by_input = -rstd * rstd * rstd * times_input / count, constant = -rstd * plain / count;
    for (int64_t c = begin; c < end; ++c) {
      const int64_t at = n * maps.channels + c;
      p.by_input[at] = static_cast<float>(by_input);
      p.constant[at] = static_cast<float>(constant);
      if (p.dshift) {
        p.dshift[at] = static_cast<float>(p.dbias[at] * rstd * p.affine.weight[c] +
                                          over_blocks(maps, p.inputs, n, c) * by_input +
                                          constant * static_cast<double>(maps.positions));
      }
    }
  }
}

template <bool SILU>
ABLATE_INLINE void last(const Backward &p, const Block &block) {
  const int64_t channels = p.maps.channels;
  for (const Source &source : p.maps.sources) {
    const float *x = source.x + block.at(p.maps, source.width);
    float *dx = source.dx + block.at(p.maps, source.width);
    const float *grad = p.grad + block.at(p.maps, channels) + source.first;
    const int64_t of_image = block.image * channels + source.first;
    const float *offset = p.affine.offset + of_image, *scale = p.affine.scale + of_image;
    const float *by_input = p.by_input + of_image, *constant = p.constant + of_image;
    for (int64_t i = 0; i < block.length(); ++i, x += source.width, dx += source.width, grad += channels) {
      each_vector(source.width, [&](int64_t c, int64_t lanes) ABLATE_LAMBDA {
        const Vec u = some(x + c, lanes) + some(offset + c, lanes);
        const Vec dz = some((SILU ? dx : grad) + c, lanes);
        const Vec through_moments = u * some(by_input + c, lanes) + some(constant + c, lanes);
        put_some(dx + c, dz * some(scale + c, lanes) + through_moments, lanes);
      });
    }
  }
}

}  // namespace ablate::norm
