//! What the variants of a plan hold while they train, and whether that fits.
//!
//! In: a plan and the device it is for. Out: bytes for the table and for JSON, lines for `--verbose`, a warning for each
//! variant that does not fit with what would, and the refusal of `--strict`.

use crate::cli::failure::Failure;
use crate::cli::training_device::TrainingDevice;
use crate::cli::wording::counted;
use crate::config::{Config, Runtime};
use crate::memory::human;
use crate::plan::{Plan, Variant};
use crate::sizing::{Place, StepMemory, accumulation_that_fits, peak_bytes, step_memory, thousands};

/// What variants hold, in their order, beside what there is.
pub(in crate::cli) struct Fit<'a> {
    plan: &'a Plan,
    device: TrainingDevice,
    peaks: Vec<u64>,
}

impl<'a> Fit<'a> {
    /// Looks at every variant.
    pub(in crate::cli) fn of(plan: &'a Plan, device: TrainingDevice) -> Self {
        let peaks = plan.variants.iter().map(|variant| peak_bytes(&variant.config, device.place)).collect();
        Self { plan, device, peaks }
    }

    /// For the device that this machine would train on.
    pub(in crate::cli) fn here(plan: &'a Plan, runtime: &Runtime) -> Self {
        Self::of(plan, TrainingDevice::here(runtime, plan.runs().count()))
    }

    /// Where the variants would train.
    pub(in crate::cli) fn place(&self) -> Place {
        self.device.place
    }

    /// The most that a run of a variant holds.
    pub(in crate::cli) fn peak(&self, variant: usize) -> u64 {
        self.peaks[variant]
    }

    /// Whether that fits; `None` where nobody tells what there is.
    pub(in crate::cli) fn fits(&self, variant: usize) -> Option<bool> {
        self.device.room().map(|room| self.peaks[variant] <= room)
    }

    /// A step of a variant, part by part.
    pub(in crate::cli) fn step(&self, variant: usize) -> StepMemory {
        step_memory(&self.plan.variants[variant].config, self.device.place)
    }

    /// What `--verbose` says of a variant: names and values, the parts indented.
    pub(in crate::cli) fn lines(&self, variant: usize) -> Vec<(&'static str, String)> {
        let (step, peak) = (self.step(variant), self.peaks[variant]);
        let kind = self.device.kind();
        let most = match step.total() == peak {
            true => format!("{} of {kind}, in a step", human(peak)),
            false => {
                let look = "while it evaluates or draws";
                format!("{} of {kind}, {look}; {} in a step", human(peak), human(step.total()))
            }
        };
        let mut lines = vec![("memory", most)];
        lines.extend(parts(&step).map(|(name, bytes)| (name, human(bytes))));
        lines
    }

    /// One sentence for all variants that do not fit for the same reason.
    pub(in crate::cli) fn warnings(&self) -> Vec<String> {
        self.warnings_of(|_| true)
    }

    /// The same, of these variants alone.
    pub(in crate::cli) fn warnings_of(&self, wanted: impl Fn(&Variant) -> bool) -> Vec<String> {
        let Some(room) = self.device.room() else { return vec![] };
        let mut told: Vec<(String, Vec<&str>)> = Vec::new();
        let too_large = |(variant, peak): &(&Variant, &u64)| **peak > room && wanted(variant);
        for (variant, peak) in self.plan.variants.iter().zip(&self.peaks).filter(too_large) {
            let sentence = format!(
                "would hold about {} in training, and {}; {}",
                human(*peak),
                self.device.sentence(),
                remedy(variant, self.device.place, room)
            );
            match told.iter_mut().find(|(text, _)| *text == sentence) {
                Some((_, names)) => names.push(&variant.name),
                None => told.push((sentence, vec![variant.name.as_str()])),
            }
        }
        told.into_iter().map(|(sentence, names)| format!("{} {sentence}", who(&names))).collect()
    }

    /// `--strict`: nothing, or how many do not fit.
    pub(in crate::cli) fn strict(&self) -> Result<(), Failure> {
        let Some(room) = self.device.room() else {
            let message =
                format!("--strict: nobody here can tell how much memory {} has", self.device.sentence());
            return Err(Failure::user(message).with_help("--memory GB plans for a device of that size"));
        };
        let count = self.peaks.iter().filter(|peak| **peak > room).count();
        if count == 0 {
            return Ok(());
        }
        let of = counted(self.peaks.len(), "variant");
        let verb = if count == 1 { "does" } else { "do" };
        let message = format!(
            "--strict: {} of {of} {verb} not fit: {}",
            thousands(count as u64),
            self.device.sentence()
        );
        Err(Failure::user(message).with_help("each is named in a warning above, with what would fit"))
    }
}

/// Parts with names, indented under `memory`.
fn parts(step: &StepMemory) -> impl Iterator<Item = (&'static str, u64)> {
    [
        ("  program", step.program),
        ("  weights", step.weights),
        ("  gradients", step.gradients),
        ("  optimizer", step.optimizer),
        ("  averages", step.averages),
        ("  inputs", step.inputs),
        ("  activations", step.activations),
        ("  workspace", step.workspace),
    ]
    .into_iter()
}

/// `a`, or `a and 3 more`.
fn who(names: &[&str]) -> String {
    match names {
        [first, others @ ..] if !others.is_empty() => format!("{first} and {} more", others.len()),
        names => names.concat(),
    }
}

/// What would make a variant fit that does not.
fn remedy(variant: &Variant, place: Place, room: u64) -> String {
    let config = &variant.config;
    let changed = |change: &dyn Fn(&mut Config)| {
        let mut config = config.clone();
        change(&mut config);
        config
    };
    let after = |config: &Config| human(peak_bytes(config, place));
    let parts = |parts: usize| changed(&|config| config.training.gradient_accumulation = parts);
    let recomputed = changed(&|config| config.training.recompute = true);
    let with_recompute =
        if config.training.recompute { None } else { accumulation_that_fits(&recomputed, place, room) };
    let unchanged = |count: &usize| *count == config.training.gradient_accumulation.max(1);

    let mut ways = Vec::new();
    if let Some(count) = accumulation_that_fits(config, place, room) {
        ways.push(format!("training.gradient_accumulation = {count} would fit ({})", after(&parts(count))));
    }
    match with_recompute {
        Some(count) if unchanged(&count) => {
            ways.push(format!("training.recompute = true would fit ({})", after(&recomputed)));
        }
        Some(count) if ways.is_empty() => {
            let both = changed(&|config| {
                config.training.recompute = true;
                config.training.gradient_accumulation = count;
            });
            ways.push(format!(
                "training.gradient_accumulation = {count} with training.recompute = true would fit ({})",
                after(&both)
            ));
        }
        _ => {}
    }
    if ways.is_empty() { hopeless(config, place, room) } else { ways.join(", ") }
}

/// Why no micro-batch is small enough.
fn hopeless(config: &Config, place: Place, room: u64) -> String {
    let mut least = config.clone();
    least.training.gradient_accumulation = least.training.batch_size;
    least.training.recompute = true;
    let step = step_memory(&least, place);
    let why = if step.total() <= room {
        format!(
            "its evaluations and grids of samples hold {} whatever a step does",
            human(peak_bytes(&least, place))
        )
    } else {
        let state = [step.weights, step.gradients, step.optimizer, step.averages];
        format!(
            "even one image at a time with training.recompute = true holds {}, of which weights, gradients, optimizer \
             and averages take {}",
            human(step.total()),
            human(state.into_iter().fold(0, u64::saturating_add))
        )
    };
    format!("{why}; a smaller model.base_channels or data.image_size needs less")
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
