//! What an extractor says of each image of a set.

/// Rows of features, one an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    values: Vec<f32>,
    width: usize,
}

impl Features {
    /// From rows written one after the other.
    ///
    /// # Panics
    /// If the values are no whole rows of `width`.
    pub fn new(values: Vec<f32>, width: usize) -> Self {
        assert!(width > 0 && values.len().is_multiple_of(width), "{} values, {width} a row", values.len());
        Self { values, width }
    }

    /// How many images.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many features an image has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All rows, one after the other.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One row.
    pub(super) fn row(&self, image: usize) -> &[f32] {
        &self.values[image * self.width..][..self.width]
    }

    /// The rows of some images.
    pub(super) fn only(&self, images: &[usize]) -> Self {
        let values = images.iter().flat_map(|image| self.row(*image)).copied().collect();
        Self { values, width: self.width }
    }
}
