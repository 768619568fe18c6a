// What the optimizers share: work in chunks for the threads, and which tensors the kernels can take.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <vector>

namespace attention {

using at::Tensor;
using at::TensorList;
using Tensors = std::vector<Tensor>;

// Elements that a thread takes at a time: its share of all arrays stays in the second-level cache.
constexpr int64_t kChunk = 1 << 15;

// The chunks of a list of tensors: `tensor` and `begin` of each.
struct Chunks {
  std::vector<std::pair<int32_t, int64_t>> starts;
  std::vector<int64_t> sizes;

  void add(int64_t elements) {
    for (int64_t begin = 0; begin < elements; begin += kChunk)
      starts.emplace_back(static_cast<int32_t>(sizes.size()), begin);
    sizes.push_back(elements);
  }

  // Calls body(chunk, tensor, begin, length) for every chunk. Idle threads take the next one, so that a core
  // which is busy with something else does not hold up the rest.
  template <typename Body>
  void run(const Body& body) const {
    const auto count = static_cast<int64_t>(starts.size());
    const int threads = static_cast<int>(std::min<int64_t>(at::get_num_threads(), std::max<int64_t>(count, 1)));
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (int64_t i = 0; i < count; i++) {
      const auto [tensor, begin] = starts[i];
      body(i, tensor, begin, std::min(kChunk, sizes[tensor] - begin));
    }
  }
};

inline bool is_dense_float(const Tensor& t) {
  return t.scalar_type() == at::kFloat && t.device().is_cpu() && t.layout() == at::kStrided &&
         t.unsafeGetTensorImpl()->is_non_overlapping_and_dense();
}

inline float* floats(const Tensor& t) { return static_cast<float*>(t.data_ptr()); }

// Autograd's saved tensors notice that these have changed.
inline void mark_changed(const Tensors& tensors) {
  for (const Tensor& t : tensors)
    if (!t.is_inference()) t.unsafeGetTensorImpl()->bump_version();
}

// Parameters with their gradients and, by kind, their states.
struct Group {
  Tensors params, grads;
  std::vector<Tensors> states;

  bool empty() const { return params.empty(); }

  // After a kernel has written to the memory behind them.
  void mark_changed() const {
    attention::mark_changed(params);
    for (const Tensors& state : states) attention::mark_changed(state);
  }
};

// A step's work: dense fp32 tensors on the CPU go through our kernels in chunks of all of them; anything else
// (other types, CUDA, odd layouts) through libtorch's operators.
struct Work {
  Group fast, other;
  Chunks chunks;
};

// Checks the lists against each other and sorts them. `states` are of the parameters' shapes.
Work sort(TensorList params, TensorList grads, std::initializer_list<TensorList> states);

// Parameters in the type of their state, for libtorch's operators; store() rounds them back.
struct Master {
  Tensors original, values;

  Master(Tensors params, const std::vector<Tensors>& states);

  // The gradients, scaled, in the type of the values.
  Tensors grads(const Tensors& given, double scale) const;
  void store();
};

}  // namespace attention
