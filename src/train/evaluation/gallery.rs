//! Drawn images held against real ones, when a user asks: FID, KID, precision and recall, sliced Wasserstein.
//!
//! In: a checkpoint's weights, a sampler, real images, perhaps an extractor. Out: [`DrawnScores`]. The features of the
//! real images are kept in the data folder's cache, so that an extractor sees them once.

use std::path::Path;

use super::drawn::{DrawnRequest, DrawnScores, ExtractorFile, Origin, Report, Stage};
use crate::data::{CachedFeatures, FeatureCache, Resident, Split};
use crate::fidelity::{Features, Gaussian, Pictures, kernel_distance, precision_recall, sliced_distance};
use crate::ops::{self, Extractor};
use crate::train::sampling::{SampleRequest, draw_samples, image_shape, to_byte};
use crate::train::{Error, Execution, Prepared};

/// Images that an extractor is given at once.
const BATCH: usize = 32;

/// The real images and the way of drawing, shared by all weights that are measured.
pub(crate) struct Gallery<'a> {
    request: DrawnRequest<'a>,
    real: Resident,
    extractor: Option<Extractor>,
    /// Of the real images, with their Gaussian where FID is asked for; empty until they are prepared.
    features: Option<(Features, Option<Gaussian>)>,
    cache: Option<FeatureCache>,
    shape: [usize; 3],
}

impl<'a> Gallery<'a> {
    /// Takes the first images of a split, which goes by this name, and loads the extractor.
    pub(crate) fn open(
        request: DrawnRequest<'a>,
        execution: &Execution,
        on: &Prepared,
        (name, split): (&str, &Split),
    ) -> Result<Self, Error> {
        ops::set_threads(execution.threads);
        ops::set_deterministic(on.device_name, execution.deterministic);
        let config = request.config;
        let real = Resident::new(split.clone(), request.images)?;
        let open = |file: &ExtractorFile| Extractor::open(&file.path, file.range, file.size, on.device_name);
        let extractor = request.extractor.map(open).transpose()?;
        let cache = request.extractor.zip(extractor.as_ref()).map(|(file, extractor)| {
            let size = file.size.map_or_else(|| "own".to_owned(), |size| size.to_string());
            let text = format!(
                "extractor={}\ninput={}\nsize={size}\nsplit={name}\nimages={}\ndata={}\n",
                extractor.blake3(),
                file.range.name(),
                real.len(),
                on.data_fingerprint()
            );
            FeatureCache::new(&config.runtime.data_dir, text, real.len())
        });
        Ok(Self { real, extractor, features: None, cache, shape: image_shape(config), request })
    }

    /// How many real images there are.
    pub(crate) fn real(&self) -> usize {
        self.real.len()
    }

    /// Hash of the extractor's file.
    pub(crate) fn extractor_blake3(&self) -> Option<&str> {
        self.extractor.as_ref().map(Extractor::blake3)
    }

    /// Finds the features of the real images, where there is an extractor.
    pub(crate) fn prepare(&mut self, report: Report<'_>) -> Result<Option<Origin>, Error> {
        let (Some(extractor), Some(cache)) = (&self.extractor, &self.cache) else { return Ok(None) };
        let (features, origin) = match cache.read() {
            Ok(Some(CachedFeatures { values, width })) => (Features::new(values, width), Origin::Cache),
            found => {
                let features = self.real_features(extractor, report)?;
                let kept = cache.write(features.values(), features.width());
                (features, origin(found.err(), kept, &cache.path()))
            }
        };
        let gaussian = self.request.wanted.fid.then(|| Gaussian::of(&features)).transpose()?;
        self.features = Some((features, gaussian));
        Ok(Some(origin))
    }

    fn real_features(&self, extractor: &Extractor, report: Report<'_>) -> Result<Features, Error> {
        let count = self.real.len();
        self.features(extractor, count, &|image| self.real.image(image), &mut |done| {
            report(Stage::RealFeatures(done, count as u64));
        })
    }

    /// Images and features of the set that has fewer images than features have numbers, where FID is asked for: its
    /// covariance has no full rank.
    pub(crate) fn rank_deficient(&self) -> Option<(usize, usize)> {
        let (features, _) = self.features.as_ref().filter(|_| self.request.wanted.fid)?;
        let width = features.width();
        let images = self.real.len().min(self.request.images);
        (images <= width).then_some((images, width))
    }

    /// Draws images with the weights in one file of a checkpoint's folder, and measures them.
    pub(crate) fn measure(
        &self,
        (checkpoint, step): (&Path, u64),
        weights: &str,
        report: Report<'_>,
    ) -> Result<DrawnScores, Error> {
        let drawn = self.draw((checkpoint, step), weights, report)?;
        let scores = self.compare(&drawn, report)?;
        match scores.not_finite() {
            Some(what) => Err(diverged(step, what, weights)),
            None => Ok(scores),
        }
    }

    /// Images as bytes, each C·H·W.
    fn draw(
        &self,
        (checkpoint, step): (&Path, u64),
        weights: &str,
        report: Report<'_>,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let DrawnRequest { config, settings, images: n, seed, batch, .. } = self.request;
        let request = SampleRequest { config, settings, checkpoint, weights, n, seed, batch, first: None };
        let evaluations = (n * settings.evaluations()) as u64;
        let mut drawn = Vec::with_capacity(n);
        draw_samples(&request, &mut |done| report(Stage::Drawing(done, evaluations)), &mut |values| {
            // A byte would hide it.
            if !values.iter().all(|value| value.is_finite()) {
                return Err(diverged(step, "a pixel", weights));
            }
            let images = values.chunks(self.shape.iter().product());
            drawn.extend(images.map(|image| image.iter().copied().map(to_byte).collect::<Vec<u8>>()));
            Ok(())
        })?;
        Ok(drawn)
    }

    fn compare(&self, drawn: &[Vec<u8>], report: Report<'_>) -> Result<DrawnScores, Error> {
        let mut scores = DrawnScores::default();
        let wanted = self.request.wanted;
        if let (Some(extractor), Some((real, gaussian))) = (&self.extractor, &self.features) {
            let features = self.features(extractor, drawn.len(), &|image| &drawn[image], &mut |done| {
                report(Stage::DrawnFeatures(done, drawn.len() as u64));
            })?;
            report(Stage::Comparing);
            if let Some(real) = gaussian {
                scores.fid = Some(real.distance(&Gaussian::of(&features)?)?);
            }
            scores.kid = wanted.kid.then(|| kernel_distance(real, &features));
            if wanted.precision || wanted.recall {
                let found = precision_recall(real, &features);
                scores.precision = wanted.precision.then_some(found.precision);
                scores.recall = wanted.recall.then_some(found.recall);
            }
        }
        if wanted.swd {
            report(Stage::Comparing);
            let real = (0..self.real.len()).map(|image| self.real.image(image)).collect();
            let drawn = drawn.iter().map(Vec::as_slice).collect();
            let [real, drawn] = [real, drawn].map(|images| Pictures::new(images, self.shape));
            scores.swd = Some(sliced_distance(&real, &drawn));
        }
        Ok(scores)
    }

    fn features<'i>(
        &self,
        extractor: &Extractor,
        count: usize,
        image: &dyn Fn(usize) -> &'i [u8],
        report: &mut dyn FnMut(u64),
    ) -> Result<Features, Error> {
        // Features that were kept count as well: sets of different widths cannot be compared.
        let mut width = self.features.as_ref().map(|(real, _)| real.width());
        let mut values = Vec::new();
        for first in (0..count).step_by(BATCH) {
            let last = count.min(first + BATCH);
            let pixels: Vec<u8> = (first..last).flat_map(image).copied().collect();
            let (found, wide) = extractor.features(&pixels, self.shape)?;
            let before = *width.get_or_insert(wide);
            if before != wide {
                return Err(extractor.uneven(before, wide).into());
            }
            values.extend(found);
            report(last as u64);
        }
        Ok(Features::new(values, width.unwrap_or(0)))
    }
}

/// What became of features that the cache did not have, or had `damaged`.
fn origin(damage: Option<String>, kept: Result<(), String>, path: &Path) -> Origin {
    match (kept, damage) {
        (Err(reason), _) => Origin::Told(format!("the features of real images are not kept: {reason}")),
        (Ok(()), Some(damage)) => {
            Origin::Told(format!("{} was unusable ({damage}) and is written anew", path.display()))
        }
        (Ok(()), None) => Origin::Extracted,
    }
}

fn diverged(step: u64, what: &str, weights: &str) -> Error {
    Error::Diverged { step, what: format!("{what} of images drawn with {weights}"), tensor: None }
}
