// Maps between channels as matrix products on feature maps whose channels lie side by side, a row a position: nothing is
// transposed or joined beforehand. In 32-bit floats. Each function returns null, or a message that the caller frees.

#include <ATen/core/Tensor.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/add.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include <array>

#include "guarded.h"
#include "maps.h"

using ablate::guarded;
using ablate::maps_of_rows;
using ablate::put;
using ablate::rows;

namespace {

// `part` of the three thirds of the rows of a tensor.
at::Tensor third(const at::Tensor &tensor, int64_t part) {
  const int64_t rows = tensor.size(0) / 3;
  return tensor.narrow(0, part * rows, rows);
}

// A part of the columns of rows of N images as [N, heads, positions, d].
at::Tensor by_heads(const at::Tensor &tokens, int64_t images, int64_t heads) {
  return tokens.unflatten(1, {heads, -1}).unflatten(0, {images, -1}).transpose(1, 2);
}

// The other way; no copy where the kernel of attention allocated its result.
at::Tensor joined(const at::Tensor &heads) {
  return heads.transpose(1, 2).reshape({heads.size(0) * heads.size(2), heads.size(1) * heads.size(3)});
}

}  // namespace

extern "C" {

// A 1×1 convolution of the channels of x [N, I, H, W] and then those of skip [N, J, H, W], which may be null:
// weight [O, I + J, 1, 1], bias [O].
char *ablate_pointwise(at::Tensor **out, const at::Tensor *const *in, const int64_t *) {
  return guarded([&] {
    const at::Tensor &x = *in[0], weight = in[2]->contiguous().view({in[2]->size(0), -1});
    at::Tensor y = at::addmm(*in[3], rows(x), weight.narrow(1, 0, x.size(1)).t());
    if (in[1]) y.addmm_(rows(*in[1]), weight.narrow(1, x.size(1), in[1]->size(1)).t());
    put(out, 0, maps_of_rows(y, x));
  });
}

// Of the output's gradient, x, skip and weight: the gradients of x, weight, bias and skip.
char *ablate_pointwise_backward(at::Tensor **out, const at::Tensor *const *in, const int64_t *) {
  return guarded([&] {
    const at::Tensor grad = rows(*in[0]), weight = in[3]->contiguous().view({in[3]->size(0), -1});
    at::Tensor dweight = at::empty_like(weight);
    const auto of = [&](const at::Tensor &input, int64_t from) {
      at::Tensor columns = dweight.narrow(1, from, input.size(1));
      columns.addmm_(grad.t(), rows(input), /*beta=*/0);
      return maps_of_rows(at::mm(grad, weight.narrow(1, from, input.size(1))), input);
    };
    put(out, 0, of(*in[1], 0));
    if (in[2]) put(out, 3, of(*in[2], in[1]->size(1)));
    put(out, 1, dweight.view(in[3]->sizes()));
    put(out, 2, grad.sum(0));
  });
}

// x + W·attention(q, k, v) + b over the positions of feature maps, q, k and v being the three thirds of a linear map of
// `normed`. Of x, normed [N, C, H, W], that map's weight [3C, C] and bias [3C], W [C, C] and b [C]: the result, then
// q, k and v [N·positions, 3C], the mixed values [N, heads, positions, d] and the log-sum-exp of their scores. Options:
// the number of heads.
char *ablate_self_attention(at::Tensor **out, const at::Tensor *const *in, const int64_t *heads) {
  return guarded([&] {
    const at::Tensor &x = *in[0];
    const int64_t images = x.size(0), channels = x.size(1);
    at::Tensor qkv = at::addmm(*in[3], rows(*in[1]), in[2]->t());
    const auto part = [&](int64_t which) {
      return by_heads(qkv.narrow(1, which * channels, channels), images, *heads);
    };
    auto [mixed, logsumexp] = at::_scaled_dot_product_flash_attention_for_cpu(part(0), part(1), part(2));
    at::Tensor y = at::add(rows(x), *in[5]);
    y.addmm_(joined(mixed), in[4]->t());
    put(out, 0, maps_of_rows(y, x));
    put(out, 1, std::move(qkv));
    put(out, 2, std::move(mixed));
    put(out, 3, std::move(logsumexp));
  });
}

// Of the output's gradient, normed, the map's weight, W, and what the forward pass gave beside its result: the
// gradients of normed, of weight and bias of the map, of W and b. That of x is the output's.
char *ablate_self_attention_backward(at::Tensor **out, const at::Tensor *const *in, const int64_t *heads) {
  return guarded([&] {
    const at::Tensor grad = rows(*in[0]), normed = rows(*in[1]);
    const at::Tensor &weight = *in[2], &last = *in[3], &qkv = *in[4], &mixed = *in[5], &logsumexp = *in[6];
    const int64_t images = in[0]->size(0), channels = in[0]->size(1);
    const auto part = [&](int64_t which) {
      return by_heads(qkv.narrow(1, which * channels, channels), images, *heads);
    };
    const at::Tensor dmixed = by_heads(at::mm(grad, last), images, *heads);
    auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        dmixed, part(0), part(1), part(2), mixed, logsumexp, /*dropout_p=*/0.0, /*is_causal=*/false);
    const std::array<at::Tensor, 3> grads{joined(dq), joined(dk), joined(dv)};
    at::Tensor dnormed, dweight = at::empty_like(weight), dbias = at::empty({3 * channels}, weight.options());
    for (int64_t which = 0; which < 3; ++which) {
      const at::Tensor back = third(weight, which);
      dnormed = which == 0 ? at::mm(grads[which], back) : dnormed.addmm_(grads[which], back);
      at::Tensor products = third(dweight, which), sums = third(dbias, which);
      products.addmm_(grads[which].t(), normed, /*beta=*/0);
      at::sum_out(sums, grads[which], at::IntArrayRef{0});
    }
    put(out, 0, maps_of_rows(dnormed, *in[1]));
    put(out, 1, std::move(dweight));
    put(out, 2, std::move(dbias));
    put(out, 3, at::mm(grad.t(), joined(mixed)));
    put(out, 4, grad.sum(0));
  });
}
}
