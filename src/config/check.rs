//! Rules between keys: what no single key can get wrong.
//!
//! In: a typed [`Config`] whose values each fit their key. Out: every [`Finding`]; none is fatal to the
//! others, so that a user sees all of them in one go.

use super::check_network;
use super::check_sampling;
use super::schema::{Config, Diffusion, LossWeighting, NoiseSchedule, PredictionType, TimestepSpacing};

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What is wrong, opening with the first of `keys`.
    pub message: String,
    /// Every key the rule looked at, the one it is about first.
    pub keys: &'static [&'static str],
    /// What to do about it.
    pub help: String,
}

/// Applies every rule.
pub(crate) fn findings(config: &Config) -> Vec<Finding> {
    let mut found = findings_of_run(config);
    found.extend(check_network::one_channel_a_group(config));
    found
}

/// Applies every rule but the one that a network from elsewhere may break: a run's file is read by this.
pub(crate) fn findings_of_run(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    check_network::findings(config, &mut found);
    schedule(&config.diffusion, &mut found);
    zero_terminal_snr(config, &mut found);
    training(config, &mut found);
    evaluation(config, &mut found);
    check_sampling::findings(config, &mut found);
    found
}

fn schedule(diffusion: &Diffusion, found: &mut Vec<Finding>) {
    // The cosine schedule uses none of these keys.
    if diffusion.noise_schedule == NoiseSchedule::Cosine {
        return;
    }
    let Diffusion { beta_start, beta_end, timesteps, .. } = *diffusion;
    if beta_start > beta_end {
        found.push(Finding {
            message: format!("diffusion.beta_start = {beta_start} is above diffusion.beta_end = {beta_end}"),
            keys: &["diffusion.beta_start", "diffusion.beta_end", "diffusion.noise_schedule"],
            help: "noise grows along the chain; exchange them".to_owned(),
        });
    }
    let rescaled = |timesteps: usize| beta_end * (1000.0 / timesteps as f64);
    if diffusion.rescale_betas && rescaled(timesteps) >= 1.0 {
        let mut enough = (beta_end * 1000.0) as usize;
        while rescaled(enough.max(1)) >= 1.0 {
            enough += 1;
        }
        found.push(Finding {
            message: format!(
                "diffusion.timesteps = {timesteps} rescales the last beta to {beta_end} x 1000/{timesteps} = {}, \
                 and it must stay below 1",
                rescaled(timesteps)
            ),
            keys: &[
                "diffusion.timesteps",
                "diffusion.beta_end",
                "diffusion.rescale_betas",
                "diffusion.noise_schedule",
            ],
            help: format!(
                "use at least {enough} timesteps, a smaller diffusion.beta_end, or diffusion.rescale_betas = false"
            ),
        });
    }
}

/// A chain that ends in noise alone leaves some settings without meaning at its last step.
fn zero_terminal_snr(config: &Config, found: &mut Vec<Finding>) {
    let diffusion = &config.diffusion;
    if !diffusion.zero_terminal_snr {
        return;
    }
    if diffusion.prediction_type == PredictionType::Epsilon {
        found.push(Finding {
            message: "diffusion.zero_terminal_snr = true with diffusion.prediction_type = \"epsilon\"".to_owned(),
            keys: &["diffusion.zero_terminal_snr", "diffusion.prediction_type"],
            help: "the last step holds no trace of the image, so its noise tells nothing; predict \"v\" or \"x0\""
                .to_owned(),
        });
    }
    if diffusion.loss_weighting == LossWeighting::MinSnr {
        found.push(Finding {
            message: "diffusion.zero_terminal_snr = true with diffusion.loss_weighting = \"min_snr\""
                .to_owned(),
            keys: &["diffusion.zero_terminal_snr", "diffusion.loss_weighting"],
            help: "at an SNR of 0 the last step would weigh nothing; use loss_weighting = \"uniform\""
                .to_owned(),
        });
    }
    if config.sampling.timestep_spacing == TimestepSpacing::Leading {
        found.push(Finding {
            message: "sampling.timestep_spacing = \"leading\" with diffusion.zero_terminal_snr = true"
                .to_owned(),
            keys: &["sampling.timestep_spacing", "diffusion.zero_terminal_snr"],
            help: "leading never visits the last step, where this chain starts; use \"trailing\"".to_owned(),
        });
    }
}

fn training(config: &Config, found: &mut Vec<Finding>) {
    let training = &config.training;
    if training.steps.is_some() == training.epochs.is_some() {
        let both = training.steps.is_some();
        found.push(Finding {
            message: format!(
                "training.steps and training.epochs are {} set",
                if both { "both" } else { "neither" }
            ),
            keys: &["training.steps", "training.epochs"],
            help: "set one of them: it says when a run ends".to_owned(),
        });
    }
    if training.initial_weights_blake3.is_some() && training.initial_weights.is_none() {
        found.push(Finding {
            message: "training.initial_weights_blake3 is set without training.initial_weights".to_owned(),
            keys: &["training.initial_weights_blake3", "training.initial_weights"],
            help: "say where the weights are, or leave the hash out".to_owned(),
        });
    }
    let (batch, parts) = (training.batch_size, training.gradient_accumulation);
    if batch % parts != 0 {
        let divisors: Vec<usize> = (1..=batch.min(4096)).filter(|part| batch % part == 0).collect();
        let (below, above) = around(&divisors, parts);
        found.push(Finding {
            message: format!(
                "training.gradient_accumulation = {parts} does not divide training.batch_size = {batch}"
            ),
            keys: &["training.gradient_accumulation", "training.batch_size"],
            help: format!("it splits each batch into equal parts; use {}", either(below, above)),
        });
    }
}

fn evaluation(config: &Config, found: &mut Vec<Finding>) {
    let evaluation = &config.evaluation;
    if evaluation.every > 0 && evaluation.metrics.is_empty() {
        found.push(Finding {
            message: format!("evaluation.metrics = [] with evaluation.every = {}", evaluation.every),
            keys: &["evaluation.metrics", "evaluation.every"],
            help: "evaluation.every = 0 turns evaluation off".to_owned(),
        });
    }
}

/// The nearest of some rising numbers at or below `x`, and above it.
pub(crate) fn around(rising: &[usize], x: usize) -> (Option<usize>, Option<usize>) {
    let split = rising.partition_point(|&candidate| candidate <= x);
    (split.checked_sub(1).map(|index| rising[index]), rising.get(split).copied())
}

/// "32 or 40", or the one there is.
pub(crate) fn either(below: Option<usize>, above: Option<usize>) -> String {
    let found: Vec<String> = below.into_iter().chain(above).map(|number| number.to_string()).collect();
    found.join(" or ")
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{Folder, refusal};
    use toml::Value;

    #[test]
    fn a_schedule_that_makes_no_sense_is_refused_with_the_reason() {
        assert_eq!(
            refusal("[diffusion]\nbeta_start = 0.03\n"),
            "error: diffusion.beta_start = 0.03 is above diffusion.beta_end = 0.02\n  set in x.toml:2\n  \
             help: noise grows along the chain; exchange them"
        );
        assert_eq!(
            refusal("sampling.steps = 5\n[diffusion]\ntimesteps = 20\n"),
            "error: diffusion.timesteps = 20 rescales the last beta to 0.02 x 1000/20 = 1, and it must stay below 1\n  \
             set in x.toml:3\n  \
             help: use at least 21 timesteps, a smaller diffusion.beta_end, or diffusion.rescale_betas = false"
        );
        for fine in [
            "diffusion.timesteps = 21",
            "diffusion.timesteps = 20\ndiffusion.rescale_betas = false",
            "diffusion.timesteps = 20\ndiffusion.noise_schedule = \"cosine\"",
            "diffusion.beta_start = 0.03\ndiffusion.noise_schedule = \"cosine\"",
        ] {
            let folder = Folder::with("x.toml", &format!("sampling.steps = 5\n{fine}\n"));
            assert!(folder.load("x.toml").is_ok(), "{fine}");
        }
    }

    #[test]
    fn a_chain_that_ends_in_noise_alone_refuses_what_it_leaves_without_meaning() {
        assert_eq!(
            refusal("[diffusion]\nzero_terminal_snr = true\n"),
            "error: diffusion.zero_terminal_snr = true with diffusion.prediction_type = \"epsilon\"\n  \
             set in x.toml:2\n  \
             help: the last step holds no trace of the image, so its noise tells nothing; predict \"v\" or \"x0\""
        );
        let opening = "diffusion.zero_terminal_snr = true\ndiffusion.prediction_type = \"v\"\n";
        assert!(
            refusal(&format!("{opening}diffusion.loss_weighting = \"min_snr\""))
                .contains("would weigh nothing")
        );
        assert!(
            refusal(&format!("{opening}sampling.timestep_spacing = \"leading\""))
                .contains("leading never visits the last step, where this chain starts; use \"trailing\"")
        );
        let folder = Folder::with("x.toml", opening);
        let spacing = folder.load("x.toml").unwrap().base().sampling.timestep_spacing;
        assert_eq!(spacing, super::TimestepSpacing::Trailing);
    }

    #[test]
    fn micro_batches_must_divide_the_batch() {
        assert_eq!(
            refusal("[training]\ngradient_accumulation = 3\n"),
            "error: training.gradient_accumulation = 3 does not divide training.batch_size = 64\n  \
             set in x.toml:2\n  help: it splits each batch into equal parts; use 2 or 4"
        );
    }

    #[test]
    fn an_evaluation_of_nothing_is_refused() {
        assert_eq!(
            refusal("[evaluation]\nmetrics = []\n"),
            "error: evaluation.metrics = [] with evaluation.every = 1000\n  set in x.toml:2\n  \
             help: evaluation.every = 0 turns evaluation off"
        );
        let folder = Folder::with("x.toml", "[evaluation]\nevery = 0\nmetrics = []\n");
        assert!(folder.load("x.toml").is_ok());
    }

    #[test]
    fn a_hash_of_no_weights_is_refused() {
        let hash = "07".repeat(32);
        assert_eq!(
            refusal(&format!("[training]\ninitial_weights_blake3 = \"{hash}\"\n")),
            "error: training.initial_weights_blake3 is set without training.initial_weights\n  \
             set in x.toml:2\n  help: say where the weights are, or leave the hash out"
        );
    }

    #[test]
    fn the_key_set_last_is_the_one_that_is_blamed() {
        let folder = Folder::with("x.toml", "training.gradient_accumulation = 4\n");
        let mut request = folder.request("x.toml");
        request.set.push("training.batch_size=6".into());
        assert_eq!(
            folder.refusal(&request),
            "error: training.gradient_accumulation = 4 does not divide training.batch_size = 6\n  \
             training.batch_size set by -s training.batch_size=6\n  \
             help: it splits each batch into equal parts; use 3 or 6"
        );
    }

    #[test]
    fn a_contradiction_that_an_axis_resolves_is_left_to_its_points() {
        let folder = Folder::with(
            "x.toml",
            "model.attention_resolutions = [14]\n[sweep.grid]\n\"data.image_size\" = [28, 32]\n",
        );
        let experiment = folder.load("x.toml").unwrap();
        let at = |size: i64| experiment.resolve(&[("data.image_size".to_owned(), Value::Integer(size))]);
        assert!(at(28).is_ok());
        assert!(experiment.resolve(&[]).is_err());
        let mut problems = at(32).unwrap_err();
        problems.0[0].variant = Some("is32".into());
        assert_eq!(
            folder.relative(&problems.to_string()),
            "error: model.attention_resolutions has 14, which no level has\n  \
             data.image_size set in x.toml:3 (variant \"is32\")\n  \
             help: an image of 32 pixels and 3 levels reach 32, 16, 8"
        );
    }
}
