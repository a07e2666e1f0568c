//! Tests of `plan.json`: the union over invocations, and damaged or newer files.

use serde_json::{Value, json};

use super::*;
use crate::plan::fixture::{Written, written};

fn plan(experiment: &Written, pin: &[&str]) -> Plan {
    let plan = Plan::build(&experiment.load(&[], pin).unwrap()).unwrap();
    std::fs::create_dir_all(&plan.directory).unwrap();
    plan
}

fn file(plan: &Plan) -> Value {
    serde_json::from_str(&std::fs::read_to_string(plan.experiment_dir().plan_path()).unwrap()).unwrap()
}

fn column<'a>(file: &'a Value, field: &str) -> Vec<&'a Value> {
    file["variants"].as_array().unwrap().iter().map(|variant| &variant[field]).collect()
}

const SWEEP: &str = "[sweep]\nseeds = [0, 1]\n[sweep.grid]\n\"model.dropout\" = [0.0, 0.1]\n\
                     \"diffusion.noise_schedule\" = [\"linear\", \"cosine\"]\n";

#[test]
fn the_file_lists_variants_in_order_with_ids_overrides_seeds_and_costs() {
    let experiment = written(SWEEP);
    let plan = plan(&experiment, &[]);
    assert_eq!(write_record(&plan).unwrap(), Vec::<String>::new());
    let file = file(&plan);
    assert_eq!(file["format"], 1);
    assert_eq!(file["experiment"], "x");
    assert_eq!(file["varying"], json!(["model.dropout", "diffusion.noise_schedule"]));
    let names: Vec<&str> = column(&file, "name").into_iter().filter_map(Value::as_str).collect();
    assert_eq!(names, plan.variants.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>());
    let second = &file["variants"][1];
    assert_eq!(second["overrides"], json!({"model.dropout": 0.0, "diffusion.noise_schedule": "cosine"}));
    assert_eq!(second["seeds"], json!([0, 1]));
    assert_eq!(second["parameters"], plan.variants[1].parameters);
    assert_eq!(second["asked"], true);
}

#[test]
fn later_invocations_keep_what_they_no_longer_ask_for() {
    let experiment = written(SWEEP);
    let full = plan(&experiment, &[]);
    write_record(&full).unwrap();
    let pinned = plan(&experiment, &["model.dropout=0.1", "training.seed=1"]);
    write_record(&pinned).unwrap();
    let narrowed = file(&pinned);
    assert_eq!(column(&narrowed, "asked"), [true, true, false, false]);
    assert_eq!(narrowed["variants"][0]["id"], full.variants[2].id.as_str());
    assert_eq!(narrowed["variants"][0]["dropped_seeds"], json!([0]));
    assert_eq!(narrowed["variants"][2]["id"], full.variants[0].id.as_str());
    write_record(&full).unwrap();
    let whole = file(&full);
    assert_eq!(column(&whole, "asked"), [true; 4]);
    assert_eq!(whole["variants"][2]["dropped_seeds"], json!([]));
}

#[test]
fn a_damaged_file_is_replaced_and_reported() {
    let experiment = written(SWEEP);
    let plan = plan(&experiment, &[]);
    let path = plan.experiment_dir().plan_path();
    for damaged in ["", "{", "[]", "{\"format\": 1, \"variants\": 3}", "\u{0}\u{0}"] {
        std::fs::write(&path, damaged).unwrap();
        let warnings = write_record(&plan).unwrap();
        assert!(
            warnings[0].starts_with(&format!("{} was damaged and is replaced: ", path.display())),
            "{warnings:?}"
        );
        assert_eq!(file(&plan)["variants"].as_array().unwrap().len(), 4);
    }
}

#[test]
fn a_damaged_variant_does_not_hide_the_others() {
    let experiment = written(SWEEP);
    let plan = plan(&experiment, &[]);
    let path = plan.experiment_dir().plan_path();
    let older = json!({"format": 1, "variants": [{"name": 3}, {"name": "gone-00000000", "id": "00000000"}]});
    std::fs::write(&path, older.to_string()).unwrap();
    let warnings = write_record(&plan).unwrap();
    assert_eq!(warnings, [format!("{}: 1 of 2 variants were damaged and are left out", path.display())]);
    assert_eq!(file(&plan)["variants"][4]["name"], "gone-00000000");
}

#[test]
fn a_newer_format_is_refused() {
    let experiment = written(SWEEP);
    let plan = plan(&experiment, &[]);
    std::fs::write(plan.experiment_dir().plan_path(), "{\"format\": 2, \"variants\": {}}").unwrap();
    let message = write_record(&plan).unwrap_err().to_string();
    assert!(message.contains("plan.json has plan format 2, this program knows formats up to 1"), "{message}");
}
