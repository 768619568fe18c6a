// Tensor handles and the version of libtorch that this is compiled against.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/version.h>

#include <utility>

#include "attention.h"

#define TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace attention {

// Gives the tensor's reference to the caller. An undefined tensor is null.
inline AttTensor release(at::Tensor tensor) {
  return tensor.defined() ? static_cast<AttTensor>(tensor.unsafeReleaseTensorImpl()) : nullptr;
}

// A tensor that shares the handle's reference count; the handle stays valid.
inline at::Tensor borrow(const void* handle) {
  if (handle == nullptr) return {};
  auto* impl = static_cast<c10::TensorImpl*>(const_cast<void*>(handle));
  return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(impl));
}

inline std::vector<at::Tensor> borrow_list(const AttTensor* handles, int count) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(count);
  for (int i = 0; i < count; i++) tensors.push_back(borrow(handles[i]));
  return tensors;
}

}  // namespace attention
