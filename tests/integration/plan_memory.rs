//! `ablate plan` for a device of a given size: what does not fit, what would, and the refusal of `--strict`.

use crate::support::{Ran, Workplace};

/// Two sizes of one network, the larger with ten times the feature maps.
const SWEEP: &str = r#"
    [data]
    image_size = 64
    [model]
    attention_resolutions = [16]
    [training]
    batch_size = 64
    [evaluation]
    every = 0
    [sampling]
    every = 0
    [sweep.grid]
    "model.base_channels" = [16, 128]
"#;

fn plan(more: &[&str]) -> Ran {
    Workplace::with("x.toml", SWEEP).ablate(&[&["plan", "x.toml"], more].concat())
}

/// What warnings say, in one line each.
fn warnings(ran: &Ran) -> Vec<&str> {
    ran.stderr.lines().filter_map(|line| line.strip_prefix("warning: ")).collect()
}

#[test]
fn a_variant_too_large_for_the_given_memory_is_warned_of_with_what_would_fit() {
    let ran = plan(&["--memory", "16"]).exits(0);
    let [told] = warnings(&ran)[..] else { panic!("{}", ran.stderr) };
    assert!(told.starts_with("bc128-"), "{told}");
    assert!(
        told.contains(" in training, and --memory gives 14.90 GiB; training.gradient_accumulation = "),
        "{told}"
    );

    // What it names does fit, and the next smaller divisor of the batch does not.
    let words = "; training.gradient_accumulation = ";
    let parts: usize =
        told[told.find(words).unwrap() + words.len()..].split(' ').next().unwrap().parse().unwrap();
    let fits = |parts: usize| {
        let setting = format!("training.gradient_accumulation={parts}");
        let document = plan(&["--memory", "16", "--json", "-s", &setting]).exits(0).json();
        let variants = document["variants"].as_array().unwrap().clone();
        variants.iter().all(|variant| variant["fits"] == true)
    };
    assert!(parts > 1 && fits(parts) && !fits(parts / 2), "{told}");
}

#[test]
fn strict_refuses_after_everything_was_printed() {
    let easy = plan(&["--memory", "16"]).exits(0);
    let strict = plan(&["--memory", "16", "--strict"]).exits(2);
    assert_eq!(strict.stdout, easy.stdout);
    assert!(strict.stderr.starts_with(&easy.stderr), "{}", strict.stderr);
    assert_eq!(
        strict.stderr[easy.stderr.len()..],
        *"error: --strict: 1 of 2 variants does not fit: --memory gives 14.90 GiB\n  help: each is named in a warning above, \
          with what would fit\n"
    );
    let roomy = plan(&["--memory", "1000", "--strict"]).exits(0);
    assert!(warnings(&roomy).is_empty(), "{}", roomy.stderr);
}

#[test]
fn a_machine_of_another_size_is_planned_for_where_the_configuration_says_cpu() {
    let bytes = |more: &[&str]| {
        let document = plan(&[&["--memory", "64", "--json"], more].concat()).exits(0).json();
        document["variants"][1]["train_memory_bytes"].as_u64().unwrap()
    };
    let (gpu, cpu) = (bytes(&[]), bytes(&["-s", "runtime.device=cpu"]));
    assert!(gpu > cpu, "a GPU keeps what is normalised before silu, and its context: {gpu}, {cpu}");
}

#[test]
fn slots_share_a_device() {
    let alone = plan(&["--memory", "30", "--strict"]).exits(0);
    assert!(warnings(&alone).is_empty());
    let shared = plan(&["--memory", "30", "-s", "runtime.slots_per_device=2"]).exits(0);
    assert!(
        shared.stderr.contains(" and --memory gives 27.94 GiB for 2 runs at a time; "),
        "{}",
        shared.stderr
    );
}

#[test]
fn a_size_that_is_none_is_refused() {
    for wrong in ["-4", "0", "24GB", "nan"] {
        let ran = plan(&["--memory", wrong]).exits(2);
        let expected = format!(
            "error: invalid value '{wrong}' for '--memory <GB>': a number of gigabytes above 0, such as 24"
        );
        assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn verbose_splits_the_memory_of_a_step() {
    let text = plan(&["--memory", "16", "--verbose"]).exits(0).stdout;
    let parts =
        ["program", "weights", "gradients", "optimizer", "averages", "inputs", "activations", "workspace"];
    for part in parts {
        assert_eq!(text.matches(&format!("\n    {part:<14} ")).count(), 2, "{part}:\n{text}");
    }
}
