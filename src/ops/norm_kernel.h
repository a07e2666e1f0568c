// Group norm as loops that norm.cpp compiles once for each instruction set: everything is forced inline.

#pragma once

#include "norm_backward.h"
#include "norm_forward.h"

namespace ablate::norm {

// The three parts of a pass: over each block, over each image whose blocks are done, over each block again.
enum class Part { first, middle, last, image };

template <bool SILU, typename Pass>
ABLATE_INLINE void run_part(const Pass &pass, Part part, int64_t index) {
  switch (part) {
    case Part::first: return first<SILU>(pass, Block(pass.maps, index), index);
    case Part::middle: return middle(pass, index);
    case Part::last: return last<SILU>(pass, Block(pass.maps, index));
    case Part::image: {
      const int64_t blocks = pass.maps.blocks(), begin = index * blocks;
      for (int64_t b = 0; b < blocks; ++b) first<SILU>(pass, Block(pass.maps, begin + b), begin + b);
      middle(pass, index);
      for (int64_t b = 0; b < blocks; ++b) last<SILU>(pass, Block(pass.maps, begin + b));
    }
  }
}

}  // namespace ablate::norm
