//! Bindings to `module.cpp`: TorchScript modules that turn images into features.
//!
//! tch's own module cannot say which arguments `forward` has, and published extractors give features only when asked
//! to by an argument's name.

use std::ffi::{CString, c_char};

use tch::Tensor;

use super::native::{self, complaint};

/// A `torch::jit::Module`.
#[repr(C)]
struct Raw {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn ablate_module_load(
        out: *mut *mut Raw,
        bytes: *const c_char,
        length: usize,
        device: *const c_char,
    ) -> *mut c_char;
    fn ablate_module_features(
        out: *mut *mut torch_sys::C_tensor,
        module: *const Raw,
        images: *const torch_sys::C_tensor,
    ) -> *mut c_char;
    fn ablate_module_free(module: *mut Raw);
}

/// A module that was loaded, in evaluation mode.
#[derive(Debug)]
pub(super) struct Module {
    raw: *mut Raw,
}

impl Module {
    /// Reads a module from the bytes of its file; an error is libtorch's own text.
    pub(super) fn load(bytes: &[u8], device: &str) -> Result<Self, String> {
        let device = CString::new(device).expect("names of devices have no NUL");
        let mut raw = std::ptr::null_mut();
        // SAFETY: the bytes and the name outlive the call, which copies what it keeps; `raw` is a place for one pointer.
        let message =
            unsafe { ablate_module_load(&raw mut raw, bytes.as_ptr().cast(), bytes.len(), device.as_ptr()) };
        complaint(message).map_or(Ok(Self { raw }), Err)
    }

    /// `forward(images)`, asked for features where it has an argument of that name.
    pub(super) fn features(&self, images: &Tensor) -> Result<Tensor, String> {
        // SAFETY: the module and the tensor live through the call, which gives one tensor.
        native::one(|out| unsafe { ablate_module_features(out, self.raw, images.as_ptr()) })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: made by `ablate_module_load` and freed once.
        unsafe { ablate_module_free(self.raw) }
    }
}
