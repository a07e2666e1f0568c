// What the allocator of a GPU counts. Each function returns null, or a message that the caller frees.

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Device.h>

#include <string>

#include "guarded.h"

using ablate::guarded;

extern "C" {

// The most bytes that tensors of a device such as "cuda:0" held at a time, since the program started.
char *ablate_peak_device_bytes(int64_t *out, const char *name) {
  return guarded([&] {
    const c10::Device device{std::string(name)};
    const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
    *out = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  });
}
}
