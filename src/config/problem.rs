//! What is wrong with a configuration, in words a user can act on.
//!
//! In: findings of the reader, the key table and the cross-field rules. Out: [`Problems`], printed as
//! `error: …` with the file and line that caused each one and what to do about it.

use std::fmt;
use std::path::PathBuf;

use crate::guard::printable_lines;

/// Where a key was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// Line from 1; absent for JSON, whose parser keeps no lines.
    pub line: Option<usize>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// What is wrong, opening with the key it is about.
    pub message: String,
    /// Where the value that caused it was written.
    pub location: Option<Box<Location>>,
    /// The layer that value came from; absent for the experiment file itself.
    pub layer: Option<Box<str>>,
    /// The variant it occurs in, for a sweep point.
    pub variant: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// The key that was set at `location`, where the message opens with another one.
    pub key: Option<Box<str>>,
    /// Whether the system refused to read what may be right: a disk that fails is nobody's mistake.
    pub is_storage: bool,
}

impl Problem {
    /// A problem that has only a message yet.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Adds where it was written.
    pub fn at(mut self, location: Option<Location>) -> Self {
        self.location = location.map(Box::new);
        self
    }

    /// Adds the layer it came from.
    pub fn in_layer(mut self, layer: Option<String>) -> Self {
        self.layer = layer.map(Into::into);
        self
    }

    /// Adds the variant it occurs in.
    pub fn in_variant(mut self, variant: impl Into<String>) -> Self {
        self.variant = Some(variant.into());
        self
    }

    /// Adds what to do about it.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether a value of the sweep point caused it.
    pub(crate) fn is_of_sweep_point(&self) -> bool {
        self.layer.as_deref() == Some(SWEEP_POINT)
    }

    /// The line that says where: `set in FILE:LINE (layer, variant "name")`.
    fn origin(&self) -> Option<String> {
        let variant = self.variant.as_ref().map(|name| format!("variant \"{name}\""));
        let line = match (&self.location, &self.layer) {
            (Some(location), layer) => {
                // The sweep point is said by the variant's name, where there is one.
                let layer = layer.as_ref().filter(|layer| variant.is_none() || ***layer != *SWEEP_POINT);
                let notes: Vec<&str> =
                    layer.map(|layer| &**layer).into_iter().chain(variant.as_deref()).collect();
                let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
                format!("set in {location}{notes}")
            }
            (None, Some(layer)) => match variant {
                Some(variant) => format!("set by {layer} ({variant})"),
                None => format!("set by {layer}"),
            },
            (None, None) => return variant.map(|variant| format!("in {variant}")),
        };
        Some(match &self.key {
            Some(key) => format!("{key} {line}"),
            None => line,
        })
    }
}

/// The name of the layer that a sweep point's values form.
pub(crate) const SWEEP_POINT: &str = "sweep point";

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", indented(&self.message))?;
        if let Some(origin) = self.origin() {
            write!(f, "\n  {}", indented(&origin))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {}", indented(help))?;
        }
        Ok(())
    }
}

/// Further lines stand below the first one; names and values come from files, and a terminal must not obey them.
fn indented(text: &str) -> String {
    printable_lines(text).replace('\n', "\n  ")
}

/// Everything that is wrong with one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// `Ok` where nothing was found.
    pub fn into_result(self) -> Result<(), Problems> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{problem}")?;
        }
        if self.0.len() > 1 {
            write!(f, "\n\n{} problems; nothing was started", self.0.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn indivisible() -> Problem {
        let location = Location { file: "experiments/depth.toml".into(), line: Some(12) };
        Problem::new("data.image_size = 36 is not divisible by 8")
            .at(Some(location))
            .in_layer(Some(SWEEP_POINT.into()))
            .in_variant("deep")
            .with_help("4 levels halve the image 3 times; use 32 or 40")
    }

    #[test]
    fn a_problem_names_key_file_line_variant_and_remedy() {
        assert_eq!(
            indivisible().to_string(),
            "error: data.image_size = 36 is not divisible by 8\n  \
             set in experiments/depth.toml:12 (variant \"deep\")\n  \
             help: 4 levels halve the image 3 times; use 32 or 40"
        );
    }

    #[test]
    fn several_problems_are_separated_and_counted() {
        let other = Problem::new("unknown key x").in_layer(Some("-s x=1".into()));
        let text = Problems(vec![indivisible(), other]).to_string();
        assert!(
            text.contains("use 32 or 40\n\nerror: unknown key x\n  set by -s x=1\n\n2 problems;"),
            "{text}"
        );
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(Problem::new("a\u{1b}[2Jb").to_string(), "error: a\\u{1b}[2Jb");
    }
}
