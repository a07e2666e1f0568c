//! Which of our schedules a list of β is, if any.

use crate::config::NoiseSchedule;
use crate::diffusion::betas;

const SHAPES: [NoiseSchedule; 4] =
    [NoiseSchedule::Linear, NoiseSchedule::ScaledLinear, NoiseSchedule::Sigmoid, NoiseSchedule::Cosine];

/// Four times the rounding of the largest β in 32 bits, in which diffusers computes: what its own list of a named
/// schedule may be off.
const ROUNDING: f64 = 4.0 / (1_u32 << 24) as f64;

/// The shape and the ends that give this list; `said` is what stands beside it and is tried first.
pub(super) fn recognise(
    list: &[f64],
    said: (NoiseSchedule, (f64, f64)),
) -> Option<(NoiseSchedule, (f64, f64))> {
    let (first, last) = (*list.first()?, *list.last()?);
    let largest = list.iter().copied().fold(0.0, f64::max);
    let equals = |&(shape, ends): &(NoiseSchedule, (f64, f64))| {
        let ours = betas(shape, list.len(), ends);
        ours.iter().zip(list).all(|(ours, theirs)| (ours - theirs).abs() <= ROUNDING * largest)
    };
    let shapes = [said.0].into_iter().chain(SHAPES);
    let as_said = shapes.clone().map(|shape| (shape, said.1));
    let as_seen = shapes.map(|shape| {
        (shape, if shape == NoiseSchedule::Sigmoid { sigmoid_ends(first, last) } else { (first, last) })
    });
    as_said.chain(as_seen).find(equals)
}

/// The ends between which σ(−6…6) runs from `first` to `last`.
fn sigmoid_ends(first: f64, last: f64) -> (f64, f64) {
    let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (low, high) = (sigma(-6.0), sigma(6.0));
    let range = (last - first) / (high - low);
    let start = first - low * range;
    (start, start + range)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: (NoiseSchedule, (f64, f64)) = (NoiseSchedule::Linear, (1e-4, 0.02));

    #[test]
    fn each_schedule_is_recognised_from_its_numbers_alone_also_in_32_bits() {
        for shape in SHAPES {
            let list = betas(shape, 100, (1e-3, 0.2));
            let rounded: Vec<f64> = list.iter().map(|beta| f64::from(*beta as f32)).collect();
            for list in [list, rounded] {
                let (found, ends) = recognise(&list, SAID).unwrap();
                assert_eq!(found, shape);
                let again = betas(found, 100, ends);
                assert!(again.iter().zip(&list).all(|(a, b)| (a - b).abs() <= 1e-7), "{shape:?}");
            }
        }
    }

    #[test]
    fn what_stands_beside_the_list_is_taken_where_it_fits() {
        let said = (NoiseSchedule::Sigmoid, (1e-4, 0.02));
        assert_eq!(recognise(&betas(said.0, 50, said.1), said), Some(said));
    }

    #[test]
    fn another_list_is_not_recognised() {
        let mut list = betas(NoiseSchedule::Linear, 100, (1e-4, 0.02));
        list[50] *= 1.0001;
        assert_eq!(recognise(&list, SAID), None);
        assert_eq!(recognise(&[], SAID), None);
        assert_eq!(recognise(&[f64::NAN; 4], SAID), None);
    }
}
