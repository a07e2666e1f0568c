//! Picture files: from the bytes of a PNG, JPEG or WebP file to a square image of 8-bit values.
//!
//! In: a file's bytes and the size asked for. Out: C·H·W bytes, channel after channel. `decode` turns the file
//! upright, in grey or RGB; `square` cuts the middle square out and resizes it. The format is recognised by
//! content. Every step is integer arithmetic, the same on every machine.

mod decode;
mod jpeg;
mod square;

use super::reader::Shape;

pub(super) use decode::is_picture;
pub(super) use square::Picture;

/// Decodes a file into `pixels` at the size `shape`; an error says what is wrong with the file.
pub(super) fn read(bytes: &[u8], shape: Shape, pixels: &mut [u8]) -> Result<(), String> {
    let picture = decode::decode(bytes, shape.channels)?;
    picture.fit(shape, pixels);
    Ok(())
}
