//! Which image serves what: `train`, `val` and `test`.
//!
//! In: the stored images, `data.validation_fraction` and `data.limit`. Out: three lists of rows. An image's
//! id is a hash, and "hash order" is ascending id: as good as a fixed shuffle, the same for every seed,
//! size and configuration. `val` is the first round(fraction · N) training images in hash order, `train`
//! the others, of which `limit` keeps the first; so a smaller limit trains on a subset and is measured on
//! the same `val`. `test` is what the publisher calls test.

use std::sync::Arc;

use super::error::Error;
use super::index::Extent;
use super::reader::Shape;
use super::store::Store;

/// Some images of a data set, listed in hash order. Cheap to clone: the pixels are shared.
#[derive(Debug, Clone)]
pub struct Split {
    store: Arc<Store>,
    rows: Arc<[u32]>,
}

impl Split {
    fn new(store: &Arc<Store>, rows: &[u32]) -> Self {
        Self { store: Arc::clone(store), rows: rows.into() }
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Size of every image.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.store.extent().shape
    }

    /// Writes the pixels of some images into `pixels`, one after the other: C·H·W bytes each, 0 to 255,
    /// channel after channel.
    ///
    /// # Errors
    /// If the images are streamed and one cannot be decoded, or is not the one it was.
    ///
    /// # Panics
    /// If an image is not below [`Split::len`].
    pub fn read(&self, images: &[usize], pixels: &mut [u8]) -> Result<(), Error> {
        let rows: Vec<u32> = images.iter().map(|&i| self.rows[i]).collect();
        self.store.read(&rows, pixels)
    }

    /// Whether images are decoded each time they are read.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        self.store.is_streamed()
    }

    /// The pixels of image `i`, unless they are streamed.
    pub(super) fn held(&self, i: usize) -> Option<&[u8]> {
        self.store.held(self.rows[i] as usize)
    }

    /// The id of image `i`: the same in every run, at every size, in every split.
    ///
    /// # Panics
    /// If `i` is not below [`Split::len`].
    #[must_use]
    pub fn image_id(&self, i: usize) -> u64 {
        self.store.id(self.rows[i] as usize)
    }

    /// The first `n` images in hash order (all, if there are fewer): what an evaluation on `n` images looks
    /// at.
    #[must_use]
    pub fn hash_order(&self, n: usize) -> Vec<usize> {
        // The list is kept in this order.
        (0..n.min(self.len())).collect()
    }

    /// Takes the ids, in order, into a fingerprint.
    fn hash_into(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&(self.len() as u64).to_le_bytes());
        for i in 0..self.len() {
            hasher.update(&self.image_id(i).to_le_bytes());
        }
    }
}

/// How many training images become `train` and `val`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) train: usize,
    pub(super) val: usize,
}

impl Cut {
    /// Cuts `images` training images; an error where a side stays empty.
    pub(super) fn new(images: usize, fraction: f64, limit: Option<usize>) -> Result<Self, Error> {
        let refuse = |reason: String| {
            Err(Error::Setting { key: "validation_fraction", value: fraction.to_string(), reason })
        };
        if !(fraction > 0.0 && fraction < 1.0) {
            return refuse("is not between 0 and 1; 0.05 holds out one image in twenty".to_owned());
        }
        let val = (fraction * images as f64).round() as usize;
        if val == 0 {
            return refuse(format!("holds out none of the {images} images; use a larger fraction"));
        }
        if val >= images {
            return refuse(format!("leaves none of the {images} images to train on; use a smaller fraction"));
        }
        if limit == Some(0) {
            let reason = "leaves no image to train on; use 1 or more, or leave the key out".to_owned();
            return Err(Error::Setting { key: "limit", value: "0".to_owned(), reason });
        }
        Ok(Self { train: (images - val).min(limit.unwrap_or(usize::MAX)), val })
    }
}

/// The splits of a store, in the order `train`, `val`, `test`, and the fingerprint of all of it. What it is
/// computed from has a number in front: fingerprints of another number say nothing about these images.
pub(super) fn split(store: Store, cut: Cut) -> ([Split; 3], String) {
    let Extent { train, test, .. } = store.extent();
    let in_hash_order = |rows: std::ops::Range<usize>| {
        let mut rows: Vec<u32> = rows.map(|row| row as u32).collect();
        rows.sort_unstable_by_key(|&row| (store.id(row as usize), row));
        rows
    };
    let training = in_hash_order(0..train);
    let test = in_hash_order(train..train + test);
    let store = Arc::new(store);
    let (val, rest) = training.split_at(cut.val);
    let splits = [&rest[..cut.train], val, &test].map(|rows| Split::new(&store, rows));
    let mut hasher = blake3::Hasher::new_derive_key("ablate data fingerprint v2");
    hasher.update(store.content_hash());
    for split in &splits {
        split.hash_into(&mut hasher);
    }
    (splits, format!("v2-{}", hasher.finalize().to_hex()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(images: usize, fraction: f64, limit: Option<usize>) -> String {
        Cut::new(images, fraction, limit).unwrap_err().to_string()
    }

    #[test]
    fn the_held_out_count_is_the_rounded_share() {
        assert_eq!(Cut::new(60_000, 0.05, None).unwrap(), Cut { train: 57_000, val: 3_000 });
        assert_eq!(Cut::new(10, 0.25, None).unwrap(), Cut { train: 7, val: 3 });
        assert_eq!(Cut::new(60_000, 0.05, Some(100)).unwrap(), Cut { train: 100, val: 3_000 });
        assert_eq!(Cut::new(10, 0.5, Some(100)).unwrap(), Cut { train: 5, val: 5 });
    }

    #[test]
    fn a_cut_that_leaves_a_side_empty_is_refused_with_the_remedy() {
        assert_eq!(
            refusal(8192, 0.00001, None),
            "data.validation_fraction = 0.00001 holds out none of the 8192 images; use a larger fraction"
        );
        assert_eq!(
            refusal(10, 0.99, None),
            "data.validation_fraction = 0.99 leaves none of the 10 images to train on; use a smaller fraction"
        );
        for fraction in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(refusal(10, fraction, None).contains("is not between 0 and 1"));
        }
        assert_eq!(
            refusal(10, 0.5, Some(0)),
            "data.limit = 0 leaves no image to train on; use 1 or more, or leave the key out"
        );
    }
}
