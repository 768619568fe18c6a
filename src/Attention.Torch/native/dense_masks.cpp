// Masks of objects back in their image: each is resized to its box as by interpolate, bilinear, and written there.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>

#include "memory.h"
#include "parallel.h"
#include "vectors.h"

namespace attention {

namespace {

using at::Tensor;

// Columns that two vectors hold, from which any can be picked.
constexpr int64_t kPickable = 2 * kLanes;

// For each of some pixels in a row, the two positions of the mask that it lies between, and their shares.
struct Between {
  std::vector<int32_t> first, second;
  std::vector<float> to_first, to_second;

  // Pixels [begin, end) of `size` that are made of `length` positions; to whole vectors.
  Between(int64_t begin, int64_t end, int64_t size, int64_t length) {
    const float step = static_cast<float>(length) / static_cast<float>(size);
    for (int64_t i = begin; i < begin + (end - begin + kLanes - 1) / kLanes * kLanes; i++) {
      const float at = std::max(step * (static_cast<float>(i) + 0.5f) - 0.5f, 0.f);
      const auto low = static_cast<int32_t>(std::min(static_cast<int64_t>(at), length - 1));
      first.push_back(low);
      second.push_back(low + (low < length - 1 ? 1 : 0));
      to_second.push_back(std::min(at - static_cast<float>(low), 1.f));
      to_first.push_back(1 - to_second.back());
    }
  }
};

// One row of an image between two rows of the mask, which are `length` long, with room for two vectors.
ATT_SIMD void paste_row(const float* above, const float* below, float to_above, float to_below, int64_t length, const Between& columns,
                        int64_t count, float* row, float* out) {
  for (int64_t i = 0; i < length; i += kLanes) store(row + i, to_above * load(above + i) + to_below * load(below + i));
  const Floats low = load(row), high = load(row + kLanes);
  for (int64_t x = 0; x < count; x += kLanes) {
    const Ints first = load(columns.first.data() + x), second = load(columns.second.data() + x);
    Floats a, b;
    if (length <= kPickable) {
      a = __builtin_shuffle(low, high, first);
      b = __builtin_shuffle(low, high, second);
    } else {
      for (int i = 0; i < kLanes; i++) {
        a[i] = row[first[i]];
        b[i] = row[second[i]];
      }
    }
    store_part(out + x, load(columns.to_first.data() + x) * a + load(columns.to_second.data() + x) * b, count - x);
  }
}

// `masks` (N, 1, H, W) with their border, `boxes` (N, 4): whole pixels, the last of which belong to the box.
Tensor paste_masks(const Tensor& masks, const Tensor& boxes, int64_t height, int64_t width) {
  TORCH_CHECK(masks.dim() == 4 && masks.size(1) == 1 && masks.scalar_type() == at::kFloat, "masks must be (N, 1, H, W) of float32, not ",
              masks.sizes());
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(0) == masks.size(0) && boxes.size(1) == 4, "boxes must be (N, 4), not ", boxes.sizes());
  const int64_t rows = masks.size(2), columns = masks.size(3);
  // Rows get room for vectors.
  const int64_t stride = std::max(kPickable, (columns + kLanes - 1) / kLanes * kLanes);
  const Tensor padded = at::constant_pad_nd(masks, {0, stride - columns}).contiguous();
  const Tensor corners = boxes.to(at::kLong).contiguous();
  Tensor result = fresh({masks.size(0), 1, height, width}, masks.options());
  share_out(masks.size(0), [&](int64_t n) {
    const int64_t* box = corners.data_ptr<int64_t>() + 4 * n;
    const int64_t wide = std::max<int64_t>(box[2] - box[0] + 1, 1), tall = std::max<int64_t>(box[3] - box[1] + 1, 1);
    const int64_t left = std::max<int64_t>(box[0], 0), right = std::min(box[2] + 1, width);
    const int64_t top = std::max<int64_t>(box[1], 0), bottom = std::min(box[3] + 1, height);
    const float* mask = padded.data_ptr<float>() + n * rows * stride;
    float* out = result.data_ptr<float>() + n * height * width;
    if (left >= right || top >= bottom) {
      std::fill(out, out + height * width, 0.f);
      return;
    }
    const Between across(left - box[0], right - box[0], wide, columns), down(top - box[1], bottom - box[1], tall, rows);
    std::vector<float> row(stride);
    std::fill(out, out + top * width, 0.f);
    for (int64_t y = top; y < bottom; y++) {
      float* line = out + y * width;
      std::fill(line, line + left, 0.f);
      std::fill(line + right, line + width, 0.f);
      const int64_t i = y - top;
      paste_row(mask + down.first[i] * stride, mask + down.second[i] * stride, down.to_first[i], down.to_second[i], columns, across,
                right - left, row.data(), line + left);
    }
    std::fill(out + bottom * width, out + height * width, 0.f);
  });
  return result;
}

}  // namespace

}  // namespace attention

TORCH_LIBRARY_FRAGMENT(attention, m) {
  m.def("paste_masks(Tensor masks, Tensor boxes, int height, int width) -> Tensor");
}

TORCH_LIBRARY_IMPL(attention, CPU, m) { m.impl("paste_masks", attention::paste_masks); }
