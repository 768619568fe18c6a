// The process around the tensors: versions, threads, devices, random generators, memory figures.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <malloc.h>

#include <cstring>

#include "errors.h"
#include "handles.h"

using attention::borrow;
using attention::guarded;
using attention::release;

namespace {

int copy_text(const std::string& text, char* buffer, int capacity) {
  if (static_cast<int>(text.size()) < capacity) std::memcpy(buffer, text.c_str(), text.size() + 1);
  return static_cast<int>(text.size());
}

// A model's tensors are freed and asked for again at every step: glibc would give each to the system and take it back,
// page fault by page fault. Blocks of up to 32 MiB (its limit) stay in the heap instead.
__attribute__((constructor)) void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  mallopt(M_TOP_PAD, 16 << 20);
}

c10::GeneratorImpl* generator(void* handle) { return static_cast<c10::GeneratorImpl*>(handle); }

}  // namespace

ATT_EXPORT const char* att_torch_version() { return TORCH_VERSION; }

// The file that libtorch was loaded from.
ATT_EXPORT int att_torch_path(char* buffer, int capacity) {
  Dl_info info;
  auto* symbol = reinterpret_cast<void*>(static_cast<int (*)()>(&at::get_num_threads));
  std::string path = dladdr(symbol, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
  return copy_text(path, buffer, capacity);
}

// libtorch's own account of how it was built.
ATT_EXPORT int att_torch_config(char* buffer, int capacity) {
  return guarded(-1, [&] { return copy_text(at::show_config(), buffer, capacity); });
}

ATT_EXPORT int att_parallel_info(char* buffer, int capacity) {
  return guarded(-1, [&] { return copy_text(at::get_parallel_info(), buffer, capacity); });
}

ATT_EXPORT int att_get_num_threads() { return at::get_num_threads(); }
ATT_EXPORT int att_set_num_threads(int count) {
  return guarded(-1, [&] {
    at::set_num_threads(count);
    return 0;
  });
}
ATT_EXPORT int att_get_num_interop_threads() { return at::get_num_interop_threads(); }
ATT_EXPORT int att_set_num_interop_threads(int count) {
  return guarded(-1, [&] {
    at::set_num_interop_threads(count);
    return 0;
  });
}

ATT_EXPORT void att_set_flush_denormal(int value) { at::globalContext().setFlushDenormal(value != 0); }

// Switches of libtorch's context, by name: "mkldnn", "deterministic", "cudnn", "cudnn_benchmark", "tf32".
ATT_EXPORT int att_set_flag(const char* name, int value) {
  return guarded(-1, [&] {
    auto& context = at::globalContext();
    std::string flag = name;
    if (flag == "mkldnn") context.setUserEnabledMkldnn(value != 0);
    else if (flag == "deterministic") context.setDeterministicAlgorithms(value != 0, false);
    else if (flag == "cudnn") context.setUserEnabledCuDNN(value != 0);
    else if (flag == "cudnn_benchmark") context.setBenchmarkCuDNN(value != 0);
    else if (flag == "tf32_cublas") context.setAllowTF32CuBLAS(value != 0);
    else if (flag == "tf32_cudnn") context.setAllowTF32CuDNN(value != 0);
    else throw std::invalid_argument("no such flag: " + flag);
    return 0;
  });
}

ATT_EXPORT int att_get_flag(const char* name) {
  return guarded(-1, [&]() -> int {
    auto& context = at::globalContext();
    std::string flag = name;
    if (flag == "mkldnn") return context.userEnabledMkldnn();
    if (flag == "deterministic") return context.deterministicAlgorithms();
    if (flag == "cudnn") return context.userEnabledCuDNN();
    if (flag == "cudnn_benchmark") return context.benchmarkCuDNN();
    if (flag == "tf32_cublas") return context.allowTF32CuBLAS();
    if (flag == "tf32_cudnn") return context.allowTF32CuDNN();
    throw std::invalid_argument("no such flag: " + flag);
  });
}

// --- devices ---------------------------------------------------------------------------------

ATT_EXPORT int att_device_count(int type) {
  return guarded(0, [&]() -> int {
    auto device = static_cast<c10::DeviceType>(type);
    if (device == c10::DeviceType::CPU) return 1;
    if (device == c10::DeviceType::CUDA && !at::hasCUDA()) return 0;
    if (!c10::impl::hasDeviceGuardImpl(device)) return 0;
    return c10::impl::VirtualGuardImpl(device).deviceCount();
  });
}

ATT_EXPORT int att_has_cudnn() { return guarded(0, [&]() -> int { return at::globalContext().hasCuDNN(); }); }

// Waits until all work that was given to the device is done.
ATT_EXPORT int att_device_synchronize(int type, int index) {
  return guarded(-1, [&] {
    auto device = static_cast<c10::DeviceType>(type);
    if (device == c10::DeviceType::CPU) return 0;
    c10::impl::VirtualGuardImpl guard(device);
    auto place = index < 0 ? guard.getDevice() : c10::Device(device, static_cast<c10::DeviceIndex>(index));
    guard.getStream(place).synchronize();
    return 0;
  });
}

// --- random generators -----------------------------------------------------------------------

// A new generator handle, owned by the caller.
ATT_EXPORT void* att_generator_create(uint64_t seed) {
  return guarded<void*>(nullptr, [&]() -> void* { return at::detail::createCPUGenerator(seed).unsafeReleaseGeneratorImpl(); });
}

// The default generator of a device, as a handle of its own.
ATT_EXPORT void* att_generator_default(int type, int index) {
  return guarded<void*>(nullptr, [&]() -> void* {
    auto device = c10::Device(static_cast<c10::DeviceType>(type), static_cast<c10::DeviceIndex>(index));
    at::Generator copy = at::globalContext().defaultGenerator(device);
    return copy.unsafeReleaseGeneratorImpl();
  });
}

ATT_EXPORT void att_generator_release(void* handle) {
  c10::intrusive_ptr<c10::GeneratorImpl>::reclaim(generator(handle));
}

ATT_EXPORT int att_generator_manual_seed(void* handle, uint64_t seed) {
  return guarded(-1, [&] {
    std::lock_guard<std::mutex> lock(generator(handle)->mutex_);
    generator(handle)->set_current_seed(seed);
    return 0;
  });
}

ATT_EXPORT uint64_t att_generator_current_seed(void* handle) { return generator(handle)->current_seed(); }

ATT_EXPORT uint64_t att_generator_seed(void* handle) {
  std::lock_guard<std::mutex> lock(generator(handle)->mutex_);
  return generator(handle)->seed();
}

ATT_EXPORT AttTensor att_generator_get_state(void* handle) {
  return guarded<AttTensor>(nullptr, [&] {
    std::lock_guard<std::mutex> lock(generator(handle)->mutex_);
    return release(at::Tensor(generator(handle)->get_state()));
  });
}

ATT_EXPORT int att_generator_set_state(void* handle, AttTensor state) {
  return guarded(-1, [&] {
    std::lock_guard<std::mutex> lock(generator(handle)->mutex_);
    generator(handle)->set_state(*borrow(state).unsafeGetTensorImpl());
    return 0;
  });
}

// Seeds the default generator of every device.
ATT_EXPORT int att_manual_seed(uint64_t seed) {
  return guarded(-1, [&] {
    at::manual_seed(seed);
    return 0;
  });
}
