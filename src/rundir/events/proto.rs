//! The few wire types of protocol buffers that an event needs.
//!
//! In: field numbers and values. Out: the bytes of a message. As in proto3, a number that is 0 is written only where
//! its presence says something, which is the caller's to know.

/// A message while it is written.
#[derive(Debug, Default, Clone)]
pub(super) struct Message(Vec<u8>);

const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
const BYTES: u32 = 2;
const FIXED_32: u32 = 5;

impl Message {
    pub(super) fn new() -> Message {
        Message::default()
    }

    /// `int64`, `int32`, `bool` or an enumeration.
    pub(super) fn integer(self, field: u32, value: u64) -> Message {
        self.tag(field, VARINT).varint(value)
    }

    /// `double`.
    pub(super) fn double(self, field: u32, value: f64) -> Message {
        self.tag(field, FIXED_64).raw(&value.to_le_bytes())
    }

    /// `float`.
    pub(super) fn float(self, field: u32, value: f32) -> Message {
        self.tag(field, FIXED_32).raw(&value.to_le_bytes())
    }

    /// `string` or `bytes`.
    pub(super) fn bytes(self, field: u32, value: impl AsRef<[u8]>) -> Message {
        let value = value.as_ref();
        self.tag(field, BYTES).varint(value.len() as u64).raw(value)
    }

    /// Another message.
    pub(super) fn message(self, field: u32, value: Message) -> Message {
        self.bytes(field, value.0)
    }

    /// The finished message.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn tag(self, field: u32, wire: u32) -> Message {
        self.varint(u64::from(field << 3 | wire))
    }

    /// Seven bits a byte, lowest first; the highest bit says that more follow.
    fn varint(mut self, mut value: u64) -> Message {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Message {
        self.0.extend_from_slice(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_bytes_that_the_format_documents() {
        assert_eq!(Message::new().integer(1, 150).finish(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().bytes(2, "testing").finish(), *b"\x12\x07testing");
        let inner = Message::new().integer(1, 150);
        assert_eq!(Message::new().message(3, inner).finish(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().double(1, 1.0).finish(), [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        assert_eq!(Message::new().float(2, -2.0).finish(), [0x15, 0, 0, 0, 0xc0]);
        assert_eq!(Message::new().integer(16, u64::MAX).finish().len(), 2 + 10);
    }
}
