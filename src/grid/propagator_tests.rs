use super::super::plane::tests::operator;
use super::*;

/// `exp(tA)` at one place by scaling and squaring of the dense matrix.
fn exponential(operator: &PlaneFokkerPlanck, place: usize, time: f64) -> Vec<Vec<f64>> {
    let n = operator.cells();
    let mut a = vec![vec![0.0; n]; n];
    for (value, (i, j)) in operator.generator(place).iter() {
        a[i][j] = *value;
    }
    let norm = a.iter().flatten().fold(0.0f64, |m, x| m.max(x.abs())) * time;
    let halvings = (8.0 * norm).log2().ceil().max(0.0) as i32;
    let scale = time * 0.5f64.powi(halvings);
    let product = |x: &[Vec<f64>], y: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let row = |x: &Vec<f64>| (0..n).map(|j| (0..n).map(|k| x[k] * y[k][j]).sum()).collect();
        x.iter().map(row).collect()
    };
    let mut sum: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let mut term = sum.clone();
    for k in 1..16 {
        term = product(&term, &a);
        term.iter_mut().flatten().for_each(|x| *x *= scale / f64::from(k));
        sum.iter_mut().flatten().zip(term.iter().flatten()).for_each(|(s, t)| *s += t);
    }
    for _ in 0..halvings {
        sum = product(&sum, &sum);
    }
    sum
}

#[test]
fn agrees_with_the_dense_exponential() {
    let (operator, _) = operator([6, 7], 2);
    let n = operator.cells();
    for tolerance in [3e-7, 1e-10, 1e-12] {
        let mut propagator = Propagator::new(tolerance);
        let mut factors = operator.factors();
        for time in [1e-3, 0.1, 3.0, 50.0] {
            // All in one corner, high up.
            let mut f = vec![0.0; 2 * n];
            (f[0], f[1]) = (1.0, 1.0);
            let content = propagator.propagate(&operator, time, &mut factors, &mut f);
            assert!((content.total - 2.0).abs() < 1e-13, "mass {}", content.total); // rounding of 29 solutions
            for place in 0..2 {
                let exact = exponential(&operator, place, time);
                let error: f64 = (0..n).map(|i| (f[2 * i + place] - exact[i][0]).abs()).sum();
                assert!(error < 2.0 * tolerance + 1e-12, "t = {time}: {error:e} for {tolerance:e}"); // and squaring
            }
        }
    }
}

#[test]
fn few_terms_are_enough() {
    for (tolerance, terms) in [(3e-7, 16), (1e-8, 20), (1e-10, 25), (1e-12, 30)] {
        assert!(Propagator::new(tolerance).solutions() <= terms, "{tolerance:e}");
    }
}

#[test]
fn long_times_give_gibbs() {
    let (operator, potentials) = operator([40, 41], 1);
    let sum: f64 = potentials[0].iter().map(|v| (-v).exp()).sum();
    let mut f = vec![0.0; operator.cells()];
    f[5] = 1.0;
    Propagator::new(1e-12).propagate(&operator, 1e9, &mut operator.factors(), &mut f);
    let distance: f64 = f.iter().zip(&potentials[0]).map(|(f, v)| (f - (-v).exp() / sum).abs()).sum();
    assert!(distance < 1e-11, "{distance:e}"); // the tolerance
}

/// Down a slope mass moves rather than spreads, and the polynomials grow in L1.
#[test]
fn a_steep_slope_is_within_the_tolerance_too() {
    let n = 11;
    let axis = crate::grid::Axis::uniform("theta", -6.0, 6.0, n).unwrap();
    let diffusion = 1e-3;
    let operator = PlaneFokkerPlanck::new([&axis, &axis], 1, |_, values| {
        for (cell, value) in values.iter_mut().enumerate() {
            let (x, y) = (axis.centres[cell / n], axis.centres[cell % n]);
            *value = ((x * x + y - 11.0).powi(2) + (x + y * y - 7.0).powi(2)) / 100.0 / diffusion;
        }
        Ok(diffusion)
    })
    .unwrap();
    for time in [0.1, 1.0, 10.0] {
        let exact = exponential(&operator, 0, time);
        for tolerance in [1e-3, 1e-6, 1e-10, 1e-13] {
            for cell in [0, n * n - 1, n * n / 2] {
                let mut f = vec![0.0; n * n];
                f[cell] = 1.0;
                Propagator::new(tolerance).propagate(&operator, time, &mut operator.factors(), &mut f);
                let error: f64 = (0..n * n).map(|i| (f[i] - exact[i][cell]).abs()).sum();
                // Of squaring, or several times the least tolerance.
                assert!(error < 2.0 * tolerance + 3e-12, "t = {time}: {error:e} for {tolerance:e}");
            }
        }
    }
}
