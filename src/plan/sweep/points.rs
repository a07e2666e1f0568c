//! A sweep: its forms, and the points they make.
//!
//! In: checked forms (`table` reads them). Out: points in written order of the forms, the last axis fastest.
//! They are counted without being built, whatever their number.

use serde_json::Value as Json;
use toml::Value;

use super::axis::Axis;
use super::limits::OnInvalid;
use super::named::Named;
use super::rule::Rule;
use crate::plan::name;
use crate::plan::variant::to_json;

/// Dotted keys and values.
pub(crate) type Settings = Vec<(String, Value)>;

/// A checked sweep.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sweep {
    /// Replicates of every point.
    pub(crate) seeds: Vec<u64>,
    /// Sets of points, in written order.
    pub(crate) forms: Vec<Form>,
    /// Every swept key once, in written order.
    pub(crate) keys: Vec<String>,
    /// Which points are left out; named variants never are.
    pub(crate) rules: Vec<Rule>,
    /// What becomes of a point that is wrong.
    pub(crate) on_invalid: OnInvalid,
    /// Whether `--pin` narrows the sweep, so that a rule may rightly match nothing.
    pub(crate) pinned: bool,
    /// What a user should know about it, each a sentence.
    pub(crate) warnings: Vec<String>,
}

/// One set of points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Form {
    /// The product of grid and zips; empty without axes.
    Product(Vec<Axis>),
    /// The base, then each row of each axis alone; no row equals the base.
    OneAtATime(Vec<Axis>),
    /// The base.
    Base,
    /// Named points.
    Variants(Vec<Named>),
}

/// Settings that make one configuration, and the form that asked for them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// In written order.
    pub(crate) settings: Settings,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// The form of a point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Origin {
    /// Grid and zips.
    Product,
    /// One step from the base, or the base of such steps.
    OneAtATime,
    /// The base.
    Base,
    /// A named variant.
    Variant(String),
}

impl Form {
    /// How many points it has; saturates far above any limit.
    pub(crate) fn count(&self) -> u128 {
        match self {
            Form::Product(axes) if axes.is_empty() => 0,
            Form::Product(axes) => {
                let lengths = axes.iter().map(|axis| axis.rows.len() as u128);
                // A fraction of the range leaves room for other forms and stays above every limit.
                lengths.fold(1, u128::saturating_mul).min(u128::MAX / 4)
            }
            Form::OneAtATime(axes) => 1 + axes.iter().map(|axis| axis.rows.len() as u128).sum::<u128>(),
            Form::Base => 1,
            Form::Variants(variants) => variants.len() as u128,
        }
    }

    /// Every key it sets, with repetitions.
    pub(crate) fn keys(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Form::Product(axes) | Form::OneAtATime(axes) => {
                Box::new(axes.iter().flat_map(|axis| &axis.keys).map(String::as_str))
            }
            Form::Base => Box::new(std::iter::empty()),
            Form::Variants(variants) => {
                Box::new(variants.iter().flat_map(|variant| &variant.settings).map(|(key, _)| key.as_str()))
            }
        }
    }

    fn points(&self) -> Box<dyn Iterator<Item = Point> + '_> {
        let base = |origin| Point { settings: Settings::new(), origin };
        match self {
            Form::Product(axes) => Box::new((0..self.count()).map(|index| cell(axes, index))),
            Form::OneAtATime(axes) => {
                let step = |axis: &Axis, row: usize| Point {
                    settings: axis.settings(row).collect(),
                    origin: Origin::OneAtATime,
                };
                let steps =
                    axes.iter().flat_map(move |axis| (0..axis.rows.len()).map(move |row| step(axis, row)));
                Box::new(std::iter::once(base(Origin::OneAtATime)).chain(steps))
            }
            Form::Base => Box::new(std::iter::once(base(Origin::Base))),
            Form::Variants(variants) => Box::new(variants.iter().map(|variant| Point {
                settings: variant.settings.clone(),
                origin: Origin::Variant(variant.name.clone()),
            })),
        }
    }
}

/// The point of a product that has a place in it: the place written with one digit an axis, the last axis
/// the last digit.
fn cell(axes: &[Axis], mut index: u128) -> Point {
    let mut rows = vec![0; axes.len()];
    for (row, axis) in rows.iter_mut().zip(axes).rev() {
        let length = axis.rows.len() as u128;
        // The remainder is below a length that fits usize.
        *row = (index % length) as usize;
        index /= length;
    }
    let settings = axes.iter().zip(rows).flat_map(|(axis, row)| axis.settings(row)).collect();
    Point { settings, origin: Origin::Product }
}

impl Sweep {
    /// How many points [`Sweep::points`] yields; saturates far above any limit.
    pub(crate) fn point_count(&self) -> u128 {
        self.forms.iter().map(Form::count).fold(0, u128::saturating_add)
    }

    /// Every point, form by form.
    pub(crate) fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.forms.iter().flat_map(Form::points)
    }

    /// Whether there is more than the base to plan, so that a point needs a name.
    pub(crate) fn has_points_besides_base(&self) -> bool {
        self.forms.iter().any(|form| *form != Form::Base)
    }

    /// The keys of the product, in written order.
    pub(crate) fn product_keys(&self) -> impl Iterator<Item = &str> {
        self.forms.iter().filter(|form| matches!(form, Form::Product(_))).flat_map(Form::keys)
    }

    /// A point in the words of a variant's name: what it sets, axes of a single row left out where others
    /// have several. `value` says what a key's value is called.
    pub(crate) fn label_with(&self, point: &Point, value: impl Fn(&str, &Value) -> Json) -> String {
        let several = |axis: &&Axis| axis.rows.len() > 1;
        let shown: Vec<&str> = match &point.origin {
            Origin::Variant(name) => return name.clone(),
            Origin::Product => {
                let axes = self.forms.iter().flat_map(|form| match form {
                    Form::Product(axes) => axes.as_slice(),
                    _ => &[],
                });
                let axes: Vec<&Axis> = axes.collect();
                let all = !axes.iter().any(several);
                axes.into_iter()
                    .filter(|axis| all || several(axis))
                    .flat_map(|axis| &axis.keys)
                    .map(String::as_str)
                    .collect()
            }
            Origin::OneAtATime | Origin::Base => point.settings.iter().map(|(key, _)| key.as_str()).collect(),
        };
        let named = point.settings.iter().filter(|(key, _)| shown.contains(&key.as_str()));
        let values: Vec<(&str, Json)> = named.map(|(key, raw)| (key.as_str(), value(key, raw))).collect();
        name::label(values.iter().map(|(key, value)| (*key, value)))
    }

    /// A point in the words of a variant's name, its values as they were written.
    pub(crate) fn label(&self, point: &Point) -> String {
        self.label_with(point, |_, raw| to_json(raw))
    }

    /// Where the value that a point gives a key was written: `sweep.zip[1].diffusion.timesteps`.
    pub(crate) fn written(&self, point: &Point, key: &str) -> Option<String> {
        self.forms.iter().find_map(|form| {
            let table = match (form, &point.origin) {
                (Form::Product(axes), Origin::Product) | (Form::OneAtATime(axes), Origin::OneAtATime) => axes
                    .iter()
                    .find(|axis| axis.keys.iter().any(|known| known == key))
                    .map(|axis| &axis.table),
                (Form::Variants(variants), Origin::Variant(name)) => {
                    let named = variants.iter().find(|variant| variant.name == *name)?;
                    named.settings.iter().any(|(known, _)| known == key).then_some(&named.table)
                }
                _ => None,
            }?;
            Some(format!("{table}.{key}"))
        })
    }
}
