//! Whether a value fits its key, and what to say where it does not.
//!
//! In: a key's path, its [`Kind`] and a TOML value. Out: nothing, or a [`Misfit`].

use toml::Value;

use super::kind::{Kind, Range};

/// Why a value does not fit its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Misfit {
    fn new(message: String, help: impl Into<String>) -> Self {
        Self { message, help: Some(help.into()) }
    }
}

impl Kind {
    /// Says why `value` may not be given to `path`, if so.
    pub fn check(self, path: &str, value: &Value) -> Result<(), Misfit> {
        match (self, value) {
            (Kind::Bool, Value::Boolean(_)) | (Kind::Text, Value::String(_)) => Ok(()),
            (Kind::Integer { min, max }, Value::Integer(x)) if (min..=max).contains(x) => Ok(()),
            (Kind::IntegerChoice(values), Value::Integer(x)) if values.contains(x) => Ok(()),
            (Kind::Number(range) | Kind::Numbers(range), _) if number_in(range, value) => Ok(()),
            (Kind::Numbers(range), Value::Array(items))
                if !items.is_empty()
                    && items.iter().all(|item| number_in(range, item))
                    && repeated(items).is_none() =>
            {
                Ok(())
            }
            (Kind::Words { now, later }, Value::Array(items)) if items.iter().all(Value::is_str) => {
                let mut words = items.iter().filter_map(Value::as_str);
                words.try_for_each(|word| check_choice(path, word, now, later))?;
                match repeated(items) {
                    Some(word) => {
                        Err(Misfit::new(format!("{path} names {} twice", shown(word)), "remove one"))
                    }
                    None => Ok(()),
                }
            }
            (Kind::Hash, Value::String(text))
                if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) =>
            {
                Ok(())
            }
            (Kind::FolderName, Value::String(text)) => check_folder_name(path, text),
            (Kind::Path, Value::String(text)) if !text.is_empty() && !text.contains('\0') => Ok(()),
            (Kind::Choice { now, later }, Value::String(word)) => check_choice(path, word, now, later),
            (Kind::Device, Value::String(text)) => match text.parse::<super::Device>() {
                Ok(_) => Ok(()),
                Err(reason) => Err(Misfit { message: format!("{path}: {reason}"), help: None }),
            },
            (Kind::Integers { min, max, len: (fewest, most) }, Value::Array(items))
                if (fewest..=most).contains(&items.len())
                    && items.iter().all(|i| i.as_integer().is_some_and(|i| (min..=max).contains(&i))) =>
            {
                Ok(())
            }
            (Kind::Pair(range), Value::Array(items))
                if items.len() == 2 && items.iter().all(|item| number_in(range, item)) =>
            {
                Ok(())
            }
            _ => Err(self.misfit(path, value)),
        }
    }

    /// The general refusal: wrong type, or out of range.
    fn misfit(self, path: &str, value: &Value) -> Misfit {
        let shown_value = shown(value);
        let message = match (self.type_name(), same_type(self, value)) {
            (_, true) => format!("{path} = {shown_value} is out of range"),
            (wanted, false) => format!("{path} = {shown_value} is not {wanted}"),
        };
        let help = match (self, value) {
            (Kind::Integers { .. }, Value::Integer(_)) | (Kind::Words { .. }, Value::String(_)) => {
                format!("write {path} = [{shown_value}]")
            }
            (Kind::Numbers(_), Value::Array(items)) if repeated(items).is_some() => {
                "each number may stand once".to_owned()
            }
            (Kind::Integer { .. }, Value::Float(x)) if x.fract() == 0.0 && x.abs() < 1e15 => {
                format!("write {path} = {}", *x as i64)
            }
            (Kind::Bool | Kind::Integer { .. } | Kind::Number(_) | Kind::Numbers(_), Value::String(text))
                if text.parse::<Value>().is_ok_and(|bare| self.check(path, &bare).is_ok()) =>
            {
                format!("leave the quotes out: {path} = {text}")
            }
            (
                Kind::Text | Kind::FolderName | Kind::Path,
                Value::Integer(_) | Value::Float(_) | Value::Datetime(_),
            ) => {
                format!("put it in quotes: {path} = \"{shown_value}\"")
            }
            _ => format!("{path} takes {}", self.describe()),
        };
        Misfit::new(message, help)
    }

    fn type_name(self) -> &'static str {
        match self {
            Kind::Bool => "true or false",
            Kind::Integer { .. } | Kind::IntegerChoice(_) => "an integer",
            Kind::Number(_) => "a number",
            Kind::Numbers(_) => "a number or a list of numbers",
            Kind::Words { .. } => "a list of words",
            Kind::Hash => "a BLAKE3 hash",
            Kind::Text | Kind::FolderName => "a text",
            Kind::Path => "a path",
            Kind::Choice { .. } => "one of the words it takes",
            Kind::Device => "a device",
            Kind::Integers { .. } => "a list of integers",
            Kind::Pair(_) => "a list of two numbers",
        }
    }
}

/// Whether the value has the kind's type, so that only its range can be wrong.
fn same_type(kind: Kind, value: &Value) -> bool {
    let numeric = |value: &Value| value.is_integer() || value.is_float();
    match (kind, value) {
        (Kind::Integer { .. } | Kind::IntegerChoice(_), value) => value.is_integer(),
        (Kind::Numbers(_), Value::Array(items)) => items.iter().all(numeric),
        (Kind::Number(_) | Kind::Numbers(_), value) => numeric(value),
        (Kind::Path, value) => value.is_str(),
        (Kind::Integers { .. }, Value::Array(items)) => items.iter().all(Value::is_integer),
        (Kind::Pair(_), Value::Array(items)) => items.len() == 2 && items.iter().all(numeric),
        _ => false,
    }
}

/// The first value that stands twice; 1 and 1.0 are the same.
fn repeated(items: &[Value]) -> Option<&Value> {
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|x| x as f64));
    let same = |a: &Value, b: &Value| a == b || number(a).is_some() && number(a) == number(b);
    items
        .iter()
        .enumerate()
        .find(|(i, item)| items[..*i].iter().any(|other| same(other, item)))
        .map(|(_, x)| x)
}

fn number_in(range: Range, value: &Value) -> bool {
    match value {
        Value::Float(x) => range.contains(*x),
        Value::Integer(x) => range.contains(*x as f64),
        _ => false,
    }
}

fn check_folder_name(path: &str, text: &str) -> Result<(), Misfit> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let reason = if text.is_empty() {
        "is empty".to_owned()
    } else if text.starts_with('.') {
        "starts with a dot".to_owned()
    } else if text.len() > 128 {
        format!("is {} bytes long; 128 is the most", text.len())
    } else if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
        format!("contains {bad:?}")
    } else {
        return Ok(());
    };
    let shown_value = shown(&Value::String(text.to_owned()));
    Err(Misfit::new(
        format!("{path} = {shown_value} {reason}"),
        "it names a folder: use letters, digits, \".\", \"_\" and \"-\"; it may not start with a dot",
    ))
}

fn check_choice(path: &str, word: &str, now: &[&str], later: &[&str]) -> Result<(), Misfit> {
    if now.contains(&word) {
        return Ok(());
    }
    let value = shown(&Value::String(word.to_owned()));
    if later.contains(&word) {
        let message = format!("{path} = {value} comes with a later version; this one has {}", quoted(now));
        return Err(Misfit { message, help: None });
    }
    let nearest = now.iter().find(|candidate| {
        let typed = word.to_lowercase();
        strsim::damerau_levenshtein(candidate, &typed) <= 2
            || candidate.starts_with(&typed) && !typed.is_empty()
    });
    Err(Misfit {
        message: format!("{path} = {value} is not one of {}", quoted(now)),
        help: nearest.map(|nearest| format!("did you mean \"{nearest}\"?")),
    })
}

/// Words in quotes, separated by commas.
pub(crate) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// A value as written in TOML, cut where it is long.
pub(crate) fn shown(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = match value {
        Value::Table(_) => "{…}".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::refusal;

    /// What the user reads about one line.
    fn line(text: &str) -> String {
        refusal(text).replace("\n  set in x.toml:1", "")
    }

    #[test]
    fn a_wrong_type_says_what_the_key_takes() {
        assert_eq!(
            refusal("[training]\nbatch_size = \"64\"\n"),
            "error: training.batch_size = \"64\" is not an integer\n  \
             set in x.toml:2\n  \
             help: leave the quotes out: training.batch_size = 64"
        );
        assert_eq!(
            line("training.steps = 1e3"),
            "error: training.steps = 1000.0 is not an integer\n  help: write training.steps = 1000"
        );
        assert_eq!(
            line("model.attention_resolutions = 16"),
            "error: model.attention_resolutions = 16 is not a list of integers\n  \
             help: write model.attention_resolutions = [16]"
        );
        assert_eq!(
            line("model.dropout = true"),
            "error: model.dropout = true is not a number\n  \
             help: model.dropout takes a number of at least 0 and below 1"
        );
        assert_eq!(
            line("training.betas = [0.9]"),
            "error: training.betas = [0.9] is not a list of two numbers\n  \
             help: training.betas takes a list of two numbers, each of at least 0 and below 1"
        );
        assert_eq!(
            line("name = 123"),
            "error: name = 123 is not a text\n  help: put it in quotes: name = \"123\""
        );
        assert_eq!(
            line("model.mid_attention = \"true\""),
            "error: model.mid_attention = \"true\" is not true or false\n  \
             help: leave the quotes out: model.mid_attention = true"
        );
        assert_eq!(
            line("data.image_size.width = 3"),
            "error: data.image_size = {…} is not an integer\n  \
             help: data.image_size takes an integer from 8 to 1024"
        );
    }

    #[test]
    fn a_value_out_of_range_says_the_range() {
        assert_eq!(
            line("training.batch_size = 0"),
            "error: training.batch_size = 0 is out of range\n  \
             help: training.batch_size takes an integer from 1 to 1048576"
        );
        assert_eq!(
            line("training.steps = -5"),
            "error: training.steps = -5 is out of range\n  help: training.steps takes an integer of at least 1"
        );
        assert_eq!(
            line("data.in_channels = 2"),
            "error: data.in_channels = 2 is out of range\n  help: data.in_channels takes 1 or 3"
        );
        assert_eq!(
            line("data.validation_fraction = 0.6"),
            "error: data.validation_fraction = 0.6 is out of range\n  \
             help: data.validation_fraction takes a number above 0 and at most 0.5"
        );
        for value in ["nan", "inf", "-inf", "-0.1", "1.0"] {
            assert!(line(&format!("ema.decay = {value}")).contains("is out of range"), "{value}");
        }
        assert!(line("training.learning_rate = nan").contains("= nan is out of range"));
        assert_eq!(
            line("model.channel_multipliers = []"),
            "error: model.channel_multipliers = [] is out of range\n  \
             help: model.channel_multipliers takes a list of 1 to 6 numbers, each an integer from 1 to 1024"
        );
    }

    #[test]
    fn a_word_that_is_not_a_choice_lists_the_choices() {
        assert_eq!(
            line("diffusion.noise_schedule = \"cosin\""),
            "error: diffusion.noise_schedule = \"cosin\" is not one of \"linear\", \"cosine\", \
             \"scaled_linear\", \"sqrt\", \"sigmoid\"\n  \
             help: did you mean \"cosine\"?"
        );
        assert_eq!(
            line("runtime.device = \"gpu\""),
            "error: runtime.device: \"gpu\" is not a device; use \"auto\", \"cpu\", \"cuda:0\" or \"mps\""
        );
    }

    #[test]
    fn words_and_keys_of_a_later_version_are_refused_by_name() {
        assert_eq!(
            line("launcher.partition = \"gpu\""),
            "error: launcher.partition comes with a later version"
        );
        assert_eq!(
            line("launcher.kind = \"slurm\""),
            "error: launcher.kind = \"slurm\" comes with a later version; this one has \"local\""
        );
        assert_eq!(
            line("evaluation.metrics = [\"loss\", \"fid\"]"),
            "error: evaluation.metrics = \"fid\" comes with a later version; this one has \"loss\", \
             \"denoise_score\", \"denoise_bits\""
        );
    }

    #[test]
    fn a_list_of_tracks_or_metrics_names_each_once() {
        assert_eq!(
            line("ema.decay = [0.9, 0.9]"),
            "error: ema.decay = [0.9, 0.9] is out of range\n  help: each number may stand once"
        );
        assert_eq!(
            line("ema.decay = []"),
            "error: ema.decay = [] is out of range\n  \
             help: ema.decay takes a number of at least 0 and below 1, or a list of different ones"
        );
        assert_eq!(
            line("evaluation.metrics = [\"loss\", \"loss\"]"),
            "error: evaluation.metrics names \"loss\" twice\n  help: remove one"
        );
        assert_eq!(
            line("evaluation.metrics = \"loss\""),
            "error: evaluation.metrics = \"loss\" is not a list of words\n  \
             help: write evaluation.metrics = [\"loss\"]"
        );
        assert_eq!(
            line("training.initial_weights_blake3 = \"12\""),
            "error: training.initial_weights_blake3 = \"12\" is not a BLAKE3 hash\n  \
             help: training.initial_weights_blake3 takes 64 hexadecimal digits in quotes"
        );
    }

    #[test]
    fn a_name_must_be_safe_as_a_folder() {
        let help =
            "it names a folder: use letters, digits, \".\", \"_\" and \"-\"; it may not start with a dot";
        for (name, reason) in [
            ("../x", "starts with a dot"),
            ("a/b", "contains '/'"),
            ("", "is empty"),
            ("a b", "contains ' '"),
            ("é", "contains 'é'"),
        ] {
            assert_eq!(
                line(&format!("name = \"{name}\"")),
                format!("error: name = \"{name}\" {reason}\n  help: {help}")
            );
        }
        assert!(
            line(&format!("name = \"{}\"", "x".repeat(129))).contains("is 129 bytes long; 128 is the most")
        );
    }
}
