//! The commands that are disturbed, each with what is there before it.

use super::Workplace;
use super::faults::{Scene, names};
use super::strace::{Call, Fault};
use super::training::only_run;

/// A training of three steps in which everything happens: rows, an evaluation, images, checkpoints, a best one that
/// stays, an old one that goes.
const SHORT: &str = r#"
[data]
image_size = 8
in_channels = 1
limit = 64
[model]
base_channels = 8
channel_multipliers = [1, 1]
num_res_blocks = 1
attention_resolutions = []
norm_groups = 2
[training]
steps = 3
batch_size = 4
warmup_steps = 2
log_every = 1
[checkpoint]
every = 1
keep = 1
[evaluation]
every = 2
images = 4
[sampling]
every = 2
num_samples = 1
steps = 2
[runtime]
device = "cpu"
threads = 1
"#;

impl Scene {
    /// A worker that begins its run.
    pub(crate) fn worker() -> Scene {
        let finished = finished();
        let run = only_run(&finished);
        let below = run.path.strip_prefix(finished.path("")).unwrap().to_owned();
        let before = Workplace::new();
        before.write(below.join("config.toml").to_str().unwrap(), run.read("config.toml"));
        let command = vec!["worker".to_owned(), below.to_str().unwrap().to_owned()];
        Scene {
            before,
            again: command.clone(),
            command,
            expected: run.bytes(),
            names: names(&run.path),
            tree: below,
            keeps_more: false,
            _finished: Some(finished),
        }
    }

    /// A worker that goes on where one was killed just before its second checkpoint got its name: rows to move
    /// aside, and a whole checkpoint under a temporary name to remove.
    pub(crate) fn worker_resumed() -> Scene {
        let mut scene = Scene::worker();
        let calls = scene.calls();
        let publishes = |call: &Call| {
            call.name.starts_with("rename") && call.path.ends_with("/checkpoints/step-00000002")
        };
        let publish = calls.iter().find(|call| publishes(call)).expect("a second checkpoint");
        scene.before = scene.strike_at(publish, Fault::Kill).0;
        scene
    }

    /// The launcher in an empty folder.
    pub(crate) fn launcher() -> Scene {
        let finished = finished();
        let run = only_run(&finished);
        let command = vec!["run".to_owned(), "x.toml".to_owned()];
        Scene {
            before: Workplace::with("x.toml", SHORT),
            again: command.clone(),
            command,
            expected: run.bytes(),
            names: names(&finished.path("runs")),
            tree: "runs".into(),
            keeps_more: false,
            _finished: None,
        }
    }

    /// The launcher where one was killed before its first worker, asked for something else that identity leaves out:
    /// the request, the plan and the configuration are replaced.
    pub(crate) fn launcher_again() -> Scene {
        let mut scene = Scene::launcher();
        let calls = scene.calls();
        let first = calls.iter().find(|call| call.path.ends_with("stdout.log"));
        scene.before = scene.strike_at(first.expect("a worker's output"), Fault::Kill).0;
        assert!(only_run(&scene.before).status().is_none(), "no worker was started");
        scene.command.extend(["-s".to_owned(), "checkpoint.keep=2".to_owned()]);
        scene
    }

    /// The launcher where all is done: it plans and sums up.
    pub(crate) fn launcher_after() -> Scene {
        let mut scene = Scene::launcher();
        scene.before = finished();
        scene
    }
}

/// [`SHORT`] trained to its end.
fn finished() -> Workplace {
    let place = Workplace::with("x.toml", SHORT);
    place.ablate(&["run", "x.toml"]).exits(0);
    place
}
