//! Bindings to `native.cpp`: gradients and settings that libtorch has and tch does not bind.

use std::ffi::{CStr, c_char};

use tch::Tensor;

/// tch's C_tensor: an `at::Tensor`.
pub(super) type Raw = torch_sys::C_tensor;

unsafe extern "C" {
    fn ablate_conv2d_backward(
        out: *mut *mut Raw,
        grad: *const Raw,
        input: *const Raw,
        weight: *const Raw,
        stride: i64,
        padding: i64,
        wanted: *const bool,
    ) -> *mut c_char;
    fn ablate_group_norm_backward(
        out: *mut *mut Raw,
        grad: *const Raw,
        input: *const Raw,
        mean: *const Raw,
        rstd: *const Raw,
        weight: *const Raw,
        groups: i64,
    ) -> *mut c_char;
    fn ablate_attention(out: *mut *mut Raw, q: *const Raw, k: *const Raw, v: *const Raw) -> *mut c_char;
    fn ablate_attention_backward(
        out: *mut *mut Raw,
        attended: *const Raw,
        q: *const Raw,
        k: *const Raw,
        v: *const Raw,
        grad: *const Raw,
    ) -> *mut c_char;
    fn ablate_upload(out: *mut *mut Raw, values: *const Raw, index: i64) -> *mut c_char;
    fn ablate_singular_values(out: *mut *mut Raw, matrix: *const Raw) -> *mut c_char;
    fn ablate_allow_tf32(allowed: bool, before: *mut bool) -> *mut c_char;
    fn ablate_keep_memory();
    fn ablate_set_deterministic(on: bool) -> *mut c_char;
    fn free(pointer: *mut c_char);
}

/// Backward pass of a 2-D convolution, by libtorch's own kernel: gradients of input, weight and bias where wanted.
pub(super) fn conv2d_backward(
    grad: &Tensor,
    input: &Tensor,
    weight: &Tensor,
    [stride, padding]: [i64; 2],
    wanted: [bool; 3],
) -> [Option<Tensor>; 3] {
    collect(|out| {
        // SAFETY: all pointers come from live tensors, `out` and `wanted` have the three places the callee uses.
        unsafe {
            ablate_conv2d_backward(
                out,
                grad.as_ptr(),
                input.as_ptr(),
                weight.as_ptr(),
                stride,
                padding,
                wanted.as_ptr(),
            )
        }
    })
}

/// Backward pass of `native_group_norm`: gradients of input, weight and bias. `mean` and `rstd` are what its forward
/// pass returned.
pub(super) fn group_norm_backward(
    grad: &Tensor,
    input: &Tensor,
    [mean, rstd]: [&Tensor; 2],
    weight: &Tensor,
    groups: i64,
) -> [Option<Tensor>; 3] {
    collect(|out| {
        // SAFETY: as above.
        unsafe {
            ablate_group_norm_backward(
                out,
                grad.as_ptr(),
                input.as_ptr(),
                mean.as_ptr(),
                rstd.as_ptr(),
                weight.as_ptr(),
                groups,
            )
        }
    })
}

/// Attention by the kernel that libtorch has for the device: what was attended, and q, k and v, all four recorded for
/// [`attention_backward`]. They share the memory of the inputs.
pub(super) fn attention([q, k, v]: [&Tensor; 3]) -> [Tensor; 4] {
    // SAFETY: all pointers come from live tensors, and `out` has four places.
    let made = collect(|out| unsafe { ablate_attention(out, q.as_ptr(), k.as_ptr(), v.as_ptr()) });
    made.map(|tensor| tensor.expect("without a complaint all four are made"))
}

/// Gradients of q, k and v, from the gradient of what [`attention`] gave; once.
pub(super) fn attention_backward([attended, q, k, v]: [&Tensor; 4], grad: &Tensor) -> [Option<Tensor>; 3] {
    collect(|out| {
        // SAFETY: as above, with three places.
        unsafe {
            ablate_attention_backward(
                out,
                attended.as_ptr(),
                q.as_ptr(),
                k.as_ptr(),
                v.as_ptr(),
                grad.as_ptr(),
            )
        }
    })
}

/// A copy of a tensor of host memory on a GPU by its number; what runs there next waits for it, this thread does not.
pub(super) fn upload(values: &Tensor, index: usize) -> Tensor {
    // SAFETY: the tensor lives through the call, which gives one tensor.
    let sent = one(|out| unsafe { ablate_upload(out, values.as_ptr(), index as i64) });
    sent.unwrap_or_else(|complaint| panic!("libtorch: {complaint}"))
}

/// Singular values of a matrix, falling; an error is libtorch's own text.
pub(super) fn singular_values(matrix: &Tensor) -> Result<Tensor, String> {
    // SAFETY: the matrix lives through the call, which gives one tensor.
    one(|out| unsafe { ablate_singular_values(out, matrix.as_ptr()) })
}

/// Lets a GPU round the factors of 32-bit products to TF32, or not; says what it might before.
pub(super) fn allow_tf32(allowed: bool) -> bool {
    let mut before = false;
    // SAFETY: `before` lives through the call, which sets flags of libtorch's global context.
    check(unsafe { ablate_allow_tf32(allowed, &mut before) });
    before
}

/// Has this process keep memory that it frees, for what it allocates next.
pub(super) fn keep_memory() {
    // SAFETY: sets two limits of the C library's allocator, which any thread may be using.
    unsafe { ablate_keep_memory() };
}

/// Restricts libtorch to operations that give the same bits every time.
pub(super) fn set_deterministic(on: bool) {
    // SAFETY: as above.
    check(unsafe { ablate_set_deterministic(on) });
}

/// Runs a call that fills some places and takes the tensors over.
pub(super) fn collect<const N: usize>(
    call: impl FnOnce(*mut *mut Raw) -> *mut c_char,
) -> [Option<Tensor>; N] {
    let mut out = [std::ptr::null_mut(); N];
    check(call(out.as_mut_ptr()));
    // SAFETY: a pointer that is not null is a new at::Tensor that nobody else owns.
    out.map(|raw| (!raw.is_null()).then(|| unsafe { Tensor::from_ptr(raw) }))
}

/// Runs a call that fills one place and takes the tensor over; or what it complains of.
pub(super) fn one(call: impl FnOnce(*mut *mut Raw) -> *mut c_char) -> Result<Tensor, String> {
    let mut out = std::ptr::null_mut();
    match complaint(call(&raw mut out)) {
        Some(text) => Err(text),
        // SAFETY: without a complaint this is a new at::Tensor that nobody else owns.
        None => Ok(unsafe { Tensor::from_ptr(out) }),
    }
}

/// Panics with libtorch's complaint, as tch does, unless there is none.
pub(super) fn check(message: *mut c_char) {
    if let Some(text) = complaint(message) {
        panic!("libtorch: {text}");
    }
}

/// What a call to C++ complains of, if of anything.
pub(super) fn complaint(message: *mut c_char) -> Option<String> {
    if message.is_null() {
        return None;
    }
    // SAFETY: the callee returns a string from strdup, ours to read and to free once.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        free(message);
        Some(text)
    }
}
