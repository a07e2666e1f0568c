//! `ablate config presets` and `ablate config diff`: what they print, and that they write nothing.

use std::fs;
use std::path::PathBuf;

use crate::support::Workplace;

fn preset_file(name: &str) -> String {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/config/presets").join(format!("{name}.toml"));
    fs::read_to_string(path).unwrap()
}

#[test]
fn presets_lists_them_with_parameters_data_set_and_image_size() {
    let place = Workplace::new();
    assert_eq!(
        place.ablate(&["config", "presets"]).exits(0).stdout,
        "\
preset         parameters  data set  image    what it is
mnist           4,023,233  mnist     28x28    MNIST: handwritten digits, 28 x 28 grey
cifar10        16,056,451  cifar10   32x32    CIFAR-10: photographs of ten kinds of things, 32 x 32 RGB, 200 passes
ddpm-cifar10   35,746,307  cifar10   32x32    The network and training of Ho et al. 2020 for CIFAR-10, every number of it
celeba64       63,151,235  folder    64x64    CelebA: faces at 64 x 64 RGB from a folder of photographs, 100 passes
imagenet256    85,256,579  folder    256x256  ImageNet: photographs at 256 x 256 RGB from a folder, without classes, 400 passes
tiny            4,024,387  any       any      Budget: 32 base channels, batches of 64; a laptop, or a first look
small          16,056,451  any       any      Budget: 64 base channels, batches of 64; a small GPU
medium         36,096,195  any       any      Budget: 96 base channels, batches of 128; one GPU
large          64,143,619  any       any      Budget: 128 base channels, batches of 64; one large GPU
xl            144,261,507  any       any      Budget: 192 base channels, batches of 32; the largest single GPU

A budget goes over a data set: preset = [\"cifar10\", \"small\"]. Its parameters are counted for the built-in
defaults, 32x32 RGB. `ablate config presets NAME` prints a preset's file, which says more.
"
    );
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn a_preset_is_printed_verbatim() {
    let place = Workplace::new();
    for name in ["mnist", "ddpm-cifar10", "xl"] {
        assert_eq!(place.ablate(&["config", "presets", name]).exits(0).stdout, preset_file(name));
    }
}

#[test]
fn presets_as_json_are_figures_and_the_file() {
    let place = Workplace::new();
    let list = place.ablate(&["config", "presets", "--json"]).exits(0).json();
    assert_eq!(list.as_array().unwrap().len(), 10);
    assert_eq!(list[1]["name"], "cifar10");
    assert_eq!((&list[1]["parameters"], &list[1]["batch_size"]), (&16_056_451.into(), &128.into()));
    assert_eq!((&list[1]["dataset"], &list[1]["image_size"]), (&"cifar10".into(), &32.into()));
    let budget = &list[5];
    assert!(budget["name"] == "tiny" && budget["dataset"].is_null() && budget["image_size"].is_null());
    assert!(budget.get("toml").is_none());
    let one = place.ablate(&["config", "presets", "celeba64", "--json"]).exits(0).json();
    assert_eq!(one["toml"].as_str().unwrap(), preset_file("celeba64"));
    assert!(one["train_flops_per_image"].as_f64().unwrap() > 7e10);
}

#[test]
fn a_preset_that_does_not_exist_lists_those_that_do() {
    let ran = Workplace::new().ablate(&["config", "presets", "cifar"]).exits(2);
    assert_eq!(
        ran.stderr,
        "error: the preset \"cifar\" does not exist\n  help: the presets are \"mnist\", \"cifar10\", \"ddpm-cifar10\", \
         \"celeba64\", \"imagenet256\", \"tiny\", \"small\", \"medium\", \"large\", \"xl\"\n"
    );
}

/// Two experiments that differ in a few keys.
fn two() -> Workplace {
    let place = Workplace::with("a.toml", "description = \"one\"\nmodel.dropout = 0.1\ntraining.steps = 5\n");
    place.write(
        "b.json",
        "{\"description\": \"two\", \"training\": {\"epochs\": 2, \"learning_rate\": 0.0002}}",
    );
    place
}

#[test]
fn diff_shows_the_keys_that_differ_in_the_order_of_the_defaults() {
    let place = two();
    let text = place.ablate(&["config", "diff", "a.toml", "b.json"]).exits(0).stdout;
    let (table, variants) = text.rsplit_once("\n\n").unwrap();
    assert_eq!(
        table,
        "\
A  a.toml
B  b.json

key              A      B
name             \"a\"    \"b\"    not part of the variant
description      \"one\"  \"two\"  not part of the variant
model.dropout    0.1    0.0
training.steps   5      -
training.epochs  -      2"
    );
    assert!(variants.starts_with("A trains variant "), "{variants}");
    assert_eq!(place.files(), ["a.toml", "b.json"]);
}

#[test]
fn diff_as_json_has_both_values_of_each_key() {
    let place = two();
    let json = place.ablate(&["config", "diff", "a.toml", "b.json", "--json"]).exits(0).json();
    let keys: Vec<&str> =
        json["differences"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["name", "description", "model.dropout", "training.steps", "training.epochs"]);
    let steps = &json["differences"][3];
    assert_eq!((&steps["first"], &steps["second"], &steps["hashed"]), (&5.into(), &().into(), &true.into()));
    assert_ne!(json["identities"][0], json["identities"][1]);
}

/// A run's folder as a worker would have left it.
fn run_of(place: &Workplace, experiment: &str, folder: &str, libtorch: &str) {
    let config = place.ablate(&["config", "show", experiment]).exits(0).stdout;
    place.write(&format!("{folder}/config.toml"), config);
    let provenance = format!(
        "{{\"format\": 1, \"attempts\": [{{\"attempt\": 1, \"started\": \"2026-01-01T00:00:00Z\", \"host\": \"h\", \
         \"command\": [], \"version\": \"0.1.0\", \"code_revision\": \"abc\", \"code_dirty\": false, \"binary\": \"b\", \
         \"libtorch\": \"{libtorch}\", \"device\": \"cpu\", \"cpu\": \"c\", \"threads\": 1, \"data_fingerprint\": \"f\"}}]}}"
    );
    place.write(&format!("{folder}/provenance.json"), provenance);
}

#[test]
fn diff_takes_runs_and_says_where_their_libraries_differ() {
    let place = two();
    run_of(&place, "a.toml", "runs/v/seed-0", "2.9.0");
    run_of(&place, "a.toml", "runs/v/seed-1", "2.9.1");
    let text = place.ablate(&["config", "diff", "runs/v/seed-0", "runs/v/seed-1"]).exits(0).stdout;
    let (table, variants) = text.rsplit_once("\n\n").unwrap();
    assert_eq!(
        table,
        "\
A  runs/v/seed-0
B  runs/v/seed-1

key       A      B
libtorch  2.9.0  2.9.1  of the last attempt"
    );
    assert!(variants.starts_with("both train the same variant, "), "{variants}");
    // A run and the experiment it came from differ in nothing, though a run's paths are absolute.
    let text = place.ablate(&["config", "diff", "a.toml", "runs/v/seed-0"]).exits(0).stdout;
    assert!(text.contains("\nno key differs; both train the same variant, "), "{text}");
}

#[test]
fn diff_refuses_what_is_neither_an_experiment_nor_a_run() {
    let place = two();
    place.write("runs/plan.json", "{}");
    assert_eq!(
        place.ablate(&["config", "diff", "a.toml", "runs"]).exits(2).stderr,
        "error: runs is not a run folder: it has no config.toml\n  \
         help: name an experiment file, or one run: runs/<experiment>/<variant>/seed-<n>\n"
    );
    assert_eq!(
        place.ablate(&["config", "diff", "none.toml", "a.toml"]).exits(2).stderr,
        "error: none.toml does not exist\n"
    );
    place.write("bad.toml", "model.dropuot = 1\n");
    assert_eq!(
        place.ablate(&["config", "diff", "a.toml", "bad.toml"]).exits(2).stderr,
        "error: unknown key model.dropuot\n  set in bad.toml:1\n  help: did you mean model.dropout?\n"
    );
}
