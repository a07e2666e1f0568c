//! Small-sample statistics: mean, sample standard deviation, Student's t-interval and test, Holm's adjustment.
//!
//! In: one value per seed. Out: [`Summary`], p values. Nothing here knows what the values measure.

use std::f64::consts::PI;

/// Share of repetitions in which an interval covers the true mean.
const CONFIDENCE: f64 = 0.95;
/// Below this p value a 95 % interval leaves out 0.
pub(crate) const SIGNIFICANCE: f64 = 0.05;

/// Mean, spread and interval of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    /// Number of values.
    pub(crate) n: usize,
    /// Arithmetic mean.
    pub(crate) mean: f64,
    /// Sample standard deviation (divisor n − 1); `None` below two values.
    pub(crate) std: Option<f64>,
    /// 95 % t-interval of the mean, low and high; `None` below two values.
    pub(crate) ci95: Option<(f64, f64)>,
}

impl Summary {
    /// Summarises `values`; `None` for an empty sample.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        if n == 1 {
            return Some(Self { n, mean, std: None, ci95: None });
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = (squares / (n - 1) as f64).sqrt();
        let half = t_critical(1.0 - CONFIDENCE, n - 1) * std / (n as f64).sqrt();
        Some(Self { n, mean, std: Some(std), ci95: Some((mean - half, mean + half)) })
    }
}

/// Two-sided p value of Student's test that the mean of `values` is 0; `None` below two values.
pub(crate) fn p_value(values: &[f64]) -> Option<f64> {
    let summary = Summary::of(values)?;
    let std = summary.std?;
    if std == 0.0 {
        // Equal values: either no difference at all, or one that never varied.
        return Some(if summary.mean == 0.0 { 1.0 } else { 0.0 });
    }
    let t = summary.mean / (std / (summary.n as f64).sqrt());
    Some(two_sided_tail(t, (summary.n - 1) as f64))
}

/// Holm's step-down adjustment: the probability of one false claim among all stays at the level each is held
/// to. Same order; contrasts without a p value make no claim and are not counted.
pub(crate) fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(f64, usize)> =
        p_values.iter().enumerate().filter_map(|(at, p)| Some(((*p)?, at))).collect();
    order.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    let mut adjusted = vec![None; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, (p, at)) in order.iter().enumerate() {
        least = least.max(((order.len() - rank) as f64 * p).min(1.0));
        adjusted[*at] = Some(least);
    }
    adjusted
}

/// The t with P(|T| > t) = `tail` for Student's T with `df` ≥ 1 degrees of freedom.
///
/// The tail is convex and falling for t > 0, so Newton's method started at 0 climbs to the root without
/// overshooting.
fn t_critical(tail: f64, df: usize) -> f64 {
    let df = df as f64;
    let log_norm = libm::lgamma((df + 1.0) / 2.0) - libm::lgamma(df / 2.0) - 0.5 * (df * PI).ln();
    let density = |t: f64| (log_norm - (df + 1.0) / 2.0 * (t * t / df).ln_1p()).exp();
    let mut t = 0.0;
    for _ in 0..200 {
        let step = (two_sided_tail(t, df) - tail) / (2.0 * density(t));
        t += step;
        if step.abs() <= 1e-14 * t {
            break;
        }
    }
    t
}

/// P(|T| > t) = I_{df/(df+t²)}(df/2, 1/2).
fn two_sided_tail(t: f64, df: f64) -> f64 {
    let square = t * t;
    // Both arguments are formed directly: 1 − x would cancel for large df.
    regularized_beta(df / (df + square), square / (df + square), df / 2.0, 0.5)
}

/// The regularized incomplete beta function I_x(a, b), with `rest` = 1 − x given apart.
fn regularized_beta(x: f64, rest: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if rest <= 0.0 {
        return 1.0;
    }
    let log_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * rest.ln();
    let front = log_front.exp();
    // The continued fraction converges fast on the near side of the mean only.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(rest, b, a) / b
    }
}

/// The continued fraction of I_x(a, b) (Abramowitz & Stegun 26.5.8), by Lentz's method.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..1000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for term in [even, odd] {
            d = 1.0 / guard(1.0 + term * d);
            c = guard(1.0 + term / c);
            factor = c * d;
            fraction *= factor;
        }
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_critical_equals_the_closed_forms_of_one_and_two_degrees_of_freedom() {
        // df = 1 (Cauchy): tan(π·0.475); df = 2: from the closed form of the distribution function.
        assert!((t_critical(0.05, 1) - (PI * 0.475).tan()).abs() < 1e-11);
        let q: f64 = 2.0 * 0.975 - 1.0;
        assert!((t_critical(0.05, 2) - q * (2.0 / (1.0 - q * q)).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn t_critical_equals_published_tables() {
        let known = [
            (3, 3.182_446_305_284_263),
            (4, 2.776_445_105_197_793_5),
            (5, 2.570_581_835_636_314),
            (9, 2.262_157_162_798_204_5),
            (10, 2.228_138_851_964_938_7),
            (30, 2.042_272_456_301_237_4),
            (100, 1.983_971_518_523_552_6),
        ];
        for (df, expected) in known {
            let found = t_critical(0.05, df);
            assert!((found - expected).abs() < 1e-9, "df {df}: {found} instead of {expected}");
        }
    }

    #[test]
    fn t_critical_approaches_the_normal_quantile() {
        assert!((t_critical(0.05, 1_000_000) - 1.959_963_984_540_054).abs() < 1e-5);
    }

    #[test]
    fn a_sample_of_three_has_the_interval_worked_out_by_hand() {
        let summary = Summary::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((summary.n, summary.mean, summary.std), (3, 2.0, Some(1.0)));
        let (low, high) = summary.ci95.unwrap();
        // t(0.975, 2) = 0.95·√(2 / 0.0975); the standard error is 1/√3.
        assert!((high - 2.0 - 0.95 * (2.0 / 0.0975_f64).sqrt() / 3f64.sqrt()).abs() < 1e-11);
        assert!((low + high - 4.0).abs() < 1e-12);
    }

    #[test]
    fn one_value_has_no_spread_and_none_has_no_summary() {
        let one = Summary::of(&[0.5]).unwrap();
        assert_eq!((one.n, one.mean, one.std, one.ci95), (1, 0.5, None, None));
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn the_test_is_the_interval_read_the_other_way_round() {
        // t = √3 with one degree of freedom: 2·(1/2 − atan(√3)/π) = 1/3.
        let (mean, half_range) = (3f64.sqrt(), 1.0);
        let p = p_value(&[mean - half_range, mean + half_range]).unwrap();
        assert!((p - 1.0 / 3.0).abs() < 1e-12, "{p}");
        let summary = Summary::of(&[1.0, 2.0, 4.0]).unwrap();
        let low = summary.ci95.unwrap().0;
        let shifted: Vec<f64> = [1.0, 2.0, 4.0].iter().map(|value| value - low).collect();
        assert!((p_value(&shifted).unwrap() - SIGNIFICANCE).abs() < 1e-10);
        assert_eq!(
            (p_value(&[0.0, 0.0]), p_value(&[1.0, 1.0]), p_value(&[1.0])),
            (Some(1.0), Some(0.0), None)
        );
    }

    #[test]
    fn holm_multiplies_by_what_is_left_and_never_falls() {
        // Holm (1979): 0.01·3, then max(0.03, 0.02·2), then max(0.04, 0.03).
        let adjusted = holm(&[Some(0.03), None, Some(0.01), Some(0.02)]);
        let expected = [Some(0.04), None, Some(0.03), Some(0.04)];
        for (found, expected) in adjusted.iter().zip(expected) {
            assert_eq!(found.is_some(), expected.is_some());
            assert!((found.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-15, "{adjusted:?}");
        }
        assert_eq!(holm(&[Some(0.6), Some(0.7)]), [Some(1.0), Some(1.0)]);
        assert_eq!(holm(&[]), []);
    }

    #[test]
    fn equal_values_have_an_interval_of_width_zero() {
        assert_eq!(Summary::of(&[2.5, 2.5]).unwrap().ci95, Some((2.5, 2.5)));
    }
}
