//! Not enough memory: recognised in what libtorch, Rust or the kernel leaves behind, and told in one sentence.
//!
//! In: an error's text or a kill, and the run's configuration. Out: what was asked for, what there is, the least
//! the run needs, and what to change. `pattern` knows the texts, `room` asks the machine, `cgroup` the control
//! group, `need` counts; `images` says how many images fit at a time, `worker` how many workers. What a run holds at
//! most is estimated in `sizing`.

mod cgroup;
mod images;
mod need;
mod pattern;
mod room;
mod worker;

use crate::config::Config;

pub use cgroup::kills;
pub use images::images_at_a_time;
pub use need::Need;
pub use pattern::{Place, Shortage, recognise};
pub(crate) use room::peak_of;
pub use room::{Bound, Room};
pub use worker::Fitting;

/// Bytes of a 32-bit float.
const FLOAT: u64 = 4;

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// An allocation was refused.
    Refused(Shortage),
    /// The kernel killed the process; what it held when last looked at.
    Killed(Option<u64>),
}

/// One sentence about a run that ran out of memory. Without its configuration the sentence is shorter.
#[must_use]
pub fn explain(cause: Cause, room: Option<Room>, config: Option<&Config>) -> String {
    let (place, what) = match cause {
        Cause::Refused(shortage) => (shortage.place, refused(shortage, room)),
        Cause::Killed(held) => (Place::Host, killed(held, room)),
    };
    let need = config.map(|config| {
        format!("; the run needs {}", Need::at_least(config, place != Place::Host).sentence(config))
    });
    format!("out of memory{what}{}; {}", need.unwrap_or_default(), advice(place, config))
}

fn refused(shortage: Shortage, room: Option<Room>) -> String {
    let on = match shortage.place {
        Place::Host => "",
        Place::Cuda => " on the GPU",
        Place::Mps => " on Apple's GPU",
    };
    let asked = match shortage.asked {
        Some(bytes) => format!("{} more was asked for", human(bytes)),
        None => "an allocation was refused".to_owned(),
    };
    let known = match shortage.place {
        Place::Host => room.map(|room| room.sentence()),
        Place::Cuda | Place::Mps => match (shortage.free, shortage.total) {
            (Some(free), Some(total)) => Some(format!("{} of {} are free", human(free), human(total))),
            (Some(free), None) => Some(format!("{} are free", human(free))),
            _ => None,
        },
    };
    let known = known.map(|known| format!(", {known}")).unwrap_or_default();
    format!("{on}: {asked}{known}")
}

fn killed(held: Option<u64>, room: Option<Room>) -> String {
    let held = held.map(|bytes| format!(", which held {} when last seen", human(bytes))).unwrap_or_default();
    let room = room.map(|room| format!(", {}", room.sentence())).unwrap_or_default();
    format!(": the kernel killed the worker{held}{room}")
}

/// What to change. Fewer runs side by side are the same runs; everything else is another variant.
fn advice(place: Place, config: Option<&Config>) -> String {
    let fewer_at_once = if place == Place::Host { "runtime.jobs" } else { "runtime.slots_per_device" };
    let mut keys = Vec::new();
    if config.is_none_or(|config| config.training.gradient_accumulation < config.training.batch_size) {
        keys.push("a larger training.gradient_accumulation");
    }
    if config.is_some_and(|config| !config.training.precision.is_16_bit()) {
        keys.push("training.precision = \"bf16\"");
    }
    if config.is_none_or(|config| !config.training.recompute) {
        keys.push("training.recompute = true");
    }
    let batch = config.is_none_or(|config| config.training.batch_size > 1);
    keys.push(if batch {
        "a smaller training.batch_size, data.image_size or model.base_channels"
    } else {
        "a smaller data.image_size or model.base_channels"
    });
    format!(
        "another variant would need less: {}; with fewer {fewer_at_once} or more memory, --retry-failed tries this \
         one again",
        keys.join(", ")
    )
}

/// A number of bytes for people, in libtorch's units: "1.50 GiB".
pub(crate) fn human(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| bytes >> shift > 0);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(shift, name)| format!("{:.2} {name}", bytes as f64 / f64::from(shift).exp2()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_refusal_on_the_host_is_told_with_what_there_is_and_what_to_change() {
        let mut config = defaults().clone();
        config.training.batch_size = 64;
        config.training.gradient_accumulation = 64;
        let cause = Cause::Refused(Shortage::on(Place::Host, Some(8 * GIB)));
        let room = Room { free: Some(2 * GIB), total: 16 * GIB, bound: Bound::Machine };
        let text = explain(cause, Some(room), Some(&config));
        let (start, rest) = text.split_once("; the run needs at least ").unwrap();
        assert_eq!(
            start,
            "out of memory: 8.00 GiB more was asked for, 2.00 GiB of this machine's 16.00 GiB are free"
        );
        let advice = rest.split_once("; another variant ").unwrap().1;
        assert_eq!(
            advice,
            "would need less: training.precision = \"bf16\", training.recompute = true, a smaller training.batch_size, \
             data.image_size or model.base_channels; with fewer runtime.jobs or more memory, --retry-failed tries this \
             one again"
        );
    }

    #[test]
    fn a_gpu_is_told_in_the_numbers_of_its_own_message() {
        let shortage = Shortage {
            free: Some(3 * GIB),
            total: Some(140 * GIB),
            ..Shortage::on(Place::Cuda, Some(20 * GIB))
        };
        let room = Room { free: Some(1), total: 1, bound: Bound::Machine };
        let text = explain(Cause::Refused(shortage), Some(room), None);
        assert_eq!(
            text,
            "out of memory on the GPU: 20.00 GiB more was asked for, 3.00 GiB of 140.00 GiB are free; another variant \
             would need less: a larger training.gradient_accumulation, training.recompute = true, a smaller \
             training.batch_size, data.image_size or model.base_channels; with fewer runtime.slots_per_device or more memory, \
             --retry-failed tries this one again"
        );
        let silent = explain(Cause::Refused(Shortage::on(Place::Cuda, None)), None, None);
        assert!(
            silent.starts_with("out of memory on the GPU: an allocation was refused; another"),
            "{silent}"
        );
    }

    #[test]
    fn a_kill_is_told_with_what_the_worker_held() {
        let room = Room { free: None, total: GIB / 2, bound: Bound::ControlGroup };
        let text = explain(Cause::Killed(Some(480 << 20)), Some(room), None);
        let expected = "out of memory: the kernel killed the worker, which held 480.00 MiB when last seen, the control \
                        group may have 512.00 MiB; another variant";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn bytes_are_told_in_binary_units() {
        assert_eq!(
            [12, 2048, 5 << 19, 3 << 29, 1 << 41].map(human),
            ["12 bytes", "2.00 KiB", "2.50 MiB", "1.50 GiB", "2.00 TiB"]
        );
    }
}
