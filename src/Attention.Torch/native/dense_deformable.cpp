// Multi-scale deformable attention: of each head, the weighted sum of values at a few places of several maps.
// Zhu et al., Deformable DETR, 2021 (arXiv:2010.04159). Places are read as by grid_sample: bilinear, zeros outside.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "memory.h"
#include "parallel.h"
#include "vectors.h"

namespace attention {

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Queries that a thread takes at a time.
constexpr int64_t kQueries = 32;
constexpr int kCorners = 4;

template <typename T>
struct Lanes;
template <>
struct Lanes<float> {
  using Vector = Floats;
  static constexpr int64_t count = 16;
};
template <>
struct Lanes<double> {
  using Vector = Doubles;
  static constexpr int64_t count = 8;
};

// Each sample of a head is of one of the maps; what holds for all queries.
template <typename T>
struct Samples {
  std::vector<T> heights, widths;
  std::vector<int32_t> rows, columns, starts;  // of the sample's map

  int64_t count() const { return static_cast<int64_t>(starts.size()); }
};

template <typename T>
struct Problem {
  const T *value, *locations, *weights;
  int64_t batch, places, heads, depth, queries;
  Samples<T> samples;

  int64_t row() const { return heads * depth; }
};

// The four corners around each sample of one query and head: where they are, from the first place on, and their shares, which
// are 0 outside the map.
template <typename T>
struct Corners {
  std::vector<int32_t> place[kCorners];
  std::vector<T> share[kCorners];
  std::vector<T> down, across;      // of the corner above and to the left
  std::vector<T> is_in[kCorners];
  std::vector<T> dots[kCorners];

  explicit Corners(int64_t count) : down(count), across(count) {
    for (int c = 0; c < kCorners; c++) {
      place[c].resize(count);
      share[c].resize(count);
      is_in[c].resize(count);
      dots[c].resize(count);
    }
  }
};

template <typename T>
ATT_INLINE void find_corners(const Samples<T>& s, const T* locations, Corners<T>& to) {
  const int64_t count = s.count();
  const T *heights = s.heights.data(), *widths = s.widths.data();
  const int32_t *rows = s.rows.data(), *columns = s.columns.data(), *starts = s.starts.data();
  T *down = to.down.data(), *across = to.across.data();
#pragma omp simd
  for (int64_t i = 0; i < count; i++) {
    // Far outside is as good as outside, and fits a whole number.
    const T x = std::min(std::max(locations[2 * i] * widths[i] - T(0.5), T(-2)), widths[i] + 1);
    const T y = std::min(std::max(locations[2 * i + 1] * heights[i] - T(0.5), T(-2)), heights[i] + 1);
    const auto left = static_cast<int32_t>(x + 2) - 2, top = static_cast<int32_t>(y + 2) - 2;
    across[i] = x - static_cast<T>(left);
    down[i] = y - static_cast<T>(top);
    const T is_left = left >= 0 && left < columns[i] ? T(1) : T(0), is_right = left >= -1 && left + 1 < columns[i] ? T(1) : T(0);
    const T is_top = top >= 0 && top < rows[i] ? T(1) : T(0), is_bottom = top >= -1 && top + 1 < rows[i] ? T(1) : T(0);
    const int32_t first = std::min(std::max(left, 0), columns[i] - 1), second = std::min(std::max(left + 1, 0), columns[i] - 1);
    const int32_t above = starts[i] + std::min(std::max(top, 0), rows[i] - 1) * columns[i];
    const int32_t below = starts[i] + std::min(std::max(top + 1, 0), rows[i] - 1) * columns[i];
    to.place[0][i] = above + first;
    to.place[1][i] = above + second;
    to.place[2][i] = below + first;
    to.place[3][i] = below + second;
    to.is_in[0][i] = is_top * is_left;
    to.is_in[1][i] = is_top * is_right;
    to.is_in[2][i] = is_bottom * is_left;
    to.is_in[3][i] = is_bottom * is_right;
    to.share[0][i] = (1 - down[i]) * (1 - across[i]) * to.is_in[0][i];
    to.share[1][i] = (1 - down[i]) * across[i] * to.is_in[1][i];
    to.share[2][i] = down[i] * (1 - across[i]) * to.is_in[2][i];
    to.share[3][i] = down[i] * across[i] * to.is_in[3][i];
  }
}

// --- rows of values: of `vectors` whole vectors, or of any depth where that is 0 ----------------

template <typename T, int vectors>
struct Row {
  using Vector = typename Lanes<T>::Vector;
  Vector parts[vectors] = {};

  explicit Row(int64_t) {}

  ATT_INLINE void clear() {
    for (int v = 0; v < vectors; v++) parts[v] = Vector{};
  }
  ATT_INLINE void read(const T* from) {
    for (int v = 0; v < vectors; v++) parts[v] = load(from + v * Lanes<T>::count);
  }
  ATT_INLINE void add(T weight, const T* from) {
    for (int v = 0; v < vectors; v++) parts[v] += weight * load(from + v * Lanes<T>::count);
  }
  ATT_INLINE void write(T* to) const {
    for (int v = 0; v < vectors; v++) store(to + v * Lanes<T>::count, parts[v]);
  }
  ATT_INLINE void add_to(T weight, T* to) const {
    for (int v = 0; v < vectors; v++) store(to + v * Lanes<T>::count, load(to + v * Lanes<T>::count) + weight * parts[v]);
  }
  ATT_INLINE T dot(const T* with) const {
    Vector total = {};
    for (int v = 0; v < vectors; v++) total += parts[v] * load(with + v * Lanes<T>::count);
    return sum(total);
  }
};

template <typename T>
struct Row<T, 0> {
  std::vector<T> parts;

  explicit Row(int64_t depth) : parts(depth) {}

  ATT_INLINE int64_t depth() const { return static_cast<int64_t>(parts.size()); }
  ATT_INLINE void clear() { std::fill(parts.begin(), parts.end(), T(0)); }
  ATT_INLINE void read(const T* from) { std::copy(from, from + depth(), parts.begin()); }
  ATT_INLINE void add(T weight, const T* from) {
    T* to = parts.data();
#pragma omp simd
    for (int64_t i = 0; i < depth(); i++) to[i] += weight * from[i];
  }
  ATT_INLINE void write(T* to) const { std::copy(parts.begin(), parts.end(), to); }
  ATT_INLINE void add_to(T weight, T* to) const {
    const T* from = parts.data();
#pragma omp simd
    for (int64_t i = 0; i < depth(); i++) to[i] += weight * from[i];
  }
  ATT_INLINE T dot(const T* with) const {
    const T* from = parts.data();
    T total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < depth(); i++) total += from[i] * with[i];
    return total;
  }
};

// --- forward and backward --------------------------------------------------------------------

// Queries [begin, end) of all images, one after the other, with all heads.
template <typename T, int vectors>
ATT_INLINE void attend(const Problem<T>& p, int64_t begin, int64_t end, T* out) {
  const int64_t count = p.samples.count();
  Corners<T> corners(count);
  Row<T, vectors> total(p.depth);
  for (int64_t query = begin; query < end; query++)
    for (int64_t head = 0; head < p.heads; head++) {
      const int64_t at = query * p.heads + head;
      const T* value = p.value + query / p.queries * p.places * p.row() + head * p.depth;
      find_corners(p.samples, p.locations + at * 2 * count, corners);
      total.clear();
      for (int64_t i = 0; i < count; i++)
        for (int c = 0; c < kCorners; c++)
          total.add(p.weights[at * count + i] * corners.share[c][i], value + corners.place[c][i] * p.row());
      total.write(out + at * p.depth);
    }
}

// One head of one image: no other thread adds to its values' gradient.
template <typename T, int vectors>
ATT_INLINE void turn_back(const Problem<T>& p, int64_t image, int64_t head, const T* grad, T* to_value, T* to_locations, T* to_weights) {
  const int64_t count = p.samples.count();
  const int64_t first = image * p.places * p.row() + head * p.depth;
  const T *heights = p.samples.heights.data(), *widths = p.samples.widths.data();
  Corners<T> corners(count);
  Row<T, vectors> from(p.depth);
  for (int64_t query = image * p.queries; query < (image + 1) * p.queries; query++) {
    const int64_t at = query * p.heads + head;
    const T* weights = p.weights + at * count;
    find_corners(p.samples, p.locations + at * 2 * count, corners);
    from.read(grad + at * p.depth);
    for (int64_t i = 0; i < count; i++)
      for (int c = 0; c < kCorners; c++) {
        const int64_t place = first + corners.place[c][i] * p.row();
        corners.dots[c][i] = from.dot(p.value + place);
        from.add_to(weights[i] * corners.share[c][i], to_value + place);
      }
    T* locations = to_locations + at * 2 * count;
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
      T total = 0, dots[kCorners];
      for (int c = 0; c < kCorners; c++) {
        dots[c] = corners.dots[c][i] * corners.is_in[c][i];
        total += corners.dots[c][i] * corners.share[c][i];
      }
      const T down = corners.down[i], across = corners.across[i];
      to_weights[at * count + i] = total;
      locations[2 * i] = weights[i] * widths[i] * ((1 - down) * (dots[1] - dots[0]) + down * (dots[3] - dots[2]));
      locations[2 * i + 1] = weights[i] * heights[i] * ((1 - across) * (dots[2] - dots[0]) + across * (dots[3] - dots[1]));
    }
  }
}

#define ATT_FOR_ROWS(T, vectors)                                                                                           \
  ATT_SIMD void attend_##T##_##vectors(const Problem<T>& p, int64_t begin, int64_t end, T* out) {                          \
    attend<T, vectors>(p, begin, end, out);                                                                                \
  }                                                                                                                        \
  ATT_SIMD void turn_back_##T##_##vectors(const Problem<T>& p, int64_t image, int64_t head, const T* grad, T* to_value,    \
                                          T* to_locations, T* to_weights) {                                                \
    turn_back<T, vectors>(p, image, head, grad, to_value, to_locations, to_weights);                                       \
  }
ATT_FOR_ROWS(float, 0)
ATT_FOR_ROWS(float, 1)
ATT_FOR_ROWS(float, 2)
ATT_FOR_ROWS(float, 4)
ATT_FOR_ROWS(double, 0)
#undef ATT_FOR_ROWS

template <typename T>
struct Kernels {
  void (*attend)(const Problem<T>&, int64_t, int64_t, T*);
  void (*turn_back)(const Problem<T>&, int64_t, int64_t, const T*, T*, T*, T*);
};

Kernels<float> kernels_for(const Problem<float>& p) {
  switch (p.depth) {
    case 16: return {attend_float_1, turn_back_float_1};
    case 32: return {attend_float_2, turn_back_float_2};
    case 64: return {attend_float_4, turn_back_float_4};
    default: return {attend_float_0, turn_back_float_0};
  }
}

Kernels<double> kernels_for(const Problem<double>&) { return {attend_double_0, turn_back_double_0}; }

// --- operators -------------------------------------------------------------------------------

template <typename T>
Problem<T> problem(const Tensor& value, at::IntArrayRef maps, const Tensor& locations, const Tensor& weights) {
  Problem<T> p{value.data_ptr<T>(), locations.data_ptr<T>(), weights.data_ptr<T>(),
               value.size(0),       value.size(1),           value.size(2),
               value.size(3),       locations.size(1),       {}};
  int64_t start = 0;
  for (size_t map = 0; map < maps.size(); map += 2) {
    for (int64_t point = 0; point < locations.size(4); point++) {
      p.samples.heights.push_back(static_cast<T>(maps[map]));
      p.samples.widths.push_back(static_cast<T>(maps[map + 1]));
      p.samples.rows.push_back(static_cast<int32_t>(maps[map]));
      p.samples.columns.push_back(static_cast<int32_t>(maps[map + 1]));
      p.samples.starts.push_back(static_cast<int32_t>(start));
    }
    start += maps[map] * maps[map + 1];
  }
  return p;
}

void check(const Tensor& value, at::IntArrayRef maps, const Tensor& locations, const Tensor& weights) {
  TORCH_CHECK(value.dim() == 4, "values must be (B, S, heads, D), not ", value.sizes());
  TORCH_CHECK(locations.dim() == 6 && locations.size(5) == 2, "locations must be (B, N, heads, maps, points, 2), not ", locations.sizes());
  TORCH_CHECK(weights.sizes() == locations.sizes().slice(0, 5), "weights must be ", locations.sizes().slice(0, 5), ", not ", weights.sizes());
  TORCH_CHECK(locations.size(0) == value.size(0) && locations.size(2) == value.size(2), "values are of ", value.sizes(), ", locations of ",
              locations.sizes());
  TORCH_CHECK(static_cast<int64_t>(maps.size()) == 2 * locations.size(3), "there must be a height and a width of each map");
  int64_t places = 0;
  for (size_t map = 0; map < maps.size(); map += 2) {
    TORCH_CHECK(maps[map] > 0 && maps[map + 1] > 0, "maps cannot be empty");
    places += maps[map] * maps[map + 1];
  }
  TORCH_CHECK(places == value.size(1) && places <= std::numeric_limits<int32_t>::max(), "the maps have ", places, " places, not ", value.size(1));
  TORCH_CHECK(value.scalar_type() == locations.scalar_type() && value.scalar_type() == weights.scalar_type(), "all must be of one type");
}

Tensor forward(const Tensor& given_value, at::IntArrayRef maps, const Tensor& given_locations, const Tensor& given_weights) {
  check(given_value, maps, given_locations, given_weights);
  const Tensor value = given_value.contiguous(), locations = given_locations.contiguous(), weights = given_weights.contiguous();
  Tensor result = at::empty({value.size(0), locations.size(1), value.size(2) * value.size(3)}, value.options());
  AT_DISPATCH_FLOATING_TYPES(value.scalar_type(), "deformable_attention", [&] {
    const auto p = problem<scalar_t>(value, maps, locations, weights);
    const auto kernels = kernels_for(p);
    const int64_t queries = p.batch * p.queries;
    share_out((queries + kQueries - 1) / kQueries, [&](int64_t part) {
      kernels.attend(p, part * kQueries, std::min(queries, (part + 1) * kQueries), result.data_ptr<scalar_t>());
    });
  });
  return result;
}

struct DeformableAttention : torch::autograd::Function<DeformableAttention> {
  static Tensor forward(AutogradContext* context, const Tensor& value, at::IntArrayRef maps, const Tensor& locations, const Tensor& weights) {
    context->saved_data["maps"] = maps.vec();
    context->save_for_backward({value, locations, weights});
    at::AutoDispatchBelowADInplaceOrView guard;
    return attention::forward(value, maps, locations, weights);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "deformable_attention has no second derivative");
    const auto saved = context->get_saved_variables();
    const std::vector<int64_t> maps = context->saved_data["maps"].toIntVector();
    const Tensor value = saved[0].contiguous(), locations = saved[1].contiguous(), weights = saved[2].contiguous();
    const Tensor grad = grads[0].contiguous();
    Tensor to_value = fresh(value.sizes(), value.options()).zero_(), to_locations = at::empty_like(locations), to_weights = at::empty_like(weights);
    AT_DISPATCH_FLOATING_TYPES(value.scalar_type(), "deformable_attention_backward", [&] {
      const auto p = problem<scalar_t>(value, maps, locations, weights);
      const auto kernels = kernels_for(p);
      share_out(p.batch * p.heads, [&](int64_t part) {
        kernels.turn_back(p, part / p.heads, part % p.heads, grad.data_ptr<scalar_t>(), to_value.data_ptr<scalar_t>(),
                          to_locations.data_ptr<scalar_t>(), to_weights.data_ptr<scalar_t>());
      });
    });
    return {to_value, Tensor(), to_locations, to_weights};
  }
};

Tensor forward_autograd(const Tensor& value, at::IntArrayRef maps, const Tensor& locations, const Tensor& weights) {
  return DeformableAttention::apply(value, maps, locations, weights);
}

}  // namespace

}  // namespace attention

TORCH_LIBRARY_FRAGMENT(attention, m) {
  m.def("deformable_attention(Tensor value, int[] maps, Tensor locations, Tensor weights) -> Tensor");
}

TORCH_LIBRARY_IMPL(attention, CPU, m) { m.impl("deformable_attention", attention::forward); }

TORCH_LIBRARY_IMPL(attention, AutogradCPU, m) { m.impl("deformable_attention", attention::forward_autograd); }
