//! A picture to draw lines and text on, with smooth edges.
//!
//! In: points in pixels, x to the right and y down. Out: an image in RGB.

use image::{Rgb, RgbImage};

use super::font;

pub(super) type Point = [f32; 2];
pub(super) type Colour = [u8; 3];

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen<'a> {
    pub(super) colour: Colour,
    /// In pixels.
    pub(super) width: f32,
    /// Lengths that are drawn and left out in turn; drawn through where it is empty.
    pub(super) dash: &'a [f32],
}

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Align {
    Left,
    Middle,
    Right,
}

#[derive(Debug)]
pub(super) struct Canvas {
    pub(super) image: RgbImage,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32, paper: Colour) -> Canvas {
        Canvas { image: RgbImage::from_pixel(width, height, Rgb(paper)) }
    }

    /// Fills a rectangle, given by two corners.
    pub(super) fn fill(&mut self, [left, top]: Point, [right, bottom]: Point, colour: Colour) {
        let (width, height) = self.image.dimensions();
        let pixels = |from: f32, to: f32, end: u32| {
            let within = |at: f32| at.round().clamp(0.0, end as f32) as u32;
            within(from)..within(to)
        };
        for y in pixels(top, bottom, height) {
            for x in pixels(left, right, width) {
                self.image.put_pixel(x, y, Rgb(colour));
            }
        }
    }

    /// A line through points, with round ends.
    pub(super) fn line(&mut self, points: &[Point], pen: Pen<'_>) {
        if pen.dash.is_empty() {
            return self.solid(points, pen);
        }
        for piece in dashes(points, pen.dash) {
            self.solid(&piece, pen);
        }
    }

    /// Writes a text whose capitals are so many pixels high; `at` is on its baseline.
    pub(super) fn text(&mut self, text: &str, at: Point, height: f32, align: Align, colour: Colour) {
        let unit = height / 10.0;
        let back = match align {
            Align::Left => 0.0,
            Align::Middle => font::width(text) / 2.0,
            Align::Right => font::width(text),
        };
        let pen = Pen { colour, width: (height * 0.13).max(1.2), dash: &[] };
        for stroke in font::strokes(text) {
            let place = |[x, y]: Point| [at[0] + (x - back) * unit, at[1] - y * unit];
            self.solid(&stroke.into_iter().map(place).collect::<Vec<_>>(), pen);
        }
    }

    /// Each pixel takes as much of the colour as its nearest part of the line covers, once: joints are no darker.
    fn solid(&mut self, points: &[Point], pen: Pen<'_>) {
        let reach = pen.width / 2.0 + 1.0;
        let bound = |axis: usize, start: f32, choose: fn(f32, f32) -> f32, end: u32| {
            let edge = points.iter().map(|point| point[axis]).fold(start, choose);
            (if start > 0.0 { edge - reach } else { edge + reach }).clamp(0.0, end as f32) as usize
        };
        let (width, height) = self.image.dimensions();
        let (left, right) =
            (bound(0, f32::INFINITY, f32::min, width), bound(0, f32::NEG_INFINITY, f32::max, width));
        let (top, bottom) =
            (bound(1, f32::INFINITY, f32::min, height), bound(1, f32::NEG_INFINITY, f32::max, height));
        let columns = right.saturating_sub(left);
        let mut covered = vec![0_f32; columns * bottom.saturating_sub(top)];
        for pair in points.windows(2) {
            let span = |axis: usize, from: usize, to: usize| {
                let (low, high) = (pair[0][axis].min(pair[1][axis]), pair[0][axis].max(pair[1][axis]));
                ((low - reach).max(from as f32) as usize)
                    ..((high + reach + 1.0).clamp(0.0, to as f32) as usize)
            };
            for y in span(1, top, bottom) {
                for x in span(0, left, right) {
                    let away = distance([x as f32 + 0.5, y as f32 + 0.5], pair[0], pair[1]);
                    let share = (pen.width / 2.0 + 0.5 - away).clamp(0.0, 1.0);
                    let pixel = &mut covered[(y - top) * columns + x - left];
                    *pixel = pixel.max(share);
                }
            }
        }
        for (place, share) in covered.into_iter().enumerate().filter(|(_, share)| *share > 0.0) {
            let pixel =
                self.image.get_pixel_mut((left + place % columns) as u32, (top + place / columns) as u32);
            for (old, new) in pixel.0.iter_mut().zip(pen.colour) {
                *old = (f32::from(*old) + share * (f32::from(new) - f32::from(*old))).round() as u8;
            }
        }
    }
}

/// From a point to a stretch between two.
fn distance(point: Point, from: Point, to: Point) -> f32 {
    let (along, off) = ([to[0] - from[0], to[1] - from[1]], [point[0] - from[0], point[1] - from[1]]);
    let square = along[0] * along[0] + along[1] * along[1];
    let part = if square > 0.0 { (off[0] * along[0] + off[1] * along[1]) / square } else { 0.0 };
    let part = part.clamp(0.0, 1.0);
    (off[0] - part * along[0]).hypot(off[1] - part * along[1])
}

/// The pieces of a line that are drawn, by their lengths along it.
fn dashes(points: &[Point], lengths: &[f32]) -> Vec<Vec<Point>> {
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    let (mut turn, mut left) = (0, lengths[0].max(1.0));
    for pair in points.windows(2) {
        let [mut from, to] = [pair[0], pair[1]];
        loop {
            let length = (to[0] - from[0]).hypot(to[1] - from[1]);
            if turn % 2 == 0 && piece.is_empty() {
                piece.push(from);
            }
            if length <= left {
                left -= length;
                if turn % 2 == 0 {
                    piece.push(to);
                }
                break;
            }
            let part = left / length;
            from = [from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])];
            if turn % 2 == 0 {
                piece.push(from);
                pieces.push(std::mem::take(&mut piece));
            }
            turn += 1;
            left = lengths[turn % lengths.len()].max(1.0);
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: Pen<'_> = Pen { colour: [0, 0, 0], width: 2.0, dash: &[] };

    fn dark(canvas: &Canvas) -> usize {
        canvas.image.pixels().filter(|pixel| pixel.0[0] < 128).count()
    }

    #[test]
    fn a_line_covers_its_width_and_nothing_else() {
        let mut canvas = Canvas::new(40, 20, [255; 3]);
        canvas.line(&[[5.0, 10.0], [20.0, 10.0], [35.0, 10.0]], INK);
        for x in 6..34 {
            assert_eq!(canvas.image.get_pixel(x, 9).0, [0; 3], "{x}");
            assert_eq!(canvas.image.get_pixel(x, 10).0, [0; 3], "{x}");
            assert_eq!(canvas.image.get_pixel(x, 12).0, [255; 3], "{x}");
        }
        assert!((58..=64).contains(&dark(&canvas)), "{}", dark(&canvas));
    }

    #[test]
    fn dashes_leave_gaps_of_their_length() {
        let pieces = dashes(&[[0.0, 0.0], [7.0, 0.0], [20.0, 0.0]], &[6.0, 4.0]);
        assert_eq!(pieces.len(), 2);
        assert_eq!((pieces[0][0], pieces[0][1]), ([0.0, 0.0], [6.0, 0.0]));
        assert_eq!((pieces[1][0], *pieces[1].last().unwrap()), ([10.0, 0.0], [16.0, 0.0]));
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut canvas = Canvas::new(10, 10, [255; 3]);
        canvas.line(&[[-50.0, 5.0], [50.0, 5.0]], INK);
        canvas.line(&[[3.0, -80.0], [3.0, -20.0]], INK);
        canvas.line(&[], INK);
        canvas.line(&[[5.0, 5.0]], INK);
        canvas.text("outside", [-500.0, 900.0], 10.0, Align::Left, [0; 3]);
        canvas.fill([-5.0, 8.0], [50.0, 90.0], [1; 3]);
        assert_eq!(dark(&canvas), 20 + 20);
    }

    #[test]
    fn a_text_stands_on_its_line_at_the_asked_side() {
        let columns = |align: Align| {
            let mut canvas = Canvas::new(100, 40, [255; 3]);
            canvas.text("T = 10", [50.0, 30.0], 12.0, align, [0; 3]);
            let used = canvas.image.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] < 128);
            let places: Vec<(u32, u32)> = used.map(|(x, y, _)| (x, y)).collect();
            assert!(places.iter().all(|(_, y)| (16..=31).contains(y)));
            (
                places.iter().map(|place| place.0).min().unwrap(),
                places.iter().map(|place| place.0).max().unwrap(),
            )
        };
        let (left, middle, right) = (columns(Align::Left), columns(Align::Middle), columns(Align::Right));
        assert!(left.0 >= 49 && right.1 <= 51, "{left:?} {right:?}");
        assert!(middle.0.abs_diff(100 - middle.1) <= 2, "{middle:?}");
    }
}
