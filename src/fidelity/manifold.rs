//! Improved precision and recall (Kynkäänniemi et al. 2019).
//!
//! Around every image of a set is a ball that reaches to its third nearest neighbour in that set. Precision is the
//! share of drawn images in a ball of a real one, recall the share of real images in a ball of a drawn one.

use rayon::prelude::*;

use super::Features;
use crate::ops::Rows;

/// The neighbour that a ball reaches to; each set needs an image more.
pub(crate) const NEIGHBOURS: usize = 3;

/// Rows of distances held at a time.
const BLOCK: usize = 256;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PrecisionRecall {
    /// Share of drawn images that look real.
    pub(crate) precision: f64,
    /// Share of real images that might have been drawn.
    pub(crate) recall: f64,
}

/// Compares two sets, each of more images than [`NEIGHBOURS`].
pub(crate) fn precision_recall(real: &Features, drawn: &Features) -> PrecisionRecall {
    PrecisionRecall { precision: covered(drawn, real), recall: covered(real, drawn) }
}

/// The share of images within a ball of the others.
fn covered(images: &Features, others: &Features) -> f64 {
    let radii = radii(others);
    let inside: usize = rows(images, others, |_, row| {
        usize::from(row.iter().zip(&radii).any(|(distance, radius)| distance <= radius))
    })
    .into_iter()
    .sum();
    inside as f64 / images.len() as f64
}

/// Squared distance of each image to its [`NEIGHBOURS`]th nearest.
fn radii(set: &Features) -> Vec<f64> {
    rows(set, set, |image, row| {
        // Itself first: at exactly no distance, whatever the rounding.
        row[image] = 0.0;
        *row.select_nth_unstable_by(NEIGHBOURS, f64::total_cmp).1
    })
}

/// What is made of the squared distances of each image to all others.
fn rows<T: Send>(
    images: &Features,
    others: &Features,
    judge: impl Fn(usize, &mut [f64]) -> T + Sync,
) -> Vec<T> {
    let width = images.width();
    let norms = |set: &[f32]| -> Vec<f64> {
        set.chunks(width).map(|row| row.iter().map(|value| f64::from(*value).powi(2)).sum()).collect()
    };
    let (other_rows, other_norms) = (Rows::new(others.values(), width), norms(others.values()));
    let mut found = Vec::with_capacity(images.len());
    for (block, values) in images.values().chunks(BLOCK * width).enumerate() {
        let mut distances = Rows::new(values, width).inner_products(&other_rows);
        let own_norms = norms(values);
        let judged: Vec<T> = distances
            .par_chunks_mut(others.len())
            .enumerate()
            .map(|(at, row)| {
                row.iter_mut().zip(&other_norms).for_each(|(entry, norm)| {
                    *entry = (own_norms[at] + norm - 2.0 * *entry).max(0.0);
                });
                judge(block * BLOCK + at, row)
            })
            .collect();
        found.extend(judged);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Draw;

    fn line(places: impl IntoIterator<Item = f32>) -> Features {
        Features::new(places.into_iter().collect(), 1)
    }

    #[test]
    fn on_a_line_the_balls_can_be_counted() {
        // Radii of 0…4: 3, 2, 2, 2, 3, so that all from −3 to 7 is covered.
        let real = line((0..5).map(|place| place as f32));
        // Radii of the drawn: 12.5, 10, 4.5, 9.5, 18 and 103.5 for the last.
        let drawn = line([-3.0, -0.5, 7.0, 9.5, 12.0, 103.5]);
        let found = precision_recall(&real, &drawn);
        assert_eq!(found.precision, 0.5);
        assert_eq!(found.recall, 1.0);
    }

    #[test]
    fn a_set_is_covered_by_itself_and_not_by_one_far_away() {
        let mut values = vec![0.0; 600 * 5];
        Draw::new(1, "test", 0).normal_fill(&mut values);
        let set = Features::new(values.clone(), 5);
        let all = PrecisionRecall { precision: 1.0, recall: 1.0 };
        assert_eq!(precision_recall(&set, &set), all);
        let far = Features::new(values.iter().map(|value| value + 100.0).collect(), 5);
        assert_eq!(precision_recall(&set, &far), PrecisionRecall { precision: 0.0, recall: 0.0 });
    }

    #[test]
    fn a_narrow_set_has_precision_and_lacks_recall() {
        let mut values = vec![0.0; 400 * 3];
        Draw::new(2, "test", 0).normal_fill(&mut values);
        let real = Features::new(values.clone(), 3);
        let narrow = Features::new(values.iter().map(|value| value * 0.1).collect(), 3);
        let found = precision_recall(&real, &narrow);
        assert!(found.precision > 0.95 && found.recall < 0.2, "{found:?}");
    }
}
