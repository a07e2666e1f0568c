//! Pictures of schedules, looked at pixel by pixel.

use image::RgbImage;

use super::*;
use crate::config::{Request, diffusion_alone};
use crate::diffusion::Schedule;

fn shown(settings: &[&str]) -> Shown {
    let set = settings.iter().map(|setting| format!("diffusion.{setting}")).collect();
    let diffusion = diffusion_alone(&Request { set, ..Request::default() }).unwrap();
    Shown { schedule: Schedule::new(&diffusion).unwrap(), diffusion }
}

fn picture(shown: &[Shown]) -> RgbImage {
    image::load_from_memory(&png(shown, &[]).unwrap()).unwrap().to_rgb8()
}

/// Rows of a panel's column in which a colour is seen.
fn rows_of(picture: &RgbImage, colour: Colour, x: f32) -> Vec<f32> {
    let rows = TOP as u32..(TOP + PANEL[1]) as u32;
    let seen = rows.filter(|y| picture.get_pixel(x as u32, *y).0 == colour);
    seen.map(|y| y as f32 + 0.5).collect()
}

/// Where the middle panel has a value.
fn height(share: f64) -> f32 {
    TOP + PANEL[1] * (1.0 - share as f32)
}

#[test]
fn each_curve_lies_where_its_values_are() {
    let both = [shown(&[]), shown(&["noise_schedule=cosine"])];
    let picture = picture(&both);
    let left = MARGIN + WORDS + (PANEL[0] + WORDS);
    for share in [0.25, 0.5, 0.75] {
        // A dashed line may leave this very column out: one of some neighbours has it.
        for (one, colour) in both.iter().zip(COLOURS) {
            let found = (-12..=12).flat_map(|off: i32| {
                let x = left + share * PANEL[0] + off as f32;
                let t = ((x - left) / PANEL[0] * 999.0).round() as usize;
                let wanted = height(one.schedule.alpha_bars[t]);
                rows_of(&picture, colour, x).into_iter().map(move |y| (y - wanted).abs())
            });
            let farthest =
                found.fold(None, |most: Option<f32>, off| Some(most.map_or(off, |most| most.max(off))));
            assert!(farthest.is_some_and(|farthest| farthest < 6.0), "{share}: {farthest:?}");
        }
    }
}

#[test]
fn a_chain_that_ends_in_noise_alone_falls_to_the_end_of_its_panel() {
    let ends = [shown(&["zero_terminal_snr=true"])];
    let picture = picture(&ends);
    let right = MARGIN + WORDS + 2.0 * (PANEL[0] + WORDS) + PANEL[0] - 1.0;
    let rows = rows_of(&picture, COLOURS[0], right);
    assert!(rows.iter().any(|y| *y > TOP + PANEL[1] - 4.0), "{rows:?}");
}

#[test]
fn the_legend_grows_with_the_schedules_up_to_what_can_be_told_apart() {
    let lengths: Vec<Shown> =
        (0..MOST + 1).map(|more| shown(&[&format!("timesteps={}", 100 + more)])).collect();
    let heights = [1, 4, MOST].map(|count| picture(&lengths[..count]).height());
    assert!(heights[0] <= heights[1] && heights[1] < heights[2], "{heights:?}");
    let refused = png(&lengths, &[]).unwrap_err().to_string();
    assert_eq!(refused, "33 schedules are more than 32, which is what a picture can tell apart");
}

#[test]
fn chains_of_different_length_share_an_axis_of_shares() {
    assert_eq!(timesteps(&[shown(&[]), shown(&["timesteps=50"])]).1, "t / (T - 1)");
    assert_eq!(timesteps(&[shown(&["timesteps=50"])]), (Axis::exactly(0.0, 49.0, 5), "t"));
    picture(&[shown(&["noise_schedule=cosine", "timesteps=2"]), shown(&["timesteps=100000"])]);
}

#[test]
fn chosen_timesteps_are_marked_on_each_curve_that_has_them() {
    let both = [shown(&["timesteps=101"]), shown(&["noise_schedule=cosine", "timesteps=51"])];
    let marked = image::load_from_memory(&png(&both, &[25, 80]).unwrap()).unwrap().to_rgb8();
    let plain = picture(&both);
    let left = MARGIN + WORDS + (PANEL[0] + WORDS);
    let side = |picture: &RgbImage, place: usize, t: usize| {
        let steps = both[place].schedule.len();
        let x = left + t as f32 / (steps - 1) as f32 * PANEL[0];
        let y = height(both[place].schedule.alpha_bars[t]);
        let rows = (y - MARK) as i32..=(y + MARK) as i32;
        rows.filter(|row| picture.get_pixel((x - MARK + 2.0) as u32, *row as u32).0 == COLOURS[place]).count()
    };
    for (place, t) in [(0, 25), (0, 80), (1, 25)] {
        assert!(side(&marked, place, t) > 10, "{place} at {t}: {}", side(&marked, place, t));
        assert!(side(&plain, place, t) < 9, "{place} at {t}: {}", side(&plain, place, t));
    }
}
