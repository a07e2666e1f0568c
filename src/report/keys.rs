//! Names of settings as people type them.
//!
//! In: a key of an option and the keys there are. Out: the one that is meant, or the nearest one.

use super::error::CompareError;

/// The key that `typed` names: the whole of it, or its last part where only one key ends so.
pub(crate) fn find<'a>(
    option: &'static str,
    typed: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Result<&'a str, CompareError> {
    let last = |key: &'a str| key.rsplit('.').next().unwrap_or(key);
    let ends_so: Vec<&str> = known.clone().filter(|key| last(key) == typed).collect();
    match (known.clone().find(|key| *key == typed), ends_so.as_slice()) {
        (Some(whole), _) => Ok(whole),
        (None, [only]) => Ok(only),
        (None, [_, _, ..]) => Err(CompareError::UnknownKey {
            option,
            key: typed.to_owned(),
            reason: format!("several keys end so: {}", ends_so.join(", ")),
            nearest: None,
        }),
        (None, []) => {
            let shown: Vec<&str> = known.clone().take(LISTED).collect();
            let reason = match known.clone().count() {
                0 => "the runs do not differ in any setting".to_owned(),
                count if count > LISTED => "no run has such a setting".to_owned(),
                _ => format!("no such key; there are {}", shown.join(", ")),
            };
            let nearest = nearest(typed, known).map(str::to_owned);
            Err(CompareError::UnknownKey { option, key: typed.to_owned(), reason, nearest })
        }
    }
}

/// With more keys than this none is listed.
const LISTED: usize = 12;

/// The name spelt most like `typed`, if any is close.
pub(crate) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &'a str| key.rsplit('.').next().unwrap_or(key);
    let typed_last = typed.rsplit('.').next().unwrap_or(typed);
    known
        .map(|key| {
            let whole = strsim::normalized_damerau_levenshtein(key, typed);
            (whole.max(0.95 * strsim::normalized_damerau_levenshtein(last(key), typed_last)), key)
        })
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|left, right| left.0.total_cmp(&right.0).then_with(|| right.1.cmp(left.1)))
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["model.dropout", "sampling.steps", "training.learning_rate", "training.steps"];

    fn found(typed: &str) -> Result<&'static str, CompareError> {
        find("--group-by", typed, KEYS.into_iter())
    }

    #[test]
    fn a_key_goes_by_its_whole_name_or_by_a_last_part_that_is_its_own() {
        assert_eq!(found("model.dropout"), Ok("model.dropout"));
        assert_eq!(found("dropout"), Ok("model.dropout"));
        assert_eq!(
            found("steps").unwrap_err().to_string(),
            "--group-by steps: several keys end so: sampling.steps, training.steps"
        );
    }

    #[test]
    fn an_unknown_key_has_a_nearest_one() {
        let Err(CompareError::UnknownKey { nearest, reason, .. }) = found("training.learnin_rate") else {
            panic!("no such key");
        };
        assert_eq!(nearest.as_deref(), Some("training.learning_rate"));
        assert!(reason.starts_with("no such key; there are model.dropout, "), "{reason}");
        let Err(CompareError::UnknownKey { nearest, .. }) = found("zzz") else { panic!("no such key") };
        assert_eq!(nearest, None);
    }
}
