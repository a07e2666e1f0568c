//! The outlines of the ten objects, as signed distances.
//!
//! In: a point in the figure's own frame, where it reaches about 1 from the origin, y upwards. Out: the
//! distance to the outline in the same unit, negative inside; exact near the outline, which is all that
//! smooth edges need. Only `+ - * /` and square roots: the same bits on every machine.

/// A point, or an offset between points.
type Point = [f32; 2];

/// A signed distance function.
pub(super) type Figure = fn(Point) -> f32;

/// All objects; image i shows number i mod 10.
pub(super) const FIGURES: [Figure; 10] =
    [disc, ring, square, triangle, star, plus, heart, crescent, smiley, house];

fn disc(p: Point) -> f32 {
    length(p) - 0.95
}

fn ring(p: Point) -> f32 {
    (length(p) - 0.7).abs() - 0.25
}

fn square(p: Point) -> f32 {
    rectangle(p, [0.0, 0.0], [0.8, 0.8])
}

fn triangle(p: Point) -> f32 {
    polygon(p, &[[0.0, 1.0], [1.0, -0.75], [-1.0, -0.75]])
}

fn star(p: Point) -> f32 {
    polygon(
        p,
        &[
            [0.0, 1.08],
            [0.2645, 0.3641],
            [1.0271, 0.3337],
            [0.428, -0.1391],
            [0.6348, -0.8737],
            [0.0, -0.45],
            [-0.6348, -0.8737],
            [-0.428, -0.1391],
            [-1.0271, 0.3337],
            [-0.2645, 0.3641],
        ],
    )
}

fn plus(p: Point) -> f32 {
    let upright = rectangle(p, [0.0, 0.0], [0.32, 1.0]);
    let across = rectangle(p, [0.0, 0.0], [1.0, 0.32]);
    upright.min(across)
}

/// Two quarter-turned half discs over a square that stands on its corner.
fn heart(p: Point) -> f32 {
    const SCALE: f32 = 1.6;
    let [x, y] = [p[0].abs() / SCALE, (p[1] + 0.92) / SCALE];
    let distance = if x + y > 1.0 {
        length([x - 0.25, y - 0.75]) - 0.353_553_4
    } else {
        let along = 0.5 * (x + y).max(0.0);
        let nearest = length([x, y - 1.0]).min(length([x - along, y - along]));
        if x < y { -nearest } else { nearest }
    };
    distance * SCALE
}

fn crescent(p: Point) -> f32 {
    let moon = length([p[0] - 0.1, p[1]]) - 0.98;
    let shadow = length([p[0] - 0.58, p[1] - 0.16]) - 0.8;
    moon.max(-shadow)
}

fn smiley(p: Point) -> f32 {
    let face = length(p) - 1.0;
    let eye = length([p[0].abs() - 0.36, p[1] - 0.3]) - 0.18;
    let arc = (length([p[0], p[1] - 0.02]) - 0.56).abs() - 0.12;
    let mouth = arc.max(p[1] + 0.16);
    face.max(-eye).max(-mouth)
}

/// One outline, the door a notch in it: a union of parts would leave a seam where they touch.
fn house(p: Point) -> f32 {
    polygon(
        p,
        &[
            [0.0, 1.05],
            [1.08, 0.12],
            [0.78, 0.12],
            [0.78, -0.92],
            [0.25, -0.92],
            [0.25, -0.26],
            [-0.25, -0.26],
            [-0.25, -0.92],
            [-0.78, -0.92],
            [-0.78, 0.12],
            [-1.08, 0.12],
        ],
    )
}

fn length(p: Point) -> f32 {
    (p[0] * p[0] + p[1] * p[1]).sqrt()
}

fn rectangle(p: Point, centre: Point, half: Point) -> f32 {
    let dx = (p[0] - centre[0]).abs() - half[0];
    let dy = (p[1] - centre[1]).abs() - half[1];
    length([dx.max(0.0), dy.max(0.0)]) + dx.max(dy).min(0.0)
}

/// Distance to the nearest edge; the sign by counting the edges that a ray from `p` to the right crosses.
fn polygon(p: Point, corners: &[Point]) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    let mut from = corners[corners.len() - 1];
    for &to in corners {
        let edge = [to[0] - from[0], to[1] - from[1]];
        let offset = [p[0] - from[0], p[1] - from[1]];
        let share = (offset[0] * edge[0] + offset[1] * edge[1]) / (edge[0] * edge[0] + edge[1] * edge[1]);
        let share = share.clamp(0.0, 1.0);
        nearest = nearest.min(length([offset[0] - share * edge[0], offset[1] - share * edge[1]]));
        let crosses = (from[1] > p[1]) != (to[1] > p[1]);
        if crosses && offset[0] < edge[0] * offset[1] / edge[1] {
            inside = !inside;
        }
        from = to;
    }
    if inside { -nearest } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_fills_a_good_part_of_its_frame_and_stays_near_it() {
        for (i, figure) in FIGURES.iter().enumerate() {
            let grid = |n: i32| {
                (0..n * n).map(move |k| [k % n, k / n].map(|v| 2.4 * (v as f32 + 0.5) / n as f32 - 1.2))
            };
            let inside: Vec<Point> = grid(200).filter(|&p| figure(p) < 0.0).collect();
            let share = inside.len() as f32 / 40_000.0 * 1.44;
            assert!((0.25..0.85).contains(&share), "figure {i} fills {share}");
            assert!(inside.iter().all(|&p| length(p) < 1.26), "figure {i} reaches too far");
        }
    }

    #[test]
    fn distances_change_no_faster_than_the_point_moves() {
        for (i, figure) in FIGURES.iter().enumerate() {
            for k in 0..10_000 {
                let p = [k % 100, k / 100].map(|v| (v as f32 - 50.0) / 40.0);
                let q = [p[0] + 0.01, p[1]];
                assert!((figure(p) - figure(q)).abs() < 0.0102, "figure {i} jumps at {p:?}");
            }
        }
    }

    #[test]
    fn a_polygon_measures_as_the_rectangle_it_is() {
        let corners = [[-0.5, -0.25], [0.5, -0.25], [0.5, 0.25], [-0.5, 0.25]];
        for k in 0..2_500 {
            let p = [k % 50, k / 50].map(|v| (v as f32 - 24.5) / 20.0);
            let difference = polygon(p, &corners) - rectangle(p, [0.0, 0.0], [0.5, 0.25]);
            assert!(difference.abs() < 1e-6, "{difference} at {p:?}");
        }
    }
}
