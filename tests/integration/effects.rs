//! What a setting changes, and what it must not: micro-batches, dropout, slots, threads, paired draws.

use std::fs;

use safetensors::SafeTensors;

use crate::support::Workplace;
use crate::support::training::{Run, TINY, only_run, runs_of, tiny};

/// Trains [`TINY`] with settings laid over it.
fn train(settings: &[&str]) -> (Workplace, Run) {
    let place = tiny("");
    let mut arguments = vec!["run", "x.toml"];
    for setting in settings {
        arguments.extend(["-s", setting]);
    }
    place.ablate(&arguments).exits(0);
    let run = only_run(&place);
    (place, run)
}

/// All values of the tensors of the newest checkpoint whose names begin with a prefix.
fn values(run: &Run, file: &str, prefix: &str) -> Vec<f64> {
    let newest = run.checkpoints().pop().unwrap();
    let path = run.path.join(format!("checkpoints/step-{newest:08}/{file}.safetensors"));
    let bytes = fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = tensors.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
    tensors.sort_by_key(|(name, _)| *name);
    let numbers = tensors.iter().flat_map(|(_, view)| view.data().chunks_exact(4));
    numbers.map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// Norm of the difference as a share of the norm.
fn distance(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    norm(ours.iter().zip(theirs).map(|(a, b)| a - b)) / norm(theirs.iter().copied())
}

#[test]
fn micro_batches_give_the_gradient_of_the_whole_batch() {
    // After one step without clipping, Adam's first moment is the gradient times 1 - β₁.
    let one = ["training.steps=1", "training.grad_clip=0", "evaluation.every=0", "sampling.every=0"];
    let (_place, whole) = train(&one);
    let expected = values(&whole, "optimizer", "first.");
    assert!(expected.len() > 10_000 && norm(expected.iter().copied()) > 1e-3);
    for parts in ["2", "4", "8"] {
        let parts = format!("training.gradient_accumulation={parts}");
        let (_place, split) = train(&[&one[..], &[&parts]].concat());
        let distance = distance(&values(&split, "optimizer", "first."), &expected);
        println!("{parts}: gradient off by {distance:.1e} of its norm");
        assert!(distance < 1e-5, "{parts}: the gradient is off by {distance} of its norm");
    }
}

#[test]
fn micro_batches_lead_to_nearly_the_same_weights() {
    let settings = ["training.steps=8", "evaluation.every=0", "sampling.every=0"];
    let (_place, whole) = train(&settings);
    let (_place, split) = train(&[&settings[..], &["training.gradient_accumulation=4"]].concat());
    let off = distance(&values(&split, "model", ""), &values(&whole, "model", ""));
    assert!(off < 1e-3, "the weights are off by {off} of their norm");
    for column in ["loss", "grad_norm"] {
        for (a, b) in split.column("metrics.csv", column).iter().zip(whole.column("metrics.csv", column)) {
            assert!((a - b).abs() < 1e-3 * b, "{column}: {a} is not {b}");
        }
    }
}

#[test]
fn dropout_changes_training_and_repeats_exactly() {
    let settings = ["training.steps=10", "evaluation.every=0"];
    let with = [&settings[..], &["model.dropout=0.3"]].concat();
    let (_first_place, first) = train(&with);
    let (_second_place, second) = train(&with);
    second.assert_equals(&first.bytes(), "the same dropout");
    let (_place, without) = train(&settings);
    let losses = |run: &Run| run.column("metrics.csv", "loss");
    assert!(losses(&first).iter().zip(losses(&without)).all(|(a, b)| *a != b), "dropout has no effect");
}

#[test]
fn the_number_of_slots_changes_no_byte() {
    let sweep =
        "[sweep]\nseeds = [0, 1]\n[sweep.grid]\n\"diffusion.noise_schedule\" = [\"linear\", \"cosine\"]\n";
    let text = format!("{}{sweep}", TINY.replace("steps = 48", "steps = 12"));
    let [one, three] = ["1", "3"].map(|jobs| {
        let place = Workplace::with("x.toml", &text);
        place.ablate(&["run", "x.toml", "--jobs", jobs]).exits(0);
        place
    });
    let (one, three) = (runs_of(&one).iter().map(Run::bytes).collect::<Vec<_>>(), runs_of(&three));
    assert_eq!((one.len(), three.len()), (4, 4));
    for (bytes, run) in one.iter().zip(&three) {
        run.assert_equals(bytes, "three slots instead of one");
    }
}

#[test]
fn threads_change_the_last_bits_at_most() {
    let (_place, one) = train(&["training.steps=8"]);
    let (_place, two) = train(&["training.steps=8", "runtime.threads=2"]);
    let recorded = |run: &Run| run.read("execution.json").contains("\"threads\": 2");
    assert!(!recorded(&one) && recorded(&two));
    for column in ["loss", "grad_norm"] {
        for (a, b) in two.column("metrics.csv", column).iter().zip(one.column("metrics.csv", column)) {
            assert!((a - b).abs() < 1e-4 * b, "{column}: {a} is not {b}");
        }
    }
}

/// Where the loss of a row was measured: which quarters of the chain its timesteps fell in.
fn quarters(run: &Run) -> Vec<[bool; 4]> {
    let columns = ["loss_q1", "loss_q2", "loss_q3", "loss_q4"].map(|name| run.column("metrics.csv", name));
    (0..columns[0].len()).map(|row| columns.each_ref().map(|column| !column[row].is_nan())).collect()
}

#[test]
fn variants_of_one_seed_see_the_same_images_noise_and_timesteps() {
    // Two images a row: most rows leave quarters empty, so that the pattern tells the timesteps apart.
    let small = TINY.replace("batch_size = 8", "batch_size = 2").replace("every = 16", "every = 0");
    let small = small.replace("steps = 48", "steps = 24").replace("every = 24", "every = 0");
    let sweep = "[sweep]\nseeds = [0, 1]\n[sweep.grid]\n\"training.learning_rate\" = [2e-4, 1e-3]\n\
                 \"diffusion.timesteps\" = [1000, 400]\n";
    let place = Workplace::with("x.toml", &format!("{small}{sweep}"));
    place.ablate(&["run", "x.toml"]).exits(0);
    let find = |part: &str, seed: usize| {
        let mut runs = runs_of(&place).into_iter();
        let wanted = |run: &Run| {
            let path = run.path.to_string_lossy();
            path.contains(part) && path.ends_with(&format!("seed-{seed}"))
        };
        runs.find(wanted).unwrap_or_else(|| panic!("no run {part} seed {seed}"))
    };
    let names: Vec<_> = runs_of(&place).into_iter().map(|run| run.path).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    let (slow, fast) = (find("lr2e-4_T1000", 0), find("lr1e-3_T1000", 0));

    // The first loss is measured before the rates can matter: same weights, images, noise and timesteps.
    let losses = |run: &Run| run.column("metrics.csv", "loss");
    assert_eq!(losses(&slow)[0], losses(&fast)[0]);
    assert_ne!(losses(&slow)[23], losses(&fast)[23]);
    assert_ne!(losses(&slow)[0], losses(&find("lr2e-4_T1000", 1))[0], "another seed, other draws");

    // Later ones share the draws too, and chains of other lengths share u.
    let pattern = quarters(&slow);
    assert!(pattern.iter().any(|row| row != &[true; 4]) && pattern.windows(2).any(|pair| pair[0] != pair[1]));
    assert_eq!(quarters(&fast), pattern);
    assert_eq!(quarters(&find("lr2e-4_T400", 0)), pattern);
    assert_ne!(quarters(&find("lr2e-4_T1000", 1)), pattern);
}
