// What both passes of the group norm know of their feature maps, [images, positions, channels] in memory.
//
// An image is looked at in blocks of positions that a cache holds. Sums over a block run in 32-bit lanes and from there
// in 64 bits, block by block: which thread takes which block changes no bit.

#pragma once

#include <algorithm>
#include <cstdint>

#include "vector.h"

namespace ablate::norm {

// Feature maps of `width` channels that stand at `first` among all of them, and where their gradient goes.
struct Source {
  const float *x;
  float *dx;
  int64_t first, width;
};

struct Maps {
  // The second has no channels where nothing is joined.
  Source sources[2];
  // Added to every position, [images, channels]; or null.
  const float *shift;
  int64_t images, positions, channels, groups;

  ABLATE_INLINE int64_t width() const { return channels / groups; }
  ABLATE_INLINE double shift_of(int64_t n, int64_t c) const { return shift ? shift[n * channels + c] : 0.0; }
  ABLATE_INLINE int64_t length() const { return std::clamp<int64_t>(16384 / channels, 8, 64); }
  ABLATE_INLINE int64_t blocks() const { return (positions + length() - 1) / length(); }
  // Of an image's block `b`.
  ABLATE_INLINE int64_t length_of(int64_t b) const { return std::min(length(), positions - b * length()); }
};

// Some positions of one image.
struct Block {
  int64_t image, begin, end;

  ABLATE_INLINE Block(const Maps &maps, int64_t index) : image(index / maps.blocks()) {
    begin = index % maps.blocks() * maps.length();
    end = std::min(maps.positions, begin + maps.length());
  }
  ABLATE_INLINE int64_t length() const { return end - begin; }
  // Where its first position lies in feature maps of `width` channels.
  ABLATE_INLINE int64_t at(const Maps &maps, int64_t width) const {
    return (image * maps.positions + begin) * width;
  }
};

// Calls body(channel, lanes that exist) for every 16 channels or fewer.
template <typename Body>
ABLATE_INLINE void each_vector(int64_t channels, const Body &body) {
  int64_t c = 0;
  for (; channels - c >= LANES; c += LANES) body(c, LANES);
  if (c < channels) body(c, channels - c);
}

ABLATE_INLINE Vec some(const float *from, int64_t lanes) {
  return lanes == LANES ? load(from) : load(from, lanes);
}

ABLATE_INLINE void put_some(float *to, Vec value, int64_t lanes) {
  lanes == LANES ? store(to, value) : store(to, value, lanes);
}

// How a normalised value comes about, a channel each, of every image: (x + offset)·scale + bias.
struct Affine {
  float *offset, *scale;
  const float *weight, *bias;

  // Of image `n`, whose groups have these means and 1/spreads.
  ABLATE_INLINE void set(const Maps &maps, int64_t n, const double *mean, const double *rstd) const {
    for (int64_t c = 0; c < maps.channels; ++c) {
      const int64_t group = n * maps.groups + c / maps.width();
      offset[n * maps.channels + c] = static_cast<float>(maps.shift_of(n, c) - mean[group]);
      scale[n * maps.channels + c] = static_cast<float>(rstd[group] * weight[c]);
    }
  }
};

}  // namespace ablate::norm
