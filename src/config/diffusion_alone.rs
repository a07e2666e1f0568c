//! `[diffusion]` by itself, for questions about noise schedules: no experiment is needed, and nothing is asked of
//! the other sections.
//!
//! In: a [`Request`], whose experiment may be empty. Out: [`Diffusion`], its schedule checked.

use std::borrow::Cow;

use toml::Value;

use super::build::build;
use super::check;
use super::derive;
use super::files::Files;
use super::keys;
use super::merge::{self, Origin, Slot};
use super::origin::locate;
use super::problem::{Problem, Problems};
use super::schema::Diffusion;
use super::source;
use super::stack::{self, Request, Stack};

/// What a schedule is made of.
const SCHEDULE_KEYS: [&str; 6] = [
    "diffusion.timesteps",
    "diffusion.noise_schedule",
    "diffusion.beta_start",
    "diffusion.beta_end",
    "diffusion.rescale_betas",
    "diffusion.zero_terminal_snr",
];

/// The settings of a schedule under a request; a sweep is left aside.
///
/// # Errors
/// Everything that is wrong with the layers or with the schedule. Whether it fits the other settings, such as the
/// number of sampling steps, is not asked.
pub fn diffusion_alone(request: &Request) -> Result<Diffusion, Problems> {
    let mut problems = Vec::new();
    let stack = layers(request, &mut problems);
    let mut slots = merge::merge(&stack.below);
    for (layer, origin) in [(&stack.pins, Origin::Pin), (&stack.set, Origin::Set)] {
        for entry in &layer.entries {
            merge::lay(&mut slots, entry.key, &entry.value, origin);
        }
    }
    derive::fill(&mut slots);
    // An experiment is named after its file; without one any name does.
    if let Some(name) = keys::index("name").map(|index| &mut slots[index]) {
        let unnamed =
            || Slot { value: Cow::Owned(Value::String("schedule".into())), origin: Origin::Derived };
        name.get_or_insert_with(unnamed);
    }
    let built = build(&slots);
    if let (Ok(config), false) = (&built, stack.incomplete) {
        let of_schedule = |key: &&str| SCHEDULE_KEYS.contains(key);
        let found =
            check::findings(config).into_iter().filter(|finding| finding.keys.iter().all(of_schedule));
        problems.extend(found.map(|finding| locate(&stack, &slots, finding)));
    }
    Problems(problems).into_result()?;
    Ok(built?.diffusion)
}

fn layers(request: &Request, problems: &mut Vec<Problem>) -> Stack {
    if !request.experiment.as_os_str().is_empty() {
        return stack::gather(request, &source::read_text, problems);
    }
    let mut files = Files::new(&source::read_text);
    for path in &request.files {
        files.read_named(path, "-f", problems);
    }
    stack::pile(files, request, problems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Folder;

    fn set(words: &[&str]) -> Request {
        Request { set: words.iter().map(|word| (*word).to_owned()).collect(), ..Request::default() }
    }

    #[test]
    fn no_experiment_means_the_defaults_and_what_follows_from_them() {
        let settings = diffusion_alone(&set(&[])).unwrap();
        assert_eq!((settings.timesteps, settings.rescale_betas), (1000, false));
        let settings = diffusion_alone(&set(&["diffusion.timesteps=20", "diffusion.beta_end=0.01"])).unwrap();
        assert_eq!((settings.timesteps, settings.rescale_betas), (20, true));
    }

    #[test]
    fn rules_of_other_sections_are_not_asked() {
        let settings = diffusion_alone(&set(&["diffusion.zero_terminal_snr=true"])).unwrap();
        assert!(settings.zero_terminal_snr);
    }

    #[test]
    fn a_schedule_that_makes_no_sense_is_refused_as_anywhere() {
        let text = diffusion_alone(&set(&["diffusion.timesteps=10"])).unwrap_err().to_string();
        assert!(text.starts_with("error: diffusion.timesteps = 10 rescales the last beta to"), "{text}");
        assert!(text.contains("set by -s diffusion.timesteps=10"), "{text}");
        let text = diffusion_alone(&set(&["diffusion.timestep=10"])).unwrap_err().to_string();
        assert!(text.contains("unknown key diffusion.timestep"), "{text}");
        let folder = Folder::with("x.toml", "diffusion.beta_end = 2\n");
        let error = diffusion_alone(&folder.request("x.toml")).unwrap_err();
        assert!(folder.relative(&error.to_string()).contains("set in x.toml:1"));
        let error = diffusion_alone(&folder.request("none.toml")).unwrap_err();
        assert!(error.to_string().contains("none.toml"), "{error}");
    }
}
