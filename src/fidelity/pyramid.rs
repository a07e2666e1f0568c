//! The bands of a picture: a Laplacian pyramid (Burt and Adelson 1983), from the picture's own size down to 16 pixels.
//!
//! A band holds what the next smaller one lacks; the last is the blurred picture itself. Karras et al. 2018 compare
//! each by itself: the small ones show whether shapes are right, the large ones whether edges and noise are.

/// No smaller band is made; a picture below that is one band.
const SMALLEST: usize = 16;

/// The 5-tap blur of both directions.
const TAPS: [f64; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];

/// Sides of the bands of pictures of this size, falling: 28 has itself alone, 64 has 64, 32 and 16. An odd side is the
/// last, since half of it is none.
pub(super) fn sides(size: usize) -> Vec<usize> {
    let halved = |side: &usize| Some(side / 2).filter(|half| side.is_multiple_of(2) && *half >= SMALLEST);
    std::iter::successors(Some(size), halved).collect()
}

/// The band at `place` of [`sides`] of one square plane.
pub(super) fn band(plane: &[f64], size: usize, place: usize) -> Vec<f64> {
    let sides = sides(size);
    let mut at = plane.to_vec();
    for side in &sides[..place] {
        at = shrunk(&at, *side);
    }
    let side = sides[place];
    if place + 1 < sides.len() {
        let next = enlarged(&shrunk(&at, side), side / 2);
        at.iter_mut().zip(next).for_each(|(value, coarse)| *value -= coarse);
    }
    at
}

/// Blurred, and every second pixel of every second row.
fn shrunk(plane: &[f64], side: usize) -> Vec<f64> {
    let blurred = blurred(plane, side, 1.0);
    let half = side.div_ceil(2);
    (0..half * half).map(|at| blurred[at / half * 2 * side + at % half * 2]).collect()
}

/// Twice the size: zeros in between, blurred, at four times the weight.
fn enlarged(plane: &[f64], side: usize) -> Vec<f64> {
    let double = 2 * side;
    let mut wide = vec![0.0; double * double];
    for (at, value) in plane.iter().enumerate() {
        wide[at / side * 2 * double + at % side * 2] = *value;
    }
    blurred(&wide, double, 2.0)
}

/// Along rows, then along columns, mirrored about the pixels of the edge; each time weighted with `gain`.
fn blurred(plane: &[f64], side: usize, gain: f64) -> Vec<f64> {
    let along = |plane: &[f64], (start, step): (fn(usize, usize) -> usize, usize)| {
        let mut out = vec![0.0; plane.len()];
        for line in 0..side {
            let start = start(line, side);
            for place in 0..side {
                let taps = TAPS.iter().zip(0..).map(|(tap, offset)| {
                    tap * plane[start + mirrored(place as isize + offset - 2, side) * step]
                });
                out[start + place * step] = gain * taps.sum::<f64>();
            }
        }
        out
    };
    let rows = along(plane, (|line, side| line * side, 1));
    along(&rows, (|line, _| line, side))
}

fn mirrored(place: isize, side: usize) -> usize {
    let last = side as isize - 1;
    let place = place.abs();
    (if place > last { 2 * last - place } else { place }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_end_at_sixteen_pixels_and_at_an_odd_side() {
        let all = [8, 16, 28, 31, 32, 48, 50, 64, 256].map(sides);
        let expected: [&[usize]; 9] = [
            &[8],
            &[16],
            &[28],
            &[31],
            &[32, 16],
            &[48, 24],
            &[50, 25],
            &[64, 32, 16],
            &[256, 128, 64, 32, 16],
        ];
        assert_eq!(all.each_ref().map(Vec::as_slice), expected);
    }

    #[test]
    fn an_even_plane_is_all_in_the_last_band() {
        let plane = vec![3.0; 64 * 64];
        for (place, side) in sides(64).into_iter().enumerate() {
            let band = band(&plane, 64, place);
            let expected = if side == 16 { 3.0 } else { 0.0 };
            assert_eq!(band.len(), side * side);
            assert!(band.iter().all(|value| (value - expected).abs() < 1e-12), "{side}");
        }
    }

    #[test]
    fn the_bands_of_a_picture_add_up_to_it() {
        let plane: Vec<f64> = (0..32 * 32).map(|at| f64::from((at * at * 7 % 251) as u8)).collect();
        let (fine, coarse) = (band(&plane, 32, 0), band(&plane, 32, 1));
        let whole = enlarged(&coarse, 16);
        assert!(fine.iter().zip(whole).zip(&plane).all(|((a, b), sum)| (a + b - sum).abs() < 1e-9));
    }
}
