// One step of decoding as one operator: a program of a few kinds of steps, which Attention.Modules writes, runs on memory
// that was taken before. Nothing is allocated, and threads start once for the whole program.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <omp.h>
#include <sched.h>
#include <torch/library.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "decode_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#endif

namespace attention {

namespace {

using at::Tensor;
using at::TensorList;

// --- threads ---------------------------------------------------------------------------------

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// The pieces of a step. Each thread has a stretch of them, which it takes in order, so that memory is read in order; whoever
// is done helps the others. A step is over when its pieces are, whoever did them: a thread that another program keeps from
// running holds up nothing but the piece that it has begun.
class Pieces {
 public:
  void reset() {
    for (auto& each : next_) each.store(0, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
  }

  bool are_done(int64_t count) const { return done_.load(std::memory_order_acquire) == count; }

  // Returns when all are done.
  template <typename Body>
  void run(int64_t count, int64_t piece, int thread, int threads, const Body& body) {
    const int shares = std::min(threads, kShares);
    const int64_t share = (count + shares - 1) / shares;
    for (int i = 0; i < shares; i++) {
      const int owner = (thread + i) % shares;
      const int64_t first = owner * share, last = std::min(count, first + share);
      while (true) {
        const int64_t begin = first + next_[owner].fetch_add(piece, std::memory_order_relaxed);
        if (begin >= last) break;
        const int64_t end = std::min(last, begin + piece);
        body(begin, end);
        done_.fetch_add(end - begin, std::memory_order_acq_rel);
      }
    }
    // Awake, for steps take microseconds; but not for long, in case the others do not run.
    for (int spins = 0; !are_done(count); spins++) {
      if (spins < kSpins)
        pause();
      else
        sched_yield();
    }
  }

 private:
  static constexpr int kShares = 16;
  static constexpr int kSpins = 4000;
  std::atomic<int64_t> next_[kShares];
  std::atomic<int64_t> done_;
};

// --- the program -----------------------------------------------------------------------------

// Twin of the records in Attention.Modules/Decoding: a step is kFields numbers, its kind first.
enum class Kind : int64_t { kEmbed, kNorm, kLinear, kGated, kAdd, kRotate, kAppend, kAttend };
constexpr int64_t kFields = 16;

struct Rows {
  float* data = nullptr;
  int64_t stride = 0;
  float* at(int64_t row) const { return data + row * stride; }
};

struct Step {
  Kind kind;
  Rows a, b, out;
  int64_t width = 0, groups = 0;
  const Tensor* first = nullptr;
  const Tensor* second = nullptr;
  const Tensor* third = nullptr;
  Activation activation = Activation::kNone;
  bool is_rms = false;
  float number = 0, other = 0;
  LinearStep linear;
};

Storage storage_of(const Tensor& t) {
  switch (t.scalar_type()) {
    case at::kFloat: return Storage::kFloat;
    case at::kBFloat16: return Storage::kBFloat16;
    case at::kChar: return Storage::kInt8;
    default: TORCH_CHECK(false, "decoding takes fp32, bf16 and int8, not ", t.scalar_type());
  }
}

int64_t bytes_of(Storage storage) { return storage == Storage::kFloat ? 4 : storage == Storage::kBFloat16 ? 2 : 1; }

const char* row_of(const Tensor& t, int64_t row) {
  return static_cast<const char*>(t.data_ptr()) + row * t.size(-1) * static_cast<int64_t>(t.element_size());
}

int64_t padded(int64_t channels) { return (channels + kPad - 1) / kPad * kPad; }

// Reads the numbers of the steps, and checks all that a wrong one could break.
class Reader {
 public:
  Reader(TensorList tensors, const Tensor& memory, const Tensor& constants, int64_t rows)
      : tensors_(tensors), memory_(memory), constants_(constants), rows_(rows) {}

  Step read(const int64_t* field) {
    Step s;
    s.kind = static_cast<Kind>(field[0]);
    field++;
    switch (s.kind) {
      case Kind::kEmbed:  // out, table, scales, positions, factor
        s.out = rows(field, &s.width);
        s.first = tensor(field[4]);
        s.second = optional(field[5]);
        s.third = optional(field[6]);
        s.number = constant(field[7]);
        check_table(*s.first, s.second, s.width);
        if (s.third) check_table(*s.third, nullptr, s.width);
        break;
      case Kind::kNorm:  // x, out, groups, weight, bias, rms, eps
        s.a = rows(field, &s.width);
        s.out = rows(field + 4, nullptr);
        s.groups = field[8];
        TORCH_CHECK(s.groups > 0 && s.width % s.groups == 0 && field[7] == s.width, "a norm over ", s.groups, " groups of ", s.width);
        s.width /= s.groups;
        s.first = vector(field[9], s.width);
        s.second = vector(field[10], s.width);
        s.is_rms = field[11] != 0;
        s.number = constant(field[12]);
        break;
      case Kind::kLinear:
        s.linear = linear(field);
        break;
      case Kind::kGated:  // a, b, out, activation
      case Kind::kAdd: {
        int64_t width_b, width_out;
        s.a = rows(field, &s.width);
        s.b = rows(field + 4, &width_b);
        s.out = rows(field + 8, &width_out);
        TORCH_CHECK(s.width == width_b && s.width == width_out, "widths ", s.width, ", ", width_b, " and ", width_out);
        if (s.kind == Kind::kGated) s.activation = static_cast<Activation>(field[12]);
        break;
      }
      case Kind::kRotate:  // x, heads, cosines, sines
        s.a = rows(field, &s.width);
        s.groups = field[4];
        TORCH_CHECK(s.groups > 0 && s.width % s.groups == 0, s.width, " channels in ", s.groups, " heads");
        s.width /= s.groups;
        s.first = tensor(field[5]);
        s.second = tensor(field[6]);
        TORCH_CHECK(s.first->scalar_type() == at::kFloat && s.second->scalar_type() == at::kFloat && s.first->dim() == 2 &&
                        s.first->sizes() == s.second->sizes() && 2 * s.first->size(1) <= s.width,
                    "rotary tables of ", s.first->sizes(), " for heads of ", s.width);
        break;
      case Kind::kAppend: {  // keys, values, cache of keys, of values
        int64_t width_b;
        s.a = rows(field, &s.width);
        s.b = rows(field + 4, &width_b);
        s.first = tensor(field[8]);
        s.second = tensor(field[9]);
        check_caches(s);
        TORCH_CHECK(s.width == s.groups * s.first->size(3) && width_b == s.width, "keys of ", s.width, " channels for a cache of ", s.first->sizes());
        break;
      }
      case Kind::kAttend: {  // queries, out, heads, cache of keys, of values, scale, softcap
        int64_t width_out;
        s.a = rows(field, &s.width);
        s.out = rows(field + 4, &width_out);
        s.first = tensor(field[9]);
        s.second = tensor(field[10]);
        check_caches(s);
        TORCH_CHECK(field[8] > 0 && field[8] % s.groups == 0 && s.width == field[8] * s.first->size(3) && width_out == s.width,
                    field[8], " heads of ", s.width, " channels for a cache of ", s.first->sizes());
        s.width = field[8] / s.groups;
        s.number = constant(field[11]);
        s.other = constant(field[12]);
        break;
      }
      default:
        TORCH_CHECK(false, "no step of kind ", static_cast<int64_t>(s.kind));
    }
    return s;
  }

 private:
  // offset of the slot, start within its rows, stride, width
  Rows rows(const int64_t* field, int64_t* width) {
    TORCH_CHECK(field[0] >= 0 && field[1] >= 0 && field[3] > 0 && field[1] + field[3] <= field[2] &&
                    field[0] + rows_ * field[2] <= memory_.numel(),
                "a slot at ", field[0], " + ", field[1], ", stride ", field[2], ", width ", field[3], " of ", memory_.numel());
    if (width) *width = field[3];
    return {static_cast<float*>(memory_.data_ptr()) + field[0] + field[1], field[2]};
  }

  // x, out, addend (of the width of out; its offset -1 for none), weight, scales, bias, and a constant: the activation, which
  // its number follows.
  LinearStep linear(const int64_t* field) {
    LinearStep s{};
    const Rows x = rows(field, &s.inputs);
    const Rows out = rows(field + 4, &s.outputs);
    s.x = x.data;
    s.x_stride = x.stride;
    s.out = out.data;
    s.out_stride = out.stride;
    if (field[8] >= 0) {
      const int64_t slot[4] = {field[8], field[9], field[10], s.outputs};
      const Rows addend = rows(slot, nullptr);
      s.addend = addend.data;
      s.addend_stride = addend.stride;
    }
    const Tensor& weight = *tensor(field[11]);
    s.storage = storage_of(weight);
    const bool packed = s.storage == Storage::kInt8;
    TORCH_CHECK(weight.dim() == 2 && weight.is_contiguous() && weight.size(0) == s.outputs &&
                    weight.size(1) == (packed ? padded(s.inputs) : s.inputs),
                "a weight of ", weight.sizes(), " for ", s.inputs, " inputs and ", s.outputs, " outputs");
    s.weight = weight.data_ptr();
    const Tensor* scales = vector(field[12], s.outputs);
    const Tensor* bias = vector(field[13], s.outputs);
    TORCH_CHECK(packed == (scales != nullptr), "int8 weights have scales, others do not");
    s.scales = scales ? static_cast<const float*>(scales->data_ptr()) : nullptr;
    s.bias = bias ? static_cast<const float*>(bias->data_ptr()) : nullptr;
    s.activation = static_cast<Activation>(static_cast<int64_t>(constant(field[14])));
    s.parameter = constant(field[14] + 1);
    return s;
  }

  const Tensor* tensor(int64_t index) {
    TORCH_CHECK(index >= 0 && index < static_cast<int64_t>(tensors_.size()), "no tensor ", index, " of ", tensors_.size());
    const Tensor& t = tensors_[index];
    TORCH_CHECK(t.device().is_cpu() && t.is_contiguous(), "decoding takes contiguous tensors on the CPU");
    return &t;
  }

  const Tensor* optional(int64_t index) { return index < 0 ? nullptr : tensor(index); }

  const Tensor* vector(int64_t index, int64_t length) {
    const Tensor* t = optional(index);
    TORCH_CHECK(!t || (t->scalar_type() == at::kFloat && t->numel() == length), "a vector of ", length, " fp32 numbers is needed");
    return t;
  }

  void check_table(const Tensor& table, const Tensor* scales, int64_t width) {
    const bool packed = storage_of(table) == Storage::kInt8;
    TORCH_CHECK(table.dim() == 2 && table.size(1) == (packed ? padded(width) : width), "a table of ", table.sizes(), " for ", width, " channels");
    TORCH_CHECK(packed == (scales != nullptr) && (!scales || (scales->numel() == table.size(0) && scales->scalar_type() == at::kFloat)),
                "a table of int8 has a scale for each row");
  }

  // Sets the groups.
  void check_caches(Step& s) {
    TORCH_CHECK(s.first->dim() == 4 && s.first->sizes() == s.second->sizes() && s.first->scalar_type() == s.second->scalar_type() &&
                    storage_of(*s.first) != Storage::kInt8 && s.first->size(0) >= rows_,
                "caches of ", s.first->sizes(), " and ", s.second->sizes());
    s.groups = s.first->size(1);
  }

  float constant(int64_t index) {
    TORCH_CHECK(index >= 0 && index < constants_.numel(), "no constant ", index);
    return static_cast<float>(static_cast<const double*>(constants_.data_ptr())[index]);
  }

  TensorList tensors_;
  const Tensor& memory_;
  const Tensor& constants_;
  int64_t rows_;
};

// --- running ---------------------------------------------------------------------------------

const float* floats(const Tensor* t) { return t ? static_cast<const float*>(t->data_ptr()) : nullptr; }

// A cache's memory of one head of one sequence.
char* head_of(const Tensor& cache, int64_t row, int64_t head) {
  return static_cast<char*>(cache.data_ptr()) +
         (row * cache.size(1) + head) * cache.size(2) * cache.size(3) * static_cast<int64_t>(cache.element_size());
}

struct Call {
  const int64_t* tokens;
  int64_t rows, position;
};

void embed(const Step& s, const Call& call, int64_t row) {
  const int64_t token = call.tokens[row];
  const float scale = s.second ? floats(s.second)[token] : 1.f;
  read_row(row_of(*s.first, token), storage_of(*s.first), s.width, scale * s.number, s.out.at(row), false);
  if (s.third) read_row(row_of(*s.third, call.position), storage_of(*s.third), s.width, 1, s.out.at(row), true);
}

void append(const Step& s, const Call& call, int64_t row, int64_t head) {
  const int64_t dim = s.first->size(3), slot = call.position % s.first->size(2);
  const Storage storage = storage_of(*s.first);
  const int64_t offset = slot * dim * bytes_of(storage);
  write_row(s.a.at(row) + head * dim, dim, storage, head_of(*s.first, row, head) + offset);
  write_row(s.b.at(row) + head * dim, dim, storage, head_of(*s.second, row, head) + offset);
}

// The queries that share a head are shared among threads where there are fewer heads than threads.
void attend_part(const Step& s, const Call& call, int64_t item, int64_t parts) {
  const int64_t dim = s.first->size(3), part = item % parts, head = item / parts % s.groups, row = item / parts / s.groups;
  const int64_t begin = s.width * part / parts, end = s.width * (part + 1) / parts;
  if (begin == end) return;
  const int64_t query = (head * s.width + begin) * dim;
  attend({s.a.at(row) + query, s.out.at(row) + query, end - begin, dim, head_of(*s.first, row, head), head_of(*s.second, row, head),
          std::min(call.position + 1, s.first->size(2)), storage_of(*s.first), s.number, s.other});
}

void run(const Step& s, const Call& call, Pieces& pieces, int thread, int threads) {
  const auto each = [&](int64_t count, const auto& body) {
    pieces.run(count, 1, thread, threads, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) body(i);
    });
  };
  switch (s.kind) {
    case Kind::kEmbed:
      each(call.rows, [&](int64_t row) { embed(s, call, row); });
      break;
    case Kind::kNorm:
      each(call.rows * s.groups, [&](int64_t i) {
        const int64_t row = i / s.groups, start = i % s.groups * s.width;
        if (s.is_rms)
          rms_norm(s.a.at(row) + start, s.out.at(row) + start, s.width, floats(s.first), s.number);
        else
          layer_norm(s.a.at(row) + start, s.out.at(row) + start, s.width, floats(s.first), floats(s.second), s.number);
      });
      break;
    case Kind::kLinear: {
      // About 64 KiB of weights at a time, and several pieces for each thread.
      const int64_t bytes = s.linear.inputs * bytes_of(s.linear.storage);
      const int64_t piece = std::clamp<int64_t>((64 << 10) / bytes, 1, std::clamp<int64_t>(s.linear.outputs / (8 * threads), 1, kMostOutputs));
      if (pieces.are_done(s.linear.outputs)) break;
      prepare(s.linear, call.rows);
      pieces.run(s.linear.outputs, piece, thread, threads,
                 [&](int64_t begin, int64_t end) { linear(s.linear, call.rows, begin, end); });
      break;
    }
    case Kind::kGated:
      each(call.rows, [&](int64_t row) { gated(s.a.at(row), s.b.at(row), s.out.at(row), s.width, s.activation, 0); });
      break;
    case Kind::kAdd:
      each(call.rows, [&](int64_t row) {
        for (int64_t i = 0; i < s.width; i++) s.out.at(row)[i] = s.a.at(row)[i] + s.b.at(row)[i];
      });
      break;
    case Kind::kRotate: {
      const int64_t half = s.first->size(1);
      each(call.rows * s.groups, [&](int64_t i) {
        rotate(s.a.at(i / s.groups) + i % s.groups * s.width, floats(s.first) + call.position * half, floats(s.second) + call.position * half, half);
      });
      break;
    }
    case Kind::kAppend:
      each(call.rows * s.groups, [&](int64_t i) { append(s, call, i / s.groups, i % s.groups); });
      break;
    case Kind::kAttend: {
      const int64_t parts = std::clamp<int64_t>(threads / (call.rows * s.groups), 1, s.width);
      each(call.rows * s.groups * parts, [&](int64_t i) { attend_part(s, call, i, parts); });
      break;
    }
  }
}

// Runs the steps (n, 16) for the tokens (rows), which are all at `position`, on `memory`.
void decode_step_(TensorList tensors, const Tensor& memory, const Tensor& steps, const Tensor& constants, const Tensor& tokens,
                  int64_t position) {
  TORCH_CHECK(memory.scalar_type() == at::kFloat && memory.is_contiguous() && memory.device().is_cpu(), "the memory is fp32 on the CPU");
  TORCH_CHECK(steps.scalar_type() == at::kLong && steps.is_contiguous() && steps.dim() == 2 && steps.size(1) == kFields, "steps of ", kFields, " numbers");
  TORCH_CHECK(constants.scalar_type() == at::kDouble && constants.is_contiguous(), "constants are doubles");
  TORCH_CHECK(tokens.scalar_type() == at::kLong && tokens.is_contiguous() && tokens.dim() == 1, "tokens are a list of int64");
  TORCH_CHECK(position >= 0, "position ", position);
  const Call call{static_cast<const int64_t*>(tokens.data_ptr()), tokens.size(0), position};

  static thread_local std::vector<Step> program;
  static thread_local std::unique_ptr<Pieces[]> pieces;
  static thread_local size_t room = 0;
  const auto count = static_cast<size_t>(steps.size(0));
  program.clear();
  Reader reader(tensors, memory, constants, call.rows);
  for (size_t i = 0; i < count; i++) {
    program.push_back(reader.read(static_cast<const int64_t*>(steps.data_ptr()) + i * kFields));
    const Step& s = program.back();
    if (s.kind == Kind::kEmbed) {
      for (int64_t row = 0; row < call.rows; row++)
        TORCH_CHECK(call.tokens[row] >= 0 && call.tokens[row] < s.first->size(0), "token ", call.tokens[row], " of ", s.first->size(0));
      TORCH_CHECK(!s.third || position < s.third->size(0), "position ", position, " of ", s.third->size(0));
    }
    TORCH_CHECK(s.kind != Kind::kRotate || position < s.first->size(0), "position ", position, " of ", s.kind == Kind::kRotate ? s.first->size(0) : 0);
  }
  if (room < count) {
    pieces = std::make_unique<Pieces[]>(count);
    room = count;
  }
  for (size_t i = 0; i < count; i++) pieces[i].reset();

  // Other threads have their own of these: hand them this one's.
  const Step* first = program.data();
  Pieces* shares = pieces.get();
#pragma omp parallel num_threads(at::get_num_threads())
  {
    const int thread = omp_get_thread_num(), threads = omp_get_num_threads();
    for (size_t i = 0; i < count; i++) run(first[i], call, shares[i], thread, threads);
  }
}

// --- large pages -----------------------------------------------------------------------------

// Asks the system to put large tensors onto pages of 2 MiB, where they are: reading ahead stops at the end of a page, and
// reading them from end to end gains about a fifth. What the system refuses stays as it is.
void use_large_pages(TensorList tensors) {
#if defined(__linux__)
  constexpr uintptr_t kPage = 2 << 20;
  constexpr size_t kLeast = 1 << 19;
  std::vector<std::pair<uintptr_t, uintptr_t>> ranges;
  for (const Tensor& t : tensors) {
    if (!t.device().is_cpu() || t.nbytes() < kLeast) continue;
    const auto begin = reinterpret_cast<uintptr_t>(t.data_ptr());
    ranges.emplace_back(begin / kPage * kPage, (begin + t.nbytes() + kPage - 1) / kPage * kPage);
  }
  std::sort(ranges.begin(), ranges.end());
  const auto ask = [](uintptr_t begin, uintptr_t end) {
    auto* start = reinterpret_cast<void*>(begin);
    return end > begin && madvise(start, end - begin, MADV_HUGEPAGE) == 0 && madvise(start, end - begin, MADV_COLLAPSE) == 0;
  };
  for (size_t i = 0; i < ranges.size(); i++) {
    auto [begin, end] = ranges[i];
    for (; i + 1 < ranges.size() && ranges[i + 1].first <= end; i++) end = std::max(end, ranges[i + 1].second);
    // The first and the last page may reach beyond what the process has.
    if (!ask(begin, end) && end - begin > 2 * kPage) ask(begin + kPage, end - kPage);
  }
#else
  (void)tensors;
#endif
}

}  // namespace

}  // namespace attention

TORCH_LIBRARY_FRAGMENT(attention, m) {
  m.def(
      "decode_step_(Tensor[] tensors, Tensor(a!) memory, Tensor steps, Tensor constants, Tensor tokens, int position) -> ()",
      attention::decode_step_);
  m.def("use_large_pages(Tensor[] tensors) -> ()", attention::use_large_pages);
}
