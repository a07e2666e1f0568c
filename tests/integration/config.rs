//! `ablate config presets`: what it prints, and that it writes nothing.

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
