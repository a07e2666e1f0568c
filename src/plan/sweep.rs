//! A sweep: seeds and axes, and the points of the axes' product.
//!
//! In: checked axes (`sweep_table` reads them). Out: points in declaration order, the last axis fastest. They
//! are counted without being built, whatever their number.

use serde_json::Value as Json;
use toml::Value;

use super::axis::Axis;
use super::name;
use super::variant::to_json;

/// Settings that make one point of the sweep: dotted keys and values, in the order of the axes.
pub(crate) type Point = Vec<(String, Value)>;

/// A checked sweep.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sweep {
    /// Replicates of every point.
    pub(crate) seeds: Vec<u64>,
    /// Axes in declared order, pinned ones with their one value.
    pub(crate) axes: Vec<Axis>,
    /// Whether the base is planned besides the product.
    pub(crate) include_base: bool,
}

impl Sweep {
    /// How many points [`Sweep::points`] yields; saturates far above any limit.
    pub(crate) fn point_count(&self) -> u128 {
        self.product() + u128::from(self.include_base)
    }

    /// Every point: the product, the last axis fastest, then the base where it is included.
    pub(crate) fn points(&self) -> impl Iterator<Item = Point> + '_ {
        let base = self.include_base.then(Point::new);
        (0..self.product()).map(|index| self.point(index)).chain(base)
    }

    /// Without axes the product is empty.
    fn product(&self) -> u128 {
        if self.axes.is_empty() {
            return 0;
        }
        let lengths = self.axes.iter().map(|axis| axis.values.len() as u128);
        // Half the range leaves room for the base and never loses which side of a limit the count is on.
        lengths.fold(1, u128::saturating_mul).min(u128::MAX / 2)
    }

    fn point(&self, mut index: u128) -> Point {
        let mut point = Point::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            let length = axis.values.len() as u128;
            // The remainder is below a length that fits usize.
            point.push((axis.key.clone(), axis.values[(index % length) as usize].clone()));
            index /= length;
        }
        point.reverse();
        point
    }

    /// A point in the words of a variant's name: the axes that have more than one value, or all if none has.
    pub(crate) fn label(&self, point: &Point) -> String {
        let several = |axis: &Axis| axis.values.len() > 1;
        let all = !self.axes.iter().any(several);
        let named = |key: &str| all || self.axes.iter().any(|axis| axis.key == key && several(axis));
        let values: Vec<(&str, Json)> = point
            .iter()
            .filter(|(key, _)| named(key))
            .map(|(key, value)| (key.as_str(), to_json(value)))
            .collect();
        name::label(values.iter().map(|(key, value)| (*key, value)))
    }
}
