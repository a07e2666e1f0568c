// Feature maps [N, C, H, W] in host memory as the kernels here lay them out: the channels of a position side by side, so
// that a map between channels is one matrix product and convolutions need no other form.

#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

namespace ablate {

inline at::Tensor empty_maps(at::IntArrayRef sizes, const at::TensorOptions &options) {
  return at::empty(sizes, options, at::MemoryFormat::ChannelsLast);
}

// A copy where they lie otherwise. Strides of axes of length one count too: libtorch guesses the form from them.
inline at::Tensor laid_out(const at::Tensor &maps) {
  if (maps.suggest_memory_format() == at::MemoryFormat::ChannelsLast &&
      maps.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    return maps;
  }
  return empty_maps(maps.sizes(), maps.options()).copy_(maps);
}

// The same memory as a matrix, a row a position: [N·H·W, C].
inline at::Tensor rows(const at::Tensor &maps) {
  return laid_out(maps).permute({0, 2, 3, 1}).reshape({-1, maps.size(1)});
}

// The other way, for images of `like`'s number and size.
inline at::Tensor maps_of_rows(const at::Tensor &matrix, const at::Tensor &like) {
  return laid_out(matrix.view({like.size(0), like.size(2), like.size(3), matrix.size(1)}).permute({0, 3, 1, 2}));
}

}  // namespace ablate
