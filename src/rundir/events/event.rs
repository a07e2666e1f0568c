//! The messages of an event file: what TensorBoard's own writer puts into `Event` and `Summary`, field by field.
//!
//! In: a time, a step and values. Out: the bytes of one `Event`.

use super::proto::Message;

/// The format of the file, which its first event names.
const VERSION: &str = "brain.Event:2";

/// Fields of `Event`.
mod field {
    pub(super) const WALL_TIME: u32 = 1;
    pub(super) const STEP: u32 = 2;
    pub(super) const FILE_VERSION: u32 = 3;
    pub(super) const SUMMARY: u32 = 5;
    pub(super) const SESSION_LOG: u32 = 7;
}

/// `SessionLog.SessionStatus.START`.
const START: u64 = 1;

/// A picture as a PNG file, and what its summary says of it.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    width: u32,
    height: u32,
    /// Channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    colorspace: u64,
    png: Vec<u8>,
}

impl Picture {
    /// A PNG file; `None` where it is none. Its first chunk, of fixed size, has width, height and kind of colour.
    pub(super) fn of(png: Vec<u8>) -> Option<Picture> {
        let rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
        let (width, rest) = rest.split_first_chunk()?;
        let (height, rest) = rest.split_first_chunk()?;
        let colorspace = match rest.get(1)? {
            0 => 1,
            4 => 2,
            2 | 3 => 3,
            6 => 4,
            _ => return None,
        };
        let (width, height) = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
        Some(Picture { width, height, colorspace, png })
    }
}

fn event(wall_time: f64, step: u64) -> Message {
    let message = Message::new().double(field::WALL_TIME, wall_time);
    if step == 0 { message } else { message.integer(field::STEP, step) }
}

/// The first event of a file.
pub(super) fn version(wall_time: f64) -> Vec<u8> {
    event(wall_time, 0).bytes(field::FILE_VERSION, VERSION).finish()
}

/// Says that what was read of earlier files from step 0 on is to be forgotten: a TensorBoard that has been watching
/// the run would else show its points twice.
pub(super) fn start(wall_time: f64) -> Vec<u8> {
    let session = Message::new().integer(1, START);
    event(wall_time, 0).message(field::SESSION_LOG, session).finish()
}

/// Some numbers of a step.
pub(super) fn scalars(wall_time: f64, step: u64, values: &[(String, f64)]) -> Vec<u8> {
    let value = |(tag, number): &(String, f64)| Message::new().bytes(1, tag).float(2, *number as f32);
    let summary = values.iter().fold(Message::new(), |summary, found| summary.message(1, value(found)));
    event(wall_time, step).message(field::SUMMARY, summary).finish()
}

/// A picture of a step.
pub(super) fn image(wall_time: f64, step: u64, tag: &str, picture: &Picture) -> Vec<u8> {
    let image = Message::new()
        .integer(1, picture.height.into())
        .integer(2, picture.width.into())
        .integer(3, picture.colorspace)
        .bytes(4, &picture.png);
    let value = Message::new().bytes(1, tag).message(4, image);
    event(wall_time, step).message(field::SUMMARY, Message::new().message(1, value)).finish()
}

/// Something for a plugin, which takes no step and no number.
pub(super) fn plugin_data(wall_time: f64, tag: &str, plugin: &str, content: Message) -> Vec<u8> {
    const DT_FLOAT: u64 = 1;
    // A tensor without elements: one axis of length 0.
    let shape = Message::new().message(2, Message::new());
    let tensor = Message::new().integer(1, DT_FLOAT).message(2, shape);
    let data = Message::new().bytes(1, plugin).bytes(2, content.finish());
    let metadata = Message::new().message(1, data);
    let value = Message::new().bytes(1, tag).message(8, tensor).message(9, metadata);
    event(wall_time, 0).message(field::SUMMARY, Message::new().message(1, value)).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn events_have_the_bytes_of_a_file_that_tensorboard_reads() {
        assert_eq!(hex(&version(1.0)), "09000000000000f03f1a0d627261696e2e4576656e743a32");
        assert_eq!(hex(&start(1.0)), "09000000000000f03f3a020801");
        let numbers = [("a".to_owned(), 0.5), ("b".to_owned(), -1.0)];
        assert_eq!(
            hex(&scalars(1.0, 300, &numbers)),
            // wall_time, step 300, summary of two values: tag and simple_value each.
            "09000000000000f03f10ac022a140a080a0161150000003f0a080a01621500\
             0080bf"
        );
    }

    #[test]
    fn a_picture_is_told_by_its_first_chunk() {
        let mut png = std::io::Cursor::new(vec![]);
        image::GrayImage::new(7, 300).write_to(&mut png, image::ImageFormat::Png).unwrap();
        let picture = Picture::of(png.into_inner()).unwrap();
        assert_eq!((picture.width, picture.height, picture.colorspace), (7, 300, 1));
        let mut png = std::io::Cursor::new(vec![]);
        image::RgbImage::new(2, 3).write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = png.into_inner();
        assert_eq!(Picture::of(png.clone()).unwrap().colorspace, 3);
        for cut in [0, 8, 17, 25] {
            assert_eq!(Picture::of(png[..cut].to_vec()), None, "{cut} bytes");
        }
        assert_eq!(Picture::of(b"GIF89a".to_vec()), None);
    }
}
