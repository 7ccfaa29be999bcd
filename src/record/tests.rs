use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::error::Error;
use crate::frame::{Coordinate, Field};

fn axis(n: usize) -> Arc<Coordinate> {
    Arc::new(Coordinate { name: "h", description: "", values: (0..n).map(|i| i as f64).collect(), bounds: None })
}

fn frame(time: f64, h: &Arc<Coordinate>) -> Frame<'static> {
    let values: Vec<f64> = h.values.iter().map(|h| 10.0 * time + h).collect();
    Frame {
        time,
        fields: vec![Field::scalar("moments", "mass", "", time), Field::array("density", "rho", "", &[h], values)],
    }
}

#[test]
fn a_series_keeps_every_field_time_first() {
    let (h, mut series) = (axis(3), Series::new());
    for time in [0.0, 1.0] {
        assert!(series.visit(&frame(time, &h)).unwrap().is_continue());
    }
    let rho = series.array("density", "rho").unwrap();
    assert_eq!(rho.shape(), [2, 3]);
    assert_eq!(rho[[1, 2]], 12.0);
    assert_eq!(series.values("moments", "mass").unwrap(), [0.0, 1.0]);
    assert_eq!(series.last("density", "rho").unwrap(), [10.0, 11.0, 12.0]);
    let error = series.values("density", "f").unwrap_err();
    assert_eq!(error.to_string(), "no field density/f was recorded: expected one of moments/mass, density/rho");
}

#[test]
fn a_frame_of_another_shape_is_refused_whole() {
    let mut series = Series::new();
    assert!(series.visit(&frame(0.0, &axis(3))).unwrap().is_continue());
    assert!(matches!(series.visit(&frame(1.0, &axis(4))), Err(Error::Shape { found: 4, expected: 3, .. })));
    assert_eq!(series.times, [0.0]);
    assert_eq!(series.values("moments", "mass").unwrap().len(), 1);
}

#[test]
fn visitors_side_by_side_see_the_same_frames() {
    let (mut first, mut second) = (Series::new(), 0);
    let mut keep = |frame: &Frame<'_>| first.visit(frame);
    let mut count = |_: &Frame<'_>| {
        second += 1;
        Ok(if second == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    {
        let mut visitors: [&mut Visit<'_>; 2] = [&mut count, &mut keep];
        let mut both = all(&mut visitors);
        assert!(both(&frame(0.0, &axis(2))).unwrap().is_continue());
        assert!(both(&frame(1.0, &axis(2))).unwrap().is_break());
    }
    assert_eq!((first.times.len(), second), (2, 2));
}

#[test]
fn times_are_products_and_end_at_the_end() {
    assert_eq!(every(0.0, 1.0, 0.1).unwrap().len(), 11);
    assert_eq!(every(0.0, 1.0, 0.1).unwrap()[10], 1.0);
    assert_eq!(every(0.0, 1.0, 0.3).unwrap(), [0.0, 0.3, 0.6, 3.0 * 0.3]);
    assert_eq!(every(2.0, 2.0, 1.0).unwrap(), [2.0]);
    assert_eq!(every(0.0, 5.0, 0.1).unwrap()[3], 3.0 * 0.1, "a running sum would give 0.30000000000000004");
    assert_eq!(logarithmic(1.0, 100.0, 1).unwrap(), [1.0, 10.0, 100.0]);
    assert_eq!(logarithmic(1.0, 50.0, 1).unwrap(), [1.0, 10.0, 50.0]);
    assert_eq!(logarithmic(1.0, 2.0, 1).unwrap(), [1.0, 2.0]);
}

#[test]
fn impossible_times_are_named() {
    for (start, end, step, key) in [
        (f64::NAN, 1.0, 0.1, "start"),
        (0.0, -1.0, 0.1, "end"),
        (0.0, f64::NAN, 0.1, "end"),
        (0.0, 1.0, 0.0, "step"),
        (0.0, 1.0, f64::NAN, "step"),
        (0.0, 1.0, 1e-12, "step"),
        (1e15, 1e15 + 1.0, 1e-2, "step"),
    ] {
        match every(start, end, step) {
            Err(Error::Parameter { key: found, .. }) => assert_eq!(found, key),
            other => panic!("every({start}, {end}, {step}) gave {other:?}"),
        }
    }
    for (start, end, n) in [(0.0, 1.0, 1), (1.0, 1.0, 1), (1.0, f64::INFINITY, 1), (1.0, 2.0, 0)] {
        assert!(matches!(logarithmic(start, end, n), Err(Error::Parameter { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    /// Increasing, from the start, never past the end; and a span that is a whole number of steps ends at its end.
    #[test]
    fn schedules_increase_within_their_span(start in -10.0..10.0, step in 1e-3..1.0, n in 0_usize..500) {
        let end = start + n as f64 * step;
        let times = every(start, end, step).unwrap();
        prop_assert_eq!(times.len(), n + 1);
        prop_assert_eq!(times[0], if n == 0 { end } else { start });
        prop_assert_eq!(times[n], end);
        prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn logarithmic_schedules_increase_within_their_span(start in 1e-6..1.0, ratio in 1.001..1e6, n in 1_usize..20) {
        let times = logarithmic(start, start * ratio, n).unwrap();
        prop_assert_eq!((times[0], times[times.len() - 1]), (start, start * ratio));
        prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
