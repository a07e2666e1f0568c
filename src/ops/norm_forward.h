// Group norm, and silu where asked for, in 32-bit floats on feature maps whose channels lie side by side.

#pragma once

#include <cmath>
#include <cstdint>

#include "norm_maps.h"

namespace ablate::norm {

struct Forward {
  Maps maps;
  Affine affine;
  double eps;
  // [images·blocks, channels]: Σx, and Σ(x − mean)² about the mean of the block.
  float *sums, *squares;
  float *y;
  // [images, groups]
  double *mean, *rstd;
};

template <bool SILU>
ABLATE_INLINE void first(const Forward &p, const Block &block, int64_t index) {
  for (const Source &source : p.maps.sources) {
    const float *x = source.x + block.at(p.maps, source.width);
    const int64_t to = index * p.maps.channels + source.first, length = block.length();
    const float share = 1.0f / static_cast<float>(length);
    each_vector(source.width, [&](int64_t c, int64_t lanes) ABLATE_LAMBDA {
      Vec sum = {}, squares = {};
      for (int64_t i = 0; i < length; ++i) sum += some(x + i * source.width + c, lanes);
      const Vec mean = sum * share;
      for (int64_t i = 0; i < length; ++i) {
        const Vec from_mean = some(x + i * source.width + c, lanes) - mean;
        squares += from_mean * from_mean;
      }
      put_some(p.sums + to + c, sum, lanes);
      put_some(p.squares + to + c, squares, lanes);
    });
  }
}

// Mean and Σ(x − mean)² of a channel of an image, from those of its blocks (Chan, Golub & LeVeque 1983).
struct Spread {
  double mean, squares;
};

ABLATE_INLINE Spread spread(const Forward &p, int64_t n, int64_t c) {
  const int64_t blocks = p.maps.blocks(), begin = n * blocks;
  double total = 0.0, squares = 0.0;
  for (int64_t b = 0; b < blocks; ++b) total += p.sums[(begin + b) * p.maps.channels + c];
  const double mean = total / static_cast<double>(p.maps.positions);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t at = (begin + b) * p.maps.channels + c;
    const double length = static_cast<double>(p.maps.length_of(b));
    const double apart = p.sums[at] / length - mean;
    squares += p.squares[at] + length * apart * apart;
  }
  return {mean, squares};
}

ABLATE_INLINE void middle(const Forward &p, int64_t n) {
  const Maps &maps = p.maps;
  const double positions = static_cast<double>(maps.positions), width = static_cast<double>(maps.width());
  for (int64_t group = 0; group < maps.groups; ++group) {
    const int64_t begin = group * maps.width(), end = begin + maps.width();
    double mean = 0.0, squares = 0.0;
    for (int64_t c = begin; c < end; ++c) mean += (spread(p, n, c).mean + maps.shift_of(n, c)) / width;
    for (int64_t c = begin; c < end; ++c) {
      const Spread channel = spread(p, n, c);
      const double apart = channel.mean + maps.shift_of(n, c) - mean;
      squares += channel.squares + positions * apart * apart;
    }
    p.mean[n * maps.groups + group] = mean;
    p.rstd[n * maps.groups + group] = 1.0 / std::sqrt(squares / (positions * width) + p.eps);
  }
  p.affine.set(maps, n, p.mean, p.rstd);
}

template <bool SILU>
ABLATE_INLINE void last(const Forward &p, const Block &block) {
  const int64_t channels = p.maps.channels;
  for (const Source &source : p.maps.sources) {
    const float *x = source.x + block.at(p.maps, source.width);
    float *y = p.y + block.at(p.maps, channels) + source.first;
    const float *offset = p.affine.offset + block.image * channels + source.first;
    const float *scale = p.affine.scale + block.image * channels + source.first;
    const float *bias = p.affine.bias + source.first;
    for (int64_t i = 0; i < block.length(); ++i, x += source.width, y += channels) {
      each_vector(source.width, [&](int64_t c, int64_t lanes) ABLATE_LAMBDA {
        const Vec u = some(x + c, lanes) + some(offset + c, lanes);
        put_some(y + c, activated<SILU>(u * some(scale + c, lanes) + some(bias + c, lanes)), lanes);
      });
    }
  }
}

}  // namespace ablate::norm
