// Covers known faults of libtorch. Each says which versions have the fault and where it was seen to be gone; each has
// a test that fails without it. attention::enable_fixes(False) uncovers them all, for those tests.
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/boxing/KernelFunction.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <atomic>

#include "handles.h"

#include <ATen/ops/native_batch_norm_backward_cpu_dispatch.h>
#include <ATen/ops/nll_loss2d_backward_cpu_dispatch.h>
#if !TORCH_AT_LEAST(2, 6)
#include <ATen/ops/affine_grid_generator_backward_native.h>
#include <ATen/ops/gelu_backward_cpu_dispatch.h>
#include <ATen/ops/masked_scatter_cpu_dispatch.h>
#endif

namespace {

using at::Tensor;
using torch::jit::Stack;

std::atomic<bool> enabled{true};

// --- layouts that kernels do not expect ------------------------------------------------------

// Seen in 1.13 and in 2.6: the gradient takes the layout of its input, and the kernel refuses any but the contiguous.
Tensor nll_loss2d_backward(const Tensor& grad, const Tensor& self, const Tensor& target,
                           const c10::optional<Tensor>& weight, int64_t reduction, int64_t ignore_index,
                           const Tensor& total_weight) {
  return at::cpu::nll_loss2d_backward(grad, enabled ? self.contiguous() : self, target, weight, reduction, ignore_index,
                                      total_weight);
}

// Seen in 1.13. Where the batch is 1, its stride says nothing, and a channels-last tensor may have any. Asked whether it is
// channels-last it says yes, asked which layout it suggests it says contiguous: the kernel believes both and returns garbage.
Tensor settle_layout(const Tensor& t) {
  const auto last = at::MemoryFormat::ChannelsLast;
  return enabled && t.is_contiguous(last) && t.suggest_memory_format() != last ? t.contiguous() : t;
}

std::tuple<Tensor, Tensor, Tensor> native_batch_norm_backward(
    const Tensor& grad, const Tensor& self, const c10::optional<Tensor>& weight, const c10::optional<Tensor>& mean,
    const c10::optional<Tensor>& var, const c10::optional<Tensor>& save_mean, const c10::optional<Tensor>& save_invstd,
    bool train, double eps, std::array<bool, 3> mask) {
  return at::cpu::native_batch_norm_backward(settle_layout(grad), settle_layout(self), weight, mean, var, save_mean,
                                             save_invstd, train, eps, mask);
}

#if !TORCH_AT_LEAST(2, 6)
// The following were seen in 1.13, and not in 2.6.

// For a contiguous input, oneDNN's kernel takes the incoming gradient for contiguous too, whatever its strides are,
// and returns garbage.
Tensor gelu_backward(const Tensor& grad, const Tensor& self, c10::string_view approximate) {
  return at::cpu::gelu_backward(enabled && self.is_contiguous() ? grad.contiguous() : grad, self, approximate);
}

// Values go where they belong in memory, not in order: wrong for a transposed tensor. masked_select's gradient is one.
Tensor& masked_scatter_(Tensor& self, const Tensor& mask, const Tensor& source) {
  if (!enabled || self.is_contiguous()) return at::cpu::masked_scatter_(self, mask, source);
  Tensor ordered = self.contiguous();
  at::cpu::masked_scatter_(ordered, mask, source);
  return self.copy_(ordered);
}

// Views the incoming gradient as a matrix, which not every layout allows.
Tensor affine_grid_generator_backward(const Tensor& grad, at::IntArrayRef size, bool align_corners) {
  return at::native::affine_grid_generator_backward(enabled ? grad.contiguous() : grad, size, align_corners);
}
#endif

// --- autocast on the CPU ---------------------------------------------------------------------
// Operators that refuse what autocast hands them: a mixture of types, or bfloat16 where they have no such kernel.

enum class Cast {
  kWideAndBack,  // computes in fp32 and gives the type of the first tensor
  kWide,         // computes in fp32
  kWidest,       // computes in the widest of its tensors' types
  kLow,          // computes in autocast's type, as a matrix product does
  kFirst,        // changes its first tensor in place: the others take that one's type
};

bool is_castable(const Tensor& t) {
  return t.defined() && t.device().is_cpu() && t.is_floating_point() && t.scalar_type() != at::kDouble;
}

bool is_low(at::ScalarType type) { return type == at::kBFloat16 || type == at::kHalf; }

// Replaces every tensor among the values, in lists too.
template <typename Change>
void for_each_tensor(Stack::iterator begin, Stack::iterator end, const Change& change) {
  for (auto value = begin; value != end; ++value) {
    if (value->isTensor()) {
      *value = change(value->toTensor());
    } else if (value->isTensorList()) {
      auto list = value->toTensorVector();
      for (auto& tensor : list) tensor = change(tensor);
      *value = list;
    }
  }
}

template <Cast cast>
void autocast(const c10::OperatorHandle& op, c10::DispatchKeySet keys, Stack* stack) {
  if (!enabled) {
    op.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, c10::DispatchKey::AutocastCPU), stack);
    return;
  }
  const auto begin = stack->end() - static_cast<std::ptrdiff_t>(op.schema().arguments().size());
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastCPU);

  bool any_low = false, any_wide = false;
  auto first = at::ScalarType::Undefined;
  for_each_tensor(begin, stack->end(), [&](const Tensor& t) {
    if (is_castable(t)) {
      (is_low(t.scalar_type()) ? any_low : any_wide) = true;
      if (first == at::ScalarType::Undefined) first = t.scalar_type();
    }
    return t;
  });
  auto type = at::ScalarType::Undefined;
  if (cast == Cast::kWideAndBack || cast == Cast::kWide || (cast == Cast::kWidest && any_low && any_wide)) type = at::kFloat;
  if (cast == Cast::kLow) type = at::autocast::get_autocast_cpu_dtype();
  if (cast == Cast::kFirst) type = first;
  if (type != at::ScalarType::Undefined)
    for_each_tensor(begin, stack->end(), [&](const Tensor& t) { return is_castable(t) ? t.to(type) : t; });

  op.callBoxed(stack);
  if (cast == Cast::kWideAndBack && is_low(first)) {
    const auto results = stack->end() - static_cast<std::ptrdiff_t>(op.schema().returns().size());
    for_each_tensor(results, stack->end(), [&](const Tensor& t) { return is_castable(t) ? t.to(first) : t; });
  }
}

// --- registration ----------------------------------------------------------------------------

#if TORCH_AT_LEAST(2, 0)
namespace warnings = c10::WarningUtils;
struct Silence : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};
#else
namespace warnings = c10::Warning;
struct Silence : c10::WarningHandler {
  void process(const c10::SourceLocation&, const std::string&, bool) override {}
};
#endif

// Adds the kernel where this libtorch has the operator, and no rule of its own for it.
template <Cast cast>
void cover(torch::Library& library, std::initializer_list<const char*> operators) {
  for (const char* name : operators) {
    std::string text = name;
    auto dot = text.find('.');
    c10::OperatorName full{"aten::" + text.substr(0, dot), dot == std::string::npos ? "" : text.substr(dot + 1)};
    auto op = c10::Dispatcher::singleton().findSchema(full);
    if (!op.has_value() || op->hasKernelForDispatchKey(c10::DispatchKey::AutocastCPU)) continue;
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&autocast<cast>>());
  }
}

struct Registration {
  std::vector<std::unique_ptr<torch::Library>> libraries;

  torch::Library& library(c10::DispatchKey key) {
    libraries.push_back(std::make_unique<torch::Library>(torch::Library::IMPL, "aten", key, __FILE__, __LINE__));
    return *libraries.back();
  }

  Registration() {
    // libtorch warns of a kernel that replaces another: here that is the purpose.
    Silence silence;
    warnings::WarningHandlerGuard guard(&silence);
    auto& kernels = library(c10::DispatchKey::CPU);
    kernels.impl("nll_loss2d_backward", nll_loss2d_backward);
    kernels.impl("native_batch_norm_backward", native_batch_norm_backward);
#if !TORCH_AT_LEAST(2, 6)
    kernels.impl("gelu_backward", gelu_backward);
    kernels.impl("masked_scatter_", masked_scatter_);
    library(c10::DispatchKey::CompositeImplicitAutograd).impl("affine_grid_generator_backward", affine_grid_generator_backward);
#endif
    auto& casts = library(c10::DispatchKey::AutocastCPU);
#if !TORCH_AT_LEAST(2, 6)
    // Seen to fail in 1.13 and to work in 2.6.
    cover<Cast::kWideAndBack>(casts, {"layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "mish",
                                      "hardtanh", "relu6", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
                                      "_upsample_nearest_exact3d"});
#endif
    // Seen to fail in 1.13 and in 2.6.
    cover<Cast::kWideAndBack>(casts, {"_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"});
    cover<Cast::kWide>(casts, {"det", "linalg_det", "slogdet", "linalg_slogdet", "logdet", "pinverse", "linalg_pinv",
                               "linalg_pinv.atol_rtol_tensor", "linalg_pinv.atol_rtol_float"});
    cover<Cast::kWidest>(casts, {"dot", "vdot", "bilinear", "cross", "linalg_cross", "lerp.Scalar", "lerp.Tensor",
                                 "tensordot", "index_put", "index_add", "scatter.src", "scatter_add",
                                 "scatter_reduce.two", "masked_scatter"});
    cover<Cast::kLow>(casts, {"mv", "addmv", "linalg_multi_dot"});
    cover<Cast::kFirst>(casts, {"index_put_", "index_add_", "scatter_.src", "scatter_add_", "scatter_reduce_.two",
                                "masked_scatter_", "lerp_.Scalar", "lerp_.Tensor"});
  }
};

const Registration registration;

}  // namespace

TORCH_LIBRARY_FRAGMENT(attention, m) {
  m.def("enable_fixes(bool value) -> ()", [](bool value) { enabled = value; });
}
