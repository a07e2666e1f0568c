//! What a sweep names and a plan leaves out, and why.

use serde_json::Value;

/// A point that was merged into an earlier variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The point, in the words of a variant's name.
    pub point: String,
    /// Name of the variant that stands for it.
    pub variant: String,
}

/// A point that an exclude rule leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct Excluded {
    /// The point, in the words of a variant's name.
    pub point: String,
    /// What it sets, in normal form.
    pub overrides: Vec<(String, Value)>,
    /// Conditions of the first rule that leaves it out.
    pub rule: String,
    /// Why, where the rule says so.
    pub reason: Option<String>,
}

/// A point that is wrong, and was skipped because the sweep asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Invalid {
    /// The point, in the words of a variant's name.
    pub point: String,
    /// What it sets, as written.
    pub overrides: Vec<(String, Value)>,
    /// Everything that is wrong with it, each a sentence.
    pub reasons: Vec<String>,
}
