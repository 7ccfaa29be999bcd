use super::*;
use approx::assert_abs_diff_eq;

/// A tilted, coupled double well, another one at each place.
pub(in crate::grid) fn operator(cells: [usize; 2], places: usize) -> (PlaneFokkerPlanck, Vec<Vec<f64>>) {
    let first = Axis::uniform("theta", -2.0, 2.0, cells[0]).unwrap();
    let second = Axis::uniform("theta", -1.5, 2.5, cells[1]).unwrap();
    let mut potentials = Vec::new();
    let operator = PlaneFokkerPlanck::new([&first, &second], places, |place, values| {
        let diffusion = 0.3 + 0.1 * place as f64;
        for (cell, value) in values.iter_mut().enumerate() {
            let (x, y) = (first.centres[cell / cells[1]], second.centres[cell % cells[1]]);
            *value = ((x * x - 1.0).powi(2) + 0.5 * (y - x).powi(2) + 0.2 * place as f64 * x) / diffusion;
        }
        potentials.push(values.to_vec());
        Ok(diffusion)
    });
    (operator.unwrap(), potentials)
}

#[test]
fn solution_satisfies_the_equation() {
    let (operator, _) = operator([12, 15], 10);
    let n = 1800;
    let b: Vec<f64> = (0..n).map(|k| ((k * 7919) % 1013) as f64 / 1013.0 - 0.3).collect();
    let decay: Vec<f64> = (0..n).map(|k| (k % 5) as f64).collect();
    let (q, c) = (2.0, 0.03);
    let mut factors = operator.factors();
    let (mut x, mut ax, mut side) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let terms = [Term { rhs: 0.5, side: 1.0, vector: &b }, Term { rhs: 0.5, side: 0.0, vector: &b }];
    let shift = Shift { q, decay: Some(&decay), c };
    let content = operator.solve(shift, &terms, Some(&mut side), &mut factors, &mut x);
    assert_eq!(side, b);
    operator.apply(&x, &mut ax);
    for k in 0..n {
        assert_abs_diff_eq!((q + decay[k]) * x[k] - c * ax[k], b[k], epsilon = 1e-13); // rounding
    }
    assert_abs_diff_eq!(content.total, x.iter().sum::<f64>(), epsilon = 1e-11); // rounding
    assert_abs_diff_eq!(content.negative, x.iter().map(|x| (-x).max(0.0)).sum::<f64>(), epsilon = 1e-11); // rounding
    let mut again = vec![0.0; n];
    assert_eq!(operator.solve_terms(&terms, None, &mut factors, &mut again), content);
    assert_eq!(x, again);
}

#[test]
fn the_generator_is_the_operator_and_leaves_gibbs_alone() {
    let (operator, potentials) = operator([9, 14], 3);
    for (place, potential) in potentials.iter().enumerate() {
        let generator = operator.generator(place);
        let mut f = vec![0.0; 126 * 3];
        for (cell, v) in potential.iter().enumerate() {
            f[cell * 3 + place] = (-v).exp();
        }
        let mut out = vec![0.0; f.len()];
        operator.apply(&f, &mut out);
        let column: Vec<f64> = f.iter().skip(place).step_by(3).copied().collect();
        let product = &generator * &ndarray::Array1::from(column);
        for cell in 0..126 {
            assert_abs_diff_eq!(out[cell * 3 + place], product[cell], epsilon = 1e-13); // rounding
            assert_abs_diff_eq!(product[cell], 0.0, epsilon = 1e-13); // rounding
        }
        assert!(
            generator.transpose_view().to_csr().outer_iterator().all(|c| c.data().iter().sum::<f64>().abs() < 1e-12)
        ); // rounding
    }
}

#[test]
fn a_rate_that_underflows_is_no_harm() {
    let axis = Axis::uniform("theta", 0.0, 8.0, 8).unwrap();
    let operator = PlaneFokkerPlanck::new([&axis, &axis], 1, |_, values| {
        values.iter_mut().enumerate().for_each(|(cell, v)| *v = 2000.0 * ((cell / 8) as f64));
        Ok(1.0)
    })
    .unwrap();
    let b = vec![1.0; 64];
    let mut x = vec![0.0; 64];
    operator.solve(
        Shift { q: 1.0, decay: None, c: 1e12 },
        &[Term::new(1.0, &b)],
        None,
        &mut operator.factors(),
        &mut x,
    );
    // All have come down to the first row.
    x[..8].iter().for_each(|x| assert_abs_diff_eq!(*x, 8.0, epsilon = 1e-9)); // 1 of 1e12
}

/// Made symmetric by the Gibbs weights the matrix has a Cholesky factor, at moderate potentials.
#[test]
fn agrees_with_a_sparse_cholesky_factor() {
    use faer::prelude::Solve;
    use faer::sparse::{SparseColMat, Triplet};
    let (operator, potentials) = operator([31, 26], 1);
    let (n, c) = (31 * 26, 10.0);
    let weights: Vec<f64> = potentials[0].iter().map(|v| (-0.5 * v).exp()).collect();
    let generator = operator.generator(0);
    let entries = generator.iter().filter(|(_, (i, j))| i >= j).map(|(value, (i, j))| {
        let diagonal = if i == j { 1.0 } else { 0.0 };
        Triplet::new(i, j, diagonal - c * value * weights[j] / weights[i])
    });
    let matrix = SparseColMat::<usize, f64>::try_new_from_triplets(n, n, &entries.collect::<Vec<_>>()).unwrap();
    let b: Vec<f64> = (0..n).map(|k| ((k * 7919) % 1013) as f64 / 1013.0).collect();
    let mut exact = faer::Mat::from_fn(n, 1, |i, _| b[i] / weights[i]);
    matrix.sp_cholesky(faer::Side::Lower).unwrap().solve_in_place(exact.as_mut());
    let mut x = vec![0.0; n];
    let shift = Shift { q: 1.0, decay: None, c };
    operator.solve(shift, &[Term::new(1.0, &b)], None, &mut operator.factors(), &mut x);
    for k in 0..n {
        assert_abs_diff_eq!(x[k], exact[(k, 0)] * weights[k], epsilon = 1e-11); // rounding of either, largest x about 2
    }
}
