//! Letters as strokes, drawn for this program: no font file, no system font, no licence but its own.
//!
//! In: text. Out: lines to draw, in units of a tenth of a capital's height, x from the left, y up from the baseline.

/// A glyph: its character, its width, and its strokes. A stroke is a chain of points; one that begins with `~` is bent
/// into a smooth curve through them.
type Glyph = (char, f32, &'static str);

/// Between two glyphs.
const GAP: f32 = 2.0;
/// Points of a curve between two given ones.
const FINENESS: usize = 6;

/// What stands for a character that is not here: a box.
const MISSING: Glyph = ('\u{fffd}', 6.0, "0.5,0 5.5,0 5.5,10 0.5,10 0.5,0");

#[rustfmt::skip]
const GLYPHS: &[Glyph] = &[
    (' ', 2.5, ""),
    ('.', 1.2, "0.6,0 0.6,0.2"),
    (',', 1.2, "0.8,0.3 0.3,-1.6"),
    (':', 1.2, "0.6,0.6 0.6,0.8|0.6,6 0.6,6.2"),
    ('-', 3.4, "0.4,3.8 3,3.8"),
    ('\u{2212}', 6.0, "0.5,4.5 5.5,4.5"),
    ('+', 6.0, "0.5,4.5 5.5,4.5|3,7 3,2"),
    ('=', 6.0, "0.5,5.8 5.5,5.8|0.5,3.2 5.5,3.2"),
    ('_', 5.0, "0,-1.5 5,-1.5"),
    ('/', 4.0, "0,-1 4,10.5"),
    ('(', 2.6, "~2.4,11 0.9,8 0.4,4.5 0.9,1 2.4,-2"),
    (')', 2.6, "~0.2,11 1.7,8 2.2,4.5 1.7,1 0.2,-2"),
    ('[', 2.6, "2.4,11 0.6,11 0.6,-2 2.4,-2"),
    (']', 2.6, "0.2,11 2,11 2,-2 0.2,-2"),
    ('<', 6.0, "5.5,8 0.5,4.5 5.5,1"),
    ('>', 6.0, "0.5,8 5.5,4.5 0.5,1"),
    ('%', 9.0, "1.5,0 7.5,10|~3.6,7.8 2,10 0.4,7.8 2,5.6 3.6,7.8|~8.6,2.2 7,4.4 5.4,2.2 7,0 8.6,2.2"),
    ('0', 6.0, "~5.6,5 4.9,8.7 3,10 1.1,8.7 0.4,5 1.1,1.3 3,0 4.9,1.3 5.6,5"),
    ('1', 6.0, "1,8 3.1,10 3.1,0"),
    ('2', 6.0, "~0.7,7.4 1.2,9.3 3,10 4.8,9.3 5.3,7.4 4.3,5.2 2.4,2.8 0.5,0|0.5,0 5.5,0"),
    ('3', 6.0, "~0.8,8.7 1.8,9.8 3.1,10 4.7,9.3 5.1,7.7 4.5,6 2.6,5.3|~2.6,5.3 4.8,4.7 5.5,2.8 4.8,0.8 2.9,0 1.3,0.4 0.4,1.8"),
    ('4', 6.0, "4.3,0 4.3,10 0.4,3 5.8,3"),
    ('5', 6.0, "5,10 1.4,10 1,5.6|~1,5.6 2,6.3 3.1,6.5 4.9,5.6 5.5,3.3 4.8,0.9 2.8,0 1.3,0.4 0.4,1.7"),
    ('6', 6.0, "~4.9,9.3 3.9,10 2.4,9.6 1,7.6 0.5,3.6 1.2,0.9 3,0 4.9,0.9 5.6,3.2 4.9,5.5 3.1,6.3 1.3,5.4 0.5,3.4"),
    ('7', 6.0, "0.4,10 5.5,10 2,0"),
    ('8', 6.0, "~3,5.4 1.4,6.1 0.8,7.7 1.4,9.4 3,10 4.6,9.4 5.2,7.7 4.6,6.1 3,5.4|~3,5.4 1.1,4.6 0.4,2.7 1.1,0.7 3,0 4.9,0.7 5.6,2.7 4.9,4.6 3,5.4"),
    ('9', 6.0, "~1.1,0.7 2.1,0 3.6,0.4 5,2.4 5.5,6.4 4.8,9.1 3,10 1.1,9.1 0.4,6.8 1.1,4.5 2.9,3.7 4.7,4.6 5.5,6.6"),
    ('A', 7.4, "0.2,0 3.7,10 7.2,0|1.4,3.4 6,3.4"),
    ('B', 6.8, "0.7,5.3 0.7,10 3.8,10|~3.8,10 5.6,9.4 6.1,7.7 5.5,6 3.8,5.3|3.8,5.3 0.7,5.3 0.7,0 4,0|~3.8,5.3 6,4.6 6.6,2.7 6,0.8 4,0"),
    ('C', 7.0, "~6.8,8 5.8,9.5 4,10 1.5,8.6 0.4,5 1.5,1.4 4,0 5.8,0.5 6.8,2"),
    ('D', 7.2, "3.2,0 0.7,0 0.7,10 3.2,10|~3.2,10 5.9,8.6 6.9,5 5.9,1.4 3.2,0"),
    ('E', 6.0, "5.6,10 0.7,10 0.7,0 5.8,0|0.7,5.2 5,5.2"),
    ('F', 5.8, "5.6,10 0.7,10 0.7,0|0.7,5 4.9,5"),
    ('G', 7.4, "~6.8,8 5.8,9.5 4,10 1.5,8.6 0.4,5 1.5,1.4 4,0 5.9,0.5 6.9,2|6.9,2 6.9,4.6 4.3,4.6"),
    ('H', 7.2, "0.7,10 0.7,0|6.5,10 6.5,0|0.7,5.2 6.5,5.2"),
    ('I', 1.4, "0.7,10 0.7,0"),
    ('J', 5.0, "4.4,10 4.4,2.6|~4.4,2.6 3.8,0.6 2.2,0 0.8,0.6 0.2,2.2"),
    ('K', 6.4, "0.7,10 0.7,0|6.1,10 0.7,4|2.7,6.2 6.3,0"),
    ('L', 5.4, "0.7,10 0.7,0 5.3,0"),
    ('M', 8.6, "0.7,0 0.7,10 4.3,2.6 7.9,10 7.9,0"),
    ('N', 7.2, "0.7,0 0.7,10 6.5,0 6.5,10"),
    ('O', 8.0, "~7.6,5 6.5,8.6 4,10 1.5,8.6 0.4,5 1.5,1.4 4,0 6.5,1.4 7.6,5"),
    ('P', 6.5, "0.7,0 0.7,10 3.8,10|~3.8,10 5.7,9.3 6.3,7.3 5.7,5.4 3.8,4.6|3.8,4.6 0.7,4.6"),
    ('Q', 8.0, "~7.6,5 6.5,8.6 4,10 1.5,8.6 0.4,5 1.5,1.4 4,0 6.5,1.4 7.6,5|4.8,2.4 7.4,-0.8"),
    ('R', 6.7, "0.7,0 0.7,10 3.8,10|~3.8,10 5.7,9.3 6.3,7.3 5.7,5.4 3.8,4.6|3.8,4.6 0.7,4.6|3.6,4.6 6.4,0"),
    ('S', 6.7, "~6,8.2 5,9.6 3.3,10 1.5,9.5 0.8,7.7 1.5,6 3.4,5.2 5.5,4.4 6.3,2.5 5.6,0.6 3.4,0 1.4,0.5 0.4,2.2"),
    ('T', 6.6, "0.2,10 6.4,10|3.3,10 3.3,0"),
    ('U', 7.2, "0.7,10 0.7,3.4|~0.7,3.4 1.4,0.8 3.6,0 5.8,0.8 6.5,3.4|6.5,3.4 6.5,10"),
    ('V', 7.0, "0.2,10 3.5,0 6.8,10"),
    ('W', 9.8, "0.2,10 2.4,0 4.9,9 7.4,0 9.6,10"),
    ('X', 6.6, "0.3,10 6.3,0|6.3,10 0.3,0"),
    ('Y', 6.6, "0.2,10 3.3,5 6.4,10|3.3,5 3.3,0"),
    ('Z', 6.4, "0.5,10 6,10 0.4,0 6.1,0"),
    ('a', 6.0, "~5.5,3.5 4.9,6 2.9,7 1,6 0.3,3.5 1,1 2.9,0 4.9,1 5.5,3.5|5.5,7 5.5,0"),
    ('b', 6.2, "~0.5,3.5 1.1,6 3.1,7 5,6 5.7,3.5 5,1 3.1,0 1.1,1 0.5,3.5|0.5,10 0.5,0"),
    ('c', 5.4, "~5.2,5.7 4.3,6.7 3,7 1,6 0.3,3.5 1,1 3,0 4.3,0.3 5.2,1.3"),
    ('d', 6.0, "~5.5,3.5 4.9,6 2.9,7 1,6 0.3,3.5 1,1 2.9,0 4.9,1 5.5,3.5|5.5,10 5.5,0"),
    ('e', 5.8, "0.3,3.7 5.5,3.7|~5.5,3.7 5,6 3,7 1,6 0.3,3.5 1,1 3,0 4.4,0.3 5.3,1.3"),
    ('f', 3.9, "~4,9.7 3,10 2,9.5 1.7,8|1.7,8 1.7,0|0.2,7 3.7,7"),
    ('g', 6.0, "~5.5,3.5 4.9,6 2.9,7 1,6 0.3,3.5 1,1 2.9,0 4.9,1 5.5,3.5|5.5,7 5.5,-0.4|~5.5,-0.4 4.9,-2.4 2.9,-3 1.4,-2.7 0.7,-2"),
    ('h', 5.7, "0.5,10 0.5,0|~0.5,4.5 1.3,6.4 3,7 4.7,6.3 5.2,4.5|5.2,4.5 5.2,0"),
    ('i', 1.2, "0.6,7 0.6,0|0.6,9.4 0.6,9.6"),
    ('j', 2.0, "1.4,7 1.4,-1.2|~1.4,-1.2 1.1,-2.6 0,-3|1.4,9.4 1.4,9.6"),
    ('k', 5.2, "0.5,10 0.5,0|4.7,7 0.5,2.8|2.1,4.4 5,0"),
    ('l', 1.2, "0.6,10 0.6,0"),
    ('m', 9.0, "0.5,7 0.5,0|~0.5,4.8 1.2,6.5 2.6,7 4,6.4 4.5,4.8|4.5,4.8 4.5,0|~4.5,4.8 5.2,6.5 6.6,7 8,6.4 8.5,4.8|8.5,4.8 8.5,0"),
    ('n', 5.7, "0.5,7 0.5,0|~0.5,4.5 1.3,6.4 3,7 4.7,6.3 5.2,4.5|5.2,4.5 5.2,0"),
    ('o', 6.0, "~5.7,3.5 5,6 3,7 1,6 0.3,3.5 1,1 3,0 5,1 5.7,3.5"),
    ('p', 6.2, "~0.5,3.5 1.1,6 3.1,7 5,6 5.7,3.5 5,1 3.1,0 1.1,1 0.5,3.5|0.5,7 0.5,-3"),
    ('q', 6.0, "~5.5,3.5 4.9,6 2.9,7 1,6 0.3,3.5 1,1 2.9,0 4.9,1 5.5,3.5|5.5,7 5.5,-3"),
    ('r', 3.6, "0.5,7 0.5,0|~0.5,4.5 1.2,6.3 2.4,7 3.5,6.9"),
    ('s', 5.1, "~4.6,5.8 3.8,6.8 2.5,7 1.1,6.6 0.6,5.3 1.2,4.1 2.6,3.6 4.2,3 4.7,1.7 4.2,0.4 2.6,0 1.1,0.3 0.3,1.4"),
    ('t', 4.0, "1.7,9.3 1.7,2|~1.7,2 2,0.4 3,0 3.9,0.3|0.2,7 3.7,7"),
    ('u', 5.7, "0.5,7 0.5,2.5|~0.5,2.5 1,0.6 2.7,0 4.4,0.6 5.2,2.5|5.2,7 5.2,0"),
    ('v', 5.4, "0.2,7 2.7,0 5.2,7"),
    ('w', 7.8, "0.2,7 2,0 3.9,6.5 5.8,0 7.6,7"),
    ('x', 5.3, "0.3,7 5,0|5,7 0.3,0"),
    ('y', 5.4, "0.2,7 2.8,0|5.2,7 2.8,0|~2.8,0 2,-2 1.2,-2.9 0.3,-3"),
    ('z', 5.2, "0.4,7 4.8,7 0.3,0 5,0"),
    ('\u{3b2}', 6.2, "0.6,-3 0.6,7|~0.6,7 1.1,9.3 2.9,10 4.6,9.3 5,7.7 4.4,6 2.4,5.4|~2.4,5.4 4.8,4.8 5.6,2.8 4.9,0.8 3,0 1.4,0.5 0.6,1.6"),
    // Alpha under a bar.
    ('\u{1fb1}', 6.6, "~6,7 5.3,4 4.5,1.3 2.8,0 1,1 0.3,3.5 1,6 2.8,7 4.5,5.7 5.3,3 6.4,0|0.6,9.4 5.4,9.4"),
];

fn glyph(character: char) -> &'static Glyph {
    GLYPHS.iter().find(|glyph| glyph.0 == character).unwrap_or(&MISSING)
}

/// How wide a text is.
pub(super) fn width(text: &str) -> f32 {
    let glyphs = text.chars().map(|character| glyph(character).1 + GAP);
    (glyphs.sum::<f32>() - GAP).max(0.0)
}

/// The chains of points that a text is drawn with.
pub(super) fn strokes(text: &str) -> Vec<Vec<[f32; 2]>> {
    let mut left = 0.0;
    let mut found = Vec::new();
    for character in text.chars() {
        let (_, width, strokes) = glyph(character);
        for stroke in strokes.split('|').filter(|stroke| !stroke.is_empty()) {
            let points = points(stroke.trim_start_matches('~'));
            let bent = if stroke.starts_with('~') { smooth(&points) } else { points };
            found.push(bent.into_iter().map(|[x, y]| [x + left, y]).collect());
        }
        left += width + GAP;
    }
    found
}

fn points(stroke: &str) -> Vec<[f32; 2]> {
    let point = |pair: &str| {
        let (x, y) = pair.split_once(',')?;
        Some([x.parse().ok()?, y.parse().ok()?])
    };
    stroke.split(' ').filter_map(point).collect()
}

/// A curve through points (Catmull-Rom); closed where the last point is the first.
fn smooth(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let count = points.len();
    let closed = first == last;
    let at = |place: isize| match place {
        -1 if closed => points[count - 2],
        -1 => *first,
        place if place as usize >= count => {
            if closed {
                points[1]
            } else {
                *last
            }
        }
        place => points[place as usize],
    };
    let mut curve = vec![*first];
    for start in 0..count as isize - 1 {
        let [before, from, to, after] = [start - 1, start, start + 1, start + 2].map(at);
        for part in 1..=FINENESS {
            let t = part as f32 / FINENESS as f32;
            curve.push([0, 1].map(|axis| {
                let [p0, p1, p2, p3] = [before, from, to, after].map(|point| point[axis]);
                let (linear, square, cube) =
                    (p2 - p0, 2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3, 3.0 * (p1 - p2) + p3 - p0);
                0.5 * (2.0 * p1 + t * (linear + t * (square + t * cube)))
            }));
        }
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stroke_is_made_of_points_within_its_glyph() {
        for (character, width, strokes) in GLYPHS.iter().chain([&MISSING]) {
            for stroke in strokes.split('|').filter(|stroke| !stroke.is_empty()) {
                let written = stroke.trim_start_matches('~').split(' ').count();
                let points = points(stroke.trim_start_matches('~'));
                assert_eq!(points.len(), written, "{character}: {stroke}");
                assert!(written > 1, "{character}: a stroke of one point is nothing");
                let within =
                    |[x, y]: &[f32; 2]| (-0.1..=width + 0.2).contains(x) && (-3.1..=11.1).contains(y);
                assert!(points.iter().all(within), "{character}: {stroke}");
            }
        }
    }

    #[test]
    fn every_character_of_a_label_has_a_glyph() {
        for character in ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(" .,:-+=_/()%".chars()) {
            assert_ne!(glyph(character).0, MISSING.0, "{character}");
        }
        assert_eq!(glyph('\u{4e00}').0, MISSING.0);
    }

    #[test]
    fn a_text_is_as_wide_as_its_glyphs_and_their_gaps() {
        assert_eq!(width(""), 0.0);
        assert_eq!(width("l"), 1.2);
        assert_eq!(width("ll"), 1.2 + GAP + 1.2);
        let right = strokes("ll").concat().iter().map(|point| point[0]).fold(0.0, f32::max);
        assert_eq!(right, 1.2 + GAP + 0.6);
    }

    #[test]
    fn a_curve_passes_its_points() {
        let points = [[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]];
        let curve = smooth(&points);
        assert_eq!(curve.len(), 1 + 2 * FINENESS);
        assert_eq!((curve[0], curve[FINENESS], curve[2 * FINENESS]), (points[0], points[1], points[2]));
    }
}
