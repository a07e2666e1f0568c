//! Ids of variants: the first digits of their identities, as few as tell the planned ones apart.

use std::collections::HashMap;

/// Hexadecimal digits of an id.
const DIGITS: usize = 8;
/// Digits where two planned variants agree on the first [`DIGITS`].
const MORE_DIGITS: usize = 16;

/// The ids of different identities, each given as hexadecimal BLAKE3.
pub(crate) fn ids(identities: &[&str]) -> Vec<String> {
    let mut shared: HashMap<&str, usize> = HashMap::with_capacity(identities.len());
    for identity in identities {
        *shared.entry(&identity[..DIGITS]).or_default() += 1;
    }
    let digits = |identity: &str| if shared[&identity[..DIGITS]] > 1 { MORE_DIGITS } else { DIGITS };
    identities.iter().map(|identity| identity[..digits(identity)].to_owned()).collect()
}

/// The id at the end of a variant's folder name, if there is one.
pub(crate) fn id_of_folder(name: &str) -> Option<&str> {
    let id = name.rsplit('-').next()?;
    let hexadecimal = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (hexadecimal && [DIGITS, MORE_DIGITS].contains(&id.len()) && id.len() < name.len()).then_some(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_have_eight_digits_and_sixteen_where_two_would_agree() {
        let identities = ["0123456789abcdef01234567", "0123456700000000ffffffff", "fedcba9876543210fedcba98"];
        assert_eq!(ids(&identities), ["0123456789abcdef", "0123456700000000", "fedcba98"]);
    }

    #[test]
    fn a_folder_ends_in_its_id() {
        assert_eq!(id_of_folder("cm1-2-4_T1000-1f3a9c02"), Some("1f3a9c02"));
        assert_eq!(id_of_folder("base-1f3a9c021f3a9c02"), Some("1f3a9c021f3a9c02"));
        for other in ["request", "1f3a9c02", "base-1F3A9C02", "base-1f3a9c0", "plan.json"] {
            assert_eq!(id_of_folder(other), None, "{other}");
        }
    }
    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Identities that often agree on their first digits, and never on the first sixteen.
        #[test]
        fn ids_differ_and_are_long_only_where_they_must_be(firsts in prop::collection::vec("[01]{2}0{6}", 1..6)) {
            let identities: Vec<String> =
                firsts.iter().enumerate().map(|(place, first)| format!("{first}{place:08x}{}", "f".repeat(48))).collect();
            let identities: Vec<&str> = identities.iter().map(String::as_str).collect();
            let ids = ids(&identities);
            for (place, id) in ids.iter().enumerate() {
                let shared = firsts.iter().filter(|first| **first == firsts[place]).count() > 1;
                prop_assert_eq!(id.len(), if shared { 16 } else { 8 });
                prop_assert!(identities[place].starts_with(id.as_str()));
                prop_assert_eq!(ids.iter().filter(|other| *other == id).count(), 1);
                let folder = format!("T1000-{id}");
                prop_assert_eq!(id_of_folder(&folder), Some(id.as_str()));
            }
        }
    }
}
