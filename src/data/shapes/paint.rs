//! Colours: which one an object and its background have, and how they mix at an edge.

use super::between;
use crate::data::random::Draw;

/// Saturated colours that stand out on both kinds of background.
const COLOURS: [[f32; 3]; 8] = [
    [0.90, 0.22, 0.21],
    [0.96, 0.49, 0.11],
    [0.95, 0.74, 0.10],
    [0.26, 0.65, 0.28],
    [0.05, 0.63, 0.63],
    [0.18, 0.44, 0.86],
    [0.51, 0.28, 0.76],
    [0.91, 0.30, 0.58],
];
/// Backgrounds, dark and light.
const BACKGROUNDS: [[f32; 3]; 6] = [
    [0.07, 0.09, 0.16],
    [0.12, 0.11, 0.13],
    [0.05, 0.14, 0.17],
    [0.98, 0.96, 0.91],
    [0.91, 0.95, 0.98],
    [0.95, 0.93, 0.96],
];

/// The two colours of an image; grey uses the first value of each.
pub(super) struct Palette {
    object: [f32; 3],
    background: [f32; 3],
}

impl Palette {
    /// Grey: bright on dark. Colour: one of eight on one of six, each a little changed.
    pub(super) fn draw(draw: &mut Draw, channels: usize) -> Self {
        if channels == 1 {
            return Self { object: [between(draw, 0.84, 1.0); 3], background: [between(draw, 0.02, 0.1); 3] };
        }
        let mut pick = |choices: &[[f32; 3]], spread: f32| {
            let choice = choices[draw.below(choices.len() as u64) as usize];
            choice.map(|value| (value + between(draw, -spread, spread)).clamp(0.0, 1.0))
        };
        Self { object: pick(&COLOURS, 0.05), background: pick(&BACKGROUNDS, 0.03) }
    }

    /// The 8-bit value of a pixel of which the object covers `coverage`.
    pub(super) fn blend(&self, channel: usize, coverage: f32) -> u8 {
        let (object, background) = (self.object[channel], self.background[channel]);
        let value = background + (object - background) * coverage;
        (value * 255.0 + 0.5) as u8
    }
}
