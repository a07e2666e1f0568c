//! The order of images over a resume, through everything that training goes through: data set, order, batches, thread.

use super::Prefetch;
use super::batch::BatchPlan;
use super::batch::tests::{PLAN, shapes};

const IMAGES: u64 = 50;

/// Steps that see every image three times, the last of them in part beyond.
fn steps(plan: BatchPlan) -> u64 {
    (3 * IMAGES).div_ceil(plan.batch_size as u64)
}

#[test]
fn a_resume_at_any_of_five_points_goes_on_with_the_same_images_noise_and_timesteps() {
    let plans = [
        // Batches end with the epochs, cross their borders, and are mirrored and stratified.
        BatchPlan { batch_size: 10, ..PLAN },
        BatchPlan { batch_size: 7, seed: 2, ..PLAN },
        BatchPlan {
            batch_size: 16,
            horizontal_flip: true,
            timestep_sampler: crate::config::TimestepSampler::Stratified,
            ..PLAN
        },
    ];
    let mut compared = 0;
    for plan in plans {
        let last = steps(plan);
        let mut whole = Prefetch::start(shapes(IMAGES as usize), plan, 0).unwrap();
        let whole: Vec<_> = (0..last).map(|_| whole.next_batch().unwrap()).collect();
        let ids: Vec<u64> = whole.iter().flat_map(|batch| batch.ids.clone()).collect();
        for epoch in ids.chunks_exact(IMAGES as usize) {
            let mut seen = epoch.to_vec();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len() as u64, IMAGES, "an epoch shows every image once");
        }
        // Right after the start, in each epoch, at a border, and before the last step.
        for first in [1, last / 6, last / 3, last / 2, last - 1] {
            // As another process would: the data set opened anew, in another folder.
            let mut resumed = Prefetch::start(shapes(IMAGES as usize), plan, first).unwrap();
            for step in first..last {
                let (found, expected) = (resumed.next_batch().unwrap(), &whole[step as usize]);
                assert_eq!(found.ids, expected.ids, "images of step {step}, resumed at {first}");
                assert!(found == *expected, "step {step}, resumed at {first}");
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 15);
}
