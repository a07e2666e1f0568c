//! The thin binary: hand the command line to the library, end with its exit code.

use std::io::Write;

fn main() {
    let code = ablate::cli::main();
    // What could not be written now has been told, or cannot be.
    let _ = std::io::stdout().flush();
    // A bare exit: libtorch takes a third of a short command's time to take itself apart, and whatever matters is on
    // the disk already.
    signal_hook::low_level::exit(code.into())
}
