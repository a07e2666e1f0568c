//! Tests of networks in `plan --verbose` and `plan --verbose --json`.

use serde_json::Value;

use super::*;
use crate::cli::plan::network_json::NetworkRow;
use crate::plan::Plan;
use crate::plan::fixture::written;
use crate::sizing::Part;

/// What the tables show, stated so that an edited default changes nothing here.
const BASE: [&str; 8] = [
    "model.base_channels=64",
    "model.channel_multipliers=[1, 2, 4]",
    "model.num_res_blocks=2",
    "model.attention_resolutions=[16, 8]",
    "model.attention_head_dim=64",
    "model.time_embed_dim=256",
    "data.image_size=32",
    "data.in_channels=3",
];

fn plan(text: &str, set: &[&str]) -> Plan {
    let set: Vec<&str> = BASE.iter().chain(set).copied().collect();
    Plan::build(&written(text).load(&set, &[]).unwrap()).unwrap()
}

/// What is drawn below the only variant.
fn drawn(set: &[&str]) -> String {
    Networks::of(Place::Host).next(&plan("", set).variants[0])
}

/// The cells of the row of a name, as far as there are any in it.
fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let line = text.lines().find(|line| line.trim_start().starts_with(name));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

#[test]
fn a_network_is_drawn_from_its_input_to_its_output_with_sums_below() {
    let text = drawn(&[]);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!(text, @r"

                                                                    forward          training   kept
                      pixels  channels  blocks   heads  parameters    GFLOP   share     GFLOP    MiB
      conv_in          32x32        64                       1,792    <0.01   0.1 %      0.01   0.25
      time_embedding               256                      82,432    <0.01  <0.1 %     <0.01  <0.01
      down_blocks.0    32x32        64       2             218,048     0.32     7 %      0.96   2.06
      down_blocks.1    16x16       128       2  2 x 64     871,808     0.42     9 %      1.26   2.47
      down_blocks.2      8x8       256       2  4 x 64   2,759,168     0.34     7 %      1.03   1.22
      mid_block          8x8       256       2  4 x 64   2,757,632     0.34     7 %      1.02   0.88
      up_blocks.0        8x8       256       3  4 x 64   6,959,104     1.10    24 %      3.31   2.28
      up_blocks.1      16x16       128       3  2 x 64   1,956,096     1.28    28 %      3.83   4.69
      up_blocks.2      32x32        64       3             448,512     0.81    18 %      2.44   4.00
      conv_out         32x32         3                       1,859    <0.01   0.1 %      0.01   0.26

      level 0, x1                                          666,560     1.13    25 %      3.40   6.06
      level 1, x2                                        2,827,904     1.70    37 %      5.09   7.16
      level 2, x4                                       12,475,904     1.79    39 %      5.36   4.38

      convolution                                       13,339,715     4.06    88 %      12.2   5.73
      attention                                          1,913,600     0.56    12 %      1.69   6.00
      embedding                                            789,696    <0.01  <0.1 %     <0.01   0.01
      norm                                                  13,440        0     0 %         0   6.38

      all                                               16,056,451     4.63   100 %      13.9   18.1

                                             forward         kept    scores,       scores,
      attention  blocks   heads  parameters    GFLOP  share   MiB      fused  materialised
      16x16           5  2 x 64     331,520     0.34    7 %  3.75  10.00 KiB      2.50 MiB
      8x8             6  4 x 64   1,582,080     0.23    5 %  2.25   6.00 KiB    384.00 KiB
    ");
}

#[test]
fn a_network_that_was_drawn_is_named() {
    let sweep = "[sweep.grid]\n\"diffusion.timesteps\" = [500, 1000]\n\"model.dropout\" = [0.0, 0.1]\n";
    let plan = plan(sweep, &[]);
    let mut networks = Networks::of(Place::Host);
    let texts: Vec<String> = plan.variants.iter().map(|variant| networks.next(variant)).collect();
    let named = |place: usize| format!("  network          that of {}\n", plan.variants[place].name);
    assert_eq!(texts[2..], [named(0), named(1)]);
    // Dropout keeps its masks.
    assert!(texts[..2].iter().all(|text| text.contains("conv_in")) && texts[0] != texts[1]);
}

#[test]
fn fewer_bits_and_other_heads_change_what_is_kept() {
    let (whole, half) = (drawn(&[]), drawn(&["training.precision=\"bf16\""]));
    assert_ne!(row(&whole, "all").last(), row(&half, "all").last());
    assert_eq!(row(&whole, "16x16").last().unwrap(), &"2.50 MiB");
    assert_eq!(row(&half, "16x16").last().unwrap(), &"1.25 MiB");
    let narrow = drawn(&["model.attention_head_dim=32"]);
    assert_eq!(row(&narrow, "16x16").last().unwrap(), &"5.00 MiB");
    assert_eq!(row(&narrow, "all"), row(&whole, "all"));
}

#[test]
fn recomputation_is_told_with_what_it_keeps() {
    let text = drawn(&["training.recompute=true"]);
    let told = text.lines().find(|line| line.contains("recompute")).unwrap();
    assert!(
        told.starts_with("  training.recompute keeps ")
            && told.ends_with(" MiB of one image at a time instead")
    );
    assert_eq!(drawn(&[]).replace('\n', ""), text.replace(&format!("\n{told}\n"), "").replace('\n', ""));
}

#[test]
fn attention_in_the_middle_alone_is_told_apart_and_none_at_all_leaves_no_table() {
    let middle = drawn(&["model.attention_resolutions=[]"]);
    assert_eq!(row(&middle, "8x8, middle")[1..3], ["1", "4 x 64"]);
    assert!(!middle.contains("16x16, "));
    let none = plan("", &["model.attention_resolutions=[]", "model.mid_attention=false"]);
    let mut networks = Networks::of(Place::Host);
    let text = networks.next(&none.variants[0]);
    assert!(!text.contains("scores") && !networks.legend().contains("scores"), "{text}");
    assert!(networks.legend().starts_with("forward, training: floating-point operations on one image"));
    assert_eq!(Networks::of(Place::Host).legend(), "");
}

#[test]
fn json_has_every_level_with_its_parts() {
    let plan = plan("", &[]);
    let variant = &plan.variants[0];
    let document = serde_json::to_value(NetworkRow::of(variant, Place::Host)).unwrap();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&document), ["forward_flops_per_image", "network"]);
    let levels = document["network"].as_array().unwrap();
    assert_eq!(
        fields(&levels[3]),
        [
            "attentions",
            "blocks",
            "channels",
            "forward_flops",
            "fused_score_bytes",
            "head_dim",
            "heads",
            "kept_bytes",
            "materialised_score_bytes",
            "multiplier",
            "name",
            "parameters",
            "parts",
            "resolution",
            "skip_bytes",
            "train_flops"
        ]
    );
    assert_eq!(levels[3]["name"], "down_blocks.1");
    assert_eq!((&levels[3]["heads"], &levels[2]["heads"]), (&Value::from(2), &Value::Null));
    let sum = |of: &dyn Fn(&Value) -> u64| levels.iter().map(of).sum::<u64>();
    let key = |name: &'static str| move |level: &Value| level[name].as_u64().unwrap();
    assert_eq!(sum(&key("parameters")), variant.parameters);
    assert_eq!(sum(&key("train_flops")), variant.train_flops_per_image);
    assert_eq!(sum(&key("forward_flops")), document["forward_flops_per_image"].as_u64().unwrap());
    let parts = |level: &Value| {
        assert_eq!(fields(&level["parts"]), ["attention", "convolution", "embedding", "norm"]);
        Part::ALL.iter().map(|part| level["parts"][part.name()]["train_flops"].as_u64().unwrap()).sum()
    };
    assert_eq!(sum(&parts), variant.train_flops_per_image);
}
