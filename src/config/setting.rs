//! One setting apart from any experiment: what `KEY=VALUE` means, in the form configurations have it.
//!
//! In: the words of an option. Out: the dotted key and the value as a resolved configuration would hold it, so
//! that `sqrt` is `scaled_linear` and `1e-4` is `0.0001`.

use std::path::PathBuf;

use serde_json::Value;

use super::assign;
use super::experiment::Experiment;
use super::keys::{self, KEYS};
use super::problem::{Problem, Problems};
use super::stack::Request;

/// Reads `KEY=VALUE`; the key may be the last part of one key's path alone.
///
/// # Errors
/// There is no such key, or it does not take the value.
pub(crate) fn setting(flag: &str, word: &str) -> Result<(&'static str, Value), Problems> {
    let (typed, value) = assign::parse(flag, word)?;
    let path = find(flag, &typed)?;
    // Normal forms follow from the built-in defaults; the name is what an empty file would be called.
    let request = Request { experiment: PathBuf::from("setting.toml"), ..Request::default() };
    let defaults = Experiment::load_from(&request, &|_| Ok(String::new()))?;
    let normal = defaults.normal_form(path, &value).map_err(|misfit| {
        let problem = Problem::new(misfit.message).in_layer(Some(format!("{flag} {word}")));
        match misfit.help {
            Some(help) => problem.with_help(help),
            None => problem,
        }
    })?;
    Ok((path, normal))
}

fn find(flag: &str, typed: &str) -> Result<&'static str, Problem> {
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let ends_so: Vec<&str> = KEYS.iter().map(|key| key.path).filter(|path| last(path) == typed).collect();
    match (keys::find(typed), ends_so.as_slice()) {
        (Some(key), _) => Ok(key.path),
        (None, [only]) => Ok(only),
        (None, [_, _, ..]) => {
            Err(Problem::new(format!("{flag} {typed}: several keys end so: {}", ends_so.join(", "))))
        }
        (None, []) => {
            let problem = Problem::new(format!("{flag}: unknown key {typed}"));
            Err(match keys::nearest(typed) {
                Some(nearest) => problem.with_help(format!("did you mean {nearest}?")),
                None => problem,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_setting_has_the_form_that_configurations_have() {
        let value = |word| setting("--where", word).unwrap();
        assert_eq!(value("training.learning_rate=1e-4"), ("training.learning_rate", json!(0.0001)));
        assert_eq!(value("dropout=0"), ("model.dropout", json!(0.0)));
        assert_eq!(value("noise_schedule=sqrt"), ("diffusion.noise_schedule", json!("scaled_linear")));
        assert_eq!(value("model.attention_resolutions=[8, 16]").1, json!([16, 8]));
        assert_eq!(value("training.seed=3").1, json!(3));
    }

    #[test]
    fn what_is_no_setting_says_so() {
        let text = |word| setting("--where", word).unwrap_err().to_string();
        assert!(text("model.dropuot=0").contains("unknown key model.dropuot"), "{}", text("model.dropuot=0"));
        assert!(text("model.dropuot=0").contains("did you mean model.dropout?"));
        assert!(
            text("dropout=much").contains("model.dropout = \"much\" is not a number"),
            "{}",
            text("dropout=much")
        );
        assert!(text("steps=3").contains("several keys end so: training.steps, sampling.steps"));
        assert!(text("dropout").contains("has no value"));
    }
}
