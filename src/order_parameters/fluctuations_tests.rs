use ndarray::{Array2, array};

use super::super::trajectory::FromFn;
use super::*;
use crate::frame::Solver;
use crate::problem::{Activation, Student, Teacher};
use crate::record::Series;

fn erf(units: usize) -> Committee {
    let m = Array2::from_shape_fn((units, units), |(i, n)| if i == n { 0.3 } else { 0.1 });
    let student = Student::new(Array2::eye(units) * 0.6, m, Activation::Erf);
    Committee { noise_variance: 0.1, ..Committee::new(Teacher::orthonormal(units, Activation::Erf), student, 0.8) }
}

fn settings(tolerance: f64) -> FluctuationSettings {
    FluctuationSettings { tolerance, ..FluctuationSettings::default() }
}

fn at(problem: Committee, time: f64, settings: &FluctuationSettings) -> Vec<f64> {
    let mut run = Fluctuations::of(problem, Quadrature::Automatic, settings).unwrap();
    run.advance_to(time).unwrap();
    run.state().to_vec()
}

#[test]
fn what_cannot_be_treated_is_named() {
    let of = |problem, settings: &FluctuationSettings| {
        Fluctuations::of(problem, Quadrature::Automatic, settings).unwrap_err().to_string()
    };
    let good = settings(1e-6);
    let momentum = Committee { momentum: Momentum::Constant { beta: 0.5 }, ..erf(1) };
    assert!(of(momentum, &good).contains("momentum"));
    let greedy = Committee { learning_rate: LearningRate::Greedy { most: 1.0 }, ..erf(1) };
    assert!(of(greedy, &good).contains("greedy"));
    assert!(of(erf(1), &FluctuationSettings { points: 7, ..good.clone() }).contains("points = 7"));
    assert!(of(erf(1), &FluctuationSettings { lattice: 1, ..good.clone() }).contains("lattice = 1"));
    for (covariance, word) in [
        (Array2::zeros((3, 3)), "initial_covariance"),
        (array![[1.0, 0.5], [0.4, 1.0]], "symmetric"),
        (array![[1.0, 0.0], [0.0, -1.0]], "variance"),
        (array![[1.0, f64::NAN], [f64::NAN, 1.0]], "symmetric"),
    ] {
        let bad = FluctuationSettings { initial_covariance: Some(covariance), ..good.clone() };
        assert!(of(erf(1), &bad).contains(word), "{word}");
    }
}

#[test]
fn frames_hold_covariance_and_bias() {
    let start = array![[0.2, 0.1], [0.1, 0.3]];
    let settings = FluctuationSettings { initial_covariance: Some(start.clone()), ..settings(1e-6) };
    let mut run = Fluctuations::of(erf(1), Quadrature::Automatic, &settings).unwrap();
    let mut series = Series::new();
    run.run(&[0.0, 1.0], &mut |frame| series.visit(frame)).unwrap();
    assert_eq!(series.view("covariance", "C").unwrap().shape(), [2, 2, 2]);
    assert_eq!(series.values("covariance", "C").unwrap()[..4], *start.as_slice().unwrap());
    assert_eq!(series.view("bias", "b").unwrap().shape(), [2, 2]);
    assert!(series.last("errors", "generalization_error_deviation").unwrap()[0] > 0.0);
    assert_eq!(
        run.names()[2..],
        ["cov(Q[0,0], Q[0,0])", "cov(Q[0,0], M[0,0])", "cov(M[0,0], M[0,0])", "bias(Q[0,0])", "bias(M[0,0])"]
    );
}

#[test]
fn order_parameters_are_those_without_fluctuations() {
    let mut plain = super::super::OrderParameters::of(erf(2), Quadrature::Automatic, 1e-12).unwrap();
    plain.advance_to(3.0).unwrap();
    let state = at(erf(2), 3.0, &FluctuationSettings { points: 8, ..settings(1e-6) });
    for (a, b) in plain.state().iter().zip(&state) {
        // Some twenty steps at 1e-6.
        assert!((a - b).abs() < 2e-5, "{a} {b}");
    }
}

/// A run of small learning rate forgets its start and ends where the noise balances the drift; the rate falling, the bias of
/// Euler's method includes ∂_tF. A deterministic recursion shows it: without noise in Y nothing but −½(JF + ∂_tF) is left.
#[test]
fn bias_of_a_falling_rate_is_that_of_eulers_method() {
    // λ = 0 and τ → 0: Y is F at leading order, and M and Q follow Euler's method with step 1/d up to τ².
    let rate = LearningRate::Exponential { initial: 1e-4, scale: 2.0 };
    let problem = Committee { learning_rate: rate.clone(), noise_variance: 0.0, ..erf(1) };
    let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic).unwrap();
    let (time, d) = (2.0, 2000);
    let mut euler = problem.initial_state();
    for step in 0..2 * d {
        let mut slope = [0.0; 2];
        equations.rhs(step as f64 / d as f64, &euler, &mut slope).unwrap();
        euler.iter_mut().zip(slope).for_each(|(x, slope)| *x += slope / d as f64);
    }
    let state = at(problem, time, &settings(1e-12));
    for (k, x) in euler.into_iter().enumerate() {
        let expected = (x - state[k]) * d as f64;
        // ½D²F:C, F₁ and the noise are of order τ² = 1e-8 in a bias of 1e-5; so is the next order of Euler's method.
        assert!((state[5 + k] / expected - 1.0).abs() < 3e-3, "{k}: {} {expected}", state[5 + k]);
    }
}

#[test]
fn trained_layers_fluctuate() {
    let problem = Committee { second_layer_rate: 0.3, ..erf(1) };
    let state = at(problem, 1.0, &settings(1e-6));
    // (Q, M, a), six covariances, three biases; the variance of a is τ_a²Var(Γg) t at first.
    assert_eq!(state.len(), 12);
    assert!(state[8] > 1e-3 && state[8] < 0.3, "{state:?}");
}

/// Linear student and teacher, where everything is a polynomial: `(m, q)` with `Var m`, `Cov(m, q)`, `Var q` by hand.
fn by_hand(time: f64, [rho, m, q, sigma, tau, decay]: [f64; 6]) -> Vec<f64> {
    let kept = tau * (1.0 + decay);
    let equations = FromFn::new(["m", "q", "mm", "mq", "qq"], |_: f64, y: &[f64], dy: &mut [f64]| {
        let &[m, q, mm, mq, qq] = y else { unreachable!() };
        let v = rho - 2.0 * m + q + sigma;
        let [jqm, jqq] = [2.0 * tau * (1.0 - tau), tau * tau - 2.0 * kept];
        dy[0] = tau * rho - kept * m;
        dy[1] = tau * tau * v + 2.0 * tau * m - 2.0 * kept * q;
        dy[2] = -2.0 * kept * mm + tau * tau * (v * rho + (m - rho).powi(2));
        let mixed = v * m + (q - m - tau * v) * (m - rho);
        dy[3] = jqm * mm + (jqq - kept) * mq + 2.0 * tau * tau * mixed;
        let noise = 4.0 * (v * q + (q - m).powi(2)) - 8.0 * tau * v * (q - m) + 2.0 * tau * tau * v * v;
        dy[4] = 2.0 * (jqm * mq + jqq * qq) + tau * tau * noise;
        Ok(())
    });
    let mut run = Trajectory::new(equations, vec![m, q, 0.0, 0.0, 0.0], 1e-12).unwrap();
    run.advance_to(time).unwrap();
    run.state().to_vec()
}

fn linear([rho, m, q, sigma, tau, decay]: [f64; 6]) -> Committee {
    let mut teacher = Teacher::orthonormal(1, Activation::Linear);
    teacher.overlaps = array![[rho]];
    let student = Student::new(array![[q]], array![[m]], Activation::Linear);
    Committee { noise_variance: sigma, weight_decay: decay, ..Committee::new(teacher, student, tau) }
}

#[test]
fn linear_fluctuations_are_those_by_hand() {
    let parameters = [1.2, 0.1, 0.5, 0.3, 0.6, 0.4];
    for time in [0.5, 3.0] {
        let expected = by_hand(time, parameters);
        let state = at(linear(parameters), time, &settings(1e-10));
        for (found, expected) in [(state[0], 1), (state[1], 0), (state[2], 4), (state[3], 3), (state[4], 2)]
            .map(|(found, at)| (found, expected[at]))
        {
            // Twenty steps at 1e-10, and differences of polynomials of degree 2: rounding over h² = 1e-4.
            assert!((found - expected).abs() < 1e-8, "{time}: {found} {expected}");
        }
    }
}

#[test]
fn linear_bias_is_that_of_the_exact_means() {
    let parameters @ [rho, m, q, sigma, tau, decay] = [1.2, 0.1, 0.5, 0.3, 0.6, 0.4];
    for batch in [1, 3] {
        let state = at(Committee { batch, ..linear(parameters) }, 2.0, &settings(1e-10));
        let gaps = |d: usize| {
            let (inverse, share) = (1.0 / d as f64, 1.0 / batch as f64);
            let (mut m, mut q) = (m, q);
            for _ in 0..2 * d {
                let v = rho - 2.0 * m + q;
                // E|⟨Γx⟩|²/d with E[(a·x)²|x|²] = (d+2)|a|².
                let square = share * ((1.0 + 2.0 * inverse) * v + sigma) + (1.0 - share) * inverse * v;
                let pull = (1.0 + decay) * q - m;
                let shrink = inverse * decay * (2.0 * (q - m) + decay * q);
                q += inverse * (tau * tau * (square + shrink) - 2.0 * tau * pull);
                m += inverse * tau * (rho - (1.0 + decay) * m);
            }
            [(q - state[0]) * d as f64, (m - state[1]) * d as f64]
        };
        for (k, (coarse, fine)) in gaps(1000).into_iter().zip(gaps(2000)).enumerate() {
            let limit = 2.0 * fine - coarse;
            // What Richardson leaves is of order d⁻² = 1e-6.
            assert!((state[5 + k] - limit).abs() < 1e-5, "B = {batch}: {} {limit}", state[5 + k]);
        }
    }
}

#[test]
fn smallest_steps_near_the_edge_are_finite() {
    // Student = teacher without noise: no error, no fluctuations.
    let student = Student::new(array![[1.0]], array![[1.0]], Activation::Erf);
    let problem = Committee::new(Teacher::orthonormal(1, Activation::Erf), student, 0.5);
    let state = at(problem, 1.0, &settings(1e-6));
    assert!(state[2..].iter().all(|x| x.abs() < 1e-6), "{state:?}");
}
