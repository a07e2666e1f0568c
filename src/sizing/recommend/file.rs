//! The experiment file of a recommendation: every setting that was decided, each with a comment.
//!
//! In: a configuration. Out: TOML that reads back as the same configuration; what it does not name stays at the program's
//! default.

use std::fmt::Write;

use super::ask::Ask;
use crate::config::{Config, NoiseSchedule, Precision};
use crate::sizing::Place;

/// Where comments begin.
const COLUMN: usize = 38;

/// Lines of a file.
struct Text(String);

impl Text {
    fn section(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n[{name}]");
    }

    fn key(&mut self, key: &str, value: impl std::fmt::Display, comment: impl std::fmt::Display) {
        let setting = format!("{key} = {value}");
        let _ = writeln!(self.0, "{setting:<COLUMN$} # {comment}");
    }
}

/// The whole file.
pub(super) fn write(ask: &Ask<'_>, config: &Config, parameters: u64) -> String {
    let (size, colours) = (ask.image_size, if ask.channels == 1 { "grey" } else { "RGB" });
    let mut text = Text(format!(
        "# {} parameters for images of {size} x {size} {colours}, sized by `ablate recommend`.\n\
         # Look at it with `ablate plan`, then start it with `ablate run`; the same command again goes on.\n",
        millions(parameters)
    ));
    text.key("description", format!("\"sized for {size} x {size} {colours}\""), "free text");
    data(&mut text, config, colours);
    model(&mut text, config);
    diffusion(&mut text, config);
    training(&mut text, config);
    outputs(&mut text, config);
    if ask.place == Place::Host {
        text.section("runtime");
        text.key("device", "\"cpu\"", "the memory that it was sized for is the machine's own");
    }
    text.0
}

/// "35.7 million".
pub(super) fn millions(count: u64) -> String {
    let value = count as f64 / 1e6;
    if value < 10.0 { format!("{value:.2} million") } else { format!("{value:.1} million") }
}

fn data(text: &mut Text, config: &Config, colours: &str) {
    text.section("data");
    text.key(
        "dataset",
        "\"shapes\"",
        "drawn by the program; your own images: \"folder\" and root = \"FOLDER\"",
    );
    text.key("image_size", config.data.image_size, "pixels");
    text.key("in_channels", config.data.in_channels, colours);
    text.key(
        "horizontal_flip",
        config.data.horizontal_flip,
        "true where a mirrored image is as good as the image",
    );
}

fn model(text: &mut Text, config: &Config) {
    let model = &config.model;
    let (channels, pixels) = (model.channels(), model.resolutions(config.data.image_size));
    text.section("model");
    text.key("base_channels", model.base_channels, "channels that a multiplier of 1 means");
    text.key(
        "channel_multipliers",
        list(&model.channel_multipliers),
        format!("{} channels at {} pixels", plain(&channels), plain(&pixels)),
    );
    text.key("num_res_blocks", model.num_res_blocks, "residual blocks a level, one more on the way up");
    let attention = match model.attention_resolutions.is_empty() {
        true => "in the middle block alone",
        false => "pixels of levels with attention, besides the middle block",
    };
    text.key("attention_resolutions", list(&model.attention_resolutions), attention);
    let head = model.attention_head_dim.unwrap_or(64);
    text.key("attention_head_dim", head, "channels of a head");
    let dropout = match model.dropout > 0.0 {
        true => "against learning the images by heart, which it could",
        false => "the images are too many, or seen too seldom, to be learned by heart",
    };
    text.key("dropout", float(model.dropout), dropout);
}

fn diffusion(text: &mut Text, config: &Config) {
    let why = match config.diffusion.noise_schedule {
        NoiseSchedule::Cosine => "leaves more steps with something to see in a small image",
        _ => "a large image needs more noise to vanish than \"cosine\" gives it half way",
    };
    text.section("diffusion");
    text.key("timesteps", config.diffusion.timesteps, "training costs the same for any number");
    text.key("noise_schedule", format!("\"{}\"", config.diffusion.noise_schedule.name()), why);
}

fn training(text: &mut Text, config: &Config) {
    let training = &config.training;
    let micro_batch = training.batch_size / training.gradient_accumulation;
    text.section("training");
    text.key(
        "steps",
        training.steps.unwrap_or(1),
        "optimizer steps; the learning rate stays, so fewer or more will do",
    );
    text.key("batch_size", training.batch_size, "images of an optimizer step");
    text.key(
        "gradient_accumulation",
        training.gradient_accumulation,
        format!(
            "{micro_batch} image{} at a time; the memory decides",
            if micro_batch == 1 { "" } else { "s" }
        ),
    );
    let recompute = match training.recompute {
        true => "feature maps are computed twice, a third more work, to need less memory",
        false => "feature maps are kept: there is room",
    };
    text.key("recompute", training.recompute, recompute);
    let precision = match training.precision {
        Precision::Bf16 => "feature maps in half the memory; older GPUs than Ampere take \"f16\"",
        Precision::F16 => "feature maps in half the memory",
        Precision::Tf32 => "32-bit feature maps, products rounded by the GPU",
        Precision::F32 => "32-bit floats throughout",
    };
    text.key("precision", format!("\"{}\"", training.precision.name()), precision);
    text.key(
        "learning_rate",
        format!("{:e}", training.learning_rate),
        "of Adam, as published for such networks",
    );
    text.key("warmup_steps", training.warmup_steps, "steps until it is reached");
}

fn outputs(text: &mut Text, config: &Config) {
    let decay = config.ema.decay.all()[0];
    text.section("ema");
    text.key(
        "decay",
        float(decay),
        format!("averages about the last {} steps", (1.0 / (1.0 - decay)).round()),
    );
    for (section, every, comment) in [
        ("checkpoint", config.checkpoint.every, "steps between checkpoints"),
        ("evaluation", config.evaluation.every, "steps between measurements on held-out images"),
        ("sampling", config.sampling.every, "steps between grids of samples"),
    ] {
        text.section(section);
        text.key("every", every, comment);
    }
}

/// A float as TOML takes it: never without a point.
fn float(value: f64) -> String {
    format!("{value:?}")
}

fn plain(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn list(numbers: &[usize]) -> String {
    format!("[{}]", plain(numbers))
}
