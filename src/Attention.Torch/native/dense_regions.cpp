// Regions of feature maps at a set size: He et al., Mask R-CNN, 2017 (arXiv:1703.06870), with the details of torchvision's roi_align.
// A region's samples stand on a grid, so each cell takes a few rows of the map and a few of their columns: rows are added up
// first, then columns are picked out of the sums.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "memory.h"
#include "parallel.h"
#include "vectors.h"

namespace attention {

namespace {

using at::Tensor;
using at::TensorList;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What of the maps a thread keeps in its second-level cache, in bytes, and the most channels that it takes at a time.
constexpr int64_t kCache = 1 << 19;
constexpr int64_t kMostChannels = 16;
// Columns that two vectors hold, from which any can be picked.
constexpr int64_t kPickable = 2 * kLanes;

// --- where samples stand ---------------------------------------------------------------------

// What each cell of one side of a region takes of the positions of a map. A cell's taps have the stride `padded`: those of
// sixteen cells lie together.
template <typename T>
struct Axis {
  int64_t start = 0, length = 0;  // the positions that are used
  int64_t padded = 0;             // cells, rounded up to whole vectors
  int64_t taps = 0;               // the most that a cell has
  std::vector<int32_t> counts;    // of each cell
  std::vector<int32_t> places;    // (taps, padded), from the start on
  std::vector<T> weights;         // (taps, padded), 0 where a cell has fewer

  using Taps = std::vector<std::vector<std::pair<int32_t, T>>>;

  static Axis from(const Taps& cells) {
    Axis axis;
    int32_t first = std::numeric_limits<int32_t>::max(), last = -1;
    for (const auto& cell : cells) {
      axis.counts.push_back(static_cast<int32_t>(cell.size()));
      axis.taps = std::max<int64_t>(axis.taps, cell.size());
      for (const auto& tap : cell) {
        first = std::min(first, tap.first);
        last = std::max(last, tap.first);
      }
    }
    if (last < 0) return axis;
    axis.start = first;
    axis.length = last - first + 1;
    axis.padded = (static_cast<int64_t>(cells.size()) + kLanes - 1) / kLanes * kLanes;
    axis.places.resize(axis.taps * axis.padded);
    axis.weights.resize(axis.taps * axis.padded);
    for (size_t i = 0; i < cells.size(); i++)
      for (size_t t = 0; t < cells[i].size(); t++) {
        axis.places[t * axis.padded + i] = cells[i][t].first - first;
        axis.weights[t * axis.padded + i] = cells[i][t].second;
      }
    return axis;
  }

  // Samples from start to end: as many in each cell, or, where that is not given, as many as a cell is long.
  static Axis of(T start, T end, int64_t cells, int64_t length, int64_t samples, bool at_least_one) {
    const T size = at_least_one ? std::max(end - start, T(1)) : end - start;
    const T cell = size / static_cast<T>(cells);
    const int64_t count = samples > 0 ? samples : cell > 0 ? static_cast<int64_t>(std::min(std::ceil(cell), T(1 << 30))) : 0;
    Taps taps(cells);
    for (int64_t i = 0; i < cells; i++)
      for (int64_t s = 0; s < count; s++) {
        T at = start + static_cast<T>(i) * cell + (static_cast<T>(s) + T(0.5)) * cell / static_cast<T>(count);
        if (!(at >= -1 && at <= static_cast<T>(length))) continue;
        at = std::max(at, T(0));
        const auto low = static_cast<int32_t>(std::min(static_cast<int64_t>(at), length - 1));
        const double beyond = low == length - 1 ? 0 : static_cast<double>(at - static_cast<T>(low));
        add(taps[i], low, (1 - beyond) / count);
        if (beyond > 0) add(taps[i], low + 1, beyond / count);
      }
    return from(taps);
  }

  // What each position, from the start on, gives to the cells.
  Axis turned() const {
    Taps positions(length);
    for (size_t i = 0; i < counts.size(); i++)
      for (int32_t t = 0; t < counts[i]; t++)
        positions[places[t * padded + i]].emplace_back(static_cast<int32_t>(i), weights[t * padded + i]);
    Axis axis = from(positions);
    // Places from the first cell on.
    for (size_t i = 0; i < positions.size(); i++)
      for (int32_t t = 0; t < axis.counts[i]; t++) axis.places[t * axis.padded + i] += static_cast<int32_t>(axis.start);
    return axis;
  }

 private:
  // Samples come in order: what they share are the last taps.
  static void add(std::vector<std::pair<int32_t, T>>& taps, int32_t place, double weight) {
    for (size_t back = 1; back <= 2 && back <= taps.size(); back++)
      if (auto& tap = taps[taps.size() - back]; tap.first == place) {
        tap.second += static_cast<T>(weight);
        return;
      }
    taps.emplace_back(place, static_cast<T>(weight));
  }
};

template <typename T>
struct Region {
  int64_t map, image;
  Axis<T> rows, columns;

  bool is_empty() const { return rows.length == 0 || columns.length == 0; }
};

// --- one region ------------------------------------------------------------------------------

// A stack of planes one after the other, and as many cuts of them.
template <typename T>
struct Planes {
  T* map;
  const T* end;  // of the memory that may be read or, by this thread, written
  int64_t height, width;
  T* cut;
  int64_t cells_high, cells_wide;
  int64_t count;

  int64_t size() const { return height * width; }
  int64_t cells() const { return cells_high * cells_wide; }
};

template <typename T>
ATT_INLINE void cut_plane(const Region<T>& region, const Planes<T>& p, int64_t plane, T* line) {
  const auto& [rows, columns] = std::tie(region.rows, region.columns);
  const T* corner = p.map + plane * p.size() + rows.start * p.width + columns.start;
  T* out = p.cut + plane * p.cells();
  for (int64_t r = 0; r < p.cells_high; r++) {
    std::fill(line, line + columns.length, T(0));
    for (int64_t t = 0; t < rows.counts[r]; t++) {
      const T* from = corner + rows.places[t * rows.padded + r] * p.width;
      const T weight = rows.weights[t * rows.padded + r];
#pragma omp simd
      for (int64_t x = 0; x < columns.length; x++) line[x] += weight * from[x];
    }
    for (int64_t c = 0; c < p.cells_wide; c++) {
      T sum = 0;
      for (int64_t t = 0; t < columns.counts[c]; t++)
        sum += columns.weights[t * columns.padded + c] * line[columns.places[t * columns.padded + c]];
      out[r * p.cells_wide + c] = sum;
    }
  }
}

// Adds a cut's gradient to that of the plane.
template <typename T>
ATT_INLINE void spread_plane(const Region<T>& region, const Planes<T>& p, int64_t plane, T* line) {
  const auto& [rows, columns] = std::tie(region.rows, region.columns);
  T* corner = p.map + plane * p.size() + rows.start * p.width + columns.start;
  const T* grad = p.cut + plane * p.cells();
  for (int64_t r = 0; r < p.cells_high; r++) {
    std::fill(line, line + columns.length, T(0));
    for (int64_t c = 0; c < p.cells_wide; c++)
      for (int64_t t = 0; t < columns.counts[c]; t++)
        line[columns.places[t * columns.padded + c]] += columns.weights[t * columns.padded + c] * grad[r * p.cells_wide + c];
    for (int64_t t = 0; t < rows.counts[r]; t++) {
      T* to = corner + rows.places[t * rows.padded + r] * p.width;
      const T weight = rows.weights[t * rows.padded + r];
#pragma omp simd
      for (int64_t x = 0; x < columns.length; x++) to[x] += weight * line[x];
    }
  }
}

// Sixteen of the thirty-two numbers.
ATT_INLINE Floats pick(Floats low, Floats high, const int32_t* places) { return __builtin_shuffle(low, high, load(places)); }

ATT_INLINE Floats picked(const Axis<float>& axis, int64_t first, Floats low, Floats high) {
  Floats sum = {};
  for (int64_t t = 0; t < axis.taps; t++)
    sum += load(axis.weights.data() + t * axis.padded + first) * pick(low, high, axis.places.data() + t * axis.padded + first);
  return sum;
}

// Narrow regions, whose columns two vectors hold. Vectors may reach past a row, not past the memory.
ATT_SIMD void cut_narrow(const Region<float>& region, const Planes<float>& p, float* line) {
  const auto& [rows, columns] = std::tie(region.rows, region.columns);
  for (int64_t plane = 0; plane < p.count; plane++) {
    const float* corner = p.map + plane * p.size() + rows.start * p.width + columns.start;
    if (corner + (rows.length - 1) * p.width + kPickable > p.end) {
      cut_plane(region, p, plane, line);
      continue;
    }
    for (int64_t r = 0; r < p.cells_high; r++) {
      Floats low = {}, high = {};
      for (int64_t t = 0; t < rows.counts[r]; t++) {
        const float* from = corner + rows.places[t * rows.padded + r] * p.width;
        const float weight = rows.weights[t * rows.padded + r];
        low += weight * load(from);
        if (columns.length > kLanes) high += weight * load(from + kLanes);
      }
      for (int64_t c = 0; c < p.cells_wide; c += kLanes) store(line + r * p.cells_wide + c, picked(columns, c, low, high));
    }
    std::memcpy(p.cut + plane * p.cells(), line, p.cells() * sizeof(float));
  }
}

ATT_SIMD void spread_narrow(const Region<float>& region, const Axis<float>& columns, const Planes<float>& p, float* line) {
  const Axis<float>& rows = region.rows;
  for (int64_t plane = 0; plane < p.count; plane++) {
    float* corner = p.map + plane * p.size() + rows.start * p.width + region.columns.start;
    if (corner + (rows.length - 1) * p.width + kPickable > p.end) {
      spread_plane(region, p, plane, line);
      continue;
    }
    const float* grad = p.cut + plane * p.cells();
    for (int64_t r = 0; r < p.cells_high; r++) {
      const Floats left = load_part(grad + r * p.cells_wide, p.cells_wide);
      const Floats right = p.cells_wide > kLanes ? load_part(grad + r * p.cells_wide + kLanes, p.cells_wide - kLanes) : Floats{};
      const Floats low = picked(columns, 0, left, right);
      const Floats high = columns.padded > kLanes ? picked(columns, kLanes, left, right) : Floats{};
      for (int64_t t = 0; t < rows.counts[r]; t++) {
        float* to = corner + rows.places[t * rows.padded + r] * p.width;
        const float weight = rows.weights[t * rows.padded + r];
        store(to, load(to) + weight * low);
        if (columns.padded > kLanes) store(to + kLanes, load(to + kLanes) + weight * high);
      }
    }
  }
}

ATT_SIMD void cut_wide(const Region<float>& region, const Planes<float>& p, float* line) {
  for (int64_t plane = 0; plane < p.count; plane++) cut_plane(region, p, plane, line);
}

ATT_SIMD void cut_wide(const Region<double>& region, const Planes<double>& p, double* line) {
  for (int64_t plane = 0; plane < p.count; plane++) cut_plane(region, p, plane, line);
}

ATT_SIMD void spread_wide(const Region<float>& region, const Planes<float>& p, float* line) {
  for (int64_t plane = 0; plane < p.count; plane++) spread_plane(region, p, plane, line);
}

ATT_SIMD void spread_wide(const Region<double>& region, const Planes<double>& p, double* line) {
  for (int64_t plane = 0; plane < p.count; plane++) spread_plane(region, p, plane, line);
}

void cut(const Region<float>& region, const Planes<float>& p, float* line) {
  region.columns.length <= kPickable ? cut_narrow(region, p, line) : cut_wide(region, p, line);
}

void cut(const Region<double>& region, const Planes<double>& p, double* line) { cut_wide(region, p, line); }

void spread(const Region<float>& region, const Axis<float>& turned, const Planes<float>& p, float* line) {
  const bool is_narrow = region.columns.length <= kPickable && p.cells_wide <= kPickable;
  is_narrow ? spread_narrow(region, turned, p, line) : spread_wide(region, p, line);
}

void spread(const Region<double>& region, const Axis<double>&, const Planes<double>& p, double* line) { spread_wide(region, p, line); }

// --- all regions -----------------------------------------------------------------------------

// Regions of a list of maps; kept for the gradient.
struct Cut : torch::CustomClassHolder {
  virtual Tensor forward(TensorList maps) const = 0;
  virtual variable_list backward(const Tensor& grad) const = 0;
};

template <typename T>
struct CutOf : Cut {
  int64_t height, width;  // of the results
  std::vector<std::array<int64_t, 4>> shapes;
  std::vector<Region<T>> regions;

  CutOf(TensorList maps, const Tensor& boxes, const c10::optional<Tensor>& levels, at::ArrayRef<double> scales, int64_t height,
        int64_t width, int64_t samples, bool aligned)
      : height(height), width(width), regions(boxes.size(0)) {
    for (const Tensor& map : maps) shapes.push_back({map.size(0), map.size(1), map.size(2), map.size(3)});
    const Tensor numbers = boxes.to(maps[0].scalar_type()).contiguous();
    const Tensor places = levels.has_value() ? levels->to(at::kLong).contiguous() : Tensor();
    const T offset = aligned ? T(0.5) : T(0);
    for (size_t k = 0; k < regions.size(); k++) {
      const T* box = numbers.data_ptr<T>() + 5 * k;
      const int64_t map = places.defined() ? places.data_ptr<int64_t>()[k] : 0;
      TORCH_CHECK(map >= 0 && map < static_cast<int64_t>(shapes.size()), "region ", k, " is of map ", map, ", of ", shapes.size());
      TORCH_CHECK(box[0] >= 0 && box[0] < shapes[map][0], "region ", k, " is of image ", box[0], ", of ", shapes[map][0]);
      regions[k].map = map;
      regions[k].image = static_cast<int64_t>(box[0]);
    }
    share_out((static_cast<int64_t>(regions.size()) + kRegions - 1) / kRegions, [&](int64_t part) {
      for (size_t k = part * kRegions; k < std::min<size_t>(regions.size(), (part + 1) * kRegions); k++) {
        Region<T>& region = regions[k];
        const T* box = numbers.data_ptr<T>() + 5 * k;
        const T scale = static_cast<T>(scales[region.map]);
        region.rows = Axis<T>::of(box[2] * scale - offset, box[4] * scale - offset, height, shapes[region.map][2], samples, !aligned);
        region.columns = Axis<T>::of(box[1] * scale - offset, box[3] * scale - offset, width, shapes[region.map][3], samples, !aligned);
      }
    });
  }

  int64_t channels() const { return shapes[0][1]; }

  // `count` planes of an image from a channel on.
  Planes<T> planes(const Region<T>& region, T* map, T* cut, int64_t channel, int64_t count) const {
    const auto& shape = shapes[region.map];
    T* first = map + (region.image * channels() + channel) * shape[2] * shape[3];
    return {first, first + count * shape[2] * shape[3], shape[2], shape[3], cut + channel * height * width, height, width, count};
  }

  // What the kernels need beside it: a row of a map, or a cut and a vector.
  size_t line() const {
    int64_t longest = height * width + kPickable;
    for (const auto& shape : shapes) longest = std::max(longest, shape[3]);
    return longest;
  }

  // Channels of an image that a thread takes at a time: their planes stay in the second-level cache while all regions are cut.
  int64_t together(int64_t map) const {
    const int64_t plane = shapes[map][2] * shapes[map][3] * static_cast<int64_t>(sizeof(T));
    return std::min(kMostChannels, std::max<int64_t>(kCache / std::max<int64_t>(plane, 1), 1));
  }

  // Calls body(map, regions, channel, count) for some channels of an image at a time, with its regions. No two calls have a plane
  // in common.
  template <typename Body>
  void for_planes(const Body& body) const {
    std::vector<std::vector<std::vector<int64_t>>> images;
    for (const auto& shape : shapes) images.emplace_back(shape[0]);
    for (size_t k = 0; k < regions.size(); k++) images[regions[k].map][regions[k].image].push_back(static_cast<int64_t>(k));
    struct Task {
      const std::vector<int64_t>* regions;
      int64_t map, channel, count;
    };
    std::vector<Task> tasks;
    for (size_t map = 0; map < images.size(); map++)
      for (const auto& image : images[map])
        for (int64_t channel = 0; channel < channels() && !image.empty(); channel += together(map))
          tasks.push_back({&image, static_cast<int64_t>(map), channel, std::min(together(map), channels() - channel)});
    share_out(static_cast<int64_t>(tasks.size()), [&](int64_t i) {
      const auto& [regions, map, channel, count] = tasks[i];
      body(map, *regions, channel, count);
    });
  }

  Tensor forward(TensorList given) const override {
    std::vector<Tensor> maps;
    for (const Tensor& map : given) maps.push_back(map.contiguous());
    Tensor result = fresh({static_cast<int64_t>(regions.size()), channels(), height, width}, maps[0].options());
    T* results = result.data_ptr<T>();
    for_planes([&](int64_t map, const std::vector<int64_t>& here, int64_t channel, int64_t count) {
      std::vector<T> memory(line());
      T* values = maps[map].template data_ptr<T>();
      for (int64_t k : here) {
        Planes<T> p = planes(regions[k], values, results + k * channels() * height * width, channel, count);
        p.end = values + maps[map].numel();
        if (regions[k].is_empty())
          std::fill(p.cut, p.cut + p.count * p.cells(), T(0));
        else
          cut(regions[k], p, memory.data());
      }
    });
    return result;
  }

  // Sums do not depend on the number of threads.
  variable_list backward(const Tensor& given) const override {
    const Tensor grad = given.contiguous();
    variable_list grads;
    for (const auto& shape : shapes) grads.push_back(fresh(shape, grad.options()).zero_());
    std::vector<Axis<T>> turned(regions.size());
    share_out((static_cast<int64_t>(regions.size()) + kRegions - 1) / kRegions, [&](int64_t part) {
      for (size_t k = part * kRegions; k < std::min<size_t>(regions.size(), (part + 1) * kRegions); k++)
        turned[k] = regions[k].columns.turned();
    });
    for_planes([&](int64_t map, const std::vector<int64_t>& here, int64_t channel, int64_t count) {
      std::vector<T> memory(line());
      for (int64_t k : here) {
        if (regions[k].is_empty()) continue;
        T* cut = grad.data_ptr<T>() + k * channels() * height * width;
        spread(regions[k], turned[k], planes(regions[k], grads[map].template data_ptr<T>(), cut, channel, count), memory.data());
      }
    });
    return grads;
  }

 private:
  // Regions that a thread prepares at a time.
  static constexpr int64_t kRegions = 32;
};

c10::intrusive_ptr<Cut> prepare(TensorList maps, const Tensor& regions, const c10::optional<Tensor>& levels,
                                at::ArrayRef<double> scales, int64_t height, int64_t width, int64_t samples, bool aligned) {
  TORCH_CHECK(!maps.empty() && maps.size() == scales.size(), maps.size(), " maps but ", scales.size(), " scales");
  TORCH_CHECK(regions.dim() == 2 && regions.size(1) == 5, "regions must be (K, 5), not ", regions.sizes());
  TORCH_CHECK(!levels.has_value() || (levels->dim() == 1 && levels->size(0) == regions.size(0)), "there must be a level for each region");
  TORCH_CHECK(height > 0 && width > 0, "regions cannot be ", height, " x ", width);
  for (const Tensor& map : maps) {
    TORCH_CHECK(map.dim() == 4, "maps must be (B, C, H, W), not ", map.sizes());
    TORCH_CHECK(map.size(1) == maps[0].size(1) && map.scalar_type() == maps[0].scalar_type(), "maps must be of one type and width");
  }
  at::NoGradGuard no_grad;
  if (maps[0].scalar_type() == at::kDouble)
    return c10::make_intrusive<CutOf<double>>(maps, regions, levels, scales, height, width, samples, aligned);
  TORCH_CHECK(maps[0].scalar_type() == at::kFloat, "roi_align is for float32 and float64, not ", maps[0].scalar_type());
  return c10::make_intrusive<CutOf<float>>(maps, regions, levels, scales, height, width, samples, aligned);
}

struct RoiAlign : torch::autograd::Function<RoiAlign> {
  static Tensor forward(AutogradContext* context, TensorList maps, const c10::intrusive_ptr<Cut>& cut) {
    context->saved_data["cut"] = c10::IValue::make_capsule(cut);
    at::AutoDispatchBelowADInplaceOrView guard;
    return cut->forward(maps);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "roi_align has no second derivative");
    variable_list result = static_cast<Cut*>(context->saved_data["cut"].toCapsule().get())->backward(grads[0]);
    result.emplace_back();
    return result;
  }
};

Tensor roi_align(TensorList maps, const Tensor& regions, const c10::optional<Tensor>& levels, at::ArrayRef<double> scales,
                 int64_t height, int64_t width, int64_t samples, bool aligned) {
  return prepare(maps, regions, levels, scales, height, width, samples, aligned)->forward(maps);
}

Tensor roi_align_autograd(TensorList maps, const Tensor& regions, const c10::optional<Tensor>& levels, at::ArrayRef<double> scales,
                          int64_t height, int64_t width, int64_t samples, bool aligned) {
  return RoiAlign::apply(maps, prepare(maps, regions, levels, scales, height, width, samples, aligned));
}

}  // namespace

}  // namespace attention

TORCH_LIBRARY_FRAGMENT(attention, m) {
  m.def(
      "roi_align(Tensor[] maps, Tensor regions, Tensor? levels, float[] scales, int height, int width, int samples, bool aligned) "
      "-> Tensor");
}

TORCH_LIBRARY_IMPL(attention, CPU, m) { m.impl("roi_align", attention::roi_align); }

TORCH_LIBRARY_IMPL(attention, AutogradCPU, m) { m.impl("roi_align", attention::roi_align_autograd); }
