//! Files of tensors that the comparisons with PyTorch pass around: safetensors, with texts beside the tensors.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// One tensor as the file has it.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// A whole file.
pub(crate) struct TensorFile {
    tensors: BTreeMap<String, Stored>,
    texts: HashMap<String, String>,
}

impl TensorFile {
    #[track_caller]
    pub(crate) fn read(path: &Path) -> TensorFile {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let store = |(name, view): (&str, TensorView)| {
            let (dtype, shape) = (view.dtype(), view.shape().to_vec());
            (name.to_owned(), Stored { dtype, shape, bytes: view.data().to_vec() })
        };
        TensorFile {
            tensors: SafeTensors::deserialize(&bytes).unwrap().iter().map(store).collect(),
            texts: header.metadata().clone().unwrap_or_default(),
        }
    }

    /// A text beside the tensors.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// All texts, by key.
    pub(crate) fn texts(&self) -> BTreeMap<&str, &str> {
        self.texts.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// What follows a prefix in the names that have it, in their order.
    pub(crate) fn under<'f>(&'f self, prefix: &'f str) -> impl Iterator<Item = &'f str> {
        self.tensors.keys().filter_map(move |name| name.strip_prefix(prefix))
    }

    #[track_caller]
    fn stored(&self, name: &str) -> &Stored {
        self.tensors.get(name).unwrap_or_else(|| panic!("no tensor {name}"))
    }

    pub(crate) fn shape(&self, name: &str) -> &[usize] {
        &self.stored(name).shape
    }

    /// A tensor of bytes, or the bytes of any other.
    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        &self.stored(name).bytes
    }

    /// The values of a tensor of 32-bit floats.
    pub(crate) fn values(&self, name: &str) -> Vec<f32> {
        let stored = self.stored(name);
        assert_eq!(stored.dtype, Dtype::F32, "{name}");
        stored.bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    }

    /// The same on a device.
    pub(crate) fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let shape: [usize; D] = self.shape(name).try_into().unwrap();
        Tensor::from_data(TensorData::new(self.values(name), shape), device)
    }

    /// The tensors below a prefix as a file of their own, without it.
    pub(crate) fn part(&self, prefix: &str) -> Vec<u8> {
        let view = |name| {
            let Stored { dtype, shape, bytes } = self.stored(&format!("{prefix}{name}"));
            (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        };
        safetensors::serialize(self.under(prefix).map(view), None).unwrap()
    }
}
