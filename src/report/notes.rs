//! What a reader must know about a comparison that its numbers cannot say.
//!
//! In: loaded runs and the rows made of them. Out: one sentence each.

use std::collections::BTreeSet;

use super::format::number;
use super::gaps::gaps;
use super::load::Loaded;
use super::metric::Log;
use super::point::{At, Budget};
use super::query::{Query, Split};
use super::row::Row;
use super::trust::differing;
use super::verdict::list;

/// Settings that move the bound of a chain whatever the network does.
const CHAIN_KEYS: [&str; 6] = [
    "diffusion.beta_end",
    "diffusion.beta_start",
    "diffusion.noise_schedule",
    "diffusion.rescale_betas",
    "diffusion.timesteps",
    "diffusion.zero_terminal_snr",
];

/// What the table cannot say by itself.
pub(crate) fn notes(loaded: &Loaded, rows: &[Row], query: &Query) -> Vec<String> {
    let mut notes = gaps(loaded, rows, query);
    if query.at == Some(At::Best) {
        notes.push(match (query.metric.log, query.split) {
            (Log::Eval, Split::Val) => "each run's step was chosen on the split it is measured on (val), so \
                                        its value is a little too good"
                .to_owned(),
            (Log::Eval, _) => "each run's step was chosen on val".to_owned(),
            (Log::Metrics, _) => "each run's step was chosen on training batches".to_owned(),
        });
    }
    if let Some(At::Budget(budget)) = query.at {
        notes.extend(spent(rows, budget));
    }
    let of_the_chain = differing(loaded, &CHAIN_KEYS);
    if query.metric.is_of_the_chain() && !of_the_chain.is_empty() {
        notes.push(format!(
            "{} is a bound of each variant's own chain, which {} moves whatever the network learned; \
             denoise_score does not depend on it",
            query.metric,
            of_the_chain.join(" and "),
        ));
    }
    notes.extend(origins(loaded, rows));
    notes
}

/// Where the numbers come from, as far as it is not one and the same place.
fn origins(loaded: &Loaded, rows: &[Row]) -> Vec<String> {
    let mut notes = Vec::new();
    let inexact: Vec<String> = rows
        .iter()
        .filter(|row| row.seeds.iter().any(|seed| !seed.exact))
        .map(|row| row.variant.clone())
        .collect();
    if !inexact.is_empty() {
        notes.push(format!(
            "resumed under other conditions, so not the bytes of an uninterrupted run: {}",
            list(&inexact)
        ));
    }
    let dropped: Vec<String> = loaded
        .variants
        .iter()
        .filter(|variant| !variant.asked)
        .map(|variant| variant.label.clone())
        .collect();
    if !dropped.is_empty() {
        notes.push(format!("no longer asked for by the experiment file: {}", list(&dropped)));
    }
    let origins = || loaded.variants.iter().flat_map(|variant| &variant.runs).map(|run| &run.origin);
    let revisions: BTreeSet<&String> = origins().flat_map(|origin| &origin.revisions).collect();
    if revisions.len() > 1 {
        let revisions: Vec<String> = revisions.into_iter().cloned().collect();
        notes.push(format!("the runs come from different code revisions: {}", list(&revisions)));
    }
    let data: BTreeSet<&String> = origins().filter_map(|origin| origin.data.as_ref()).collect();
    if data.len() > 1 && !differs(loaded, |key| key.starts_with("data.")) {
        notes.push("the runs saw different images under the same data settings".to_owned());
    }
    notes
}

/// How far from the budget the rows lie that are compared under it.
fn spent(rows: &[Row], budget: Budget) -> Option<String> {
    let spent = rows.iter().flat_map(|row| &row.seeds).filter_map(|seed| seed.point.as_ref().ok()?.spent);
    let (least, most) = (spent.clone().min_by(f64::total_cmp)?, spent.max_by(f64::total_cmp)?);
    Some(format!(
        "under {budget} each run is read at its last row before; these lie at {} to {} {}, up to {:.1} % short",
        number(least),
        number(most),
        budget.unit,
        100.0 * (budget.amount - least) / budget.amount,
    ))
}

/// Whether the loaded variants differ in a key that `wanted` accepts.
fn differs(loaded: &Loaded, wanted: impl Fn(&str) -> bool) -> bool {
    let settings: Vec<_> = loaded.variants.iter().filter_map(|variant| variant.settings.as_ref()).collect();
    let chosen = |at: usize| settings[at].iter().filter(|(key, _)| wanted(key));
    (1..settings.len()).any(|at| !chosen(at - 1).eq(chosen(at)))
}
