// Non-maximum suppression: of boxes that overlap, the surest stays. The choice is that of torchvision's nms and batched_nms to the
// last tie, so this file is compiled without fused multiply-adds.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "parallel.h"
#include "simd.h"

namespace attention {

namespace {

using at::Tensor;

// Boxes that are compared among themselves before those that stay are compared with all after them.
constexpr int64_t kBlock = 64;
// Boxes that a thread takes at a time, and from how many comparisons on threads pay.
constexpr int64_t kShare = 512;
constexpr int64_t kManyComparisons = 1 << 16;
// Up to here torchvision moves the boxes of different labels apart; above, it goes label by label.
constexpr int64_t kMostMovedApart = 1000;

// Boxes by falling score; those that are suppressed leave.
template <typename T>
struct Candidates {
  std::vector<T> x0, y0, x1, y1, area;
  std::vector<int64_t> index;

  void reserve(size_t count) {
    for (auto* list : {&x0, &y0, &x1, &y1, &area}) list->reserve(count);
    index.reserve(count);
  }

  void add(const T* box, T offset, int64_t place) {
    x0.push_back(box[0] + offset);
    y0.push_back(box[1] + offset);
    x1.push_back(box[2] + offset);
    y1.push_back(box[3] + offset);
    area.push_back((x1.back() - x0.back()) * (y1.back() - y0.back()));
    index.push_back(place);
  }

  void move(int64_t from, int64_t to) {
    for (auto* list : {&x0, &y0, &x1, &y1, &area}) (*list)[to] = (*list)[from];
    index[to] = index[from];
  }

  void resize(int64_t count) {
    for (auto* list : {&x0, &y0, &x1, &y1, &area}) list->resize(count);
    index.resize(count);
  }
};

template <typename T>
using Flag = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

// Marks those of [begin, end) that box i overlaps by more than the limit. Boxes without area are 0/0 apart: not marked.
template <typename T>
__attribute__((always_inline)) inline void mark(const Candidates<T>& c, int64_t i, int64_t begin, int64_t end, T limit, Flag<T>* gone) {
  const T x0 = c.x0[i], y0 = c.y0[i], x1 = c.x1[i], y1 = c.y1[i], area = c.area[i];
  const T *left = c.x0.data(), *top = c.y0.data(), *right = c.x1.data(), *bottom = c.y1.data(), *areas = c.area.data();
#pragma omp simd
  for (int64_t j = begin; j < end; j++) {
    const T width = std::max(T(0), std::min(x1, right[j]) - std::max(x0, left[j]));
    const T height = std::max(T(0), std::min(y1, bottom[j]) - std::max(y0, top[j]));
    const T inter = width * height;
    const T overlap = inter / (area + areas[j] - inter);
    gone[j] |= overlap > limit ? Flag<T>(-1) : Flag<T>(0);
  }
}

ATT_SIMD void mark_range(const Candidates<float>& c, int64_t i, int64_t begin, int64_t end, float limit, int32_t* gone) {
  mark(c, i, begin, end, limit, gone);
}

ATT_SIMD void mark_range(const Candidates<double>& c, int64_t i, int64_t begin, int64_t end, double limit, int64_t* gone) {
  mark(c, i, begin, end, limit, gone);
}

// A number of type T is above the threshold, a double, exactly if it is above this one.
template <typename T>
T limit_of(double threshold) {
  const T nearest = static_cast<T>(threshold);
  return nearest > threshold ? std::nextafter(nearest, -std::numeric_limits<T>::infinity()) : nearest;
}

// The indices of the candidates that stay, from the surest on.
template <typename T>
std::vector<int64_t> keep(Candidates<T> c, double threshold, bool threads) {
  const T limit = limit_of<T>(threshold);
  std::vector<int64_t> kept, here;
  std::vector<Flag<T>> gone;
  while (!c.index.empty()) {
    const auto count = static_cast<int64_t>(c.index.size()), block = std::min(kBlock, count);
    gone.assign(count, 0);
    here.clear();
    for (int64_t i = 0; i < block; i++) {
      if (gone[i]) continue;
      here.push_back(i);
      kept.push_back(c.index[i]);
      mark_range(c, i, i + 1, block, limit, gone.data());
    }
    auto compare = [&](int64_t begin, int64_t end) {
      for (int64_t i : here) mark_range(c, i, begin, end, limit, gone.data());
    };
    const int64_t rest = count - block;
    if (threads && rest * static_cast<int64_t>(here.size()) > kManyComparisons)
      share_out((rest + kShare - 1) / kShare, [&](int64_t share) {
        const int64_t begin = block + share * kShare;
        compare(begin, std::min(begin + kShare, count));
      });
    else
      for (int64_t begin = block; begin < count; begin += kShare) compare(begin, std::min(begin + kShare, count));
    int64_t left = 0;
    for (int64_t j = block; j < count; j++)
      if (!gone[j]) c.move(j, left++);
    c.resize(left);
  }
  return kept;
}

// Places by falling score; of equal scores the first comes first, and what is no number before all.
template <typename T>
std::vector<int64_t> by_score(const Tensor& scores) {
  struct Scored {
    T score;
    int64_t place;
  };
  const T* values = scores.data_ptr<T>();
  std::vector<Scored> order(scores.numel());
  for (int64_t i = 0; i < scores.numel(); i++) order[i] = {values[i], i};
  std::stable_sort(order.begin(), order.end(), [](const Scored& a, const Scored& b) {
    return a.score > b.score || (std::isnan(a.score) && !std::isnan(b.score));
  });
  std::vector<int64_t> places(order.size());
  std::transform(order.begin(), order.end(), places.begin(), [](const Scored& each) { return each.place; });
  return places;
}

template <typename T>
std::vector<int64_t> keep_all(const Tensor& boxes, const Tensor& scores, double threshold) {
  Candidates<T> candidates;
  candidates.reserve(boxes.size(0));
  for (int64_t place : by_score<T>(scores)) candidates.add(boxes.data_ptr<T>() + 4 * place, 0, place);
  return keep(std::move(candidates), threshold, true);
}

template <typename T>
std::vector<int64_t> keep_per_label(const Tensor& boxes, const Tensor& scores, const Tensor& labels, double threshold) {
  const int64_t count = boxes.size(0);
  const T* box = boxes.data_ptr<T>();
  const int64_t* label = labels.data_ptr<int64_t>();
  const std::vector<int64_t> order = by_score<T>(scores);
  if (count <= kMostMovedApart) {
    const T apart = *std::max_element(box, box + 4 * count) + T(1);
    Candidates<T> candidates;
    candidates.reserve(count);
    for (int64_t place : order) candidates.add(box + 4 * place, static_cast<T>(label[place]) * apart, place);
    return keep(std::move(candidates), threshold, true);
  }
  std::vector<int64_t> grouped = order;
  std::stable_sort(grouped.begin(), grouped.end(), [&](int64_t a, int64_t b) { return label[a] < label[b]; });
  std::vector<int64_t> starts;
  for (int64_t i = 0; i < count; i++)
    if (i == 0 || label[grouped[i]] != label[grouped[i - 1]]) starts.push_back(i);
  starts.push_back(count);
  std::vector<uint8_t> stays(count);
  share_out(static_cast<int64_t>(starts.size()) - 1, [&](int64_t group) {
    Candidates<T> candidates;
    candidates.reserve(starts[group + 1] - starts[group]);
    for (int64_t i = starts[group]; i < starts[group + 1]; i++) candidates.add(box + 4 * grouped[i], 0, grouped[i]);
    for (int64_t place : keep(std::move(candidates), threshold, false)) stays[place] = 1;
  });
  std::vector<int64_t> kept;
  std::copy_if(order.begin(), order.end(), std::back_inserter(kept), [&](int64_t place) { return stays[place]; });
  return kept;
}

void check(const Tensor& boxes, const Tensor& scores) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4, "boxes must be (N, 4), not ", boxes.sizes());
  TORCH_CHECK(scores.dim() == 1 && scores.size(0) == boxes.size(0), "scores must be (N), not ", scores.sizes());
  TORCH_CHECK(boxes.scalar_type() == scores.scalar_type(), "boxes and scores must be of one type");
}

Tensor result(const std::vector<int64_t>& kept) { return at::tensor(at::IntArrayRef(kept), at::kLong); }

Tensor nms(const Tensor& boxes, const Tensor& scores, double threshold) {
  check(boxes, scores);
  return AT_DISPATCH_FLOATING_TYPES(boxes.scalar_type(), "nms", [&] {
    return result(keep_all<scalar_t>(boxes.contiguous(), scores.contiguous(), threshold));
  });
}

Tensor nms_per_label(const Tensor& boxes, const Tensor& scores, const Tensor& labels, double threshold) {
  check(boxes, scores);
  TORCH_CHECK(labels.sizes() == scores.sizes(), "labels must be (N), not ", labels.sizes());
  if (boxes.size(0) == 0) return at::empty({0}, at::kLong);
  return AT_DISPATCH_FLOATING_TYPES(boxes.scalar_type(), "nms_per_label", [&] {
    return result(keep_per_label<scalar_t>(boxes.contiguous(), scores.contiguous(), labels.to(at::kLong).contiguous(), threshold));
  });
}

}  // namespace

}  // namespace attention

TORCH_LIBRARY_FRAGMENT(attention, m) {
  m.def("nms(Tensor boxes, Tensor scores, float threshold) -> Tensor");
  m.def("nms_per_label(Tensor boxes, Tensor scores, Tensor labels, float threshold) -> Tensor");
}

TORCH_LIBRARY_IMPL(attention, CPU, m) {
  m.impl("nms", attention::nms);
  m.impl("nms_per_label", attention::nms_per_label);
}
