// Vectors of 16 floats, as the compiler's own vector types: loads, sums, e^x, and silu both ways.
//
// Everything is forced inline, so that a file can compile the same loops once for each instruction set.

#pragma once

#include <cstdint>
#include <cstring>

#define ABLATE_INLINE inline __attribute__((always_inline))
// After the parameters of a lambda.
#define ABLATE_LAMBDA __attribute__((always_inline))

namespace ablate {

constexpr int64_t LANES = 16;

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Bits __attribute__((vector_size(4 * LANES)));

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

}  // namespace ablate
