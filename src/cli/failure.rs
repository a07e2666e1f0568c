//! What a command reports when it cannot go on: a message, an optional help line and the exit code.

use std::fmt::Display;

use miette::Diagnostic;
use thiserror::Error;

use crate::guard::printable_lines;

/// The documented exit codes.
pub(crate) mod exit {
    /// Some run failed or diverged.
    pub(crate) const SOME_FAILED: u8 = 1;
    /// The user's input is wrong; nothing was started.
    pub(crate) const USER: u8 = 2;
    /// Internal or environment error.
    pub(crate) const INTERNAL: u8 = 3;
    /// The folder belongs to a live runner.
    pub(crate) const HELD: u8 = 4;
    /// Storage error; resumable.
    pub(crate) const STORAGE: u8 = 74;
    /// Interrupted; the same command goes on.
    pub(crate) const INTERRUPTED: u8 = 75;
    /// Second SIGINT.
    pub(crate) const KILLED: u8 = 130;
}

/// How the program ends. Not the standard library's own: that one cannot be handed to a bare exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExitCode(u8);

impl ExitCode {
    /// Everything that was asked for is done.
    pub(crate) const SUCCESS: ExitCode = ExitCode(0);
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> ExitCode {
        ExitCode(code)
    }
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> u8 {
        code.0
    }
}

/// A command's error at the edge of the program.
#[derive(Debug, Error)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
    code: u8,
}

impl Failure {
    /// Wrong input: exit 2.
    pub(crate) fn user(message: impl Display) -> Self {
        Self::new(message, exit::USER)
    }

    /// Our fault or the machine's: exit 3.
    pub(crate) fn internal(message: impl Display) -> Self {
        Self::new(message, exit::INTERNAL)
    }

    /// Any other documented exit code.
    pub(crate) fn new(message: impl Display, code: u8) -> Self {
        Self { message: message.to_string(), help: None, code }
    }

    /// Adds what to do about it.
    pub(crate) fn with_help(mut self, help: impl Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl Diagnostic for Failure {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn Display>)
    }
}

impl Failure {
    /// Ready to be printed with `{:?}` in the program's own form.
    pub(crate) fn into_report(self) -> miette::Report {
        // Fails only when a hook is set already, which then is this one.
        let _ = miette::set_hook(Box::new(|_| Box::new(Plain)));
        miette::Report::new(self)
    }
}

/// `error: …`, causes and help indented below; multi-line messages stay as they are.
struct Plain;

impl miette::ReportHandler for Plain {
    fn debug(&self, error: &dyn Diagnostic, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = printable_lines(&error.to_string());
        if !text.starts_with("error: ") {
            f.write_str("error: ")?;
        }
        f.write_str(&text)?;
        if let Some(help) = error.help() {
            write!(f, "\n  help: {}", printable_lines(&help.to_string()))?;
        }
        Ok(())
    }
}

/// A command that needs the tensor plane, in a build without it.
#[cfg(not(feature = "torch"))]
pub(crate) fn without_torch(what: &str) -> Failure {
    Failure::internal(format!("cannot {what}: this ablate was built without libtorch"))
        .with_help("build it with the default features (scripts/quickstart does)")
}
