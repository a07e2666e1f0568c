//! The page as a whole: what it carries, and how large it may grow.

use std::path::PathBuf;

use super::*;
use crate::report::fixture::Tree;
use crate::rundir::State;

fn folder(tree: &Tree) -> Vec<PathBuf> {
    vec![tree.experiment().path().to_owned()]
}

fn shown(tree: &Tree, target: Target) -> serde_json::Value {
    let document = Report::read(&folder(tree)).unwrap().document(target);
    serde_json::from_str(&data_json(&document)).unwrap()
}

#[test]
fn a_document_names_states_values_gaps_and_progress() {
    let tree = Tree::new();
    tree.plan(&[("a-1", &[0, 1]), ("b-2", &[0, 1])]);
    for (seed, score) in [(0, 0.5), (1, 0.25)] {
        let run = tree.run("a-1", seed).config(|_| {});
        run.eval(&format!("100,ema-0.9,1,{score},0.125,64\n100,raw,1,0.75,0.2,64\n"))
            .metrics("100,1,800,0.75,,,,,1.5,0.001,0.9\n")
            .done(100);
    }
    tree.run("b-2", 0).config(|config| config.model.dropout = 0.5).status(State::Failed, 7, |status| {
        status.total_steps = 200;
    });
    let document = shown(&tree, Target::File);
    assert_eq!(document["counts"], serde_json::json!({"done": 2, "failed": 1, "planned": 1}));
    assert_eq!(document["keys"][0]["key"], "model.dropout");
    let ranking = &document["rankings"][0];
    assert_eq!(
        (&ranking["id"], &ranking["rows"][0]["mean"]),
        (&"eval:denoise_score:ema".into(), &0.375.into())
    );
    assert_eq!(ranking["rows"][1]["seeds"][0]["gap"], "failed or diverged");
    let ids: Vec<&str> =
        document["rankings"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"train:loss") && ids.contains(&"eval:denoise_bits:raw"), "{ids:?}");
    assert_eq!(document["variants"][1]["runs"][0]["total_steps"], 200);
    assert_eq!(document["failures"][0]["seed"], 0);
    assert_eq!(document["curves"][0]["seeds"], serde_json::json!([0, 1]));
    assert_eq!(document["schedules"][0]["variants"], serde_json::json!([0, 1]));
    assert_eq!(shown(&tree, Target::Live)["curves"], serde_json::json!([]));
}

#[test]
fn fifty_long_runs_and_their_samples_stay_below_two_megabytes() {
    let tree = Tree::new();
    let names: Vec<String> = (0..25).map(|at| format!("variant-{at:08}")).collect();
    let planned: Vec<(&str, &[u64])> = names.iter().map(|name| (name.as_str(), [0, 1].as_slice())).collect();
    tree.plan(&planned);
    let noise = |at: u32| f64::from(at.wrapping_mul(2_654_435_761) >> 8) / 7e7 + 0.1;
    for (at, name) in names.iter().enumerate() {
        for seed in [0, 1] {
            let value = |row: u32, column: u32| noise(row * 31 + column * 7 + at as u32 * 97 + seed as u32);
            let metrics: String = (1..=2000)
                .map(|row| {
                    let cells: Vec<String> = (0..8).map(|column| value(row, column).to_string()).collect();
                    format!("{row},1,{row},{}\n", cells.join(","))
                })
                .collect();
            let eval: String = (1..=40)
                .flat_map(|row| ["ema-0.9", "raw"].map(|weights| (row, weights)))
                .map(|(row, weights)| {
                    format!(
                        "{},{weights},{},{},{},64\n",
                        row * 50,
                        value(row, 1),
                        value(row, 2),
                        value(row, 3)
                    )
                })
                .collect();
            let run = tree.run(name, seed).config(|_| {}).metrics(&metrics).eval(&eval);
            std::fs::create_dir(run.dir.samples_path()).unwrap();
            let pixel = |x, y| image::Rgb([0, 1, 2].map(|c| (value(x * 300 + y, c) * 50.0) as u8));
            let grid = image::RgbImage::from_fn(256, 256, pixel);
            for step in [1000, 2000] {
                grid.save(run.dir.sample_path(step)).unwrap();
            }
            run.done(2000);
        }
    }
    let document = Report::read(&folder(&tree)).unwrap().document(Target::File);
    let page = page(&document, Target::File);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    let data = shown(&tree, Target::File);
    assert_eq!(data["curves"].as_array().unwrap().len(), 25);
    assert!(!data["samples"]["items"].as_array().unwrap().is_empty());
    assert!(data["samples"]["left_out"].as_u64().unwrap() > 0);
}
