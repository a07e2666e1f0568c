//! From host memory to the device that a step works on.
//!
//! In: values and a device. Out: a tensor there. A GPU gets them without anybody waiting: burn's own way holds this thread
//! until the GPU has done all it was given before.

use burn::backend::libtorch::LibTorchDevice;
use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Tensor, TensorData};

use super::fused::Fused;

/// Values as a tensor on `device`, outside automatic differentiation.
pub(crate) fn upload<const D: usize>(values: TensorData, device: &Device) -> Tensor<D> {
    let device = device.clone().without_autodiff();
    match device.as_dispatch() {
        DispatchDevice::LibTorch(LibTorchDevice::Cuda(index)) => {
            let values = Tensor::<D>::from_data(values, &Device::libtorch()).into_dispatch();
            Tensor::from_dispatch(<Dispatch as Fused>::upload(values, *index))
        }
        _ => Tensor::from_data(values, &device),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{device, host};
    use super::*;

    #[test]
    fn values_arrive_as_they_were_on_the_device_under_test() {
        let values: Vec<f32> = (0..3 * 5).map(|value| value as f32 / 7.0).collect();
        for device in [device(), device().autodiff(), host()] {
            let there = upload::<2>(TensorData::new(values.clone(), [3, 5]), &device);
            assert_eq!(there.device(), device.without_autodiff());
            assert_eq!(there.into_data().try_into_vec::<f32>().unwrap(), values);
        }
    }
}
