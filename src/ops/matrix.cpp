// Maps between channels as matrix products on feature maps as they lie in host memory, [N, C, positions]: nothing is
// transposed or joined beforehand. In 32-bit floats. Each function returns null, or a message that the caller frees.

#include <ATen/core/Tensor.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/add.h>
#include <ATen/ops/addbmm.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>

#include <array>

#include "guarded.h"

using ablate::guarded;
using ablate::put;

namespace {

// [N, C, H, W] as matrices of C rows.
at::Tensor matrices(const at::Tensor &maps) { return maps.contiguous().view({maps.size(0), maps.size(1), -1}); }

// The same matrix for each of `images`.
at::Tensor each(const at::Tensor &matrix, int64_t images) {
  return matrix.expand({images, matrix.size(0), matrix.size(1)});
}

// Σ left·right over images, which comes without the products of single images.
at::Tensor accumulated(const at::Tensor &left, const at::Tensor &right) {
  const at::Tensor sum = at::empty({left.size(1), right.size(2)}, left.options());
  return at::addbmm(sum, left, right, /*beta=*/0);
}

// `part` of the three thirds of the rows of a tensor.
at::Tensor third(const at::Tensor &tensor, int64_t part) {
  const int64_t rows = tensor.size(0) / 3;
  return tensor.narrow(0, part * rows, rows);
}

// [N, positions, C] as [N, heads, positions, d].
at::Tensor by_heads(const at::Tensor &tokens, int64_t heads) {
  return tokens.view({tokens.size(0), tokens.size(1), heads, -1}).transpose(1, 2);
}

// The other way; no copy where the kernel of attention allocated its result.
at::Tensor joined(const at::Tensor &heads) {
  return heads.transpose(1, 2).reshape({heads.size(0), heads.size(2), heads.size(1) * heads.size(3)});
}

}  // namespace

extern "C" {

// A 1×1 convolution of the channels of x [N, I, H, W] and then those of skip [N, J, H, W], which may be null:
// weight [O, I + J, 1, 1], bias [O].
char *ablate_pointwise(at::Tensor **out, const at::Tensor *const *in, int64_t) {
  return guarded([&] {
    const at::Tensor x = matrices(*in[0]), weight = in[2]->contiguous().view({in[2]->size(0), -1});
    const int64_t images = x.size(0), inputs = x.size(1);
    const at::Tensor start = in[3]->view({1, -1, 1}).expand({images, weight.size(0), x.size(2)});
    at::Tensor y = at::baddbmm(start, each(weight.narrow(1, 0, inputs), images), x);
    if (in[1]) {
      const at::Tensor skip = matrices(*in[1]);
      y.baddbmm_(each(weight.narrow(1, inputs, skip.size(1)), images), skip);
    }
    put(out, 0, y.view({images, weight.size(0), in[0]->size(2), in[0]->size(3)}));
  });
}

// Of the output's gradient, x, skip and weight: the gradients of x, weight, bias and skip.
char *ablate_pointwise_backward(at::Tensor **out, const at::Tensor *const *in, int64_t) {
  return guarded([&] {
    const at::Tensor grad = matrices(*in[0]), x = matrices(*in[1]);
    const at::Tensor weight = in[3]->contiguous().view({in[3]->size(0), -1});
    const int64_t images = x.size(0), inputs = x.size(1);
    const auto to_input = [&](int64_t from, const at::Tensor &like) {
      return at::bmm(each(weight.narrow(1, from, like.size(1)).t(), images), grad).view(like.sizes());
    };
    at::Tensor dweight = accumulated(grad, x.transpose(1, 2));
    put(out, 0, to_input(0, *in[1]));
    if (in[2]) {
      dweight = at::cat({dweight, accumulated(grad, matrices(*in[2]).transpose(1, 2))}, 1);
      put(out, 3, to_input(inputs, *in[2]));
    }
    put(out, 1, dweight.view(in[3]->sizes()));
    put(out, 2, grad.sum(at::IntArrayRef{0, 2}));
  });
}

// x + W·attention(q, k, v) + b over the positions of feature maps, q, k and v being the three thirds of a linear map of
// `normed`. Of x, normed [N, C, H, W], that map's weight [3C, C] and bias [3C], W [C, C] and b [C]: the result, then
// q, k and v [N, positions, 3C], the mixed values [N, heads, positions, d] and the log-sum-exp of their scores.
char *ablate_self_attention(at::Tensor **out, const at::Tensor *const *in, int64_t heads) {
  return guarded([&] {
    const at::Tensor x = matrices(*in[0]), normed = matrices(*in[1]);
    const int64_t images = x.size(0), channels = x.size(1), positions = x.size(2);
    at::Tensor qkv = at::baddbmm(in[3]->expand({images, positions, 3 * channels}), normed.transpose(1, 2),
                                 each(in[2]->t(), images));
    const auto part = [&](int64_t which) { return by_heads(qkv.narrow(2, which * channels, channels), heads); };
    auto [mixed, logsumexp] = at::_scaled_dot_product_flash_attention_for_cpu(part(0), part(1), part(2));
    at::Tensor y = at::add(x, in[5]->view({1, channels, 1}));
    y.baddbmm_(each(*in[4], images), joined(mixed).transpose(1, 2));
    put(out, 0, y.view(in[0]->sizes()));
    put(out, 1, std::move(qkv));
    put(out, 2, std::move(mixed));
    put(out, 3, std::move(logsumexp));
  });
}

// Of the output's gradient, normed, the map's weight, W, and what the forward pass gave beside its result: the
// gradients of normed, of weight and bias of the map, of W and b. That of x is the output's.
char *ablate_self_attention_backward(at::Tensor **out, const at::Tensor *const *in, int64_t heads) {
  return guarded([&] {
    const at::Tensor grad = matrices(*in[0]), normed = matrices(*in[1]);
    const at::Tensor &weight = *in[2], &last = *in[3], &qkv = *in[4], &mixed = *in[5], &logsumexp = *in[6];
    const int64_t images = grad.size(0), channels = grad.size(1);
    const auto part = [&](int64_t which) { return by_heads(qkv.narrow(2, which * channels, channels), heads); };
    const at::Tensor dmixed = by_heads(at::bmm(grad.transpose(1, 2), each(last, images)), heads);
    auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        dmixed, part(0), part(1), part(2), mixed, logsumexp, /*dropout_p=*/0.0, /*is_causal=*/false);
    const std::array<at::Tensor, 3> grads{joined(dq), joined(dk), joined(dv)};
    at::Tensor dnormed, dweight = at::empty_like(weight), dbias = at::empty({3 * channels}, weight.options());
    for (int64_t which = 0; which < 3; ++which) {
      const at::Tensor back = each(third(weight, which).t(), images), columns = grads[which].transpose(1, 2);
      dnormed = which == 0 ? at::bmm(back, columns) : dnormed.baddbmm_(back, columns);
      at::Tensor rows = third(dweight, which), sums = third(dbias, which);
      rows.addbmm_(columns, normed.transpose(1, 2), /*beta=*/0);
      at::sum_out(sums, grads[which], at::IntArrayRef{0, 1});
    }
    put(out, 0, dnormed.view(in[1]->sizes()));
    put(out, 1, std::move(dweight));
    put(out, 2, std::move(dbias));
    put(out, 3, accumulated(grad, joined(mixed)));
    put(out, 4, grad.sum(at::IntArrayRef{0, 2}));
  });
}
}
