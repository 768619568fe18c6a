#include "decode_kernels.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define ATT_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#endif

namespace attention {

namespace {

// How far ahead of their use weights are asked for: each row is read from end to end, as they lie in memory, because the
// processor's own reading ahead follows one stream far better than several.
constexpr int64_t kAhead = 1024;

ATT_INLINE void ask_for(const void* p) { __builtin_prefetch(static_cast<const char*>(p) + kAhead, 0, 2); }

// Memory of a thread that grows once.
template <typename T>
T* scratch(int64_t count) {
  static thread_local std::vector<T> memory;
  if (static_cast<int64_t>(memory.size()) < count) memory.resize(count);
  return memory.data();
}

// --- activations -----------------------------------------------------------------------------

ATT_INLINE Floats activate(Floats x, Activation kind, float parameter) {
  switch (kind) {
    case Activation::kGelu: return 0.5f * x * (1.f + erf(x * 0.70710678f));
    case Activation::kGeluTanh: return x * sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
    case Activation::kQuickGelu: return x * sigmoid(1.702f * x);
    case Activation::kRelu: return maximum(x, fill(0.f));
    case Activation::kSilu: return x * sigmoid(x);
    case Activation::kTanh: return tanh(x);
    case Activation::kSoftcap: return parameter * tanh(x / parameter);
    default: return x;
  }
}

// --- linear layers ---------------------------------------------------------------------------

// The next 64 channels of a row of weights, as four vectors.
template <typename T>
ATT_INLINE void load_block(const T* w, Floats* v) {
  for (int j = 0; j < 4; j++) v[j] = load(w + kLanes * j);
}

ATT_INLINE void load_block(const int8_t* w, Floats* v) {
  Ints words;
  std::memcpy(&words, w, sizeof words);
  v[0] = __builtin_convertvector((words << 24) >> 24, Floats);
  v[1] = __builtin_convertvector((words << 16) >> 24, Floats);
  v[2] = __builtin_convertvector((words << 8) >> 24, Floats);
  v[3] = __builtin_convertvector(words >> 24, Floats);
}

template <typename T>
ATT_INLINE void load_last_block(const T* w, int64_t count, Floats* v) {
  for (int j = 0; j < 4; j++)
    v[j] = count > kLanes * j ? load_part(w + kLanes * j, count - kLanes * j) : Floats{};
}

ATT_INLINE void load_last_block(const int8_t* w, int64_t, Floats* v) { load_block(w, v); }

// Products of one row of weights with R rows of x.
template <int R, typename T>
ATT_INLINE void dots(const float* x, int64_t x_stride, const T* w, int64_t inputs, float* results, int64_t result_stride) {
  constexpr int kSums = R == 1 ? 4 : 2;
  Floats sums[R][kSums] = {};
  Floats v[4];
  const int64_t whole = inputs / kPad * kPad;
  for (int64_t i = 0; i < whole; i += kPad) {
    for (int64_t line = 0; line < kPad * static_cast<int64_t>(sizeof(T)); line += 64)
      ask_for(reinterpret_cast<const char*>(w + i) + line);
    load_block(w + i, v);
    for (int r = 0; r < R; r++)
      for (int j = 0; j < 4; j++) sums[r][j % kSums] += load(x + r * x_stride + i + kLanes * j) * v[j];
  }
  if (whole < inputs) {
    load_last_block(w + whole, inputs - whole, v);
    for (int r = 0; r < R; r++)
      for (int64_t j = 0; kLanes * j < inputs - whole; j++)
        sums[r][j % kSums] += load_part(x + r * x_stride + whole + kLanes * j, inputs - whole - kLanes * j) * v[j];
  }
  for (int r = 0; r < R; r++) {
    for (int j = 1; j < kSums; j++) sums[r][0] += sums[r][j];
    results[r * result_stride] = sum(sums[r][0]);
  }
}

template <typename T>
ATT_INLINE void multiply(const LinearStep& s, int64_t rows, int64_t begin, int64_t end, float* results) {
  const int64_t length = std::is_same<T, int8_t>::value ? (s.inputs + kPad - 1) / kPad * kPad : s.inputs;
  const int64_t count = end - begin;
  for (int64_t o = 0; o < count; o++) {
    const T* w = static_cast<const T*>(s.weight) + (begin + o) * length;
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) dots<4>(s.x + r * s.x_stride, s.x_stride, w, s.inputs, results + r * count + o, count);
    for (; r + 2 <= rows; r += 2) dots<2>(s.x + r * s.x_stride, s.x_stride, w, s.inputs, results + r * count + o, count);
    if (r < rows) dots<1>(s.x + r * s.x_stride, s.x_stride, w, s.inputs, results + r * count + o, count);
  }
}

ATT_SIMD void multiply_float(const LinearStep& s, int64_t rows, int64_t begin, int64_t end, float* results) {
  multiply<float>(s, rows, begin, end, results);
}

ATT_SIMD void multiply_bfloat16(const LinearStep& s, int64_t rows, int64_t begin, int64_t end, float* results) {
  multiply<BFloat16>(s, rows, begin, end, results);
}

ATT_SIMD void multiply_int8(const LinearStep& s, int64_t rows, int64_t begin, int64_t end, float* results) {
  multiply<int8_t>(s, rows, begin, end, results);
}

// --- int8 by whole numbers -------------------------------------------------------------------
// Where the processor multiplies bytes: a row of x becomes whole numbers of 16 bits times a scale, split into two signed bytes.
// Their products with the weights are exact.

struct Halves {
  const int8_t* high;
  const int8_t* low;
  float scale;
  int32_t sum_high, sum_low;
};

// The prepared rows of this thread.
struct Prepared {
  std::vector<int8_t> bytes;
  std::vector<Halves> rows;
};
thread_local Prepared prepared;

#ifdef ATT_VNNI
bool has_byte_products() {
  static const bool has = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return has;
}

// In the order of the weights: the bytes of channels i, 16 + i, 32 + i and 48 + i are those of word i.
ATT_INLINE Ints packed(const Ints* v) {
  return (v[0] & 255) | ((v[1] & 255) << 8) | ((v[2] & 255) << 16) | (v[3] << 24);
}

ATT_VNNI void split(const float* x, int64_t inputs, int8_t* high, int8_t* low, Halves& to) {
  constexpr float kLargest = 32639;  // 127 · 256 + 127
  Floats most = {};
  for (int64_t i = 0; i < inputs; i += kLanes) {
    const Floats v = load_part(x + i, inputs - i);
    most = maximum(most, maximum(v, -v));
  }
  const float size = largest(most);
  to = {high, low, size / kLargest, 0, 0};
  const float factor = size > 0 ? kLargest / size : 0;
  Ints sums[2] = {};
  for (int64_t i = 0; i < inputs; i += kPad) {
    Ints h[4], l[4];
    for (int64_t j = 0; j < 4; j++) {
      const int64_t at = i + kLanes * j;
      const Ints n = rounded((at < inputs ? load_part(x + at, inputs - at) : Floats{}) * factor);
      h[j] = (n + 128) >> 8;
      l[j] = n - (h[j] << 8);
      sums[0] += h[j];
      sums[1] += l[j];
    }
    const Ints words[2] = {packed(h), packed(l)};
    std::memcpy(high + i, &words[0], kPad);
    std::memcpy(low + i, &words[1], kPad);
  }
  to.sum_high = sum(sums[0]);
  to.sum_low = sum(sums[1]);
}

// The instruction takes unsigned bytes on one side: weights are raised by 128, which is taken off the sums again.
template <int R>
ATT_VNNI inline void byte_dots(const Halves* x, const int8_t* w, int64_t length, float* results, int64_t result_stride) {
  const __m512i raise = _mm512_set1_epi8(-128);
  __m512i high[R], low[R];
  for (int r = 0; r < R; r++) high[r] = low[r] = _mm512_setzero_si512();
  for (int64_t i = 0; i < length; i += kPad) {
    ask_for(w + i);
    const __m512i v = _mm512_xor_si512(_mm512_loadu_si512(w + i), raise);
    for (int r = 0; r < R; r++) {
      high[r] = _mm512_dpbusd_epi32(high[r], v, _mm512_loadu_si512(x[r].high + i));
      low[r] = _mm512_dpbusd_epi32(low[r], v, _mm512_loadu_si512(x[r].low + i));
    }
  }
  for (int r = 0; r < R; r++) {
    const double h = sum((Ints)high[r]) - 128 * static_cast<int64_t>(x[r].sum_high);
    const double l = sum((Ints)low[r]) - 128 * static_cast<int64_t>(x[r].sum_low);
    results[r * result_stride] = static_cast<float>((256 * h + l) * x[r].scale);
  }
}

ATT_VNNI void multiply_bytes(const LinearStep& s, int64_t rows, int64_t begin, int64_t end, float* results) {
  const int64_t length = (s.inputs + kPad - 1) / kPad * kPad, count = end - begin;
  const Halves* x = prepared.rows.data();
  for (int64_t o = 0; o < count; o++) {
    const int8_t* w = static_cast<const int8_t*>(s.weight) + (begin + o) * length;
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) byte_dots<4>(x + r, w, length, results + r * count + o, count);
    for (; r + 2 <= rows; r += 2) byte_dots<2>(x + r, w, length, results + r * count + o, count);
    if (r < rows) byte_dots<1>(x + r, w, length, results + r * count + o, count);
  }
}

// Beyond this, sums of products no longer fit into 32 bits.
constexpr int64_t kMostByteInputs = 1 << 16;

bool takes_bytes(const LinearStep& s) { return s.storage == Storage::kInt8 && s.inputs <= kMostByteInputs && has_byte_products(); }
#else
bool takes_bytes(const LinearStep&) { return false; }
void split(const float*, int64_t, int8_t*, int8_t*, Halves&) {}
void multiply_bytes(const LinearStep&, int64_t, int64_t, int64_t, float*) {}
#endif

// Bias, scale, activation and addend of the products.
ATT_SIMD void finish(const LinearStep& s, int64_t rows, int64_t begin, int64_t end, const float* results) {
  const int64_t count = end - begin;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t o = 0; o < count; o += kLanes) {
      const int64_t n = std::min<int64_t>(kLanes, count - o);
      Floats v = load_part(results + r * count + o, n);
      if (s.scales) v *= load_part(s.scales + begin + o, n);
      if (s.bias) v += load_part(s.bias + begin + o, n);
      v = activate(v, s.activation, s.parameter);
      if (s.addend) v += load_part(s.addend + r * s.addend_stride + begin + o, n);
      store_part(s.out + r * s.out_stride + begin + o, v, n);
    }
}

}  // namespace

void prepare(const LinearStep& s, int64_t rows) {
  if (!takes_bytes(s)) return;
  const int64_t length = (s.inputs + kPad - 1) / kPad * kPad;
  if (static_cast<int64_t>(prepared.bytes.size()) < 2 * rows * length) prepared.bytes.resize(2 * rows * length);
  if (static_cast<int64_t>(prepared.rows.size()) < rows) prepared.rows.resize(rows);
  for (int64_t r = 0; r < rows; r++) {
    int8_t* high = prepared.bytes.data() + 2 * r * length;
    split(s.x + r * s.x_stride, s.inputs, high, high + length, prepared.rows[r]);
  }
}

void linear(const LinearStep& s, int64_t rows, int64_t begin, int64_t end) {
  float* results = scratch<float>(rows * kMostOutputs);
  if (s.storage == Storage::kFloat)
    multiply_float(s, rows, begin, end, results);
  else if (s.storage == Storage::kBFloat16)
    multiply_bfloat16(s, rows, begin, end, results);
  else if (takes_bytes(s))
    multiply_bytes(s, rows, begin, end, results);
  else
    multiply_int8(s, rows, begin, end, results);
  finish(s, rows, begin, end, results);
}

// --- attention -------------------------------------------------------------------------------

namespace {

// Keys that are scored before their values are added up.
constexpr int64_t kKeys = 64;

// softmax over the scores seen so far, corrected as higher ones come: Milakov and Gimelshein, 2018 (arXiv:1805.02867).
struct Running {
  float highest, total;
};

template <typename T>
ATT_INLINE void score(const AttendStep& s, const float* q, int64_t padded, int64_t first, int64_t count, float* scores) {
  const int64_t whole = s.dim / kLanes * kLanes, rest = s.dim - whole;
  for (int64_t key = 0; key < count; key++) {
    const T* k = static_cast<const T*>(s.keys) + (first + key) * s.dim;
    for (int64_t h = 0; h < s.queries; h++) {
      Floats a = {}, b = {};
      int64_t i = 0;
      for (; i + 2 * kLanes <= whole; i += 2 * kLanes) {
        a += load(q + h * padded + i) * load(k + i);
        b += load(q + h * padded + i + kLanes) * load(k + i + kLanes);
      }
      if (i < whole) a += load(q + h * padded + i) * load(k + i);
      if (rest) b += load(q + h * padded + whole) * load_part(k + whole, rest);
      scores[h * kKeys + key] = sum(a + b);
    }
  }
}

// Scores to weights; gives the factor for what was added up before.
ATT_INLINE float weigh(const AttendStep& s, float* scores, int64_t count, Running& running) {
  for (int64_t key = count; key < kKeys; key++) scores[key] = -INFINITY;
  Floats most = fill(-INFINITY);
  for (int64_t key = 0; key < kKeys; key += kLanes) {
    Floats v = load(scores + key);
    if (s.softcap != 0) v = v == fill(-INFINITY) ? v : s.softcap * tanh(v / s.softcap);
    store(scores + key, v);
    most = maximum(most, v);
  }
  const float highest = std::max(running.highest, largest(most));
  Floats total = {};
  for (int64_t key = 0; key < kKeys; key += kLanes) {
    const Floats v = load(scores + key);
    const Floats weights = v == fill(-INFINITY) ? fill(0.f) : exponential(v - highest);
    store(scores + key, weights);
    total += weights;
  }
  const float factor = running.highest == -INFINITY ? 0.f : exponential(fill(running.highest - highest))[0];
  running.total = running.total * factor + sum(total);
  running.highest = highest;
  return factor;
}

template <typename T>
ATT_INLINE void gather(const AttendStep& s, int64_t first, int64_t count, const float* weights, float factor, float* sums) {
  const T* values = static_cast<const T*>(s.values) + first * s.dim;
  int64_t i = 0;
  for (; i + 4 * kLanes <= s.dim; i += 4 * kLanes) {
    Floats acc[4];
    for (int j = 0; j < 4; j++) acc[j] = load(sums + i + kLanes * j) * factor;
    for (int64_t key = 0; key < count; key++)
      for (int j = 0; j < 4; j++) acc[j] += weights[key] * load(values + key * s.dim + i + kLanes * j);
    for (int j = 0; j < 4; j++) store(sums + i + kLanes * j, acc[j]);
  }
  for (; i < s.dim; i += kLanes) {
    const int64_t n = std::min<int64_t>(kLanes, s.dim - i);
    Floats acc = load(sums + i) * factor;
    for (int64_t key = 0; key < count; key++)
      acc += weights[key] * load_part(values + key * s.dim + i, n);
    store(sums + i, acc);
  }
}

template <typename T>
ATT_INLINE void attend_to(const AttendStep& s) {
  const int64_t padded = (s.dim + kLanes - 1) / kLanes * kLanes;
  float* q = scratch<float>(s.queries * (2 * padded + kKeys + 2));
  float* sums = q + s.queries * padded;
  float* scores = sums + s.queries * padded;
  auto* running = reinterpret_cast<Running*>(scores + s.queries * kKeys);
  std::fill(q, scores, 0.f);
  for (int64_t h = 0; h < s.queries; h++) {
    for (int64_t i = 0; i < s.dim; i++) q[h * padded + i] = s.q[h * s.dim + i] * s.scale;
    running[h] = {-INFINITY, 0.f};
  }
  for (int64_t first = 0; first < s.seen; first += kKeys) {
    const int64_t count = std::min(kKeys, s.seen - first);
    score<T>(s, q, padded, first, count, scores);
    for (int64_t h = 0; h < s.queries; h++) {
      const float factor = weigh(s, scores + h * kKeys, count, running[h]);
      gather<T>(s, first, count, scores + h * kKeys, factor, sums + h * padded);
    }
  }
  for (int64_t h = 0; h < s.queries; h++)
    for (int64_t i = 0; i < s.dim; i++) s.out[h * s.dim + i] = sums[h * padded + i] / running[h].total;
}

ATT_SIMD void attend_float(const AttendStep& s) { attend_to<float>(s); }
ATT_SIMD void attend_bfloat16(const AttendStep& s) { attend_to<BFloat16>(s); }

}  // namespace

void attend(const AttendStep& s) { s.storage == Storage::kFloat ? attend_float(s) : attend_bfloat16(s); }

// --- the small ones --------------------------------------------------------------------------

ATT_SIMD void layer_norm(const float* x, float* out, int64_t width, const float* weight, const float* bias, float eps) {
  float total = 0, squares = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < width; i++) total += x[i];
  const float mean = total / width;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < width; i++) squares += (x[i] - mean) * (x[i] - mean);
  const float factor = 1 / std::sqrt(squares / width + eps);
  for (int64_t i = 0; i < width; i++) {
    const float normal = (x[i] - mean) * factor;
    out[i] = (weight ? normal * weight[i] : normal) + (bias ? bias[i] : 0.f);
  }
}

ATT_SIMD void rms_norm(const float* x, float* out, int64_t width, const float* weight, float eps) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < width; i++) squares += x[i] * x[i];
  const float factor = 1 / std::sqrt(squares / width + eps);
  for (int64_t i = 0; i < width; i++) out[i] = x[i] * factor * (weight ? weight[i] : 1.f);
}

ATT_SIMD void gated(const float* a, const float* b, float* out, int64_t count, Activation activation, float parameter) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t n = std::min<int64_t>(kLanes, count - i);
    store_part(out + i, activate(load_part(a + i, n), activation, parameter) * load_part(b + i, n), n);
  }
}

ATT_SIMD void rotate(float* x, const float* cosines, const float* sines, int64_t half) {
#pragma omp simd
  for (int64_t i = 0; i < half; i++) {
    const float a = x[i], b = x[half + i];
    x[i] = a * cosines[i] - b * sines[i];
    x[half + i] = b * cosines[i] + a * sines[i];
  }
}

void read_row(const void* row, Storage storage, int64_t width, float scale, float* out, bool add) {
  for (int64_t i = 0; i < width; i++) {
    float value;
    if (storage == Storage::kFloat)
      value = static_cast<const float*>(row)[i];
    else if (storage == Storage::kBFloat16)
      value = widen(static_cast<const BFloat16*>(row)[i]);
    else
      value = static_cast<const int8_t*>(row)[i / kPad * kPad + i % kLanes * 4 + i % kPad / kLanes];
    out[i] = value * scale + (add ? out[i] : 0.f);
  }
}

void write_row(const float* x, int64_t count, Storage storage, void* row) {
  for (int64_t i = 0; i < count; i++)
    if (storage == Storage::kFloat)
      static_cast<float*>(row)[i] = x[i];
    else
      narrow(x[i], static_cast<BFloat16*>(row)[i]);
}

}  // namespace attention
