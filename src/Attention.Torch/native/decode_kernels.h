// The arithmetic of a decoding step: few rows of fp32 activations against large matrices and long caches.
#pragma once

#include <cstdint>

#include "vectors.h"

namespace attention {

// Channels that rows of int8 weights are padded to.
constexpr int64_t kPad = 64;

// Twin of DecodeActivation in Attention.Modules.
enum class Activation : int64_t { kNone, kGelu, kGeluTanh, kQuickGelu, kRelu, kSilu, kTanh, kSoftcap };

// The type of weights and caches. Int8 weights have a scale for each row; within 64 channels, channel 16 j + i stands at
// 4 i + j, which makes vectors of consecutive channels out of the bytes of sixteen words.
enum class Storage { kFloat, kBFloat16, kInt8 };

// out = activation(x Wᵀ + bias) [+ addend]
struct LinearStep {
  const float* x;
  int64_t x_stride, inputs;
  float* out;
  int64_t out_stride, outputs;
  const void* weight;  // (outputs, inputs); int8: (outputs, inputs padded)
  Storage storage;
  const float* scales;  // (outputs), for int8
  const float* bias;    // null for none
  const float* addend;  // null for none
  int64_t addend_stride;
  Activation activation;
  float parameter;
};

// What a thread does before it computes parts of a step.
void prepare(const LinearStep& s, int64_t rows);

// Outputs begin to end, at most kMostOutputs, of all rows.
constexpr int64_t kMostOutputs = 256;
void linear(const LinearStep& s, int64_t rows, int64_t begin, int64_t end);

// One query for each head against a cache of keys and values (heads, room, dim).
struct AttendStep {
  const float* q;  // of the first of `queries` heads that share keys and values
  float* out;
  int64_t queries, dim;
  const void* keys;
  const void* values;  // (seen, dim), one after another
  int64_t seen;
  Storage storage;
  float scale, softcap;  // softcap 0: none
};

void attend(const AttendStep& s);

// (x - mean) / sqrt(variance + eps) · weight + bias, or without the mean; weight and bias may be null.
void layer_norm(const float* x, float* out, int64_t width, const float* weight, const float* bias, float eps);
void rms_norm(const float* x, float* out, int64_t width, const float* weight, float eps);

// out = activation(a) · b
void gated(const float* a, const float* b, float* out, int64_t count, Activation activation, float parameter);

// Turns channel i with channel i + half by the angles of one position.
void rotate(float* x, const float* cosines, const float* sines, int64_t half);

// A row of a table, times a number; int8 rows have their scale in it.
void read_row(const void* row, Storage storage, int64_t width, float scale, float* out, bool add);

// fp32 to the cache's type.
void write_row(const float* x, int64_t count, Storage storage, void* row);

}  // namespace attention
