// Shapes without memory: what libtorch 1.13 lacks on the meta device, where models are built to be measured.
#include "handles.h"

#if !TORCH_AT_LEAST(2, 0)

#include <ATen/ATen.h>
#include <torch/library.h>

namespace {

at::Tensor meta_convolution(const at::Tensor& input, const at::Tensor& weight, const c10::optional<at::Tensor>&,
                            at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                            at::IntArrayRef output_padding, int64_t groups) {
  std::vector<int64_t> sizes{input.size(0), transposed ? weight.size(1) * groups : weight.size(0)};
  for (int64_t dim = 2; dim < input.dim(); dim++) {
    const auto i = dim - 2;
    const int64_t reach = dilation[i] * (weight.size(dim) - 1);
    sizes.push_back(transposed
                        ? (input.size(dim) - 1) * stride[i] - 2 * padding[i] + reach + output_padding[i] + 1
                        : (input.size(dim) + 2 * padding[i] - reach - 1) / stride[i] + 1);
  }
  return at::empty(sizes, input.options());
}

using ThreeTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

ThreeTensors meta_layer_norm(const at::Tensor& input, c10::SymIntArrayRef normalized_shape,
                             const c10::optional<at::Tensor>&, const c10::optional<at::Tensor>&, double) {
  auto sizes = input.sizes().vec();
  for (size_t i = 0; i < normalized_shape.size(); i++) sizes[sizes.size() - 1 - i] = 1;
  return {at::empty_like(input), at::empty(sizes, input.options()), at::empty(sizes, input.options())};
}

ThreeTensors meta_batch_norm(const at::Tensor& input, const c10::optional<at::Tensor>&, const c10::optional<at::Tensor>&,
                             const c10::optional<at::Tensor>&, const c10::optional<at::Tensor>&, bool training, double,
                             double) {
  const int64_t kept = training ? input.size(1) : 0;
  return {at::empty_like(input), at::empty({kept}, input.options()), at::empty({kept}, input.options())};
}

TORCH_LIBRARY_IMPL(aten, Meta, m) {
  m.impl("convolution_overrideable", meta_convolution);
  m.impl("native_layer_norm", meta_layer_norm);
  m.impl("native_batch_norm", meta_batch_norm);
}

}  // namespace

#endif
