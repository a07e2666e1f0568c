//! `ablate eval` of drawn images: what is asked, what it costs, and what was found.

use std::path::PathBuf;

use super::bar::Bar;
use super::drawing::Range;
use super::found::{Evaluated, Found};
use super::with_torch::{Subject, failure};
use super::{Args, Measure};
use crate::cli::failure::Failure;
use crate::cli::output::{note, warn};
use crate::cli::run::storage;
use crate::config::{Config, Sampling};
use crate::memory::{Room, images_at_a_time};
use crate::ops::{DeviceName, PixelRange};
use crate::rundir::{DrawnSettings, EvalSettings, ExtractorSettings, record_drawn};
use crate::train::{DrawnRequest, ExtractorFile, Gallery, LEAST_FOR_RECALL, Origin, Wanted};

/// What is asked of drawn images; nothing of it has been looked at on disk.
pub(super) struct Asked {
    wanted: Wanted,
    settings: Sampling,
    images: usize,
    seed: u64,
    extractor: Option<ExtractorFile>,
}

impl Asked {
    /// `None` where no metric is of drawn images.
    pub(super) fn of(args: &Args, config: &Config) -> Result<Option<Self>, Failure> {
        let has = |measure| args.metrics.contains(&measure);
        let wanted = Wanted {
            fid: has(Measure::Fid),
            kid: has(Measure::Kid),
            precision: has(Measure::Precision),
            recall: has(Measure::Recall),
            swd: has(Measure::Swd),
        };
        let of_features = wanted != Wanted { swd: wanted.swd, ..Wanted::default() };
        let flags = &args.drawing;
        check_extractor(args, of_features)?;
        if wanted == Wanted::default() {
            let seed = flags.seed.is_some().then_some("--seed");
            return match flags.sampler.given().or(seed) {
                Some(flag) => {
                    Err(Failure::user(format!("{flag} is about drawn images, and no metric here is"))
                        .with_help("add --metrics swd, or fid, kid, precision, recall with --extractor"))
                }
                None => Ok(None),
            };
        }
        let extractor = flags.extractor.as_ref().map(|path| ExtractorFile {
            path: path.clone(),
            range: match flags.extractor_input.unwrap_or(Range::Uint8) {
                Range::Uint8 => PixelRange::Uint8,
                Range::Unit => PixelRange::Unit,
                Range::Signed => PixelRange::Signed,
            },
            size: flags.extractor_size.map(|size| size as usize),
        });
        let settings = flags.sampler.over(config)?;
        let (images, seed) = (args.images as usize, flags.seed.unwrap_or(0));
        Ok(Some(Self { wanted, settings, images, seed, extractor }))
    }

    /// Draws with each set of weights, measures and records.
    pub(super) fn evaluate(&self, on: &Subject<'_>) -> Result<Evaluated, Failure> {
        let request = DrawnRequest {
            config: on.config,
            settings: &self.settings,
            images: self.images,
            seed: self.seed,
            batch: batch(on),
            wanted: self.wanted,
            extractor: self.extractor.as_ref(),
        };
        let split = on.split_name.to_string();
        let mut gallery =
            Gallery::open(request, on.execution, on.prepared, (&split, on.split)).map_err(failure)?;
        self.check_images(&gallery)?;
        self.say_cost(on, &gallery);
        let bar = Bar::new();
        let origin = gallery.prepare(&mut |stage| bar.show(stage)).map_err(failure)?;
        bar.beside(|| {
            say_origin(origin, gallery.real());
            say_rank(gallery.rank_deficient());
        });
        let mut all = Vec::new();
        for weights in on.weights {
            let checkpoint = (on.chosen.path.as_path(), on.chosen.step);
            let scores = gallery.measure(checkpoint, &weights.file, &mut |stage| bar.show(stage));
            all.push(Found { weights: weights.label.clone(), scores: scores.map_err(failure)? });
        }
        drop(bar);
        let written = self.record(on, &gallery, &all)?;
        Ok(Evaluated { real: gallery.real(), drawn: self.images, all, written })
    }

    fn check_images(&self, gallery: &Gallery<'_>) -> Result<(), Failure> {
        let neighbours = self.wanted.precision || self.wanted.recall;
        let (least, why) = if neighbours {
            (LEAST_FOR_RECALL, "each image's third neighbour is asked for")
        } else {
            (2, "a set has to spread")
        };
        let images = gallery.real().min(self.images);
        if images >= least {
            return Ok(());
        }
        Err(Failure::user(format!("{images} images are too few: {least} are needed, since {why}"))
            .with_help("raise --images, or take another --split"))
    }

    /// Says what is about to be asked of network and extractor.
    fn say_cost(&self, on: &Subject<'_>, gallery: &Gallery<'_>) {
        let each = self.settings.evaluations();
        let of = format!("{} images x {each} evaluations with {}", self.images, self.settings.sampler.name());
        on.say_cost("drawing", (self.images * each) as u64, &of);
        if self.extractor.is_some() {
            note(format_args!(
                "the extractor is asked about {} drawn images{}, and about {} real ones unless the cache has \
                 their features",
                self.images,
                on.of_sets(),
                gallery.real()
            ));
        }
    }

    /// Features and pixels have a file each: the second does not depend on an extractor.
    fn record(
        &self,
        on: &Subject<'_>,
        gallery: &Gallery<'_>,
        all: &[Found],
    ) -> Result<Vec<(EvalSettings, PathBuf)>, Failure> {
        let file = |file: &ExtractorFile| ExtractorSettings {
            blake3: gallery.extractor_blake3().unwrap_or_default().to_owned(),
            input: file.range.name().to_owned(),
            size: file.size,
            file: file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let settings = |extractor| {
            let drawn = DrawnSettings::new(self.images, self.seed, &self.settings, extractor);
            let (split, data) = (on.split_name.to_string(), on.prepared.data_fingerprint());
            EvalSettings::of_drawn(&split, gallery.real(), data, drawn)
        };
        let mut written = Vec::new();
        let mut write = |settings: EvalSettings, pixels: bool| -> Result<(), Failure> {
            let counts = (gallery.real(), self.images);
            let rows: Vec<_> = all.iter().map(|found| found.rows(on.chosen.step, counts, pixels)).collect();
            let path = record_drawn(on.run, &settings, &rows).map_err(storage)?;
            written.push((settings, path));
            Ok(())
        };
        if let Some(extractor) = &self.extractor {
            write(settings(Some(file(extractor))), false)?;
        }
        if self.wanted.swd {
            write(settings(None), true)?;
        }
        Ok(written)
    }
}

/// As many as a sample grid of the run has at a time, or as fit.
fn batch(on: &Subject<'_>) -> usize {
    let room = if on.prepared.device_name == DeviceName::Cpu { Room::here() } else { None };
    images_at_a_time(on.config, room).min(on.execution.sampling_batch)
}

/// Features need an extractor, and an extractor is for features.
fn check_extractor(args: &Args, of_features: bool) -> Result<(), Failure> {
    let flags = &args.drawing;
    if of_features && flags.extractor.is_none() {
        return Err(Failure::user("fid, kid, precision and recall need a feature extractor").with_help(
            "name a TorchScript file with --extractor, such as inception-2015-12-05.pt; swd needs none",
        ));
    }
    let given = [
        ("--extractor", flags.extractor.is_some()),
        ("--extractor-input", flags.extractor_input.is_some()),
        ("--extractor-size", flags.extractor_size.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given && !of_features) {
        Some((flag, _)) => Err(Failure::user(format!("{flag} is for fid, kid, precision and recall"))
            .with_help("add them to --metrics, or leave it out")),
        None => Ok(()),
    }
}

fn say_origin(origin: Option<Origin>, images: usize) {
    match origin {
        Some(Origin::Cache) => {
            note(format_args!("the features of the {images} real images are in the cache"))
        }
        Some(Origin::Told(what)) => note(what),
        Some(Origin::Extracted) | None => {}
    }
}

fn say_rank(deficient: Option<(usize, usize)>) {
    if let Some((images, features)) = deficient {
        warn(format_args!(
            "{images} images are too few for a covariance of {features} features (full rank takes more than \
             {features}): this fid is biased, and comparable only with one of as many images; kid is not biased"
        ));
    }
}
