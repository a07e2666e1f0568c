//! Numbers as a page carries them: 64-bit floats, little-endian, in base64.
//!
//! In: values, NaN where there is none. Out: a JSON string of 11 characters a value, where exact decimals take up to
//! 24 and JSON has no NaN.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

/// Characters of one value.
pub(super) const BYTES_A_VALUE: usize = 11;

/// A column of numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Packed(pub(super) Vec<f64>);

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|value| value.to_le_bytes()).collect();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl FromIterator<f64> for Packed {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_reads_back_bit_by_bit() {
        let column = Packed(vec![0.1, -0.0, f64::NAN, 1e-300]);
        let text: String = serde_json::from_value(serde_json::to_value(&column).unwrap()).unwrap();
        let bytes = STANDARD.decode(text).unwrap();
        let bits = |value: &f64| value.to_bits();
        let read: Vec<u64> =
            bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap())).collect();
        assert_eq!(read, column.0.iter().map(bits).collect::<Vec<_>>());
    }
}
