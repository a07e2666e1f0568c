//! Every kind of bad input: the whole of what a user reads, exit code 2, and not a file written.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{Ran, Workplace};

/// Enough for a machine that runs other tests at the same time; the program itself needs a third of a second.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Runs the experiment, which must be refused before anything is written; returns what was said.
#[track_caller]
fn refused(place: &Workplace, arguments: &[&str]) -> String {
    refused_with(place, arguments, &[])
}

#[track_caller]
fn refused_with(place: &Workplace, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let before = place.files();
    let mut command = place.command(&[&["run"], arguments].concat());
    let ran = Ran::of(command.envs(environment.iter().copied()).output().unwrap()).exits(2);
    assert_eq!(ran.stdout, "");
    assert_eq!(place.files(), before, "something was written");
    assert!(!place.path("runs").is_dir() && !place.path("data").exists());
    ran.stderr
}

/// What is said to `ablate run x.toml`.
#[track_caller]
fn refusal(toml: &str) -> String {
    refused(&Workplace::with("x.toml", toml), &["x.toml"])
}

/// A TOML array of the numbers 0.1000, 0.1001, … of a length.
fn numbers(length: usize) -> String {
    let numbers: Vec<String> = (0..length).map(|i| format!("0.1{i:04}")).collect();
    format!("[{}]", numbers.join(", "))
}

#[test]
fn an_unknown_key_comes_with_the_nearest_one() {
    assert_eq!(
        refusal("[model]\nbase_chanels = 8\n"),
        "error: unknown key model.base_chanels\n  set in x.toml:2\n  help: did you mean model.base_channels?\n"
    );
    assert_eq!(
        refusal("[sweep.grid]\n\"model.dropuot\" = [0.0, 0.1]\n"),
        "error: sweep.grid: unknown key model.dropuot\n  set in x.toml:2\n  help: did you mean model.dropout?\n"
    );
    let place = Workplace::with("x.toml", "");
    assert_eq!(
        refused(&place, &["x.toml", "-s", "trainning.steps=3"]),
        "error: unknown key trainning.steps\n  set by -s trainning.steps=3\n  help: did you mean training.steps?\n"
    );
}

#[test]
fn values_of_a_wrong_type_are_reported_together() {
    assert_eq!(
        refusal("[training]\nbatch_size = \"many\"\n[diffusion]\ntimesteps = 2.5\n"),
        "error: training.batch_size = \"many\" is not an integer\n  set in x.toml:2\n  \
         help: training.batch_size takes an integer from 1 to 1048576\n\n\
         error: diffusion.timesteps = 2.5 is not an integer\n  set in x.toml:4\n  \
         help: diffusion.timesteps takes an integer from 2 to 1000000\n\n\
         2 problems; nothing was started\n"
    );
}

#[test]
fn problems_of_every_kind_and_layer_come_in_one_go() {
    let place = Workplace::with(
        "x.toml",
        "extends = [\"shared.toml\"]\n[model]\nbase_chanels = 8\n[diffusion]\nloss_type = \"hubr\"\n",
    );
    place.write("shared.toml", "[training]\nbatch_size = 0\n");
    assert_eq!(
        refused(&place, &["x.toml", "-s", "model.dropout=2"]),
        "error: training.batch_size = 0 is out of range\n  set in shared.toml:2 (extends)\n  \
         help: training.batch_size takes an integer from 1 to 1048576\n\n\
         error: unknown key model.base_chanels\n  set in x.toml:3\n  help: did you mean model.base_channels?\n\n\
         error: diffusion.loss_type = \"hubr\" is not one of \"mse\", \"l1\", \"huber\"\n  \
         set in x.toml:5\n  help: did you mean \"huber\"?\n\n\
         error: model.dropout = 2 is out of range\n  set by -s model.dropout=2\n  \
         help: model.dropout takes a number of at least 0 and below 1\n\n\
         4 problems; nothing was started\n"
    );
}

#[test]
fn an_attention_resolution_that_no_level_has_lists_those_there_are() {
    assert_eq!(
        refusal("[data]\nimage_size = 32\n[model]\nattention_resolutions = [12, 8]\n"),
        "error: model.attention_resolutions has 12, which no level has\n  set in x.toml:4\n  \
         help: an image of 32 pixels and 3 levels reach 32, 16, 8\n"
    );
}

#[test]
fn a_bad_point_of_a_sweep_names_axis_and_variant() {
    let toml = "[data]\nimage_size = 16\n[model]\nattention_resolutions = [4]\n\
                [sweep.grid]\n\"model.channel_multipliers\" = [[1, 2, 4], [1, 2]]\n";
    assert_eq!(
        refusal(toml),
        "error: model.attention_resolutions has 4, which no level has\n  \
         model.channel_multipliers set in x.toml:6 (variant \"cm1-2\")\n  \
         help: an image of 16 pixels and 2 levels reach 16, 8\n"
    );
}

#[test]
fn groups_that_do_not_divide_the_channels_list_those_that_do() {
    assert_eq!(
        refusal("[model]\nbase_channels = 48\nnorm_groups = 32\nattention_head_dim = 48\n"),
        "error: model.norm_groups = 32 does not divide every width: 48, 96, 144, 192, 288, 384\n  \
         set in x.toml:3\n  help: these fit: 1, 2, 3, 4, 6, 8, 12, 16, 24\n"
    );
}

#[test]
fn an_axis_of_bare_numbers_for_a_list_key_shows_what_was_meant() {
    assert_eq!(
        refusal("[sweep.grid]\n\"model.channel_multipliers\" = [1, 2, 4]\n"),
        "error: sweep.grid.model.channel_multipliers: axis elements must be lists; did you mean [[1, 2, 4]]?\n  \
         set in x.toml:2\n"
    );
}

#[test]
fn seeds_and_keys_outside_of_identity_are_no_axes() {
    assert_eq!(
        refusal("[sweep.grid]\n\"training.seed\" = [0, 1]\n\"runtime.jobs\" = [1, 2]\n"),
        "error: training.seed cannot be an axis: seeds are replicates of every variant\n  set in x.toml:2\n  \
         help: write sweep.seeds = [0, 1, 2]\n\n\
         error: runtime.jobs cannot be an axis: it is no part of a variant's identity, so every value would be \
         the same run\n  set in x.toml:3\n  help: set runtime.jobs once, outside the sweep\n\n\
         2 problems; nothing was started\n"
    );
}

#[test]
fn a_missing_data_set_names_the_folder_the_files_and_how_to_get_them() {
    let expected = |folder: &str, origin: &str| {
        let lines = ["train-images-idx3", "t10k-images-idx3"].map(|name| {
            let dotted = name.replace("-idx", ".idx");
            format!("    {name}-ubyte or {name}-ubyte.gz or {dotted}-ubyte or {dotted}-ubyte.gz\n")
        });
        format!(
            "error: the data set mnist is not complete in {folder}\n  \
             looked there and in its folders data, raw, MNIST/raw, package/data for\n{}  {origin}\n  \
             help: `ablate data fetch mnist` brings them; or put the four IDX files of the \"MNIST database of \
             handwritten digits\", plain or .gz, into that folder, or set data.root to the folder that has them\n",
            lines.concat()
        )
    };
    let place = Workplace::with("x.toml", "preset = \"mnist\"\nname = \"m\"\n");
    let told = |text: String| {
        let id = text.split_once("base-").map(|(_, rest)| rest[..8].to_owned()).unwrap_or_default();
        text.replace(&format!("base-{id}"), "ID")
    };
    assert_eq!(
        told(refused(&place, &["x.toml"])),
        expected("data/mnist", "set in presets/mnist.toml:7 (variant \"ID\")")
    );
    place.write("x.toml", "preset = \"mnist\"\ndata.root = \"elsewhere\"\n");
    assert_eq!(told(refused(&place, &["x.toml"])), expected("elsewhere", "set in x.toml:2 (variant \"ID\")"));
}

#[test]
fn a_grid_of_a_million_million_points_is_refused_at_once() {
    let axes = ["model.dropout", "training.weight_decay", "diffusion.beta_end", "training.grad_clip"];
    let axes: String = axes.iter().map(|key| format!("\"{key}\" = {}\n", numbers(1000))).collect();
    let started = Instant::now();
    assert_eq!(
        refusal(&format!("[sweep.grid]\n{axes}")),
        "error: the sweep plans 1,000,000,000,000 runs (1,000,000,000,000 points x 1 seed), and sweep.max_runs \
         is 1000 by default\n  set in x.toml:1\n  \
         help: axis lengths are 1000 x 1000 x 1000 x 1000; drop values, or raise sweep.max_runs (at most 1000000)\n"
    );
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
}

#[test]
fn a_runs_folder_that_cannot_be_written_is_named_with_the_way_out() {
    let place = Workplace::with("x.toml", "");
    place.write("runs", "a file where the folder should be");
    assert_eq!(
        refused(&place, &["x.toml"]),
        "error: the runs folder cannot be written: cannot create folder runs: a file or a link has the name of a folder; move it away\n  \
         help: choose another with -s runtime.runs_dir=DIR, or allow writing there\n"
    );
    let place = Workplace::with("x.toml", "");
    assert_eq!(
        refused(&place, &["x.toml", "-s", "runtime.runs_dir=/proc/runs"]),
        "error: the runs folder cannot be written: cannot create folder /proc/runs: No such file or directory \
         (os error 2)\n  help: choose another with -s runtime.runs_dir=DIR, or allow writing there\n"
    );
}

#[test]
fn what_a_later_version_brings_is_refused_by_name() {
    let toml = "[evaluation]\nmetrics = [\"fid\"]\n[launcher]\nkind = \"slurm\"\npartition = \"gpu\"\n";
    assert_eq!(
        refusal(toml),
        "error: evaluation.metrics = \"fid\" comes with a later version; this one has \"loss\", \
         \"denoise_score\", \"denoise_bits\"\n  set in x.toml:2\n\n\
         error: launcher.kind = \"slurm\" comes with a later version; this one has \"local\"\n  \
         set in x.toml:4\n\n\
         error: launcher.partition comes with a later version\n  set in x.toml:5\n\n\
         3 problems; nothing was started\n"
    );
    assert_eq!(
        refusal("[sweep.random]\ncount = 16\n"),
        "error: sweep.random comes with a later version\n  set in x.toml:1\n  \
         help: list the values under [sweep.grid] instead\n"
    );
}

#[test]
fn a_swept_key_cannot_be_set() {
    let place = Workplace::with("x.toml", "[sweep.grid]\n\"model.dropout\" = [0.0, 0.1]\n");
    assert_eq!(
        refused(&place, &["x.toml", "-s", "model.dropout=0.2"]),
        "error: -s model.dropout: model.dropout is swept by sweep.grid.model.dropout\n  set in x.toml:2\n  \
         help: --pin model.dropout=VALUE plans one value instead of the axis\n"
    );
}

#[test]
fn the_environment_may_not_change_what_is_trained() {
    let place = Workplace::with("x.toml", "");
    let environment = [("ABLATE_TRAINING__BATCH_SIZE", "3"), ("ABLATE_RUNTIME__JOBZ", "2")];
    assert_eq!(
        refused_with(&place, &["x.toml"], &environment),
        "error: training.batch_size cannot be set by the environment, which may set runtime.* and launcher.* \
         alone\n  set by ABLATE_TRAINING__BATCH_SIZE in the environment\n  \
         help: a shell must not change what is trained; unset ABLATE_TRAINING__BATCH_SIZE, or use \
         -s training.batch_size=VALUE\n\n\
         error: unknown key runtime.jobz\n  set by ABLATE_RUNTIME__JOBZ in the environment\n  \
         help: did you mean runtime.jobs?\n\n\
         2 problems; nothing was started\n"
    );
}

#[test]
fn files_that_extend_each_other_in_a_circle_are_named() {
    let place = Workplace::with("x.toml", "extends = [\"b.toml\"]\n");
    place.write("b.toml", "# shared\nextends = [\"x.toml\"]\n");
    assert_eq!(
        refused(&place, &["x.toml"]),
        "error: extends makes a circle: x.toml -> b.toml -> x.toml\n  set in b.toml:2 (extends)\n"
    );
}

#[test]
fn files_that_are_not_there_or_not_toml_are_named() {
    let place = Workplace::with("x.toml", "[model\n");
    assert_eq!(refused(&place, &["absent.toml"]), "error: absent.toml does not exist\n");
    assert_eq!(refused(&place, &["x.toml"]), "error: x.toml:1: unclosed table, expected `]`\n");
    place.write("x.json", "{\"model\": {\"dropout\": \"x\"}}");
    assert_eq!(
        refused(&place, &["x.json"]),
        "error: model.dropout = \"x\" is not a number\n  set in x.json\n  \
         help: model.dropout takes a number of at least 0 and below 1\n"
    );
}

#[test]
fn an_only_that_matches_nothing_shows_the_names() {
    let place = Workplace::with("x.toml", "[sweep.grid]\n\"model.dropout\" = [0.0, 0.1]\n");
    let text = refused(&place, &["x.toml", "--quiet", "--only", "*nothing*"]);
    assert!(
        text.starts_with(
            "error: --only *nothing* matches no variant of x\n  help: the plan has 2 variants:\n"
        )
    );
    assert!(text.contains("\n    drop0.1-"), "{text}");
}

#[test]
fn folders_that_are_not_there_are_named() {
    let place = Workplace::new();
    let with_torch: &[&str] = if cfg!(feature = "torch") { &["sample", "worker"] } else { &[] };
    for command in [&["status", "compare", "resume"], with_torch].concat() {
        let ran = place.ablate(&[command, "nope"]).exits(2);
        let text = ran.stderr.replace("run folder", "folder");
        let opening = "error: cannot open folder nope: No such file or directory (os error 2)\n";
        assert!(text.starts_with(opening), "{command}: {text}");
        assert_eq!(place.files(), [""; 0]);
    }
}

#[test]
fn bombs_are_defused_at_once() {
    let place = Workplace::new();
    place.write("brackets.toml", format!("a = {}", "[".repeat(20_000)));
    place.write("closed.toml", format!("a = {}{}", "[".repeat(20_000), "]".repeat(20_000)));
    place.write("dots.toml", format!("a{} = 1", ".a".repeat(20_000)));
    place.write("brackets.json", "{\"a\":".repeat(20_000));
    place.write("large.toml", format!("description = \"{}\"", "a".repeat(10_000_000)));
    place.write("large.json", " ".repeat(10_000_000));
    let cases = [
        ("brackets.toml", "error: brackets.toml:1: cannot recurse further; max recursion depth met\n"),
        ("closed.toml", "error: closed.toml:1: cannot recurse further; max recursion depth met\n"),
        ("dots.toml", "error: dots.toml: recursion limit\n"),
        (
            "brackets.json",
            "error: brackets.json is not valid JSON: recursion limit exceeded at line 1 column 636\n",
        ),
        (
            "large.toml",
            "error: large.toml is larger than 1000000 bytes\n  \
             help: a configuration is a short text; is this the right file?\n",
        ),
        (
            "large.json",
            "error: large.json is larger than 1000000 bytes\n  \
             help: a configuration is a short text; is this the right file?\n",
        ),
    ];
    for (file, expected) in cases {
        let started = Instant::now();
        assert_eq!(refused(&place, &[file]), expected);
        assert!(started.elapsed() < AT_ONCE, "{file}: {:?}", started.elapsed());
    }
}

#[test]
fn a_value_that_aims_at_the_terminal_is_shown_harmlessly() {
    let place = Workplace::new();
    fs::write(place.path("x.toml"), "[data]\ndataset = \"\\u001b[2Jgone\"\n").unwrap();
    assert_eq!(
        refused(&place, &["x.toml"]),
        "error: data.dataset = \"\\u001B[2Jgone\" is not one of \"shapes\", \"mnist\", \
         \"fashion-mnist\", \"cifar10\", \"cifar100\", \"folder\"\n  set in x.toml:2\n"
    );
}
