//! Settings that are no file: `-s KEY=VALUE`, `--pin KEY=VALUE` and the environment.
//!
//! In: the raw words. Out: dotted keys with TOML values; a word that cannot be understood, or that may
//! not be set this way, is a [`Problem`].

use toml::Value;

use super::keys::{self, FILE_KEYS};
use super::problem::Problem;

/// Splits `KEY=VALUE`. The value is TOML; a bare word is a string.
pub(crate) fn parse(flag: &str, word: &str) -> Result<(String, Value), Problem> {
    let from = |problem: Problem| problem.in_layer(Some(format!("{flag} {word}")));
    let Some((key, value)) = word.split_once('=') else {
        return Err(from(Problem::new(format!("{flag} {word} has no value")))
            .with_help(format!("write {flag} KEY=VALUE, such as {flag} training.batch_size=32")));
    };
    let key = key.trim().trim_matches('"').to_owned();
    if FILE_KEYS.contains(&key.as_str()) && key != "preset" || key.starts_with("sweep.") {
        return Err(from(Problem::new(format!("{key} can only be written in a file")))
            .with_help("write it in the experiment file; --pin KEY=VALUE holds a swept key at one value"));
    }
    let value = parse_value(value).map_err(|reason| {
        from(Problem::new(format!("{key}: {reason}")))
            .with_help("a value is written as in TOML; a bare word is a text")
    })?;
    Ok((key, value))
}

/// A TOML value; what is not one and does not open like one is a string.
fn parse_value(text: &str) -> Result<Value, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the value is empty; an empty text is written '\"\"'".to_owned());
    }
    match text.parse::<Value>() {
        Ok(value) => Ok(value),
        Err(error) if text.starts_with(['[', '{', '"', '\'']) => {
            Err(format!("{text} is not a value: {}", error.message().trim_end()))
        }
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

/// The setting an environment variable stands for; `None` where it is not a setting at all.
///
/// `ABLATE_RUNTIME__JOBS` sets `runtime.jobs`. Names without `__` steer the build and the tests.
pub(crate) fn parse_variable(name: &str, value: &str) -> Option<Result<(String, Value), Problem>> {
    let path = name.strip_prefix("ABLATE_")?.to_lowercase();
    if !path.contains("__") {
        return None;
    }
    let path = path.replace("__", ".");
    let from = |problem: Problem| problem.in_layer(Some(format!("{name} in the environment")));
    if !(path.starts_with("runtime.") || path.starts_with("launcher.")) {
        let message =
            format!("{path} cannot be set by the environment, which may set runtime.* and launcher.* alone");
        let help = match keys::find(&path) {
            Some(_) => {
                format!("a shell must not change what is trained; unset {name}, or use -s {path}=VALUE")
            }
            None => format!("a shell must not change what is trained; unset {name}"),
        };
        return Some(Err(from(Problem::new(message)).with_help(help)));
    }
    // The replacement character is what the command line puts where a variable is not UTF-8.
    if value.contains('\u{fffd}') {
        return Some(Err(from(Problem::new(format!("{path}: {name} is not UTF-8 text")))));
    }
    Some(parse_value(value).map(|value| (path.clone(), value)).map_err(|reason| {
        from(Problem::new(format!("{path}: {reason}"))).with_help(format!("unset {name}, or give it a value"))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_toml_and_a_bare_word_is_a_string() {
        let value = |word: &str| parse("-s", word).unwrap().1;
        assert_eq!(value("a=2e-4"), Value::Float(2e-4));
        assert_eq!(value("a=[1, 2]"), Value::Array(vec![Value::Integer(1), Value::Integer(2)]));
        assert_eq!(value("a=true"), Value::Boolean(true));
        assert_eq!(value("a=cosine"), Value::String("cosine".into()));
        assert_eq!(value("a=cuda:0"), Value::String("cuda:0".into()));
        assert_eq!(value("a=./b=c"), Value::String("./b=c".into()));
        assert_eq!(value("a='32'"), Value::String("32".into()));
        assert_eq!(parse("-s", "\"model.dropout\"=0").unwrap().0, "model.dropout");
    }

    #[test]
    fn a_setting_that_cannot_be_understood_says_so() {
        let text = |word: &str| parse("-s", word).unwrap_err().to_string();
        assert_eq!(
            text("model.dropout"),
            "error: -s model.dropout has no value\n  set by -s model.dropout\n  \
             help: write -s KEY=VALUE, such as -s training.batch_size=32"
        );
        assert!(text("a=[1, 2").starts_with("error: a: [1, 2 is not a value: "), "{}", text("a=[1, 2"));
        assert!(text("a=").starts_with("error: a: the value is empty"));
        assert!(text("sweep.max_runs=3").starts_with("error: sweep.max_runs can only be written in a file"));
        assert!(text("extends=[]").starts_with("error: extends can only be written in a file"));
    }

    #[test]
    fn the_environment_sets_runtime_and_launcher_alone() {
        let (path, value) = parse_variable("ABLATE_RUNTIME__RUNS_DIR", "/x/runs").unwrap().unwrap();
        assert_eq!((path.as_str(), value), ("runtime.runs_dir", Value::String("/x/runs".into())));
        assert!(parse_variable("ABLATE_LIBTORCH", "x").is_none());
        assert!(parse_variable("HOME", "x").is_none());
        assert_eq!(
            parse_variable("ABLATE_TRAINING__BATCH_SIZE", "8").unwrap().unwrap_err().to_string(),
            "error: training.batch_size cannot be set by the environment, which may set runtime.* and launcher.* alone\n  \
             set by ABLATE_TRAINING__BATCH_SIZE in the environment\n  \
             help: a shell must not change what is trained; unset ABLATE_TRAINING__BATCH_SIZE, \
             or use -s training.batch_size=VALUE"
        );
    }
}
