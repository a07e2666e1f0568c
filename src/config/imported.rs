//! The configuration of a run whose network and settings come from a folder of another program.
//!
//! In: the keys that the folder gives, and `-s` for the others. Out: a complete [`Config`] under the rules of any
//! other, and what a network from elsewhere may be but ours may not, as warnings.

use std::path::PathBuf;

use toml::Value;

use super::build::build;
use super::check::{self, Finding};
use super::check_network;
use super::derive;
use super::files::Files;
use super::keys::{self, KEYS};
use super::merge::{self, Origin, Slots};
use super::origin::locate;
use super::problem::{Location, Problem, Problems};
use super::schema::Config;
use super::source;
use super::stack::{self, Request, Stack};

/// A key that the folder gives a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Dotted path.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// The file that says so.
    pub file: PathBuf,
    /// Whether `-s` may say otherwise: how the network is used, not what it is.
    pub is_default: bool,
}

/// The configuration that a folder's keys make, over the built-in defaults and below `set` and the environment.
///
/// # Errors
/// Everything that does not fit a key, breaks a rule, or is set although the folder says it.
pub fn imported(
    given: &[Given],
    set: &[String],
    environment: Vec<(String, String)>,
) -> Result<(Config, Vec<Problem>), Problems> {
    let mut problems = Vec::new();
    let request = Request { set: set.to_vec(), environment, ..Request::default() };
    let stack = stack::pile(Files::new(&source::read_text), &request, &mut problems);
    problems.extend(given.iter().filter(|given| !given.is_default).filter_map(|given| taken(&stack, given)));
    let mut slots = merge::merge(&stack.below);
    for given in given {
        match unfit(given) {
            Some(problem) => problems.push(problem),
            None => lay(&mut slots, given.key, &given.value, Origin::Point),
        }
    }
    for entry in &stack.set.entries {
        merge::lay(&mut slots, entry.key, &entry.value, Origin::Set);
    }
    derive::fill(&mut slots);
    Problems(problems).into_result()?;
    let config = build(&slots)?;
    let told = |finding: Finding| told(&stack, &slots, given, finding);
    let broken = check::findings_of_run(&config).into_iter().map(told).collect();
    Problems(broken).into_result()?;
    let warnings = check_network::one_channel_a_group(&config).into_iter().map(told).collect();
    Ok((config, warnings))
}

fn lay<'a>(slots: &mut Slots<'a>, key: &str, value: &'a Value, origin: Origin) {
    if let Some(key) = keys::index(key) {
        merge::lay(slots, key, value, origin);
    }
}

/// A key that is set and given at once.
fn taken(stack: &Stack, given: &Given) -> Option<Problem> {
    let rival = keys::rival(given.key);
    let set = stack.set.entries.iter().map(|entry| KEYS[entry.key].path);
    let set = set.into_iter().find(|path| *path == given.key || Some(*path) == rival)?;
    let problem = stack.set.problem(set, format!("{set} is what the network is, and cannot be set"));
    let file = given.file.display();
    Some(problem.with_help(format!("leave it out; {file} makes {} = {}", given.key, given.value)))
}

/// A value that its key does not take.
fn unfit(given: &Given) -> Option<Problem> {
    let misfit = keys::find(given.key)?.kind.check(given.key, &given.value).err()?;
    let problem = Problem::new(misfit.message).at(location(given));
    Some(match misfit.help {
        Some(help) => problem.with_help(help),
        None => problem,
    })
}

fn told(stack: &Stack, slots: &Slots<'_>, given: &[Given], finding: Finding) -> Problem {
    let keys = finding.keys;
    let problem = locate(stack, slots, finding);
    if !problem.is_of_sweep_point() {
        return problem;
    }
    // The folder's keys lie where a sweep's would.
    let source = keys.iter().find_map(|key| given.iter().find(|given| given.key == *key));
    Problem { layer: None, location: None, key: None, ..problem }.at(source.and_then(location))
}

fn location(given: &Given) -> Option<Location> {
    Some(Location { file: given.file.clone(), line: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(key: &'static str, value: impl Into<Value>) -> Given {
        Given { key, value: value.into(), file: "x/config.json".into(), is_default: false }
    }

    fn made(given: &[Given], set: &[&str]) -> Result<(Config, Vec<Problem>), String> {
        let set: Vec<String> = set.iter().map(|word| (*word).to_owned()).collect();
        let named = given.iter().cloned().chain([self::given("name", "x")]).collect::<Vec<_>>();
        imported(&named, &set, vec![]).map_err(|problems| problems.to_string())
    }

    #[test]
    fn what_the_folder_says_lies_over_the_defaults_and_cannot_be_set() {
        let steps = Given { is_default: true, ..given("sampling.steps", 7) };
        let size = given("data.image_size", 16);
        let (config, warnings) = made(
            &[size.clone(), steps.clone(), given("model.attention_resolutions", Value::Array(vec![]))],
            &["data.dataset=mnist", "sampling.steps=9"],
        )
        .unwrap();
        assert_eq!((config.data.image_size, config.sampling.steps), (16, 9));
        assert_eq!((config.data.dataset.name(), warnings.len()), ("mnist", 0));
        assert_eq!(
            made(&[size], &["data.image_size=8"]).unwrap_err(),
            "error: data.image_size is what the network is, and cannot be set\n  set by -s data.image_size=8\n  \
             help: leave it out; x/config.json makes data.image_size = 16"
        );
        let refused = made(&[given("model.attention_head_dim", 8)], &["model.num_attention_heads=1"]);
        assert!(refused.unwrap_err().starts_with("error: model.num_attention_heads is what the network is"));
    }

    #[test]
    fn all_that_does_not_fit_is_told_with_the_file_that_says_it() {
        let text = made(&[given("data.in_channels", 4), given("model.norm_eps", 2.0)], &[]).unwrap_err();
        assert!(text.starts_with("error: data.in_channels = 4 "), "{text}");
        assert_eq!(text.matches("\n  set in x/config.json\n").count(), 2, "{text}");
        let text = made(&[given("diffusion.zero_terminal_snr", true)], &[]).unwrap_err();
        assert!(
            text.contains("with diffusion.prediction_type = \"epsilon\"\n  set in x/config.json"),
            "{text}"
        );
    }

    #[test]
    fn one_channel_a_group_is_a_warning_here_and_in_the_run_that_it_becomes() {
        let narrow = [
            given("model.base_channels", 8),
            given("model.channel_multipliers", Value::Array(vec![1.into()])),
            given("model.attention_resolutions", Value::Array(vec![])),
            given("model.norm_groups", 8),
        ];
        let (config, warnings) = made(&narrow, &[]).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].message.contains("leaves one channel a group at width 8"), "{}", warnings[0]);
        let text = crate::config::to_toml(&config).unwrap();
        let path = std::path::Path::new("config.toml");
        assert_eq!(crate::config::parse_run_config(&text, path).unwrap(), config);
    }
}
