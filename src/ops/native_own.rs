//! Bindings to `norm.cpp`, `conv.cpp`, `upsample.cpp` and `matrix.cpp`: passes of our own over feature maps in host memory, in
//! 32-bit floats. What goes in and what comes out is listed there.

use std::ffi::c_char;

use tch::{Device, Kind, Tensor};

use super::native::{Raw, collect};
use super::norm_op::Norm;

unsafe extern "C" {
    fn ablate_norm(
        out: *mut *mut Raw,
        x: *const Raw,
        other: *const Raw,
        weight: *const Raw,
        bias: *const Raw,
        groups: i64,
        eps: f64,
        silu: bool,
    ) -> *mut c_char;
    fn ablate_norm_backward(
        out: *mut *mut Raw,
        grad: *const Raw,
        x: *const Raw,
        other: *const Raw,
        mean: *const Raw,
        rstd: *const Raw,
        weight: *const Raw,
        bias: *const Raw,
        groups: i64,
        silu: bool,
        reuse: bool,
    ) -> *mut c_char;
    fn ablate_conv(out: *mut *mut Raw, inputs: *const *const Raw, options: *const i64) -> *mut c_char;
    fn ablate_conv_backward(
        out: *mut *mut Raw,
        inputs: *const *const Raw,
        options: *const i64,
    ) -> *mut c_char;
    fn ablate_upsample_conv(
        out: *mut *mut Raw,
        inputs: *const *const Raw,
        options: *const i64,
    ) -> *mut c_char;
    fn ablate_upsample_conv_backward(
        out: *mut *mut Raw,
        inputs: *const *const Raw,
        options: *const i64,
    ) -> *mut c_char;
    fn ablate_pointwise(out: *mut *mut Raw, inputs: *const *const Raw, options: *const i64) -> *mut c_char;
    fn ablate_pointwise_backward(
        out: *mut *mut Raw,
        inputs: *const *const Raw,
        options: *const i64,
    ) -> *mut c_char;
    fn ablate_self_attention(
        out: *mut *mut Raw,
        inputs: *const *const Raw,
        options: *const i64,
    ) -> *mut c_char;
    fn ablate_self_attention_backward(
        out: *mut *mut Raw,
        inputs: *const *const Raw,
        options: *const i64,
    ) -> *mut c_char;
}

/// Whether the kernels here take this feature map.
pub(super) fn own_format(x: &Tensor) -> bool {
    x.device() == Device::Cpu && x.kind() == Kind::Float
}

/// Group norm in host memory in 32 bits: the result, and mean and 1/spread of each group in 64 bits.
pub(super) fn norm(
    x: &Tensor,
    other: Option<&Tensor>,
    weight: &Tensor,
    bias: &Tensor,
    norm: Norm,
) -> [Tensor; 3] {
    let made = collect(|out| {
        // SAFETY: all pointers come from live tensors, but `other`, which may be null; `out` has the places the callee
        // fills.
        unsafe {
            ablate_norm(
                out,
                x.as_ptr(),
                pointer(other),
                weight.as_ptr(),
                bias.as_ptr(),
                norm.groups,
                norm.eps,
                norm.silu,
            )
        }
    });
    made.map(|tensor| tensor.expect("without a complaint all three are made"))
}

/// Its backward pass: gradients of x, weight, bias and, where there is one, `other`. That of x may take the place of
/// `grad` where the flag beside it says so.
pub(super) fn norm_backward(
    (grad, reuse): (&Tensor, bool),
    x: &Tensor,
    other: Option<&Tensor>,
    [mean, rstd]: [&Tensor; 2],
    [weight, bias]: [&Tensor; 2],
    norm: Norm,
) -> [Option<Tensor>; 4] {
    collect(|out| {
        // SAFETY: as above.
        unsafe {
            ablate_norm_backward(
                out,
                grad.as_ptr(),
                x.as_ptr(),
                pointer(other),
                mean.as_ptr(),
                rstd.as_ptr(),
                weight.as_ptr(),
                bias.as_ptr(),
                norm.groups,
                norm.silu,
                reuse,
            )
        }
    })
}

/// Functions of `conv.cpp`, `upsample.cpp` and `matrix.cpp`: what goes in and what comes out is listed there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Own {
    Conv,
    ConvBackward,
    UpsampleConv,
    UpsampleConvBackward,
    Pointwise,
    PointwiseBackward,
    SelfAttention,
    SelfAttentionBackward,
}

/// Calls one of them, with the options that it lists.
pub(super) fn own<const I: usize, const O: usize>(
    function: Own,
    inputs: [Option<&Tensor>; I],
    options: &[i64],
) -> [Option<Tensor>; O] {
    let call = match function {
        Own::Conv => ablate_conv,
        Own::ConvBackward => ablate_conv_backward,
        Own::UpsampleConv => ablate_upsample_conv,
        Own::UpsampleConvBackward => ablate_upsample_conv_backward,
        Own::Pointwise => ablate_pointwise,
        Own::PointwiseBackward => ablate_pointwise_backward,
        Own::SelfAttention => ablate_self_attention,
        Own::SelfAttentionBackward => ablate_self_attention_backward,
    };
    let inputs = inputs.map(pointer);
    // SAFETY: the pointers come from live tensors or are null, and the callers in `own.rs`, `own_backward.rs`,
    // `fused.rs` and `backward.rs` give as many inputs, options and places for results as the function reads and fills.
    collect(|out| unsafe { call(out, inputs.as_ptr(), options.as_ptr()) })
}

fn pointer(tensor: Option<&Tensor>) -> *const Raw {
    tensor.map_or(std::ptr::null(), |tensor| tensor.as_ptr())
}
