//! What `ablate eval` prints: tables for people, one object for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::found::{Evaluated, Found};
use super::measured::Measured;
use super::noised::Noised;
use super::with_torch::Subject;
use crate::cli::grid::grid;
use crate::guard::{escape_json, printable};
use crate::report::format::number;
use crate::rundir::{DRAWN_HEADER, EVALS_HEADER};

/// Everything that was measured.
pub(super) struct Answer {
    pub(super) noised: Option<Noised>,
    pub(super) drawn: Option<Evaluated>,
}

impl Answer {
    /// For people.
    pub(super) fn text(&self, on: &Subject<'_>) -> String {
        let mut text = String::new();
        let place = format!("{} at step {}", on.run.label(), on.chosen.step);
        if let Some(Noised { settings, all, path }) = &self.noised {
            let rows = all.iter().map(|one| (one.weights.clone(), one.values()));
            let _ = writeln!(text, "{place}, {} images of {}", settings.images, settings.split);
            text.push_str(&table(&rows.collect::<Vec<_>>(), EVALS_HEADER));
            text.extend(Measured::note(all));
            let _ = writeln!(text, "written: {}", printable(&path.display().to_string()));
        }
        if let Some(drawn) = &self.drawn {
            let rows = drawn.all.iter().map(|one| (one.weights.clone(), one.values()));
            let against = format!("{} drawn images against {} of {}", drawn.drawn, drawn.real, on.split_name);
            let _ = writeln!(text, "{place}, {against}");
            text.push_str(&table(&rows.collect::<Vec<_>>(), DRAWN_HEADER));
            text.extend(drawn.all.iter().filter_map(bands));
            for (_, path) in &drawn.written {
                let _ = writeln!(text, "written: {}", printable(&path.display().to_string()));
            }
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self, on: &Subject<'_>) -> String {
        let mut document = json!({"split": on.split_name.to_string()});
        if let Some(Noised { settings, all, path }) = &self.noised {
            document["images"] = json!(settings.images);
            document["fingerprint"] = json!(settings.fingerprint());
            document["path"] = json!(path);
            document["rows"] = all.iter().map(Measured::json).collect();
        }
        if let Some(drawn) = &self.drawn {
            let file = |(settings, path): &(crate::rundir::EvalSettings, std::path::PathBuf)| json!({"fingerprint": settings.fingerprint(), "path": path, "settings": settings.drawn});
            document["drawn"] = json!({
                "real": drawn.real,
                "drawn": drawn.drawn,
                "rows": drawn.all.iter().map(|found| row(found, on.chosen.step)).collect::<Vec<_>>(),
                "files": drawn.written.iter().map(file).collect::<Vec<_>>(),
            });
        }
        escape_json(&format!("{document:#}\n"))
    }
}

fn row(found: &Found, step: u64) -> Value {
    let mut row = json!({"step": step, "weights": found.weights});
    for (name, value) in found.values() {
        row[name] = json!(value);
    }
    if !found.bands().is_empty() {
        let band = |(side, swd): &(usize, f64)| json!({"side": side, "swd": swd});
        row["swd_bands"] = found.bands().iter().map(band).collect();
    }
    row
}

/// One row a set of weights; a column without a value in any is left out.
fn table(rows: &[(String, Vec<(&'static str, f64)>)], header: &[&'static str]) -> String {
    let value = |values: &[(&str, f64)], name: &str| {
        values.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    };
    let has = |name: &&str| rows.iter().any(|(_, values)| value(values, name).is_some());
    let columns: Vec<&str> = header.iter().copied().filter(has).collect();
    let headings = std::iter::once("weights").chain(columns.iter().copied());
    let cells = rows.iter().map(|(weights, values)| {
        let cell = |name: &&str| value(values, name).map_or_else(|| "-".to_owned(), number);
        std::iter::once(weights.clone()).chain(columns.iter().map(cell).collect::<Vec<_>>())
    });
    grid(headings, cells, |place| place > 0)
}

/// `swd` band by band, where there is more than one.
fn bands(found: &Found) -> Option<String> {
    let each = |(side, swd): &(usize, f64)| format!("{} at {side} pixels", number(*swd));
    let all: Vec<String> = found.bands().iter().map(each).collect();
    (all.len() > 1).then(|| format!("swd of {}: {}\n", found.weights, all.join(", ")))
}
