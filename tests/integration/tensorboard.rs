//! Event files of real run trees: what earlier versions trained, shown to TensorBoard without training it again.

use std::fs;

use ablate::config;
use ablate::rundir::{Disk, EventLog, Place, RunDir};

use crate::support::golden::{self, EXPERIMENT};
use crate::support::{Workplace, files_below};

/// The messages of an event file, by the lengths that frame them.
fn messages(file: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = file;
    while let Some((length, after)) = rest.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        found.push(&after[4..4 + length]);
        rest = &after[4 + length + 4..];
    }
    found
}

fn rows(run: &RunDir, log: &str) -> usize {
    fs::read_to_string(run.path().join(log)).unwrap().lines().count() - 1
}

#[test]
fn a_golden_run_becomes_an_event_file_with_every_row() {
    for format in golden::formats() {
        let place = golden::workplace(&format);
        let run = RunDir::at(golden::run(&place, 0));
        let mut config = config::read_run_config(&run.config_path()).unwrap();
        let written = run.tensorboard_path().exists();
        assert_eq!(config.runtime.tensorboard, written, "a key that came later means what was before");
        config.runtime.tensorboard = true;
        drop(EventLog::open(&Disk, &run, &config, 7, Place { step: 24, total: 24 }));
        let mut names = files_below(&run.tensorboard_path());
        let newest = names.pop().unwrap();
        assert_eq!(newest, "events.out.tfevents.0000000007.ablate", "{format}");
        let bytes = |name: &str| fs::read(run.tensorboard_path().join(name)).unwrap();
        assert!(names.iter().all(|earlier| bytes(earlier).is_empty()), "{format}: {names:?}");
        let file = bytes(&newest);
        let messages = messages(&file);
        let grids = files_below(&run.samples_path()).len();
        // Version, start and settings come first, that it is done last.
        let expected =
            3 + rows(&run, "metrics.csv") + rows(&run, "timing.csv") + rows(&run, "eval.csv") + grids + 1;
        assert_eq!(messages.len(), expected, "{format}");
        let has = |words: &str| {
            messages.iter().any(|message| message.windows(words.len()).any(|part| part == words.as_bytes()))
        };
        for tag in ["train/loss", "train/loss_q4", "train/learning_rate", "eval/raw/denoise_score", "samples"]
        {
            assert!(has(tag), "{format}: no {tag}");
        }
        assert!(has("model.base_channels") && has("_hparams_/session_end_info"));
        // It is no damage, and it goes into no comparison.
        let checked = place.ablate(&["check", EXPERIMENT, "--json"]);
        assert!(!checked.stdout.contains("tensorboard"), "{}", checked.stdout);
        place.ablate(&["compare", EXPERIMENT]).exits(0);
    }
}

#[test]
fn a_file_where_the_folder_should_be_is_told() {
    let place = golden::workplace(&golden::formats()[0]);
    let run = golden::run(&place, 0);
    fs::write(run.join("tensorboard"), "a note").unwrap();
    let checked = place.ablate(&["check", EXPERIMENT]).exits(1);
    assert!(
        checked.stdout.contains("tensorboard") && checked.stdout.contains("a file, not a folder"),
        "{}",
        checked.stdout
    );
}

#[test]
fn the_key_is_on_by_default_and_the_shell_may_switch_it_off() {
    let place = Workplace::with("x.toml", "");
    let shown = |off: bool| {
        let mut command = place.command(&["config", "show", "x.toml", "--json"]);
        if off {
            command.env("ABLATE_RUNTIME__TENSORBOARD", "false");
        }
        let output = command.output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["runtime"]["tensorboard"].clone()
    };
    assert_eq!((shown(false), shown(true)), (true.into(), false.into()));
}
