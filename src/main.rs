//! The thin binary: hand the command line to the library, return its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ablate::cli::main()
}
