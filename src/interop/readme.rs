//! What an exported folder says about itself.
//!
//! In: what was exported. Out: the text of its `README.md`: of which run it is, and how images are drawn from it.

use super::VERSION;
use super::export::Export;
use crate::config::{Config, Sampler};
use crate::guard::printable;

/// What a folder's name must not mean in the text.
const MARKUP: [char; 7] = ['`', '#', '<', '>', '[', ']', '|'];

/// The text.
pub(super) fn text(export: &Export<'_>) -> String {
    let Export { run, checkpoint, label, .. } = *export;
    let Config { data, diffusion, sampling, .. } = export.config;
    let (size, timesteps) = (data.image_size, diffusion.timesteps);
    let kind = if data.in_channels == 1 { "grey" } else { "RGB" };
    let (steps, eta) = match sampling.sampler {
        Sampler::Ddim => (sampling.steps, sampling.eta),
        _ => (timesteps.min(50), 0.0),
    };
    let shorter = match timesteps < 1000 {
        true => format!(
            "\nThe chain has {timesteps} timesteps, fewer than the 1000 steps that the pipeline takes by itself: it has to \
             be told\n`num_inference_steps={timesteps}`, or less.\n"
        ),
        false => String::new(),
    };
    format!(
        "# {run}\n\n\
         A diffusion model for {size} x {size} {kind} images: the {label} weights of the run {run} at step {step}, written \
         by\nablate {ours} for diffusers {VERSION}.\n\n\
         Images by ancestral sampling (DDPM), one network evaluation per timestep:\n\n\
         ```python\n\
         from diffusers import DDPMPipeline\n\n\
         pipeline = DDPMPipeline.from_pretrained(\"THIS FOLDER\")\n\
         images = pipeline(batch_size=16, num_inference_steps={timesteps}).images\n\
         ```\n{shorter}\n\
         Images in {steps} steps (DDIM):\n\n\
         ```python\n\
         from diffusers import DDIMPipeline\n\n\
         pipeline = DDIMPipeline.from_pretrained(\"THIS FOLDER\")\n\
         images = pipeline(batch_size=16, num_inference_steps={steps}, eta={eta:?}).images\n\
         ```\n\n\
         Back to a run: `ablate import \"THIS FOLDER\" -o RUN`. To train on from these weights:\n\
         `training.initial_weights = \"THIS FOLDER\"`.\n",
        run = printable(run).replace(MARKUP, " "),
        label = printable(label),
        step = checkpoint.step,
        ours = env!("CARGO_PKG_VERSION"),
    )
}
