//! A lack of memory inside a worker: seen where it happens, told when everything is unwound.
//!
//! In: panics and errors. Out: the sentence of [`memory::explain`], with what was free at that moment: afterwards
//! most of it is free again.

use std::sync::{Mutex, Once, PoisonError};

use crate::config::Config;
use crate::memory::{self, Cause, Room};

/// Memory there was when something panicked last.
static AT_PANIC: Mutex<Option<Room>> = Mutex::new(None);

/// Looks at the memory whenever something panics, before it is unwound.
pub(super) fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let room = Room::here();
            *AT_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = room;
            report(panic);
        }));
    });
}

/// The sentence for an error that tells of a lack of memory.
pub(super) fn explain(error: &str, config: &Config) -> Option<String> {
    let shortage = memory::recognise(error)?;
    let seen = *AT_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
    Some(memory::explain(Cause::Refused(shortage), seen.or_else(Room::here), Some(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_for_memory_is_told_with_what_there_was() {
        watch();
        let refused = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 bytes.";
        assert!(std::panic::catch_unwind(|| panic!("{refused}")).is_err());
        let text = explain(refused, &crate::config::defaults()).unwrap();
        assert!(text.starts_with("out of memory: 8.00 GiB more was asked for, "), "{text}");
        assert!(text.contains("; the run needs at least "), "{text}");
        assert_eq!(explain("no such tensor", &crate::config::defaults()), None);
    }
}
