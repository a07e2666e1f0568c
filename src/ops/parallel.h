// Loops on libtorch's own threads.

#pragma once

#include <ATen/TensorIterator.h>
#include <ATen/ops/empty.h>

namespace ablate {

// Calls body(begin, end) on ranges that make up 0..count, none shorter than `grain` but the last. at::parallel_for
// would be compiled here, against another OpenMP or none; an iterator over one byte an index runs in libtorch.
template <typename Body>
void parallel(int64_t count, int64_t grain, const Body &body) {
  at::Tensor indices = at::empty({count}, at::kByte);
  const char *base = static_cast<const char *>(indices.const_data_ptr());
  at::TensorIterator iterator = at::TensorIterator::nullary_op(indices);
  const auto loop = [&](char **data, const int64_t *, int64_t inner, int64_t outer) {
    const int64_t begin = data[0] - base;
    body(begin, begin + inner * outer);
  };
  iterator.for_each(at::TensorIteratorBase::loop2d_t(loop), grain);
}

}  // namespace ablate
