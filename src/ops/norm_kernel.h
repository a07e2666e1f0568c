// One group of channels of one image: group norm, and silu where asked for, forward and backward, in 32-bit floats.
//
// The loops are written over vectors of 16 lanes and forced inline, so that norm.cpp can compile them once for each
// instruction set. Sums run in lanes over short stretches and from there in 64 bits, in an order that the shape alone
// decides.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#define ABLATE_INLINE inline __attribute__((always_inline))

namespace ablate::norm {

constexpr int64_t LANES = 16;
// Elements whose sum is carried in 32-bit lanes: 64 in each.
constexpr int64_t STRETCH = 64 * LANES;

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Bits __attribute__((vector_size(4 * LANES)));

// Images as rows of `area` positions, one a channel. The first `split` channels come from `x`, the others from `skip`.
struct Rows {
  const float *x;
  const float *skip;
  // Added to every position of a channel, [images, channels]; or null.
  const float *shift;
  int64_t channels, split, area, groups;

  ABLATE_INLINE int64_t width() const { return channels / groups; }
  ABLATE_INLINE double shift_of(int64_t n, int64_t c) const { return shift ? shift[n * channels + c] : 0.0; }
  ABLATE_INLINE const float *row(int64_t n, int64_t c) const {
    return c < split ? x + (n * split + c) * area : skip + (n * (channels - split) + c - split) * area;
  }
  // Channels from `c` on that lie one after the other and are shifted alike, before `end`.
  ABLATE_INLINE int64_t run(int64_t c, int64_t end) const {
    return shift ? 1 : (c < split ? std::min(end, split) : end) - c;
  }
};

struct Forward {
  Rows in;
  const float *weight, *bias;
  double eps;
  float *y;
  // [images, groups]
  double *mean, *rstd;
};

struct Backward {
  Rows in;
  const float *weight, *bias;
  const double *mean, *rstd;
  // May be dx itself, where there is no skip.
  const float *grad;
  float *dx, *dskip;
  // [images, channels], shared by no two groups; dshift may be null.
  float *dshift;
  double *dweight, *dbias;

  ABLATE_INLINE float *out(int64_t n, int64_t c) const {
    return c < in.split ? dx + (n * in.split + c) * in.area
                        : dskip + (n * (in.channels - in.split) + c - in.split) * in.area;
  }
};

ABLATE_INLINE Vec load(const float *from) {
  Vec value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The lanes that exist, and zeros.
ABLATE_INLINE Vec load(const float *from, int64_t count) {
  Vec value = {};
  std::memcpy(&value, from, count * sizeof(float));
  return value;
}

ABLATE_INLINE void store(float *to, Vec value) { std::memcpy(to, &value, sizeof value); }

ABLATE_INLINE void store(float *to, Vec value, int64_t count) { std::memcpy(to, &value, count * sizeof(float)); }

ABLATE_INLINE double across(Vec value) {
  float lanes[LANES];
  std::memcpy(lanes, &value, sizeof lanes);
  for (int64_t half = LANES / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// e^x within 2 units in the last place: e^x = 2^k·e^r with |r| ≤ ln 2 / 2, e^r by the polynomial of Cephes' expf.
// Beyond ±104 the result is 0 or infinite; NaN stays NaN.
ABLATE_INLINE Vec exponential(Vec x) {
  const Vec limit = Vec{} + 104.0f;
  x = x > limit ? limit : x;
  x = x < -limit ? -limit : x;
  // Adding 1.5·2²³ leaves the nearest integer in the low bits.
  const Vec magic = Vec{} + 12582912.0f;
  const Vec shifted = x * 1.44269504088896341f + magic;
  const Vec k = shifted - magic;
  const Vec r = (x - k * 0.693359375f) - k * -2.12194440e-4f;
  Vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  // 2^k in two factors: one alone could not reach what overflows or vanishes.
  const Bits whole = (Bits)shifted - (Bits)magic;
  const Bits half = whole >> 1;
  return p * (Vec)((half + 127) << 23) * (Vec)((whole - half + 127) << 23);
}

template <bool SILU>
ABLATE_INLINE Vec activated(Vec z) {
  return SILU ? z / (1.0f + exponential(-z)) : z;
}

// The gradient before the activation, from that after it.
template <bool SILU>
ABLATE_INLINE Vec through(Vec grad, Vec z) {
  if (!SILU) return grad;
  const Vec sigmoid = 1.0f / (1.0f + exponential(-z));
  return grad * (sigmoid * (1.0f + z * (1.0f - sigmoid)));
}

// Σ x + offset, or of its square, over a stretch of memory.
template <bool SQUARE>
ABLATE_INLINE double sum(const float *x, int64_t count, float offset) {
  double total = 0.0;
  int64_t i = 0;
  while (count - i >= LANES) {
    const int64_t end = std::min(count, i + STRETCH);
    Vec even = {}, odd = {};
    for (; end - i >= 2 * LANES; i += 2 * LANES) {
      const Vec a = load(x + i) + offset, b = load(x + i + LANES) + offset;
      even += SQUARE ? a * a : a;
      odd += SQUARE ? b * b : b;
    }
    for (; end - i >= LANES; i += LANES) {
      const Vec a = load(x + i) + offset;
      even += SQUARE ? a * a : a;
    }
    total += across(even + odd);
    if (end == count) break;
  }
  for (; i < count; ++i) {
    const double a = x[i] + offset;
    total += SQUARE ? a * a : a;
  }
  return total;
}

template <bool SILU>
ABLATE_INLINE void forward_group(const Forward &p, int64_t index) {
  const Rows &in = p.in;
  const int64_t n = index / in.groups, first = index % in.groups * in.width(), end = first + in.width();
  const double count = static_cast<double>(in.width() * in.area);
  double total = 0.0, squares = 0.0;
  for (int64_t c = first, run; c < end; c += run) {
    run = in.run(c, end);
    total += sum<false>(in.row(n, c), run * in.area, 0.0f) + in.shift_of(n, c) * static_cast<double>(in.area);
  }
  const double mean = total / count;
  for (int64_t c = first, run; c < end; c += run) {
    run = in.run(c, end);
    squares += sum<true>(in.row(n, c), run * in.area, static_cast<float>(in.shift_of(n, c) - mean));
  }
  const double rstd = 1.0 / std::sqrt(squares / count + p.eps);
  p.mean[index] = mean;
  p.rstd[index] = rstd;
  for (int64_t c = first; c < end; ++c) {
    const float *x = in.row(n, c);
    float *y = p.y + (n * in.channels + c) * in.area;
    const float offset = static_cast<float>(in.shift_of(n, c) - mean);
    const float scale = static_cast<float>(rstd * p.weight[c]), bias = p.bias[c];
    int64_t i = 0;
    for (; in.area - i >= LANES; i += LANES) store(y + i, activated<SILU>((load(x + i) + offset) * scale + bias));
    const int64_t rest = in.area - i;
    if (rest > 0) store(y + i, activated<SILU>((load(x + i, rest) + offset) * scale + bias), rest);
  }
}

// Sums over a row of the gradient before the activation.
struct Moments {
  double plain, times_input;
};

// Leaves that gradient in `dz`, where there is an activation.
template <bool SILU>
ABLATE_INLINE Moments backward_row(const float *grad, const float *x, float *dz, int64_t area, float offset,
                                   float scale, float bias) {
  Moments moments = {0.0, 0.0};
  int64_t i = 0;
  while (i < area) {
    const int64_t end = std::min(area, i + STRETCH);
    Vec plain = {}, times_input = {};
    for (; end - i >= LANES; i += LANES) {
      const Vec u = load(x + i) + offset;
      const Vec d = through<SILU>(load(grad + i), u * scale + bias);
      if (SILU) store(dz + i, d);
      plain += d;
      times_input += d * u;
    }
    if (end > i) {
      // Lanes that do not exist have no gradient, so they add nothing.
      const Vec u = load(x + i, end - i) + offset;
      const Vec d = through<SILU>(load(grad + i, end - i), u * scale + bias);
      if (SILU) store(dz + i, d, end - i);
      plain += d;
      times_input += d * u;
      i = end;
    }
    moments.plain += across(plain);
    moments.times_input += across(times_input);
  }
  return moments;
}

// dx = rstd·(γ·dz − Σγ·dz/M − x̂·Σγ·dz·x̂/M) over the M elements of a group, x̂ = (x + shift − mean)·rstd.
template <bool SILU>
ABLATE_INLINE void backward_group(const Backward &p, int64_t index) {
  const Rows &in = p.in;
  const int64_t n = index / in.groups, first = index % in.groups * in.width(), end = first + in.width();
  const double count = static_cast<double>(in.width() * in.area), mean = p.mean[index], rstd = p.rstd[index];
  double plain = 0.0, times_input = 0.0;
  for (int64_t c = first; c < end; ++c) {
    const int64_t at = n * in.channels + c;
    const float offset = static_cast<float>(in.shift_of(n, c) - mean);
    const float scale = static_cast<float>(rstd * p.weight[c]);
    const Moments row = backward_row<SILU>(p.grad + at * in.area, in.row(n, c), p.out(n, c), in.area, offset, scale,
                                           p.bias[c]);
    p.dbias[at] = row.plain;
    p.dweight[at] = row.times_input * rstd;
    plain += row.plain * p.weight[c];
    times_input += row.times_input * p.weight[c];
  }
  const float by_input = static_cast<float>(-rstd * rstd * rstd * times_input / count);
  const float constant = static_cast<float>(-rstd * plain / count);
  for (int64_t c = first; c < end; ++c) {
    const int64_t at = n * in.channels + c;
    const float *x = in.row(n, c);
    float *dx = p.out(n, c);
    const float *dz = SILU ? dx : p.grad + at * in.area;
    const float offset = static_cast<float>(in.shift_of(n, c) - mean);
    const float scale = static_cast<float>(rstd * p.weight[c]);
    int64_t i = 0;
    for (; in.area - i >= LANES; i += LANES) {
      store(dx + i, load(dz + i) * scale + ((load(x + i) + offset) * by_input + constant));
    }
    const int64_t rest = in.area - i;
    if (rest > 0) {
      const Vec d = load(dz + i, rest) * scale + ((load(x + i, rest) + offset) * by_input + constant);
      store(dx + i, d, rest);
    }
    if (p.dshift) p.dshift[at] = static_cast<float>(sum<false>(dx, in.area, 0.0f));
  }
}

}  // namespace ablate::norm
