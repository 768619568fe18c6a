// Shapes without memory: what libtorch 1.13 lacks on the meta device, where models are built to be measured.
#include "handles.h"

#if !TORCH_AT_LEAST(2, 0)

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
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

at::Tensor meta_index_select(const at::Tensor& self, int64_t dim, const at::Tensor& index) {
  auto sizes = self.sizes().vec();
  if (!sizes.empty()) sizes[c10::maybe_wrap_dim(dim, self.dim())] = index.numel();
  return at::empty(sizes, self.options());
}

at::Tensor meta_adaptive_avg_pool2d(const at::Tensor& self, c10::SymIntArrayRef output_size) {
  auto sizes = self.sizes().vec();
  sizes[sizes.size() - 2] = output_size[0].expect_int();
  sizes[sizes.size() - 1] = output_size[1].expect_int();
  return at::empty(sizes, self.options());
}

ThreeTensors meta_group_norm(const at::Tensor& input, const c10::optional<at::Tensor>&, const c10::optional<at::Tensor>&,
                             c10::SymInt batch, c10::SymInt, c10::SymInt, int64_t groups, double) {
  const int64_t kept[] = {batch.expect_int(), groups};
  return {at::empty_like(input), at::empty(kept, input.options()), at::empty(kept, input.options())};
}

// For operators whose result has the shape of their first tensor.
void meta_same(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto arguments = op.schema().arguments().size();
  at::Tensor first = torch::jit::peek(*stack, 0, arguments).toTensor();
  torch::jit::drop(*stack, arguments);
  torch::jit::push(*stack, at::empty_like(first));
}

TORCH_LIBRARY_IMPL(aten, Meta, m) {
  for (const char* name : {"relu", "roll", "flip", "hardswish"})
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&meta_same>());
  m.impl("index_select", meta_index_select);
  m.impl("_adaptive_avg_pool2d", meta_adaptive_avg_pool2d);
  m.impl("native_group_norm", meta_group_norm);
  m.impl("convolution_overrideable", meta_convolution);
  m.impl("native_layer_norm", meta_layer_norm);
  m.impl("native_batch_norm", meta_batch_norm);
}

}  // namespace

#endif
