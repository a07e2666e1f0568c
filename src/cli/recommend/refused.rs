//! What a user reads where there is no recommendation.
//!
//! In: an error of the search, or figures of the command line. Out: a [`Failure`] that names the flag and says what to do.

use super::{Args, GIGABYTE, MOST_GIGABYTES};
use crate::cli::failure::Failure;
use crate::sizing::recommend::Error;

/// The bytes of `--memory`.
pub(super) fn bytes(gigabytes: f64) -> Result<u64, Failure> {
    if !(gigabytes.is_finite() && gigabytes > 0.0) {
        return Err(Failure::user(format!("--memory {gigabytes} is no amount of memory"))
            .with_help("give the GB of the device that will train, such as --memory 8"));
    }
    if gigabytes > MOST_GIGABYTES {
        return Err(Failure::user(format!("--memory {gigabytes} is more GB than any device has"))
            .with_help("it counts in GB, so that 8 is a small GPU and 80 a large one"));
    }
    Ok((gigabytes * GIGABYTE) as u64)
}

/// An error of the search, in the words of the command line.
pub(super) fn failure(error: Error, args: &Args) -> Failure {
    match error {
        Error::Size { size, why, near } => {
            let near: Vec<String> = near.iter().map(ToString::to_string).collect();
            Failure::user(format!("--image-size {size} {why}"))
                .with_help(format!("use {}; images are resized to it", near.join(" or ")))
        }
        Error::Number { what, value, why } => {
            let flag = what.replace(' ', "-");
            Failure::user(format!("--{flag} {value} {why}"))
        }
        Error::Memory { needed, usable, .. } => nothing_fits(args, needed, usable),
        Error::Broken(_) => Failure::internal(error),
    }
}

/// Two decimals: where nothing fits, one may show two equal numbers.
fn nothing_fits(args: &Args, needed: u64, usable: u64) -> Failure {
    let gigabytes = |bytes: u64| format!("{:.2} GB", bytes as f64 / GIGABYTE);
    let size = args.image_size;
    let message = match needed {
        u64::MAX => format!("no network for images of {size} pixels fits into {} GB", args.memory),
        needed => format!(
            "no network for images of {size} pixels fits into {} GB: the smallest needs {}, one image at a time and with \
             its feature maps computed twice, and {} of them may be filled",
            args.memory,
            gigabytes(needed),
            gigabytes(usable)
        ),
    };
    Failure::user(message).with_help("more memory, or smaller images")
}
