//! Why values are missing, in words a user can act on.
//!
//! In: rows whose seeds lack a value. Out: one note per reason.

use std::collections::{BTreeMap, BTreeSet};

use super::load::Loaded;
use super::metric::Log;
use super::pick::Gap;
use super::query::Query;
use super::row::Row;
use super::verdict::list;
use crate::config::Config;
use crate::diffusion::Schedule;
use crate::diffusion::curve::{self, WINDOW};

/// One note per reason. Failed and planned runs are counted in their row already.
pub(super) fn gaps(loaded: &Loaded, rows: &[Row], query: &Query) -> Vec<String> {
    let mut reasons: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let config = row.members.first().and_then(|place| loaded.variants[*place].config.as_deref());
        for gap in row.seeds.iter().filter_map(|seed| seed.point.as_ref().err()) {
            if !matches!(gap, Gap::Failed | Gap::Missing) {
                reasons.entry(reason(gap, config, query)).or_default().insert(row.variant.clone());
            }
        }
    }
    reasons
        .into_iter()
        .map(|(reason, variants)| {
            let variants = list(&variants.into_iter().collect::<Vec<_>>());
            format!("no {} of {variants}: {reason}", query.metric)
        })
        .collect()
}

fn reason(gap: &Gap, config: Option<&Config>, query: &Query) -> String {
    let evaluated = query.metric.log == Log::Eval;
    match (gap, config) {
        (Gap::NoRows, Some(config)) if evaluated && config.evaluation.every == 0 => {
            "evaluation.every = 0 means that nothing is evaluated; set it to a number of steps".to_owned()
        }
        (Gap::Undefined, Some(config)) if query.metric.name.starts_with("denoise_") => {
            match covered(config) {
                Some((low, high)) if low > WINDOW.0 || high < WINDOW.1 => format!(
                    "its schedule reaches log-SNR {high:.2} to {low:.2} and so does not cover {} to {}",
                    WINDOW.1, WINDOW.0
                ),
                _ => gap.to_string(),
            }
        }
        _ => gap.to_string(),
    }
}

/// Least and greatest log-SNR that a configuration's schedule can be measured at.
fn covered(config: &Config) -> Option<(f64, f64)> {
    curve::reach(&Schedule::new(&config.diffusion).ok()?)
}
