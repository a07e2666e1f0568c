// What the functions that Rust calls have in common.

#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cstring>
#include <exception>
#include <utility>

namespace ablate {

// Runs a body that may throw. Returns null, or what went wrong, which the caller frees.
template <typename Body>
char *guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return strdup(error.what());
  }
}

// Hands a tensor over; one that is undefined becomes null.
inline void put(at::Tensor **out, int index, at::Tensor tensor) {
  out[index] = tensor.defined() ? new at::Tensor(std::move(tensor)) : nullptr;
}

}  // namespace ablate
