//! Before anything is written: can this machine train in the precisions that were asked for?
//!
//! In: the runs. Out: each with the variables its worker has to be started with, and what people should know; or
//! every precision that does not work here, as problems of the experiment.

use super::Entry;
use crate::cli::failure::Failure;
use crate::config::Location;

/// Asks for each run that is not done, and returns notes. `locate` says where a key was set.
#[cfg(feature = "torch")]
pub(in crate::cli) fn check_precision(
    entries: &mut [Entry],
    locate: &dyn Fn(&str) -> Option<Location>,
) -> Result<Vec<String>, Failure> {
    use crate::config::{Problem, Problems};
    use crate::launch::{Standing, standing};
    use crate::train::{Execution, precision};

    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    for entry in entries {
        // A status that cannot be used is reported when the runs are sorted.
        if matches!(standing(&entry.run), Ok(Standing::Done)) {
            continue;
        }
        let recorded = Execution::read(&entry.run).ok().flatten();
        match precision::environment(&entry.config, recorded.as_ref()) {
            Ok(variables) => {
                for (name, value) in variables.iter().filter(|(name, _)| *name == precision::CPU_LIMIT) {
                    push_new(&mut notes, limit_note(name, value));
                }
                let owned = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
                entry.environment = owned.collect();
            }
            Err(refusal) => {
                let problem = Problem::new(refusal.to_string()).at(locate("training.precision"));
                push_new(&mut problems, problem.with_help(refusal.help()));
            }
        }
    }
    Problems(problems).into_result()?;
    Ok(notes)
}

/// Without libtorch nothing is trained, and the command has said so before it gets here.
#[cfg(not(feature = "torch"))]
pub(in crate::cli) fn check_precision(
    _: &mut [Entry],
    _: &dyn Fn(&str) -> Option<Location>,
) -> Result<Vec<String>, Failure> {
    Ok(vec![])
}

#[cfg(feature = "torch")]
fn limit_note(name: &str, value: &str) -> String {
    format!(
        "this CPU's widest instructions fail in 16-bit precision; workers that use it are limited by {name}={value}"
    )
}

#[cfg(feature = "torch")]
fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
