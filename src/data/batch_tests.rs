//! Tests of batches on the built-in drawings: golden draws, and what may not change them.

use super::*;
use crate::config::{Data, defaults};
use crate::data::dataset::open;

pub(in crate::data) const PLAN: BatchPlan = BatchPlan {
    seed: 1,
    batch_size: 8,
    timesteps: 100,
    timestep_sampler: TimestepSampler::Uniform,
    horizontal_flip: false,
};

pub(in crate::data) fn shapes(limit: usize) -> Split {
    let folder = tempfile::tempdir().unwrap();
    let config = Data { image_size: 8, limit: Some(limit), ..defaults().data };
    open(&config, folder.path()).unwrap().train
}

fn batches(batch_size: usize, timesteps: usize, steps: std::ops::Range<u64>) -> Vec<Batch> {
    batches_of(BatchPlan { seed: 3, batch_size, timesteps, ..PLAN }, steps)
}

fn batches_of(plan: BatchPlan, steps: std::ops::Range<u64>) -> Vec<Batch> {
    let mut batcher = Batcher::new(shapes(50), plan).unwrap();
    steps.map(|step| batcher.batch(step).unwrap()).collect()
}

#[test]
fn timesteps_are_the_ones_of_every_earlier_version() {
    assert_eq!(batches(6, 1000, 0..1)[0].timesteps, [801, 191, 389, 487, 954, 784]);
}

#[test]
fn a_batch_does_not_depend_on_the_batches_before_it() {
    let whole = batches(16, 1000, 0..12);
    for start in [1, 3, 4, 11] {
        assert_eq!(batches(16, 1000, start..12), whole[start as usize..]);
    }
}

#[test]
fn the_samples_do_not_depend_on_the_batch_size() {
    let joined = |batches: Vec<Batch>| {
        let ids: Vec<u64> = batches.iter().flat_map(|b| b.ids.clone()).collect();
        let timesteps: Vec<i64> = batches.iter().flat_map(|b| b.timesteps.clone()).collect();
        let noise: Vec<f32> = batches.iter().flat_map(|b| b.noise.clone()).collect();
        let images: Vec<f32> = batches.into_iter().flat_map(|b| b.images).collect();
        (ids, timesteps, noise, images)
    };
    assert!(joined(batches(12, 1000, 0..8)) == joined(batches(32, 1000, 0..3)));
}

#[test]
fn variants_with_different_timesteps_share_u() {
    for (long, short) in batches(32, 1000, 0..3).iter().zip(batches(32, 250, 0..3)) {
        let quarter: Vec<i64> = long.timesteps.iter().map(|t| t / 4).collect();
        assert_eq!(quarter, short.timesteps);
        assert!(long.images == short.images && long.noise == short.noise);
    }
}

#[test]
fn images_are_scaled_to_minus_one_to_one_and_every_epoch_holds_each_once() {
    let split = shapes(50);
    let all = batches(10, 100, 0..5);
    let mut ids: Vec<u64> = all.iter().flat_map(|batch| batch.ids.clone()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..50).map(|i| split.image_id(i)).collect::<Vec<_>>());
    let batch = &all[0];
    let source = (0..50).find(|&i| split.image_id(i) == batch.ids[0]).unwrap();
    let mut bytes = vec![0; split.shape().values()];
    split.read(&[source], &mut bytes).unwrap();
    for (scaled, &byte) in batch.images.iter().zip(&bytes) {
        assert_eq!(*scaled, f32::from(byte) / 127.5 - 1.0);
        assert!((-1.0..=1.0).contains(scaled));
    }
}

#[test]
fn timesteps_stay_below_t_for_the_largest_u() {
    let largest = 1.0 - f64::EPSILON / 2.0;
    for timesteps in (1..5000).chain([1 << 20, (1 << 20) + 1]) {
        assert_eq!(timestep(largest, timesteps), timesteps as i64 - 1);
        assert_eq!(timestep(0.0, timesteps), 0);
    }
}

#[test]
fn a_plan_of_nothing_is_refused() {
    for (batch_size, timesteps) in [(0, 10), (4, 0)] {
        let plan = BatchPlan { batch_size, timesteps, ..PLAN };
        assert!(matches!(Batcher::new(shapes(4), plan), Err(Error::Batch { .. })));
    }
}

#[test]
fn stratified_timesteps_have_one_sample_in_each_part_of_the_chain() {
    let stratified = BatchPlan { timestep_sampler: TimestepSampler::Stratified, timesteps: 1000, ..PLAN };
    let uniform = BatchPlan { timestep_sampler: TimestepSampler::Uniform, ..stratified };
    for (spread, plain) in batches_of(stratified, 0..50).iter().zip(batches_of(uniform, 0..50)) {
        assert!(spread.images == plain.images && spread.noise == plain.noise);
        for (position, &t) in spread.timesteps.iter().enumerate() {
            assert!(
                (125 * position as i64..125 * (position as i64 + 1)).contains(&t),
                "{:?}",
                spread.timesteps
            );
        }
    }
    let first = &batches_of(stratified, 0..1)[0].timesteps;
    let u = |k: u64| Stream::new(PLAN.seed, "train/u").at(k).uniform();
    assert_eq!(first[3], ((3.0 + u(3)) / 8.0 * 1000.0) as i64);
}

#[test]
fn stratified_timesteps_cover_the_chain_evenly() {
    let plan = BatchPlan { timestep_sampler: TimestepSampler::Stratified, timesteps: 16, ..PLAN };
    let mut counts = [0; 16];
    batches_of(plan, 0..1000)
        .iter()
        .flat_map(|batch| &batch.timesteps)
        .for_each(|&t| counts[t as usize] += 1);
    assert!(counts.iter().all(|count| (430..570).contains(count)), "{counts:?}");
}

#[test]
fn flips_are_the_ones_of_every_earlier_version_and_change_nothing_else() {
    let flipping = BatchPlan { horizontal_flip: true, ..PLAN };
    let mut flipped = Vec::new();
    for (with, without) in batches_of(flipping, 0..40).iter().zip(batches_of(PLAN, 0..40)) {
        assert!(
            with.noise == without.noise && with.timesteps == without.timesteps && with.ids == without.ids
        );
        for (mine, plain) in with.images.chunks(192).zip(without.images.chunks(192)) {
            let mirrored: Vec<f32> = plain.chunks(8).flat_map(|row| row.iter().rev().copied()).collect();
            assert!(mine == plain || mine == mirrored);
            flipped.push(mine != plain);
        }
    }
    assert_eq!(flipped[..10], [true, true, false, true, false, true, true, false, false, true]);
    let count = flipped.iter().filter(|flipped| **flipped).count();
    assert!((125..195).contains(&count), "{count} of 320");
}
