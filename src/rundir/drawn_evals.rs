//! Evaluations of drawn images: what decides their numbers, and their rows.
//!
//! In: how images were drawn and looked at, and scores. Out: files under the fingerprint of the settings, as `evals`
//! lays them out: `.json`, `.bands.csv` where pixels were compared, `.csv`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::columns::{BANDS_HEADER, DRAWN_HEADER};
use super::evals::{claim, merge, texts};
use super::{Cell, EvalSettings, RunDir, RunDirError};
use crate::config::Sampling;

/// Keys of `[sampling]` that decide no image: when and how many.
const OCCASIONS: [&str; 2] = ["every", "num_samples"];

/// How images were drawn and looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnSettings {
    /// Images drawn.
    pub images: usize,
    /// Seed of their noise.
    pub seed: u64,
    /// Every key of `[sampling]` that decides an image.
    pub sampling: BTreeMap<String, Value>,
    /// What was made of them; absent where their pixels were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extractor: Option<ExtractorSettings>,
}

/// A feature extractor and how it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractorSettings {
    /// Hash of its file.
    pub blake3: String,
    /// Range of the pixels it was given.
    pub input: String,
    /// Side that images were resized to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Name of its file, which decides nothing.
    pub file: String,
}

impl DrawnSettings {
    /// As a sampler draws them.
    pub fn new(
        images: usize,
        seed: u64,
        sampling: &Sampling,
        extractor: Option<ExtractorSettings>,
    ) -> DrawnSettings {
        let value = serde_json::to_value(sampling).expect("numbers and words serialize");
        let Value::Object(keys) = value else { unreachable!("a struct is an object") };
        let decides = |(key, _): &(String, Value)| !OCCASIONS.contains(&key.as_str());
        let sampling = keys.into_iter().filter(decides).collect();
        DrawnSettings { images, seed, sampling, extractor }
    }

    /// All that decides a number, for a fingerprint.
    pub(super) fn identity(&self) -> String {
        self.parts().into_iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// Names and values, the extractor by its hash.
    pub fn parts(&self) -> Vec<(String, String)> {
        let mut parts =
            vec![("drawn".to_owned(), self.images.to_string()), ("seed".to_owned(), self.seed.to_string())];
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        parts.extend(self.sampling.iter().map(|(key, value)| (format!("sampling.{key}"), word(value))));
        if let Some(extractor) = &self.extractor {
            let size = extractor.size.map_or_else(|| "own".to_owned(), |size| size.to_string());
            parts.push(("extractor".to_owned(), extractor.blake3.clone()));
            parts.push(("extractor-input".to_owned(), extractor.input.clone()));
            parts.push(("extractor-size".to_owned(), size));
        }
        parts
    }
}

/// The rows of one set of weights.
#[derive(Debug)]
pub struct DrawnRows<'a> {
    /// Cells under [`DRAWN_HEADER`].
    pub scores: Vec<Cell<'a>>,
    /// Cells under [`BANDS_HEADER`].
    pub bands: Vec<Vec<Cell<'a>>>,
}

/// Adds the rows of an evaluation of drawn images to its files.
///
/// # Errors
/// The files are as they were, or not all of them are new; the scores' own is the last.
pub fn record_drawn(
    run: &RunDir,
    settings: &EvalSettings,
    rows: &[DrawnRows<'_>],
) -> Result<PathBuf, RunDirError> {
    let path = settings.path(run);
    let _lock = claim(run, settings)?;
    let bands: Vec<Vec<String>> = rows.iter().flat_map(|row| &row.bands).map(|row| texts(row)).collect();
    if !bands.is_empty() {
        merge(&path.with_extension("bands.csv"), BANDS_HEADER, 3, bands)?;
    }
    merge(&path, DRAWN_HEADER, 2, rows.iter().map(|row| texts(&row.scores)).collect())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    fn drawn() -> DrawnSettings {
        let extractor = ExtractorSettings {
            blake3: "ab".to_owned(),
            input: "uint8".to_owned(),
            size: None,
            file: "inception.pt".to_owned(),
        };
        DrawnSettings::new(64, 7, &defaults().sampling, Some(extractor))
    }

    fn settings(drawn: DrawnSettings) -> EvalSettings {
        EvalSettings::of_drawn("test", 50, "v2-abc", drawn)
    }

    #[test]
    fn whatever_decides_a_number_decides_the_fingerprint_and_nothing_else() {
        let mut all = vec![EvalSettings::in_full("test", 50, "v2-abc"), settings(drawn())];
        let mut other = |edit: &dyn Fn(&mut DrawnSettings)| {
            let mut drawn = drawn();
            edit(&mut drawn);
            all.push(settings(drawn));
        };
        other(&|drawn| drawn.images = 63);
        other(&|drawn| drawn.seed = 8);
        other(&|drawn| drawn.extractor = None);
        other(&|drawn| drawn.extractor.as_mut().unwrap().blake3 = "cd".to_owned());
        other(&|drawn| drawn.extractor.as_mut().unwrap().input = "unit".to_owned());
        other(&|drawn| drawn.extractor.as_mut().unwrap().size = Some(64));
        for key in drawn().sampling.keys() {
            other(&|drawn| drop(drawn.sampling.insert(key.clone(), Value::from("other"))));
        }
        let mut names: Vec<String> = all.iter().map(EvalSettings::fingerprint).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
        let mut renamed = drawn();
        renamed.extractor.as_mut().unwrap().file = "other.pt".to_owned();
        assert_eq!(settings(renamed).fingerprint(), settings(drawn()).fingerprint());
        let mut rarer = defaults().sampling;
        (rarer.every, rarer.num_samples) = (1, 1);
        assert_eq!(
            DrawnSettings { extractor: drawn().extractor, ..DrawnSettings::new(64, 7, &rarer, None) },
            drawn()
        );
    }

    #[test]
    fn rows_are_merged_and_settings_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        let row = |fid: Option<f64>, swd: Option<f64>| {
            let mut scores = vec![100.into(), "raw".into(), 50.into(), 64.into(), Cell::from(fid)];
            scores.extend([Cell::Missing, Cell::Missing, Cell::Missing, Cell::Missing, Cell::from(swd)]);
            let bands = swd.map(|swd| vec![100.into(), "raw".into(), 16.into(), Cell::Float(swd)]);
            DrawnRows { scores, bands: bands.into_iter().collect() }
        };
        let path = record_drawn(&run, &settings(drawn()), &[row(Some(1.5), None)]).unwrap();
        assert!(!path.with_extension("bands.csv").exists());
        record_drawn(&run, &settings(drawn()), &[row(None, Some(2.5))]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n100,raw,50,64,1.5,,,,,2.5\n", DRAWN_HEADER.join(",")));
        let bands = std::fs::read_to_string(path.with_extension("bands.csv")).unwrap();
        assert_eq!(bands, "step,weights,side,swd\n100,raw,16,2.5\n");
        let written = EvalSettings::read(&path.with_extension("json")).unwrap().unwrap();
        assert_eq!((written.format, &written), (2, &settings(drawn())));
    }
}
