//! How much memory a GPU has, and how much its tensors took. In: a device by name. Out: bytes, as the driver and libtorch's
//! allocator count them.

use std::ffi::{CString, c_char};

use super::{DeviceName, native};

unsafe extern "C" {
    fn ablate_peak_device_bytes(out: *mut i64, device: *const c_char) -> *mut c_char;
    fn ablate_device_bytes(out: *mut i64, device: *const c_char) -> *mut c_char;
}

/// The most bytes that tensors of a GPU held at a time since the program started; what the allocator keeps beside them
/// for reuse is not counted. `None` for host memory, and for Apple's GPU, whose allocator does not count.
pub(crate) fn peak_device_bytes(device: DeviceName) -> Option<u64> {
    let DeviceName::Cuda(_) = device else { return None };
    number(device, ablate_peak_device_bytes)
}

/// The bytes of a GPU in all; of Apple's, what its driver recommends to take at most. `None` for host memory, and where
/// the driver does not tell.
pub(crate) fn device_bytes(device: DeviceName) -> Option<u64> {
    let (DeviceName::Cuda(_) | DeviceName::Mps) = device else { return None };
    number(device, ablate_device_bytes).filter(|bytes| *bytes > 0)
}

fn number(
    device: DeviceName,
    ask: unsafe extern "C" fn(*mut i64, *const c_char) -> *mut c_char,
) -> Option<u64> {
    let name = CString::new(device.to_string()).expect("names of devices have no NUL");
    let mut bytes = 0;
    // SAFETY: `bytes` is a place for the one number that the callee writes, and the name outlives the call.
    native::check(unsafe { ask(&raw mut bytes, name.as_ptr()) });
    u64::try_from(bytes).ok()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::super::testing::{device, under_test};
    use super::*;

    #[test]
    fn what_tensors_of_a_gpu_take_is_counted_and_stays_the_peak_when_they_are_gone() {
        let megabyte = Tensor::<1>::zeros([1 << 18], &device());
        if let DeviceName::Cuda(_) | DeviceName::Mps = under_test() {
            assert!(device_bytes(under_test()).unwrap() > 1 << 20);
        } else {
            assert_eq!(device_bytes(under_test()), None);
        }
        let DeviceName::Cuda(_) = under_test() else {
            assert_eq!(peak_device_bytes(under_test()), None);
            return;
        };
        let found = peak_device_bytes(under_test()).unwrap();
        assert!(found >= 1 << 20, "{found}");
        drop(megabyte);
        assert!(peak_device_bytes(under_test()).unwrap() >= found);
    }
}
