//! Training in 16 bits: near 32 bits, exactly resumable, everything kept in 32 bits; or refused before anything is
//! written. Each test holds on machines that compute in the format and on those that do not.

use std::convert::Infallible;
use std::fs;
use std::process::Command;

use ablate::config::{Experiment, Precision, Request};
use ablate::model::{Mode, NamedTensor, UNet, named_gradients};
use burn::tensor::{Device, Tensor, TensorData};
use rustix::process::Signal;
use safetensors::{Dtype, SafeTensors};

use crate::support::processes::{Background, PATIENCE, wait_for};
use crate::support::training::{Run, STEPS, only_run, tiny};
use crate::support::{Ran, Workplace};

const LIMIT: &str = "ONEDNN_MAX_CPU_ISA";
/// Each format and how far its rounding may lead, as a share of what 32 bits give.
const FORMATS: [(&str, Precision, f64); 2] = [("bf16", Precision::Bf16, 0.05), ("f16", Precision::F16, 0.02)];

/// How the probe says a format works.
#[derive(Debug, PartialEq)]
enum Support {
    Works,
    /// With this in the environment.
    Limited(&'static str),
    Refused,
}

/// Asks the probe itself, with what `prepare` does to its environment.
fn support(place: &Workplace, format: &str, prepare: &dyn Fn(&mut Command)) -> Support {
    let probe = |limit: Option<&str>| {
        let mut command = place.command(&["probe-precision", format, "--device", "cpu"]);
        prepare(&mut command);
        command.envs(limit.map(|limit| (LIMIT, limit)));
        command.output().unwrap().status.success()
    };
    let limits = if format == "f16" {
        ["AVX512_CORE_FP16", "AVX512_CORE"]
    } else {
        ["AVX512_CORE_BF16", "AVX512_CORE"]
    };
    match limits.into_iter().find(|limit| probe(Some(limit))) {
        _ if probe(None) => Support::Works,
        Some(limit) => Support::Limited(limit),
        None => Support::Refused,
    }
}

fn train(place: &Workplace, format: &str, prepare: &dyn Fn(&mut Command)) -> Ran {
    let mut command = place.command(&["run", "x.toml", "-s", &format!("training.precision=\"{format}\"")]);
    prepare(&mut command);
    Ran::of(command.output().unwrap())
}

#[track_caller]
fn assert_refused(place: &Workplace, ran: Ran, format: &str) {
    let opening = format!("error: training.precision = \"{format}\" does not work on this machine: ");
    let ran = ran.exits(2);
    assert!(ran.stderr.starts_with(&opening), "{}", ran.stderr);
    assert!(ran.stderr.contains("help: use training.precision = \"f32\""), "{}", ran.stderr);
    assert!(!place.path("runs").exists(), "something was written");
}

/// Every tensor file of the newest checkpoint holds 32-bit floats alone.
fn assert_kept_in_32_bits(run: &Run) {
    let newest = run.path.join(format!("checkpoints/step-{:08}", run.checkpoints().pop().unwrap()));
    let entries = fs::read_dir(newest).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    assert!(files.len() >= 3, "{files:?}");
    for path in files {
        let bytes = fs::read(&path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        assert!(tensors.iter().all(|(_, view)| view.dtype() == Dtype::F32), "{}", path.display());
    }
}

#[test]
fn sixteen_bits_train_nearly_as_thirty_two_do_or_are_refused_before_anything_is_written() {
    let exact_place = tiny("");
    exact_place.ablate(&["run", "x.toml"]).exits(0);
    let exact = only_run(&exact_place);
    for (format, _, tolerance) in FORMATS {
        let place = tiny("");
        let ran = train(&place, format, &|_| ());
        if support(&place, format, &|_| ()) == Support::Refused {
            assert_refused(&place, ran, format);
            continue;
        }
        ran.exits(0);
        let run = only_run(&place);
        assert_kept_in_32_bits(&run);
        for (file, column) in [("metrics.csv", "loss"), ("eval.csv", "loss"), ("eval.csv", "denoise_score")] {
            let pairs = || run.column(file, column).into_iter().zip(exact.column(file, column));
            assert!(
                pairs().count() > 2 && pairs().any(|(ours, theirs)| ours != theirs),
                "{format}: {column}"
            );
            for (ours, theirs) in pairs().filter(|(_, theirs)| !theirs.is_nan()) {
                let off = (ours - theirs).abs() / theirs;
                assert!(off <= tolerance, "{format}: {column} of {file}: {ours} for {theirs}");
            }
        }
        let state: serde_json::Value =
            serde_json::from_str(&run.read(&format!("checkpoints/step-{STEPS:08}/progress.json"))).unwrap();
        assert_eq!(state["loss_scale"].is_object(), format == "f16", "{state}");
    }
}

#[test]
fn a_stopped_run_in_sixteen_bits_resumes_exactly() {
    for (format, ..) in FORMATS {
        let setting = format!("[training]\nprecision = \"{format}\"\n");
        let text = crate::support::training::TINY.replace("[training]\n", &setting);
        let undisturbed = Workplace::with("x.toml", &text);
        if support(&undisturbed, format, &|_| ()) == Support::Refused {
            eprintln!("skipped: this machine does not compute in {format}");
            continue;
        }
        undisturbed.ablate(&["run", "x.toml"]).exits(0);
        let place = Workplace::with("x.toml", &text);
        let running = Background::start(&place, &["run", "x.toml"]);
        wait_for("some steps", PATIENCE, || {
            let run = place.path("runs/x").exists().then(|| only_run_there(&place)).flatten()?;
            (run.rows() > 20).then_some(())
        });
        running.send(Signal::TERM);
        let stopped = running.wait();
        if stopped.code() != Some(0) {
            assert_eq!(stopped.code(), Some(75));
            place.ablate(&["resume", "runs/x"]).exits(0);
            assert_eq!(only_run(&place).attempt(), 2);
        }
        only_run(&place).assert_equals(&only_run(&undisturbed).bytes(), format);
    }
}

fn only_run_there(place: &Workplace) -> Option<Run> {
    crate::support::training::runs_of(place).pop()
}

/// Makes libtorch use kernels that do not go with this CPU's widest instructions, where it has any.
fn narrow(command: &mut Command) {
    command.env("ATEN_CPU_CAPABILITY", "default");
}

#[test]
fn a_machine_whose_widest_instructions_fail_gets_narrower_ones_for_good() {
    let place = tiny("");
    let found = support(&place, "bf16", &narrow);
    let ran = train(&place, "bf16", &narrow);
    let limit = match found {
        Support::Refused => return assert_refused(&place, ran, "bf16"),
        Support::Works => None,
        Support::Limited(limit) => Some(limit),
    };
    let ran = ran.exits(0);
    let told = ran.stderr.contains(&format!("workers that use it are limited by {LIMIT}="));
    assert_eq!(told, limit.is_some(), "{}", ran.stderr);
    let run = only_run(&place);
    let recorded = |run: &Run| -> serde_json::Value {
        let execution: serde_json::Value = serde_json::from_str(&run.read("execution.json")).unwrap();
        execution[LIMIT.to_lowercase()].clone()
    };
    assert_eq!(recorded(&run).as_str(), limit);

    // A worker that nobody vouched for asks for itself; one whose run has a limit keeps it, needed or not.
    let bytes = run.bytes();
    let started = fs::read(run.path.join("execution.json")).unwrap();
    for (keep, narrowed) in [(false, true), (true, false)] {
        let config = run.read("config.toml");
        fs::remove_dir_all(&run.path).unwrap();
        fs::create_dir_all(&run.path).unwrap();
        fs::write(run.path.join("config.toml"), config).unwrap();
        if keep {
            fs::write(run.path.join("execution.json"), &started).unwrap();
        }
        let mut worker = place.command(&["worker", run.path.to_str().unwrap()]);
        worker.env("OMP_NUM_THREADS", "1").env("MKL_NUM_THREADS", "1");
        if narrowed {
            narrow(&mut worker);
        }
        Ran::of(worker.output().unwrap()).exits(0);
        assert_eq!(recorded(&run).as_str(), limit);
        if narrowed {
            run.assert_equals(&bytes, "a worker started by hand");
        }
    }
}

#[test]
fn a_precision_that_cannot_be_tried_is_refused_before_anything_is_written() {
    // A program that is gone from the disk can start no probe.
    let gone = "cp \"$1\" gone && exec 3<gone && rm gone && shift && exec /proc/self/fd/3 \"$@\"";
    let place = tiny("");
    let vanished = |arguments: &[&str]| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", gone, "sh", env!("CARGO_BIN_EXE_ablate")]).args(arguments);
        shell.current_dir(place.path(".")).env("NO_COLOR", "1");
        Ran::of(shell.output().unwrap())
    };
    let ran = vanished(&["run", "x.toml", "-s", "training.precision=\"bf16\""]);
    assert!(ran.stderr.contains("a probe could not be started"), "{}", ran.stderr);
    assert_refused(&place, ran, "bf16");

    // A worker started by hand says so in the run's folder.
    place.ablate(&["run", "x.toml", "-s", "training.steps=1"]).exits(0);
    let run = only_run(&place);
    let config = run.read("config.toml").replace("precision = \"f32\"", "precision = \"bf16\"");
    let folder = place.path("copied/seed-0");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), config).unwrap();
    let ran = vanished(&["worker", folder.to_str().unwrap()]).exits(1);
    assert!(ran.stderr.contains("training.precision = \"bf16\" does not work"), "{}", ran.stderr);
    let run = Run { path: folder };
    assert_eq!(run.state(), "failed");
    assert!(run.status().unwrap()["error"].as_str().unwrap().contains("use training.precision = \"f32\""));
}

#[test]
fn a_word_that_is_no_precision_is_refused() {
    let ran = Workplace::new().ablate(&["probe-precision", "f8"]).exits(2);
    assert_eq!(ran.stderr, "error: \"f8\" is not a precision\n  help: use f32, tf32, bf16 or f16\n");
}

#[test]
fn tf32_is_refused_where_there_is_no_nvidia_gpu() {
    let place = tiny("");
    let settings = ["-s", "training.precision=tf32", "-s", "runtime.device=cpu"];
    let planned = place.ablate(&[&["plan", "x.toml"], &settings[..]].concat()).exits(0);
    let note = "training.precision = \"tf32\" on a CPU: only NVIDIA GPUs have it";
    assert!(
        planned.stdout.contains(note) || planned.stderr.contains(note),
        "{}{}",
        planned.stdout,
        planned.stderr
    );
    let ran = place.ablate(&[&["run", "x.toml"], &settings[..]].concat());
    assert!(ran.stderr.contains("only NVIDIA GPUs have it, and the device is none"), "{}", ran.stderr);
    assert_refused(&place, ran, "tf32");
}

#[expect(deprecated, reason = "burn steers towards CubeCL; the libtorch backend is this project's choice")]
fn cpu() -> Device {
    Device::libtorch().autodiff()
}

/// Numbers spread evenly over ±`bound`, the same in every run.
fn spread(key: u64, bound: f64, count: usize) -> Vec<f32> {
    let mut state = key;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0) * bound
    };
    (0..count).map(|_| next() as f32).collect()
}

/// The network of an experiment with weights of PyTorch's spread.
fn network(text: &str) -> (UNet, [usize; 3]) {
    let place = Workplace::with("x.toml", text);
    let request = Request { experiment: place.path("x.toml"), ..Request::default() };
    let config = Experiment::load(&request).unwrap().base().clone();
    let built = UNet::new::<Infallible>(&config.model, &config.data, &cpu(), &mut |name, shape, _| {
        let count = shape.iter().product();
        let key = name.bytes().fold(7, |key: u64, byte| key.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Ok(match shape {
            [_] if name.contains("norm") && name.ends_with("weight") => vec![1.0; count],
            [_] => spread(key, 0.1, count),
            [_, inputs @ ..] => spread(key, (inputs.iter().product::<usize>() as f64).powf(-0.5), count),
            [] => vec![],
        })
    });
    (built.unwrap(), [config.data.in_channels, config.data.image_size, config.data.image_size])
}

/// Output and gradients, all in 32 bits.
fn answer(network: &UNet, shape: [usize; 3], mode: Mode) -> (Vec<f32>, Vec<NamedTensor>) {
    let [c, h, w] = shape;
    let x = Tensor::<4>::from_data(TensorData::new(spread(3, 1.0, 2 * c * h * w), [2, c, h, w]), &cpu());
    let output = network.forward(x, Tensor::from_floats([7.0, 600.0], &cpu()), mode);
    let mut gradients = output.clone().square().mean().backward();
    (output.into_data().try_into_vec().unwrap(), named_gradients(network, &mut gradients))
}

fn distance<'a>(ours: impl Iterator<Item = &'a f32>, exact: impl Iterator<Item = &'a f32>) -> f64 {
    let (off, size) = ours.zip(exact).fold((0.0, 0.0), |(off, size), (ours, exact)| {
        (off + (f64::from(*ours) - f64::from(*exact)).powi(2), size + f64::from(*exact).powi(2))
    });
    (off / size).sqrt()
}

#[test]
fn the_network_in_sixteen_bits_stays_near_the_one_in_thirty_two() {
    let experiments = [
        "[data]\nimage_size = 16\nin_channels = 3\n[model]\nbase_channels = 32\nchannel_multipliers = [1, 2]\n\
         num_res_blocks = 1\nattention_resolutions = [8]\n",
        "[data]\nimage_size = 28\nin_channels = 1\n[model]\nbase_channels = 24\nchannel_multipliers = [1, 2, 2]\n\
         num_res_blocks = 2\nattention_resolutions = [7]\ndownsample_padding = 0\nnum_attention_heads = 3\n",
        "[data]\nimage_size = 8\nin_channels = 1\n[model]\nbase_channels = 9\nchannel_multipliers = [1]\n\
         num_res_blocks = 1\nattention_resolutions = []\nmid_attention = false\nnorm_groups = 3\n",
    ];
    let place = Workplace::new();
    for (format, precision, tolerance) in FORMATS {
        if support(&place, format, &|_| ()) != Support::Works {
            eprintln!("skipped: this process does not compute in {format}");
            continue;
        }
        for text in experiments {
            let (network, shape) = network(text);
            let (exact, exact_gradients) = answer(&network, shape, Mode::Eval);
            let whole = Mode::Train { dropout_key: 0, precision: Precision::F32 };
            assert_eq!(answer(&network, shape, whole).0, exact, "32 bits are the same in either mode");
            let (ours, gradients) = answer(&network, shape, Mode::Train { dropout_key: 0, precision });
            let off = distance(ours.iter(), exact.iter());
            assert!(off > 0.0 && off < tolerance, "{format}: the output is off by {off}\n{text}");
            let off = distance(
                gradients.iter().flat_map(|tensor| &tensor.values),
                exact_gradients.iter().flat_map(|tensor| &tensor.values),
            );
            assert!(off < tolerance, "{format}: the gradient is off by {off} of its norm\n{text}");
        }
    }
}
