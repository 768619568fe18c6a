// Memory for results.
#pragma once

#include <ATen/ATen.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdint>

namespace attention {

// A tensor to be written. One of more than 32 MiB, which the C library takes from the system and gives back each time, is put onto
// pages of 2 MiB where the system allows it: a page fault for each 4 KiB would take longer than most kernels.
inline at::Tensor fresh(at::IntArrayRef shape, const at::TensorOptions& options) {
  at::Tensor t = at::empty(shape, options);
#if defined(__linux__)
  constexpr uintptr_t kPage = 2 << 20;
  constexpr size_t kLeast = 32 << 20;
  if (t.nbytes() > kLeast) {
    const auto start = reinterpret_cast<uintptr_t>(t.data_ptr());
    const uintptr_t begin = (start + kPage - 1) / kPage * kPage, end = (start + t.nbytes()) / kPage * kPage;
    // What the system refuses stays as it is.
    (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  }
#endif
  return t;
}

}  // namespace attention
