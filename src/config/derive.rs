//! Defaults that follow from other keys: the one place where they are worked out.
//!
//! In: merged [`Slots`]. Out: the same, with the derived keys filled in where no layer set them.

use std::borrow::Cow;

use toml::Value;

use super::keys;
use super::merge::{Origin, Slot, Slots};

/// The length of chain at which β needs no rescaling: what `beta_start` and `beta_end` are meant for.
const REFERENCE_TIMESTEPS: i64 = 1000;

/// Fills in every derived default.
pub(crate) fn fill(slots: &mut Slots<'_>) {
    if let Some((base, multipliers)) = widths(slots) {
        // Saturating: absurd widths are refused by the rules, which run later.
        let first = base.saturating_mul(multipliers[0]);
        put(slots, "model.time_embed_dim", || Value::Integer(first.saturating_mul(4)));
        put(slots, "model.norm_groups", || Value::Integer(norm_groups(base, &multipliers)));
    }
    if let Some(timesteps) = integer(slots, "diffusion.timesteps") {
        put(slots, "diffusion.rescale_betas", || Value::Boolean(timesteps != REFERENCE_TIMESTEPS));
    }
    let visits_last = get(slots, "diffusion.zero_terminal_snr").and_then(Value::as_bool) == Some(true);
    let spacing = if visits_last { "trailing" } else { "leading" };
    put(slots, "sampling.timestep_spacing", || Value::String(spacing.to_owned()));
}

/// The largest power of two ≤ min(32, base/4) that divides the width of every level.
fn norm_groups(base: i64, multipliers: &[i64]) -> i64 {
    let fits = |groups: i64| {
        groups <= (base / 4).max(1) && multipliers.iter().all(|m| m.saturating_mul(base) % groups == 0)
    };
    [32, 16, 8, 4, 2].into_iter().find(|&groups| fits(groups)).unwrap_or(1)
}

fn put(slots: &mut Slots<'_>, path: &str, value: impl FnOnce() -> Value) {
    if let Some(slot) = keys::index(path).map(|index| &mut slots[index]) {
        slot.get_or_insert_with(|| Slot { value: Cow::Owned(value()), origin: Origin::Derived });
    }
}

fn widths(slots: &Slots<'_>) -> Option<(i64, Vec<i64>)> {
    let multipliers = get(slots, "model.channel_multipliers")?.as_array()?;
    let multipliers: Vec<i64> = multipliers.iter().filter_map(Value::as_integer).collect();
    Some((integer(slots, "model.base_channels")?, multipliers))
        .filter(|(_, multipliers)| !multipliers.is_empty())
}

fn integer(slots: &Slots<'_>, path: &str) -> Option<i64> {
    get(slots, path)?.as_integer()
}

fn get<'s>(slots: &'s Slots<'_>, path: &str) -> Option<&'s Value> {
    slots[keys::index(path)?].as_ref().map(|slot| slot.value.as_ref())
}

#[cfg(test)]
mod tests {
    use super::norm_groups;
    use crate::config::testing::Folder;

    #[test]
    fn groups_are_the_largest_power_of_two_that_divides_every_width() {
        assert_eq!(norm_groups(128, &[1, 2, 2, 2]), 32);
        assert_eq!(norm_groups(64, &[1, 2, 4]), 16);
        assert_eq!(norm_groups(32, &[1, 2, 4]), 8);
        assert_eq!(norm_groups(96, &[1, 2, 3]), 16);
        assert_eq!(norm_groups(160, &[1, 2, 2, 4]), 32);
        assert_eq!(norm_groups(20, &[1, 3]), 4);
        assert_eq!(norm_groups(3, &[1]), 1);
    }

    #[test]
    fn a_derived_default_follows_its_keys_and_gives_way_to_a_written_one() {
        let folder = Folder::with(
            "x.toml",
            "[model]\nbase_channels = 32\nchannel_multipliers = [2, 4]\nattention_resolutions = []\n\
             [diffusion]\ntimesteps = 100\n",
        );
        let base = folder.load("x.toml").unwrap().base().clone();
        assert_eq!((base.model.time_embed_dim, base.model.norm_groups), (256, 8));
        assert!(base.diffusion.rescale_betas);
        folder.write(
            "x.toml",
            "[model]\nnorm_groups = 4\ntime_embed_dim = 99\n[diffusion]\ntimesteps = 100\nrescale_betas = false\n",
        );
        let base = folder.load("x.toml").unwrap().base().clone();
        assert_eq!((base.model.time_embed_dim, base.model.norm_groups), (99, 4));
        assert!(!base.diffusion.rescale_betas);
    }
}
