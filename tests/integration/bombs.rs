//! Small input that asks for much: an error within two seconds and half a gigabyte, or the rest is shown without it.

use std::fs::{self, File};
use std::time::Duration;

use super::support::Workplace;
use super::support::limits::measured;

const TIME: Duration = Duration::from_secs(2);
const MEMORY: u64 = 512 << 20;

/// Runs the program under the limits and returns what it said.
#[track_caller]
fn defused(place: &Workplace, arguments: &[&str], code: i32) -> String {
    let found = measured(place, arguments, 5 * TIME);
    let shown = arguments.join(" ");
    let shown = shown.get(..60).unwrap_or(&shown);
    println!("{shown}: {:.2} s, {} MiB", found.worked.as_secs_f64(), found.peak_bytes >> 20);
    assert!(found.peak_bytes < MEMORY, "{shown}: {} MiB", found.peak_bytes >> 20);
    assert!(found.worked < TIME, "{shown}: {:?}", found.worked);
    assert_eq!(found.ran.code, Some(code), "{shown}:\n{}\n{}", found.ran.stdout, found.ran.stderr);
    format!("{}{}", found.ran.stdout, found.ran.stderr)
}

/// A file of that many zeros which takes no room.
fn sparse(place: &Workplace, name: &str, bytes: u64) {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().set_len(bytes).unwrap();
}

/// What `plan` says about an experiment file.
#[track_caller]
fn refused(name: &str, text: impl AsRef<[u8]>) -> String {
    let place = Workplace::with(name, "");
    place.write(name, text);
    defused(&place, &["plan", name], 2)
}

#[test]
fn files_that_nest_repeat_or_never_end_are_refused() {
    for text in [
        format!("a = {}", "[".repeat(20_000)),
        format!("a = {}", "{b=".repeat(20_000)),
        format!("a = {}1{}", "{b=".repeat(20_000), "}".repeat(20_000)),
        format!("a{} = 1", ".a".repeat(20_000)),
        format!("[a{}]", ".a".repeat(20_000)),
    ] {
        assert!(refused("x.toml", &text).starts_with("error: x.toml"), "{}", &text[..20]);
    }
    assert!(refused("x.json", "{\"a\":".repeat(20_000)).contains("recursion limit exceeded"));
    assert!(refused("x.toml", vec![b'#'; 10_000_000]).contains("larger than 1000000 bytes"));
    let many: String = (0..60_000).map(|n| format!("k{n} = 1\n")).collect();
    assert!(refused("x.toml", &many).contains("there are more problems than these"));
    let arrays = "[[sweep.zip]]\n".repeat(70_000);
    assert!(refused("x.toml", &arrays).starts_with("error: "));
    let wide = format!("[sweep.grid]\n\"model.dropout\" = [{}]\n", "0.1,".repeat(240_000));
    assert!(refused("x.toml", &wide).starts_with("error: "));
    let text = format!("description = \"{}\"\nmodle = 1\n", "x".repeat(900_000));
    assert!(refused("x.toml", text).contains("did you mean [model]?"));
}

#[test]
fn sweeps_of_a_million_million_points_are_counted_and_refused() {
    let numbers: Vec<String> = (0..10_000).map(|n| format!("{n}e-6")).collect();
    let numbers = numbers.join(",");
    let axes = ["model.dropout", "training.weight_decay", "ema.decay"];
    let axes: String = axes.iter().map(|key| format!("\"{key}\" = [{numbers}]\n")).collect();
    assert!(refused("x.toml", format!("[sweep.grid]\n{axes}")).contains("1,000,000,000,000 runs"));
    let seeds: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    let text = format!("[sweep]\nseeds = [{}]\n[sweep.grid]\n{axes}", seeds.join(","));
    assert!(refused("x.toml", text).contains("100,000,000,000,000,000 runs"));
}

#[test]
fn files_that_extend_each_other_without_end_are_refused() {
    let place = Workplace::with("x.toml", "extends = \"0.toml\"\n");
    for n in 0..2000 {
        place.write(&format!("{n}.toml"), format!("extends = \"{}.toml\"\n", n + 1));
    }
    assert!(defused(&place, &["plan", "x.toml"], 2).contains("more than 64 files to read"));
    place.write("5.toml", "extends = \"x.toml\"\n");
    assert!(defused(&place, &["plan", "x.toml"], 2).contains("extends makes a circle"));
    let wide = vec!["\"leaf.toml\""; 50_000].join(",");
    place.write("x.toml", format!("extends = [{wide}]\n"));
    place.write("leaf.toml", "");
    assert!(defused(&place, &["plan", "x.toml"], 2).contains("more than 64 files to read"));
}

#[test]
fn settings_as_long_as_the_system_lets_them_be_are_refused() {
    let place = Workplace::with("x.toml", "");
    // One argument may have 128 KiB.
    for value in ["[".repeat(130_000), "x".repeat(130_000), format!("[{}]", "1,".repeat(60_000))] {
        let setting = format!("model.channel_multipliers={value}");
        assert!(defused(&place, &["plan", "x.toml", "-s", &setting], 2).starts_with("error: "));
    }
}

#[test]
fn run_folders_with_files_of_a_gigabyte_are_shown_without_them() {
    let place = Workplace::new();
    let run = "runs/x/a-1/seed-0";
    place.write(&format!("{run}/config.toml"), "");
    let status = r#"{"format":1,"state":"done","attempt":1,"step":8,"total_steps":8,"updated":"2026-01-02T03:04:05Z"}"#;
    place.write(&format!("{run}/status.json"), status);
    place.write("runs/x/b-2/seed-0/status.json", status);
    for name in ["eval.csv", "metrics.csv", "config.toml", "provenance.json", "levels.csv", "images.csv"] {
        sparse(&place, &format!("{run}/{name}"), 1 << 30);
    }
    sparse(&place, "runs/x/plan.json", 1 << 30);
    sparse(&place, "runs/x/b-2/seed-0/status.json", 1 << 30);
    let said = defused(&place, &["status", "runs"], 0);
    assert!(said.contains("a-1") && said.contains("b-2") && said.contains("plan.json"), "{said}");
    defused(&place, &["compare", "runs/x"], 0);
    defused(&place, &["config", "diff", run, run], 2);
    defused(&place, &["plan", &format!("{run}/config.toml")], 2);
}

#[test]
fn files_of_ten_thousand_times_what_a_run_leaves_do_not_fill_the_memory() {
    let place = Workplace::new();
    let run = "runs/x/a-1/seed-0";
    let status = r#"{"format":1,"state":"done","attempt":1,"step":8,"total_steps":8,"updated":"2026-01-02T03:04:05Z"}"#;
    place.write(&format!("{run}/status.json"), status);
    // Rows without end for one step.
    let head = "step,weights,denoise_score\n";
    let rows: String = (0..400_000).map(|n| format!("1,w{n},0.5\n")).collect();
    place.write(&format!("{run}/eval.csv"), format!("{head}{}", rows.repeat(4)));
    assert!(defused(&place, &["status", "runs/x"], 0).contains("damaged rows"));
    let wide = format!("step{}\n{}", ",a".repeat(50_000), format!("1{}\n", ",".repeat(50_000)).repeat(400));
    place.write(&format!("{run}/eval.csv"), wide);
    defused(&place, &["status", "runs/x"], 0);
    place.write(&format!("{run}/eval.csv"), head);
    let variants = vec![r#"{"name":"a","id":"a","seeds":[]}"#; 900_000].join(",");
    place.write("runs/x/plan.json", format!("{{\"variants\":[{variants}]}}"));
    defused(&place, &["status", "runs/x"], 0);
    place.write("runs/x/plan.json", format!("{{\"variants\":[{}1]}}", "0,".repeat(15_000_000)));
    defused(&place, &["status", "runs/x"], 0);
}
