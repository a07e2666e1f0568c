//! The built-in data set: drawings of ten everyday objects at any size, in grey or colour.
//!
//! In: a size and a number of channels. Out: 8,192 training and 1,024 test images. Image i is a function of
//! (i, size, channels); no seed of a run touches it. Its object, place and tilt are the same at every size.
//! The objects fill most of the frame and tilt little, so that a small network draws recognisable ones after
//! a minute or two on a CPU.

mod figure;
mod paint;

use super::error::Error;
use super::random::{Draw, Stream};
use super::reader::{Images, Part, Reader, Shape, image_id};
use figure::FIGURES;

/// Training images.
const TRAIN_COUNT: usize = 8192;
/// Test images.
const TEST_COUNT: usize = 1024;
/// The index of the first test image: far from any training image, however many there will be.
const TEST_START: u64 = 1 << 32;
/// Changes with every change of a drawn pixel.
const VERSION: u32 = 1;

/// The reader of the built-in drawings.
#[derive(Debug)]
pub(super) struct Shapes {
    shape: Shape,
}

impl Shapes {
    pub(super) fn new(image_size: usize, channels: usize) -> Self {
        Self { shape: Shape::square(channels, image_size) }
    }
}

impl Reader for Shapes {
    fn name(&self) -> &'static str {
        "shapes"
    }

    fn place(&self) -> String {
        "built in".to_owned()
    }

    fn identity(&self) -> String {
        format!("version {VERSION}")
    }

    fn count(&self, part: Part) -> usize {
        match part {
            Part::Train => TRAIN_COUNT,
            Part::Test => TEST_COUNT,
        }
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn images(&self, part: Part) -> Result<Box<dyn Images>, Error> {
        Ok(Box::new(Drawings { shape: self.shape, stream: Stream::new(0, "shapes"), part }))
    }
}

#[derive(Debug)]
struct Drawings {
    shape: Shape,
    stream: Stream,
    part: Part,
}

impl Images for Drawings {
    fn read(&self, position: usize, pixels: &mut [u8]) -> Result<u64, Error> {
        let start = match self.part {
            Part::Train => 0,
            Part::Test => TEST_START,
        };
        draw_image(start + position as u64, &self.stream, self.shape, pixels);
        Ok(image_id("shapes", self.part, position as u64, &[]))
    }

    fn label(&self, position: usize) -> String {
        format!("drawing {position} of {}", self.part.name())
    }
}

/// Draws image `index`: the objects take turns, everything else is drawn from the stream.
fn draw_image(index: u64, stream: &Stream, shape: Shape, pixels: &mut [u8]) {
    let mut draw = stream.at(index);
    let figure = FIGURES[(index % FIGURES.len() as u64) as usize];
    let pose = Pose::draw(&mut draw);
    let palette = paint::Palette::draw(&mut draw, shape.channels);
    let (size, area) = (shape.width, shape.width * shape.height);
    for y in 0..size {
        for x in 0..size {
            let coverage = pose.coverage(figure, x, y, size);
            for channel in 0..shape.channels {
                pixels[channel * area + y * size + x] = palette.blend(channel, coverage);
            }
        }
    }
}

/// Where a figure lies in the frame; the frame is [-1, 1]², y upwards.
struct Pose {
    centre: [f32; 2],
    radius: f32,
    sine: f32,
    cosine: f32,
}

impl Pose {
    fn draw(draw: &mut Draw) -> Self {
        let radius = between(draw, 0.7, 0.88);
        let room = 0.95 - radius;
        let centre = [between(draw, -room, room), between(draw, -room, room)];
        // Up to 14 degrees.
        let (sine, cosine) = libm::sincosf(between(draw, -0.25, 0.25));
        Self { centre, radius, sine, cosine }
    }

    /// How much of pixel (x, y) the figure covers, 0 to 1, from the distance of its centre to the outline.
    fn coverage(&self, figure: figure::Figure, x: usize, y: usize, size: usize) -> f32 {
        let half = size as f32 / 2.0;
        let dx = ((x as f32 + 0.5) / half - 1.0 - self.centre[0]) / self.radius;
        let dy = (1.0 - (y as f32 + 0.5) / half - self.centre[1]) / self.radius;
        let turned = [self.cosine * dx + self.sine * dy, self.cosine * dy - self.sine * dx];
        let distance_pixels = figure(turned) * self.radius * half;
        (0.5 - distance_pixels).clamp(0.0, 1.0)
    }
}

/// Uniform between two bounds.
fn between(draw: &mut Draw, low: f32, high: f32) -> f32 {
    low + (high - low) * draw.uniform() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(size: usize, channels: usize, part: Part, n: usize) -> Vec<Vec<u8>> {
        let reader = Shapes::new(size, channels);
        let images = reader.images(part).unwrap();
        let mut pixels = vec![0; reader.shape().values()];
        (0..n)
            .map(|position| {
                images.read(position, &mut pixels).unwrap();
                pixels.clone()
            })
            .collect()
    }

    #[test]
    fn pixels_are_the_ones_of_every_earlier_version() {
        for (size, channels, golden) in [(16, 1, "139db1c10c653273"), (32, 3, "9d2df0de2bf33873")] {
            let mut hasher = blake3::Hasher::new();
            for image in images(size, channels, Part::Train, 40) {
                hasher.update(&image);
            }
            assert_eq!(hasher.finalize().to_hex()[..16], *golden);
        }
    }

    #[test]
    fn every_image_shows_an_object_on_a_background() {
        for channels in [1, 3] {
            for (i, image) in images(16, channels, Part::Train, 200).iter().enumerate() {
                let contrast = (0..channels).map(|c| {
                    let plane = &image[c * 256..(c + 1) * 256];
                    plane.iter().max().unwrap() - plane.iter().min().unwrap()
                });
                assert!(contrast.max().unwrap() > 90, "image {i} with {channels} channels is flat");
            }
        }
    }

    #[test]
    fn no_two_images_are_equal_and_test_images_are_their_own() {
        let mut all = images(16, 1, Part::Train, 1024);
        all.extend(images(16, 1, Part::Test, 1024));
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
    }

    #[test]
    fn grey_objects_are_bright_on_dark() {
        for image in images(28, 1, Part::Train, 50) {
            assert!(image[0] < 60, "the corner is background");
            assert!(*image.iter().max().unwrap() > 180);
        }
    }
}
