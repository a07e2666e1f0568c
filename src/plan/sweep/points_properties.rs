//! Properties of any sweep: the points are counted as they are built, and come in the order of nested loops.
//!
//! The oracle expands a sweep the slow way, by recursion over plain vectors.

use proptest::prelude::*;

use super::fixture::{BASE, grid, read};
use super::points::Point;
use crate::plan::variant::value_of;

/// Keys of whole numbers that have nothing to do with each other.
const KEYS: [&str; 8] = [
    "data.limit",
    "model.base_channels",
    "model.num_res_blocks",
    "diffusion.timesteps",
    "training.batch_size",
    "training.gradient_accumulation",
    "training.warmup_steps",
    "ema.every",
];

type Row = Vec<(&'static str, i64)>;

/// A sweep as its parts.
#[derive(Debug, Clone)]
struct Spec {
    include_base: bool,
    /// Lengths of the grid's axes.
    grid: Vec<usize>,
    /// Keys and length of each zip.
    zips: Vec<(usize, usize)>,
    /// Key and values of each axis; 0 stands for the base's own value.
    one_at_a_time: Option<Vec<Vec<usize>>>,
    /// Number of keys each variant sets.
    variants: Vec<usize>,
    /// The order in which the four forms are written.
    order: Vec<usize>,
}

fn spec() -> impl Strategy<Value = Spec> {
    let lengths = |axes| prop::collection::vec(1_usize..4, axes);
    let zips = prop::collection::vec((1_usize..3, 1_usize..4), 0..3);
    let steps = prop::option::of(prop::collection::vec(
        prop::sample::subsequence(vec![0_usize, 1, 2, 3], 1..4),
        0..3,
    ));
    let order = Just(vec![0, 1, 2, 3]).prop_shuffle();
    (any::<bool>(), lengths(0..4_usize), zips, steps, lengths(0..3_usize), order).prop_map(
        |(include_base, grid, zips, one_at_a_time, variants, order)| Spec {
            include_base,
            grid,
            zips,
            one_at_a_time,
            variants,
            order,
        },
    )
}

fn base(key: &str) -> i64 {
    let base = serde_json::to_value(BASE.base()).unwrap();
    // A key that the base does not set has no value to repeat.
    value_of(&base, key).as_i64().unwrap_or(900)
}

impl Spec {
    /// The axes of the product, each a list of rows; the grid takes the first keys, the zips those after it.
    fn axes(&self) -> (Vec<Vec<Row>>, Vec<Vec<Row>>) {
        let mut keys = KEYS.into_iter();
        let mut grid = Vec::new();
        for &length in &self.grid {
            let key = keys.next().unwrap();
            grid.push((0..length as i64).map(|value| vec![(key, value)]).collect());
        }
        let mut zips = Vec::new();
        for &(width, length) in &self.zips {
            let keys: Vec<&str> = keys.by_ref().take(width).collect();
            let row = |value: i64| keys.iter().map(|&key| (key, 10 + value)).collect::<Row>();
            zips.push((0..length as i64).map(row).collect());
        }
        (grid, zips)
    }

    fn steps(&self) -> Option<Vec<Vec<Row>>> {
        let value = |key: &'static str, value: usize| match value {
            0 => vec![(key, base(key))],
            value => vec![(key, 100 + value as i64)],
        };
        let axis = |(place, values): (usize, &Vec<usize>)| {
            values.iter().map(|&chosen| value(KEYS[7 - place], chosen)).collect()
        };
        self.one_at_a_time.as_ref().map(|axes| axes.iter().enumerate().map(axis).collect())
    }

    fn variants(&self) -> Vec<Row> {
        let row = |(place, &keys): (usize, &usize)| {
            KEYS.into_iter().take(keys).map(|key| (key, 200 + place as i64)).collect()
        };
        self.variants.iter().enumerate().map(row).collect()
    }

    fn toml(&self) -> String {
        let mut text = format!("[sweep]\nmax_runs = 1000000\ninclude_base = {}\n", self.include_base);
        let (grid, zips) = self.axes();
        for form in &self.order {
            match form {
                0 if !grid.is_empty() => text += &format!("[sweep.grid]\n{}", lists(&grid)),
                1 => zips.iter().for_each(|zip| {
                    text += "[[sweep.zip]]\n";
                    for column in 0..zip[0].len() {
                        let values: Vec<i64> = zip.iter().map(|row| row[column].1).collect();
                        text += &format!("\"{}\" = {values:?}\n", zip[0][column].0);
                    }
                }),
                2 => {
                    if let Some(steps) = self.steps() {
                        text += &format!("[sweep.one_at_a_time]\n{}", lists(&steps));
                    }
                }
                3 => self.variants().iter().enumerate().for_each(|(place, row)| {
                    text += &format!("[[sweep.variant]]\nname = \"v{place}\"\n");
                    row.iter().for_each(|(key, value)| text += &format!("\"{key}\" = {value}\n"));
                }),
                _ => {}
            }
        }
        text
    }

    /// Every point in order, as the contract has it.
    fn expected(&self) -> Vec<Row> {
        let (grid, zips) = self.axes();
        let mut points: Vec<Row> = Vec::new();
        let mut product_done = false;
        let position = |wanted: usize| self.order.iter().position(|form| *form == wanted);
        let zips_first = position(1) < position(0);
        let axes = if zips_first { [zips, grid].concat() } else { [grid, zips].concat() };
        // Without axes there is no product for the base to come after.
        if axes.is_empty() && self.include_base && self.one_at_a_time.is_none() {
            points.push(Row::new());
        }
        for form in &self.order {
            match form {
                0 if self.grid.is_empty() => {}
                1 if self.zips.is_empty() => {}
                0 | 1 if !product_done => {
                    product_done = true;
                    points.extend(product(&axes));
                    if self.include_base && self.one_at_a_time.is_none() {
                        points.push(Row::new());
                    }
                }
                2 => {
                    if let Some(axes) = self.steps() {
                        points.push(Row::new());
                        let steps = axes.into_iter().flatten();
                        points.extend(steps.filter(|row| row[0].1 != base(row[0].0)));
                    }
                }
                3 => points.extend(self.variants()),
                _ => {}
            }
        }
        points
    }
}

fn lists(axes: &[Vec<Row>]) -> String {
    let line = |axis: &Vec<Row>| {
        let values: Vec<i64> = axis.iter().map(|row| row[0].1).collect();
        format!("\"{}\" = {values:?}\n", axis[0][0].0)
    };
    axes.iter().map(line).collect()
}

/// Loops within loops.
fn product(axes: &[Vec<Row>]) -> Vec<Row> {
    let Some((outer, inner)) = axes.split_first() else { return vec![Row::new()] };
    let mut points = Vec::new();
    for row in outer {
        for rest in product(inner) {
            points.push([row.clone(), rest].concat());
        }
    }
    points
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Forms in written order, grid and zips one product, the last axis fastest, the base no step away from
    /// itself; and the count, made without building, is right.
    #[test]
    fn any_sweep_has_the_points_of_nested_loops_in_their_order(spec in spec()) {
        let expected = spec.expected();
        let text = spec.toml();
        match read(&text) {
            Ok(sweep) => {
                let found: Vec<Vec<(String, i64)>> = sweep
                    .points()
                    .map(|point| point.settings.into_iter().map(|(key, value)| (key, value.as_integer().unwrap())).collect())
                    .collect();
                prop_assert_eq!(sweep.point_count(), found.len() as u128);
                let expected: Vec<Vec<(String, i64)>> = expected
                    .into_iter()
                    .map(|row| row.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
                    .collect();
                prop_assert_eq!(found, expected, "{}", text);
            }
            Err(problems) => {
                prop_assert!(expected.is_empty() && problems[0].contains("plans nothing"), "{:?} {}", problems, text);
            }
        }
    }

    /// The points of a large grid count like the digits of a number, the last axis the last digit.
    #[test]
    fn a_grid_counts_like_a_number(lengths in prop::collection::vec(1_usize..5, 1..5)) {
        let sweep = read(&grid(&lengths)).unwrap();
        let points: Vec<Point> = sweep.points().collect();
        prop_assert_eq!(points.len(), lengths.iter().product::<usize>());
        for (index, point) in points.iter().enumerate() {
            let read_back = point.settings.iter().zip(&lengths).fold(0, |number, ((_, value), length)| {
                number * length + value.as_integer().unwrap() as usize
            });
            prop_assert_eq!(read_back, index);
        }
    }
}
