//! Why runs cannot be put side by side.

/// Why there is no comparison.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(crate) enum CompareError {
    /// Nothing to compare.
    #[error("no runs found in {places}")]
    NoRuns { places: String },
    /// A column that no log has.
    #[error("no {file} has a column \"{name}\"; there are: {known}")]
    UnknownMetric { name: String, file: &'static str, known: String, nearest: Option<String> },
    /// Values measured under different settings.
    #[error("{metric} is not comparable here: {reason}")]
    SettingsDiffer { metric: String, reason: String },
    /// A key of an option that no configuration has, or that does not vary.
    #[error("{option} {key}: {reason}")]
    UnknownKey { option: &'static str, key: String, reason: String, nearest: Option<String> },
    /// A variant that is not there, or several that are meant.
    #[error("--baseline {name}: {reason}")]
    Baseline { name: String, reason: String, nearest: Option<String> },
    /// A combination of options that has no meaning.
    #[error("{reason}")]
    Unanswerable { reason: String, help: String },
}
