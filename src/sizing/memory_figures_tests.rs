//! The estimate beside what `scripts/memory/run` measured.

use serde::Deserialize;

use super::{Place, peak_bytes, step_memory};
use crate::config::{Experiment, Request};

#[derive(Deserialize)]
struct Figure {
    name: String,
    settings: Vec<String>,
    within: f64,
    kind: Kind,
    measured_mib: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Of `ablate bench`.
    Step,
    /// Of `ablate run`, with what looks at the network hold.
    Run,
}

#[test]
fn the_estimate_is_as_near_to_measured_peaks_as_it_should_be() {
    let figures: Vec<Figure> = serde_json::from_str(include_str!("../../tests/data/memory.json")).unwrap();
    let near = figures.iter().filter(|figure| figure.within <= 0.15).count();
    assert!(near >= 12 && figures.iter().all(|figure| figure.within <= 0.25), "{near} of {}", figures.len());
    let folder = tempfile::tempdir().unwrap();
    let experiment = folder.path().join("x.toml");
    std::fs::write(&experiment, "").unwrap();
    for Figure { name, settings, within, kind, measured_mib } in figures {
        let request = Request { experiment: experiment.clone(), set: settings, ..Request::default() };
        let loaded = Experiment::load(&request).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let told = match kind {
            Kind::Step => step_memory(loaded.base(), Place::Host).total(),
            Kind::Run => peak_bytes(loaded.base(), Place::Host),
        };
        let ratio = told as f64 / 1_048_576.0 / measured_mib as f64;
        assert!(
            (ratio - 1.0).abs() <= within,
            "{name}: {told} bytes where {measured_mib} MiB were measured, {ratio:.3}"
        );
    }
}
