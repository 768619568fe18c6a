// Sixteen floats at a time in GCC's vector extension: the compiler makes of them what the target has. For functions that
// are marked ATT_SIMD; what is here is inlined into them and takes their instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#include "simd.h"

#define ATT_INLINE __attribute__((always_inline)) inline

namespace attention {

constexpr int kLanes = 16;

typedef float Floats __attribute__((vector_size(64)));
typedef double Doubles __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint16_t Shorts __attribute__((vector_size(32)));

// The upper half of a float, as libtorch stores it.
struct BFloat16 {
  uint16_t bits;
};

ATT_INLINE Floats fill(float value) { return Floats{} + value; }

ATT_INLINE Floats load(const float* p) {
  Floats v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

ATT_INLINE Doubles load(const double* p) {
  Doubles v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

ATT_INLINE Ints load(const int32_t* p) {
  Ints v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

ATT_INLINE Floats load(const BFloat16* p) {
  Shorts v;
  std::memcpy(&v, p, sizeof v);
  return (Floats)(__builtin_convertvector(v, Ints) << 16);
}

// The first `count` of sixteen, zeros after them.
template <typename T>
ATT_INLINE Floats load_part(const T* p, int64_t count) {
  if (count >= kLanes) return load(p);
  T padded[kLanes] = {};
  std::memcpy(padded, p, count * sizeof(T));
  return load(padded);
}

ATT_INLINE void store(float* p, Floats v) { std::memcpy(p, &v, sizeof v); }
ATT_INLINE void store(double* p, Doubles v) { std::memcpy(p, &v, sizeof v); }

ATT_INLINE void store_part(float* p, Floats v, int64_t count) {
  if (count >= kLanes) return store(p, v);
  std::memcpy(p, &v, count * sizeof(float));
}

ATT_INLINE float widen(float x) { return x; }

ATT_INLINE float widen(BFloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

ATT_INLINE void narrow(float x, float& to) { to = x; }

// Rounds to nearest, to even between two.
ATT_INLINE void narrow(float x, BFloat16& to) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  to.bits = x != x ? 0x7fc0 : static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

ATT_INLINE Floats maximum(Floats a, Floats b) { return a > b ? a : b; }

// The sum of sixteen numbers, by halves.
template <typename Number, typename Sixteen>
ATT_INLINE Number sum_of(Sixteen v) {
  typedef Number Eight __attribute__((vector_size(32)));
  typedef Number Four __attribute__((vector_size(16)));
  Eight eight[2];
  std::memcpy(eight, &v, sizeof v);
  const Eight e = eight[0] + eight[1];
  Four four[2];
  std::memcpy(four, &e, sizeof e);
  const Four f = four[0] + four[1];
  return (f[0] + f[2]) + (f[1] + f[3]);
}

ATT_INLINE float sum(Floats v) { return sum_of<float>(v); }
ATT_INLINE int32_t sum(Ints v) { return sum_of<int32_t>(v); }
ATT_INLINE double sum(Doubles v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

ATT_INLINE float largest(Floats v) {
  float most = v[0];
  for (int i = 1; i < kLanes; i++) most = v[i] > most ? v[i] : most;
  return most;
}

// To the nearest whole number, for values below 2^22.
ATT_INLINE Ints rounded(Floats x) {
  const Floats magic = fill(12582912.f);
  return (Ints)(x + magic) - (Ints)magic;
}

// e^x to 2 units of the last place, by the rational steps of Cephes' expf.
ATT_INLINE Floats exponential(Floats x) {
  x = maximum(x, fill(-87.f));
  x = x < fill(88.f) ? x : fill(88.f);
  const Ints n = rounded(x * 1.44269504088896341f);
  const Floats whole = __builtin_convertvector(n, Floats);
  const Floats r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  Floats p = fill(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  return p * (Floats)((n + 127) << 23);
}

ATT_INLINE Floats sigmoid(Floats x) { return 1.f / (1.f + exponential(-x)); }

ATT_INLINE Floats tanh(Floats x) { return 1.f - 2.f / (1.f + exponential(2.f * x)); }

// Abramowitz and Stegun, 7.1.26: off by at most 1.5e-7.
ATT_INLINE Floats erf(Floats x) {
  const Floats size = x < fill(0.f) ? -x : x;
  const Floats t = 1.f / (1.f + 0.3275911f * size);
  Floats p = fill(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Floats result = 1.f - p * t * exponential(-size * size);
  return x < fill(0.f) ? -result : result;
}

}  // namespace attention
