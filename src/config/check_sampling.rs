//! Rules between the keys of `[sampling]`, and with the chain that is sampled.
//!
//! In: a typed [`Config`]. Out: every [`Finding`].

use super::check::Finding;
use super::problem::{Problem, Problems};
use super::schema::{Config, Sampler, Sampling, TimestepSpacing, Variance};

/// Applies the rules.
pub(crate) fn findings(config: &Config, found: &mut Vec<Finding>) {
    let (sampling, timesteps) = (&config.sampling, config.diffusion.timesteps);
    if sampling.every > 0 && sampling.num_samples == 0 {
        found.push(Finding {
            message: format!("sampling.num_samples = 0 with sampling.every = {}", sampling.every),
            keys: &["sampling.num_samples", "sampling.every"],
            help: "sampling.every = 0 turns sample grids off".to_owned(),
        });
    }
    without_effect(sampling, found);
    if sampling.steps > timesteps {
        found.push(Finding {
            message: format!(
                "sampling.steps = {} is more than diffusion.timesteps = {timesteps}",
                sampling.steps
            ),
            keys: &["sampling.steps", "diffusion.timesteps"],
            help: format!("a sampler visits each timestep once at most; use {timesteps} or fewer"),
        });
        return;
    }
    solver_steps(sampling, timesteps, found);
    offset(sampling, timesteps, found);
    noise_left(sampling, timesteps, found);
}

/// The rules alone, for settings that were changed after a configuration was read.
///
/// # Errors
/// Everything that is wrong with how the configuration samples.
pub fn check_sampling(config: &Config) -> Result<(), Problems> {
    let mut found = Vec::new();
    findings(config, &mut found);
    let problems = found.into_iter().map(|finding| Problem::new(finding.message).with_help(finding.help));
    Problems(problems.collect()).into_result()
}

/// A setting that the sampler does not look at.
fn without_effect(sampling: &Sampling, found: &mut Vec<Finding>) {
    let name = sampling.sampler.name();
    if sampling.eta != 0.0 && sampling.sampler != Sampler::Ddim {
        found.push(Finding {
            message: format!(
                "sampling.eta = {} has no effect with sampling.sampler = \"{name}\"",
                sampling.eta
            ),
            keys: &["sampling.eta", "sampling.sampler"],
            help: match sampling.sampler {
                Sampler::Ddpm => "how much noise \"ddpm\" adds is sampling.variance; leave eta out",
                _ => "this sampler adds no noise; leave eta out, or use sampler = \"ddim\"",
            }
            .to_owned(),
        });
    }
    if sampling.variance != Variance::FixedSmall && sampling.sampler != Sampler::Ddpm {
        found.push(Finding {
            message: format!(
                "sampling.variance = \"fixed_large\" has no effect with sampling.sampler = \"{name}\""
            ),
            keys: &["sampling.variance", "sampling.sampler"],
            help: "leave variance out, or use sampler = \"ddpm\"".to_owned(),
        });
    }
    if !sampling.set_alpha_to_one && sampling.sampler != Sampler::Ddim {
        found.push(Finding {
            message: format!(
                "sampling.set_alpha_to_one = false has no effect with sampling.sampler = \"{name}\""
            ),
            keys: &["sampling.set_alpha_to_one", "sampling.sampler"],
            help: "leave set_alpha_to_one out, or use sampler = \"ddim\"".to_owned(),
        });
    }
    clip_range(sampling, found);
}

/// A range for a clipping that does not happen.
fn clip_range(sampling: &Sampling, found: &mut Vec<Finding>) {
    let range = sampling.clip_sample_range;
    if range == 1.0 || (sampling.clip_sample && sampling.sampler.clips()) {
        return;
    }
    let (because, help) = if sampling.clip_sample {
        let because = format!("sampling.sampler = \"{}\"", sampling.sampler.name());
        (because, "this sampler does not clip; leave clip_sample_range out, or use another sampler")
    } else {
        ("sampling.clip_sample = false".to_owned(), "leave clip_sample_range out, or clip")
    };
    found.push(Finding {
        message: format!("sampling.clip_sample_range = {range} has no effect with {because}"),
        keys: &["sampling.clip_sample_range", "sampling.clip_sample", "sampling.sampler"],
        help: help.to_owned(),
    });
}

/// With leading and linspace DPM-Solver++ takes one timestep more than it visits.
fn solver_steps(sampling: &Sampling, timesteps: usize, found: &mut Vec<Finding>) {
    let drops_one = sampling.timestep_spacing != TimestepSpacing::Trailing;
    if sampling.sampler == Sampler::DpmSolverPp && drops_one && sampling.steps == timesteps {
        found.push(Finding {
            message: format!(
                "sampling.steps = {timesteps} is one too many for sampling.sampler = \"dpm_solver_pp\" on \
                 diffusion.timesteps = {timesteps}"
            ),
            keys: &["sampling.steps", "sampling.sampler", "sampling.timestep_spacing", "diffusion.timesteps"],
            help: format!(
                "it would visit a timestep twice; use {} or fewer (10 to 25 are usual), or timestep_spacing = \
                 \"trailing\"",
                timesteps - 1
            ),
        });
    }
}

/// An offset must not lead beyond the chain.
fn offset(sampling: &Sampling, timesteps: usize, found: &mut Vec<Finding>) {
    // The first timestep visited is a multiple of T div n, for DPM-Solver++ of T div n+1.
    let first = match sampling.sampler {
        Sampler::DpmSolverPp => sampling.steps * (timesteps / (sampling.steps + 1)),
        Sampler::Ddim | Sampler::Ddpm | Sampler::Euler | Sampler::Heun => {
            (sampling.steps - 1) * (timesteps / sampling.steps)
        }
    };
    let leading = sampling.timestep_spacing == TimestepSpacing::Leading;
    if leading && first + sampling.steps_offset >= timesteps {
        found.push(Finding {
            message: format!(
                "sampling.steps_offset = {} moves the first timestep to {}, beyond the last of {timesteps}",
                sampling.steps_offset,
                first + sampling.steps_offset
            ),
            keys: &[
                "sampling.steps_offset",
                "sampling.steps",
                "diffusion.timesteps",
                "sampling.timestep_spacing",
                "sampling.sampler",
            ],
            help: format!("use {} or less", timesteps - 1 - first),
        });
    }
}

/// DDPM adds noise wherever t > 0, and with the larger variance that of the last step stays in the image.
fn noise_left(sampling: &Sampling, timesteps: usize, found: &mut Vec<Finding>) {
    let last = match sampling.timestep_spacing {
        TimestepSpacing::Leading => sampling.steps_offset,
        TimestepSpacing::Linspace => 0,
        TimestepSpacing::Trailing => {
            (timesteps as f64 / sampling.steps as f64).round_ties_even() as usize - 1
        }
    };
    if sampling.sampler == Sampler::Ddpm && sampling.variance == Variance::FixedLarge && last > 0 {
        found.push(Finding {
            message: format!(
                "sampling.variance = \"fixed_large\" would leave noise in the images: the last timestep visited is \
                 {last}, not 0"
            ),
            keys: &[
                "sampling.variance",
                "sampling.timestep_spacing",
                "sampling.steps_offset",
                "sampling.steps",
                "sampling.sampler",
            ],
            help: "use variance = \"fixed_small\", or timestep_spacing = \"linspace\"".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{Folder, refusal};

    #[test]
    fn a_sampler_cannot_visit_more_timesteps_than_there_are() {
        assert_eq!(
            refusal("[diffusion]\ntimesteps = 40\n"),
            "error: sampling.steps = 50 is more than diffusion.timesteps = 40\n  \
             diffusion.timesteps set in x.toml:2\n  \
             help: a sampler visits each timestep once at most; use 40 or fewer"
        );
        assert_eq!(
            refusal("[sampling]\nsteps_offset = 20\n"),
            "error: sampling.steps_offset = 20 moves the first timestep to 1000, beyond the last of 1000\n  \
             set in x.toml:2\n  help: use 19 or less"
        );
        assert_eq!(
            refusal("[sampling]\nnum_samples = 0\n"),
            "error: sampling.num_samples = 0 with sampling.every = 1000\n  set in x.toml:2\n  \
             help: sampling.every = 0 turns sample grids off"
        );
    }

    #[test]
    fn the_solver_needs_a_timestep_more_than_it_visits() {
        let opening = "sampling.sampler = \"dpm_solver_pp\"\n";
        assert_eq!(
            refusal(&format!("{opening}[diffusion]\ntimesteps = 50\n")),
            "error: sampling.steps = 50 is one too many for sampling.sampler = \"dpm_solver_pp\" on \
             diffusion.timesteps = 50\n  sampling.sampler set in x.toml:1\n  \
             help: it would visit a timestep twice; use 49 or fewer (10 to 25 are usual), or timestep_spacing = \"trailing\""
        );
        for fine in ["timesteps = 51", "timesteps = 50\nsampling.timestep_spacing = \"trailing\""] {
            let fine = fine.replace("timesteps =", "diffusion.timesteps =");
            assert!(Folder::with("x.toml", &format!("{opening}{fine}\n")).load("x.toml").is_ok(), "{fine}");
        }
        // Its first timestep is another one: 50·(1000 div 51) = 950.
        let offset = |offset: usize| format!("{opening}sampling.steps_offset = {offset}\n");
        assert!(Folder::with("x.toml", &offset(49)).load("x.toml").is_ok());
        assert!(refusal(&offset(50)).contains("moves the first timestep to 1000"));
    }

    #[test]
    fn a_setting_that_the_sampler_does_not_look_at_is_refused() {
        assert_eq!(
            refusal("[sampling]\nsampler = \"ddpm\"\neta = 0.5\n"),
            "error: sampling.eta = 0.5 has no effect with sampling.sampler = \"ddpm\"\n  set in x.toml:3\n  \
             help: how much noise \"ddpm\" adds is sampling.variance; leave eta out"
        );
        assert_eq!(
            refusal("[sampling]\nvariance = \"fixed_large\"\n"),
            "error: sampling.variance = \"fixed_large\" has no effect with sampling.sampler = \"ddim\"\n  \
             set in x.toml:2\n  help: leave variance out, or use sampler = \"ddpm\""
        );
        for silent in ["dpm_solver_pp", "euler", "heun"] {
            assert!(
                refusal(&format!("[sampling]\nsampler = \"{silent}\"\neta = 1\n")).contains("adds no noise")
            );
        }
        assert_eq!(
            refusal("[sampling]\nsampler = \"heun\"\nset_alpha_to_one = false\n"),
            "error: sampling.set_alpha_to_one = false has no effect with sampling.sampler = \"heun\"\n  \
             set in x.toml:3\n  help: leave set_alpha_to_one out, or use sampler = \"ddim\""
        );
        assert_eq!(
            refusal("[sampling]\nsampler = \"euler\"\nclip_sample_range = 2\n"),
            "error: sampling.clip_sample_range = 2 has no effect with sampling.sampler = \"euler\"\n  \
             set in x.toml:3\n  \
             help: this sampler does not clip; leave clip_sample_range out, or use another sampler"
        );
        assert_eq!(
            refusal("[sampling]\nclip_sample = false\nclip_sample_range = 2\n"),
            "error: sampling.clip_sample_range = 2 has no effect with sampling.clip_sample = false\n  \
             set in x.toml:3\n  help: leave clip_sample_range out, or clip"
        );
        let fine = "[sampling]\nsampler = \"heun\"\nclip_sample_range = 2\n";
        assert!(Folder::with("x.toml", fine).load("x.toml").is_ok());
    }

    #[test]
    fn a_variance_that_would_stay_in_the_images_is_refused() {
        let large = "sampling.sampler = \"ddpm\"\nsampling.variance = \"fixed_large\"\n";
        assert_eq!(
            refusal(&format!("{large}sampling.timestep_spacing = \"trailing\"\n")),
            "error: sampling.variance = \"fixed_large\" would leave noise in the images: the last timestep visited is \
             19, not 0\n  set in x.toml:2\n  \
             help: use variance = \"fixed_small\", or timestep_spacing = \"linspace\""
        );
        assert!(refusal(&format!("{large}sampling.steps_offset = 1\n")).contains("visited is 1, not 0"));
        for fine in ["", "sampling.timestep_spacing = \"linspace\"\n"] {
            assert!(Folder::with("x.toml", &format!("{large}{fine}")).load("x.toml").is_ok());
        }
    }
}
