//! A checkpoint that is damaged is noticed, and the one before is taken.

use std::fs;
use std::path::Path;

use crate::support::kills::{Moment, RUN, Victim, reference, run_and_kill};
use crate::support::tier::Tier;
use crate::support::training::{STEPS, only_run, tiny};

/// Damages the newest checkpoint of a run that was killed, then lets it go on.
fn survives_damage(context: &str, damage: impl Fn(&Path)) {
    let place = tiny("");
    let kill = (Victim::Both, Moment::Row(STEPS as usize - 14));
    assert!(run_and_kill(&place, RUN, kill, context), "{context}: the kill came too late");
    let run = only_run(&place);
    let newest = *run.checkpoints().last().unwrap();
    damage(&run.path.join(format!("checkpoints/step-{newest:08}")));
    place.ablate(RUN).exits(0);
    run.assert_equals(&reference().bytes, context);
    assert!(run.read("log.jsonl").contains("checkpoint is damaged; falling back"), "{context}");
}

#[test]
fn a_damaged_checkpoint_is_noticed_and_the_one_before_is_taken() {
    if Tier::asked().leaves_out(Tier::Standard, "damaged checkpoints") {
        return;
    }
    survives_damage("a flipped bit", |checkpoint| {
        let path = checkpoint.join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    survives_damage("a missing manifest", |checkpoint| {
        fs::remove_file(checkpoint.join("manifest.json")).unwrap();
    });
}
