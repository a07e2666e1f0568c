// What the driver and the allocator of a GPU count. Each function returns null, or a message that the caller frees.

#include <ATen/detail/MPSHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Device.h>

#include <dlfcn.h>

#include <string>

#include "guarded.h"

using ablate::guarded;

namespace {

// The bytes of an NVIDIA GPU, or 0 where its driver does not answer. The driver is asked without a context on the device,
// which would take some of them; libtorch counts only what its own allocator has.
int64_t bytes_of_cuda(int index) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return 0;
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto get = reinterpret_cast<int (*)(int *, int)>(dlsym(driver, "cuDeviceGet"));
  const auto total = reinterpret_cast<int (*)(size_t *, int)>(dlsym(driver, "cuDeviceTotalMem_v2"));
  int device = 0;
  size_t bytes = 0;
  const bool told = init != nullptr && get != nullptr && total != nullptr && init(0) == 0 &&
                    get(&device, index) == 0 && total(&bytes, device) == 0;
  // The driver stays loaded: libtorch uses it too.
  return told ? static_cast<int64_t>(bytes) : 0;
}

}  // namespace

extern "C" {

// The most bytes that tensors of a device such as "cuda:0" held at a time, since the program started.
char *ablate_peak_device_bytes(int64_t *out, const char *name) {
  return guarded([&] {
    const c10::Device device{std::string(name)};
    const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
    *out = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  });
}

// The bytes of a device such as "cuda:0" or "mps" in all, 0 where nobody tells.
char *ablate_device_bytes(int64_t *out, const char *name) {
  return guarded([&] {
    const c10::Device device{std::string(name)};
    if (device.is_cuda()) {
      *out = bytes_of_cuda(device.has_index() ? device.index() : 0);
    } else {
      *out = static_cast<int64_t>(at::detail::getMPSHooks().getRecommendedMaxMemory());
    }
  });
}

}
