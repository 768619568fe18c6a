// Tensor handles: life time, metadata, data pointers, tensors over foreign memory.
#include <ATen/ATen.h>

#include "errors.h"
#include "handles.h"

using attention::borrow;
using attention::guarded;

namespace {
c10::TensorImpl* impl(AttTensor handle) { return static_cast<c10::TensorImpl*>(handle); }
}  // namespace

ATT_EXPORT void att_tensor_release(AttTensor handle) {
  c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(impl(handle));
}

// A second handle to the same tensor.
ATT_EXPORT AttTensor att_tensor_alias(AttTensor handle) { return attention::release(borrow(handle)); }

ATT_EXPORT int64_t att_tensor_dim(AttTensor handle) { return impl(handle)->dim(); }
ATT_EXPORT int64_t att_tensor_numel(AttTensor handle) { return impl(handle)->numel(); }
ATT_EXPORT int32_t att_tensor_dtype(AttTensor handle) {
  return static_cast<int32_t>(c10::typeMetaToScalarType(impl(handle)->dtype()));
}
ATT_EXPORT int64_t att_tensor_element_size(AttTensor handle) { return impl(handle)->itemsize(); }

ATT_EXPORT int att_tensor_sizes(AttTensor handle, int64_t* sizes) {
  return guarded(-1, [&] {
    auto list = impl(handle)->sizes();
    std::copy(list.begin(), list.end(), sizes);
    return static_cast<int>(list.size());
  });
}

ATT_EXPORT int att_tensor_strides(AttTensor handle, int64_t* strides) {
  return guarded(-1, [&] {
    auto list = impl(handle)->strides();
    std::copy(list.begin(), list.end(), strides);
    return static_cast<int>(list.size());
  });
}

// Device type in the upper 32 bits, index (-1: none) in the lower.
ATT_EXPORT int64_t att_tensor_device(AttTensor handle) {
  auto device = impl(handle)->device();
  return static_cast<int64_t>(device.type()) << 32 | static_cast<uint32_t>(static_cast<int32_t>(device.index()));
}

ATT_EXPORT int att_tensor_layout(AttTensor handle) {
  return guarded(-1, [&] { return static_cast<int>(impl(handle)->layout()); });
}

ATT_EXPORT int att_tensor_is_contiguous(AttTensor handle, int memory_format) {
  return guarded(-1, [&]() -> int { return impl(handle)->is_contiguous(static_cast<at::MemoryFormat>(memory_format)); });
}

ATT_EXPORT int64_t att_tensor_storage_offset(AttTensor handle) {
  return guarded<int64_t>(-1, [&] { return impl(handle)->storage_offset(); });
}

// The first element, or null for a tensor without storage.
ATT_EXPORT void* att_tensor_data(AttTensor handle) {
  return guarded<void*>(nullptr, [&]() -> void* { return borrow(handle).data_ptr(); });
}

ATT_EXPORT void* att_tensor_storage_data(AttTensor handle, int64_t* bytes) {
  return guarded<void*>(nullptr, [&]() -> void* {
    const auto& storage = impl(handle)->storage();
    *bytes = static_cast<int64_t>(storage.nbytes());
    return const_cast<void*>(static_cast<const void*>(storage.data()));
  });
}

ATT_EXPORT int att_tensor_is_pinned(AttTensor handle) {
  return guarded(-1, [&]() -> int { return borrow(handle).is_pinned(); });
}

// A tensor over memory that someone else owns: `release(context)` is called when the last tensor lets go of it.
ATT_EXPORT AttTensor att_tensor_from_memory(void* data, const int64_t* sizes, int dim, int dtype,
                                            void (*release)(void*), void* context) {
  return guarded<AttTensor>(nullptr, [&] {
    auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype));
    return attention::release(at::from_blob(
        data, at::IntArrayRef(sizes, dim), [release, context](void*) { if (release != nullptr) release(context); },
        options));
  });
}

// Exchanges what two handles' tensors are, keeping both handles: Tensor.set_data and in-place module moves.
ATT_EXPORT int att_tensor_set_data(AttTensor handle, AttTensor data) {
  return guarded(-1, [&] {
    borrow(handle).set_data(borrow(data));
    return 0;
  });
}
