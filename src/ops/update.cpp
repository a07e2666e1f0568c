// One optimizer step over all parameters at once, in place: the norm of the gradients, then a single pass that
// unscales, clips, moves weights and moments by Adam or AdamW, and moves every average.
//
// In: lists of tensors, one a parameter, each a pointer to at::Tensor. The first half is a kernel for tensors in host
// memory; the second reaches libtorch's own multi-tensor functions, which every device has. Each function returns
// null, or a message that the caller frees.

#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "guarded.h"
#include "parallel.h"

// Versions of a loop for wider registers, chosen when the program starts. None of them may fuse a product with a sum
// (build.rs), so all give the same bits.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define ABLATE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ABLATE_CLONES
#endif

using ablate::guarded;

// The numbers of one update, as `Rule` in update.rs lays them out.
struct AblateRule {
  float factor;       // on every gradient: clipping, over the loss scale
  float pull;         // weight decay as part of the gradient (Adam)
  float shrink;       // weight decay of its own: what is left of a weight (AdamW)
  float keep1, take1; // β1, 1 − β1
  float keep2, take2; // β2, 1 − β2
  float correction2;  // √(1 − β2^n)
  float eps;
  float rate;         // learning rate / (1 − β1^n)
};

namespace {

using List = const at::Tensor *const *;

// Elements that are worked on at a time. Weight, gradient and two moments of a block stay in the second-level cache
// until the averages have been moved; sums over blocks do not depend on who computes them.
constexpr int64_t kBlock = 4096;

struct Block {
  int64_t parameter, start, length;
};

const at::Tensor &checked(const at::Tensor &tensor, int64_t length) {
  TORCH_CHECK(tensor.scalar_type() == at::kFloat && tensor.is_cpu() && tensor.is_contiguous() &&
                  tensor.numel() == length,
              "an update wants contiguous 32-bit floats in host memory, ", length, " of them");
  return tensor;
}

const float *readable(const at::Tensor &tensor, int64_t length) {
  return checked(tensor, length).const_data_ptr<float>();
}

float *writable(const at::Tensor &tensor, int64_t length) {
  return checked(tensor, length).mutable_data_ptr<float>();
}

std::vector<Block> blocks_of(List tensors, int64_t count) {
  std::vector<Block> blocks;
  for (int64_t parameter = 0; parameter < count; ++parameter) {
    const int64_t length = tensors[parameter]->numel();
    for (int64_t start = 0; start < length; start += kBlock) {
      blocks.push_back({parameter, start, std::min(kBlock, length - start)});
    }
  }
  return blocks;
}

// Blocks are shared out among libtorch's threads in runs of at least eight.
template <typename Body>
void for_each_block(const std::vector<Block> &blocks, const Body &body) {
  ablate::parallel(static_cast<int64_t>(blocks.size()), /*grain=*/8, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) body(index, blocks[index]);
  });
}

// Σ x² in 64 bits, where the square of a 32-bit float is exact, in an order that the length alone decides.
ABLATE_CLONES
double sum_of_squares(const float *__restrict x, int64_t length) {
  constexpr int kLanes = 16;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double value = x[i + lane];
      lanes[lane] += value * value;
    }
  }
  for (int lane = 0; i < length; ++i, ++lane) lanes[lane] += static_cast<double>(x[i]) * x[i];
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

// Adam (Kingma & Ba 2015, Alg. 1) or AdamW (Loshchilov & Hutter 2019, Alg. 2), operation by operation as PyTorch's
// single-tensor form has it.
ABLATE_CLONES
void descend(const AblateRule &by, int64_t length, float *__restrict weight, const float *__restrict gradient,
             float *__restrict first, float *__restrict second) {
  const AblateRule rule = by;
  for (int64_t i = 0; i < length; ++i) {
    const float slope = gradient[i] * rule.factor + weight[i] * rule.pull;
    const float mean = first[i] * rule.keep1 + slope * rule.take1;
    const float square = second[i] * rule.keep2 + slope * slope * rule.take2;
    const float spread = std::sqrt(square) / rule.correction2 + rule.eps;
    first[i] = mean;
    second[i] = square;
    weight[i] = weight[i] * rule.shrink - mean / spread * rule.rate;
  }
}

ABLATE_CLONES
void follow(float keep, float take, int64_t length, const float *__restrict weight, float *__restrict average) {
  for (int64_t i = 0; i < length; ++i) average[i] = average[i] * keep + weight[i] * take;
}

std::vector<at::Tensor> list(List tensors, int64_t count) {
  std::vector<at::Tensor> all;
  all.reserve(count);
  for (int64_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
  return all;
}

}  // namespace

extern "C" {

// ‖x‖² of every tensor, the same bits for any number of threads.
char *ablate_squared_norms(double *out, List tensors, int64_t count) {
  return guarded([&] {
    const std::vector<Block> blocks = blocks_of(tensors, count);
    std::vector<const float *> data;
    for (int64_t i = 0; i < count; ++i) data.push_back(readable(*tensors[i], tensors[i]->numel()));
    std::vector<double> sums(blocks.size());
    for_each_block(blocks, [&](int64_t index, const Block &block) {
      sums[index] = sum_of_squares(data[block.parameter] + block.start, block.length);
    });
    std::fill(out, out + count, 0.0);
    for (size_t index = 0; index < blocks.size(); ++index) out[blocks[index].parameter] += sums[index];
  });
}

// Moves weights and moments unless `rule` is null, then the averages: `tracks` lists one after the other, each by its
// pair of numbers in `decays`, what it keeps and what it takes of the weight.
char *ablate_update(int64_t count, List weights, const AblateRule *rule, List gradients, List firsts, List seconds,
                    int64_t tracks, List averages, const float *decays) {
  return guarded([&] {
    struct Pointers {
      float *weight, *first, *second;
      const float *gradient;
    };
    std::vector<Pointers> data(count);
    std::vector<float *> followers;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t length = weights[i]->numel();
      data[i].weight = writable(*weights[i], length);
      if (rule == nullptr) continue;
      data[i].gradient = readable(*gradients[i], length);
      data[i].first = writable(*firsts[i], length);
      data[i].second = writable(*seconds[i], length);
    }
    for (int64_t i = 0; i < tracks * count; ++i) {
      followers.push_back(writable(*averages[i], weights[i % count]->numel()));
    }
    for_each_block(blocks_of(weights, count), [&](int64_t, const Block &block) {
      const Pointers &at = data[block.parameter];
      const int64_t start = block.start;
      if (rule != nullptr) {
        descend(*rule, block.length, at.weight + start, at.gradient + start, at.first + start, at.second + start);
      }
      for (int64_t track = 0; track < tracks; ++track) {
        float *average = followers[track * count + block.parameter] + start;
        follow(decays[2 * track], decays[2 * track + 1], block.length, at.weight + start, average);
      }
    });
  });
}

// ‖x‖ of every tensor, on their device.
char *ablate_foreach_norm(at::Tensor **out, List tensors, int64_t count) {
  return guarded([&] { *out = new at::Tensor(at::stack(at::_foreach_norm(list(tensors, count)))); });
}

// The n-th update by Adam, decoupled from weight decay or not; `step` holds n and `divisor`, unless null, what gradients
// are divided by, each one number on the device. Gradients are overwritten.
char *ablate_fused_adam(int64_t count, List weights, List gradients, List firsts, List seconds, const at::Tensor *step,
                        const at::Tensor *divisor, bool decoupled, double rate, const double *betas, double decay,
                        double eps) {
  return guarded([&] {
    const auto weight = list(weights, count), gradient = list(gradients, count);
    const auto first = list(firsts, count), second = list(seconds, count);
    const std::vector<at::Tensor> steps(count, *step);
    const std::optional<at::Tensor> scale = divisor == nullptr ? std::nullopt : std::optional(*divisor);
    if (decoupled) {
      at::_fused_adamw_(weight, gradient, first, second, {}, steps, rate, betas[0], betas[1], decay, eps,
                        /*amsgrad=*/false, /*maximize=*/false, scale);
    } else {
      at::_fused_adam_(weight, gradient, first, second, {}, steps, rate, betas[0], betas[1], decay, eps,
                       /*amsgrad=*/false, /*maximize=*/false, scale);
    }
  });
}

// average ← average + take·(weight − average).
char *ablate_foreach_lerp(int64_t count, List averages, List weights, double take) {
  return guarded([&] { at::_foreach_lerp_(list(averages, count), list(weights, count), take); });
}

// sum ← sum + term.
char *ablate_foreach_add(int64_t count, List sums, List terms) {
  return guarded([&] { at::_foreach_add_(list(sums, count), list(terms, count)); });
}
}
