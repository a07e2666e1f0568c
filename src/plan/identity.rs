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
}
