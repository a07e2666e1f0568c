//! What a run had spent by each of its steps: images, operations or seconds.
//!
//! In: a run's configuration, or its logs. Out: [`Meter`].

use std::fmt;

use super::load::RunRow;
use super::series::Series;
use crate::config::Config;
use crate::sizing;

/// What a budget of training is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Images trained on, repetitions counted.
    Images,
    /// Floating-point operations of forward and backward passes.
    Flops,
    /// Seconds of training, evaluation and sampling left out.
    Seconds,
}

impl Unit {
    /// Every one.
    pub(crate) const ALL: [Unit; 3] = [Unit::Images, Unit::Flops, Unit::Seconds];
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Images => "images",
            Unit::Flops => "flops",
            Unit::Seconds => "seconds",
        })
    }
}

/// What a run had spent by each of its steps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meter {
    /// The same in every step.
    PerStep(f64),
    /// As its log has it.
    Logged(Curve),
}

impl Meter {
    /// The meter of one run; `None` where neither its configuration nor its logs tell.
    pub(crate) fn of(unit: Unit, config: Option<&Config>, run: &RunRow) -> Option<Self> {
        match (unit, config) {
            (Unit::Images, Some(config)) => Some(Meter::PerStep(config.training.batch_size as f64)),
            (Unit::Images, None) => {
                let metrics = Series::read(&run.dir.metrics_path()).ok()?;
                Curve::total(&metrics, "images").map(Meter::Logged)
            }
            (Unit::Flops, config) => {
                let config = config?;
                let per_image = sizing::train_flops_per_image(&config.model, &config.data);
                Some(Meter::PerStep(config.training.batch_size as f64 * per_image as f64))
            }
            (Unit::Seconds, _) => {
                let timing = Series::read(&run.dir.timing_path()).ok()?;
                Curve::clock(&timing).map(Meter::Logged)
            }
        }
    }

    /// Spent by a run that has done `step` steps.
    pub(crate) fn total(&self, step: u64) -> f64 {
        match self {
            Meter::PerStep(each) => each * step as f64,
            Meter::Logged(curve) => curve.points.last().map_or(0.0, |point| point.1),
        }
    }

    /// Spent by the end of `step`; `None` beyond what was logged.
    pub(crate) fn at(&self, step: u64) -> Option<f64> {
        match self {
            Meter::PerStep(each) => Some(each * step as f64),
            Meter::Logged(curve) => curve.at(step),
        }
    }
}

/// A total that rises with the step, known at some steps and linear in between.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    /// Step and total, rising; starts at 0, 0.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// Seconds of training, from `timing.csv`, whose rows hold what passed since the row before.
    pub(crate) fn clock(timing: &Series) -> Option<Self> {
        let column = timing.column("seconds")?;
        let mut total = 0.0;
        Self::over(timing.rows.iter().filter_map(|row| {
            total += row.values[column]?;
            Some((row.step, total))
        }))
    }

    fn total(series: &Series, name: &str) -> Option<Self> {
        let column = series.column(name)?;
        Self::over(series.rows.iter().filter_map(|row| Some((row.step, row.values[column]?))))
    }

    fn over(rows: impl Iterator<Item = (u64, f64)>) -> Option<Self> {
        let mut points = vec![(0.0, 0.0)];
        points.extend(rows.map(|(step, total)| (step as f64, total)));
        (points.len() > 1).then_some(Self { points })
    }

    /// The total at a step; `None` beyond the last row.
    pub(crate) fn at(&self, step: u64) -> Option<f64> {
        let step = step as f64;
        let right = self.points.partition_point(|point| point.0 < step);
        let (x1, y1) = *self.points.get(right)?;
        if x1 == step || right == 0 {
            return Some(y1);
        }
        let (x0, y0) = self.points[right - 1];
        Some(y0 + (y1 - y0) * (step - x0) / (x1 - x0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: &str = "step,seconds,images_per_second,data_wait_seconds,peak_memory_bytes\n\
        10,2,40,0,100\n20,1,80,0,300\n40,4,40,0,200\n";

    #[test]
    fn seconds_add_up_and_are_linear_between_two_rows() {
        let curve = Curve::clock(&Series::parse(TIMING.as_bytes())).unwrap();
        let at = |step| curve.at(step);
        assert_eq!([at(0), at(5), at(10), at(20)], [Some(0.0), Some(1.0), Some(2.0), Some(3.0)]);
        assert_eq!([at(30), at(40), at(41)], [Some(5.0), Some(7.0), None]);
        assert_eq!(Curve::clock(&Series::parse(b"step,seconds\n")), None);
    }
}
