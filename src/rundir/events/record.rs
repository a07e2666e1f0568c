//! The framing of an event file: each record with its length, and a checksum behind either.
//!
//! In: the bytes of a message. Out: the TFRecord of it, appended: length (u64), checksum of the length (u32), the
//! message, its checksum (u32), little-endian. Checksums are CRC-32C (Castagnoli), rotated and offset, since the
//! checksum of a text that holds its own checksum is a weak one.

/// Bytes of a record besides its message.
#[cfg(test)]
pub(super) const FRAME: usize = 16;
/// 0x1EDC6F41, its bits in reverse.
const POLYNOMIAL: u32 = 0x82F6_3B78;
const MASK: u32 = 0xA282_EAD8;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = remainder & 1;
            remainder = (remainder >> 1) ^ (carry * POLYNOMIAL);
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
}

/// CRC-32C.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)];
    !bytes.iter().fold(!0, step)
}

/// The checksum as a record carries it.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(MASK)
}

/// Appends a message as a record.
pub(super) fn push(file: &mut Vec<u8>, message: &[u8]) {
    let length = (message.len() as u64).to_le_bytes();
    file.extend_from_slice(&length);
    file.extend_from_slice(&checksum(&length).to_le_bytes());
    file.extend_from_slice(message);
    file.extend_from_slice(&checksum(message).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4, and the check value of the catalogues.
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        let rising: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&rising), 0x46DD_794E);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn a_record_is_framed_by_length_and_checksums() {
        let mut file = vec![];
        push(&mut file, b"123456789");
        assert_eq!(file.len(), 9 + FRAME);
        assert_eq!(file[..8], [9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(file[12..21], *b"123456789");
        // ((0xE3069283 >> 15) | (0xE3069283 << 17)) + 0xA282EAD8, by hand.
        assert_eq!(file[21..], 0xC78A_B0E5_u32.to_le_bytes());
    }
}
