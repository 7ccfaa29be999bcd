//! Flows against each other, against differences and against formulas.

use super::full::{FullFlow, pair};
use super::*;
use crate::gaussian::DualKernel;
use crate::numerics::rosenbrock::Stiff;
use crate::problem::{Activation, Link, SingleIndex};

fn problem(epsilon: f64) -> SingleIndex {
    let mut problem = SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], epsilon, vec![1.0, -0.4, 0.7, 0.2, -1.3]);
    problem.s = vec![0.1, -0.2, 0.05, 0.3, -0.4];
    problem
}

fn largest(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |most: f64, (a, b)| if (a - b).is_nan() { f64::NAN } else { most.max((a - b).abs()) })
}

/// `W⁻¹` against differences of the right-hand side: the residual of `W x = b`, over the size of b.
fn residual(system: &mut dyn Stiff, y: &[f64], shift: f64) -> f64 {
    let n = y.len();
    let b: Vec<f64> = (0..n).map(|i| (1.0 + i as f64).sin()).collect();
    let mut x = b.clone();
    system.prepare(y, shift, &vec![1e-9; n]).unwrap();
    system.solve(&mut x).unwrap();
    let size = x.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let h = 1e-5 / size;
    let shifted = |sign: f64| y.iter().zip(&x).map(|(y, x)| y + sign * h * x).collect::<Vec<f64>>();
    let (mut up, mut down) = (vec![0.0; n], vec![0.0; n]);
    system.rhs(&shifted(1.0), &mut up).unwrap();
    system.rhs(&shifted(-1.0), &mut down).unwrap();
    let image: Vec<f64> =
        x.iter().zip(up.iter().zip(&down)).map(|(x, (up, down))| shift * x - (up - down) / (2.0 * h)).collect();
    largest(&image, &b)
}

#[test]
fn solves_are_those_of_the_jacobian() {
    let p = problem(0.1);
    let (sigma, phi) = (&p.activation, &p.target);
    let v = DualKernel::series(sigma, phi, 4).unwrap();
    let u = DualKernel::series(sigma, sigma, 8).unwrap();
    let (DualKernel::Series { coefficients: cu, .. }, DualKernel::Series { coefficients: cv, .. }) = (&u, &v) else {
        unreachable!()
    };
    let y: Vec<f64> = p.a.iter().chain(&p.s).copied().collect();
    let m = p.neurons();
    let mut full = y.clone();
    let r = p.overlaps();
    full.resize(2 * m + m * (m - 1) / 2, 0.0);
    for i in 0..m {
        for j in i + 1..m {
            full[pair(m, i, j)] = r[[i, j]] + 0.1 * (i as f64 - j as f64).sin();
        }
    }
    for shift in [0.3, 3.0, 30.0] {
        let mut series = super::series::SeriesFlow::new(0.1, m, cu, cv);
        let mut closed = super::closed::ClosedFlow::new(0.1, m, DualKernel::ArcCosine, v.clone());
        let mut all = FullFlow::new(0.1, m, DualKernel::ArcCosine, v.clone());
        // Central differences: 1e-10 times third derivatives, and rounding over 1e-5; GMRES to 1e-12.
        assert!(residual(&mut series, &y, shift) < 1e-8, "series: {}", residual(&mut series, &y, shift));
        assert!(residual(&mut closed, &y, shift) < 1e-8, "closed: {}", residual(&mut closed, &y, shift));
        assert!(residual(&mut all, &full, shift) < 1e-8, "full: {}", residual(&mut all, &full, shift));
    }
}

#[test]
fn products_are_those_of_differences() {
    let p = problem(0.1);
    let m = p.neurons();
    let v = DualKernel::series(&p.activation, &p.target, 4).unwrap();
    let mut all = FullFlow::new(0.1, m, DualKernel::ArcCosine, v);
    let n = 2 * m + m * (m - 1) / 2;
    let y: Vec<f64> = (0..n).map(|i| 0.5 * (2.0 + 3.0 * i as f64).sin()).collect();
    let x: Vec<f64> = (0..n).map(|i| (5.0 * i as f64).cos()).collect();
    let mut found = vec![0.0; n];
    all.jacobian_product(&y, &x, &mut found);
    let h = 1e-5;
    let mut at = |sign: f64| {
        let shifted: Vec<f64> = y.iter().zip(&x).map(|(y, x)| y + sign * h * x).collect();
        let mut out = vec![0.0; n];
        all.rhs(&shifted, &mut out).unwrap();
        out
    };
    let (up, down) = (at(1.0), at(-1.0));
    let expected: Vec<f64> = up.iter().zip(&down).map(|(u, d)| (u - d) / (2.0 * h)).collect();
    assert!(largest(&found, &expected) < 1e-8, "{}", largest(&found, &expected));
}

#[test]
fn series_and_closed_sums_agree() {
    // Polynomials have both forms.
    let sigma = Link::Hermite(vec![0.4, 0.5, 0.3, -0.2, 0.1]);
    let mut p = problem(1e-3);
    p.activation = sigma.clone();
    let kernel = |g: &Link| DualKernel::series(&sigma, g, 4).unwrap();
    let (u, v) = (kernel(&sigma), kernel(&p.target));
    let mut closed = super::closed::ClosedFlow::new(p.epsilon, p.neurons(), u, v);
    let mut y: Vec<f64> = p.a.iter().chain(&p.s).copied().collect();
    let mut method = crate::numerics::rosenbrock::Rosenbrock::new(1e-10);
    method.advance(&mut closed, &mut 0.0, 2.0, &mut y, &[1.0; 10]).unwrap();
    let mut flow = NeuronFlow::new(p, FlowSettings { tolerance: 1e-8, ..FlowSettings::default() }).unwrap();
    flow.advance_to(2.0).unwrap();
    // Two runs with errors of 1e-10 a step.
    assert!(largest(&y, &[flow.a(), flow.s()].concat()) < 1e-8);
}

#[test]
fn tolerance_is_of_the_order_of_the_error() {
    for (flow, epsilon) in [(Flow::Simplified, 1e-6), (Flow::Simplified, 1e-2), (Flow::Full, 1e-3)] {
        let run = |tolerance| {
            let settings = FlowSettings { flow, tolerance, ..FlowSettings::default() };
            let mut flow = NeuronFlow::new(problem(epsilon), settings).unwrap();
            for time in [1e-6, 1e-3, 0.1, 3.0] {
                flow.advance_to(time).unwrap();
            }
            [flow.a(), flow.s()].concat()
        };
        let exact = run(1e-11);
        for tolerance in [1e-3, 1e-5, 1e-7] {
            let error = largest(&run(tolerance), &exact);
            // Errors grow while neurons leave the plateaus, the more the smaller ε.
            assert!(error < 10.0 * tolerance, "{flow:?} {epsilon:e} {tolerance:e}: {error:e}");
        }
    }
}

#[test]
fn one_neuron_of_degree_zero_is_exponential() {
    // ε a' = σ₀φ₀ − σ₀² a.
    let p = SingleIndex::new([0.5], [0.8], 1e-4, vec![-1.0]);
    for kind in [Flow::Simplified, Flow::Full] {
        let settings = FlowSettings { flow: kind, ..FlowSettings::default() };
        let mut flow = NeuronFlow::new(p.clone(), settings).unwrap();
        flow.advance_to(4e-4).unwrap();
        let expected = 1.6 - 2.6 * (-1.0_f64).exp();
        assert!((flow.a()[0] - expected).abs() < 1e-6, "{} {expected}", flow.a()[0]);
        assert_eq!(flow.s(), [0.0]);
    }
}

#[test]
fn what_a_run_should_know_is_told() {
    // A series of five degrees of ReLU, which has infinitely many; the target is a polynomial.
    let settings = FlowSettings { series: Some(5), ..FlowSettings::default() };
    let flow = NeuronFlow::new(problem(0.1), settings).unwrap();
    let warnings = flow.warnings();
    assert!(
        matches!(warnings[..], [crate::Warning::KernelTruncated { kernel: "U", degrees: 5, error }] if error > 1e-3)
    );
    assert!(NeuronFlow::new(problem(0.1), FlowSettings::default()).unwrap().warnings().is_empty());
    for tolerance in [0.0, 1.0, f64::NAN] {
        let error = NeuronFlow::new(problem(0.1), FlowSettings { tolerance, ..settings }).unwrap_err();
        assert!(error.to_string().starts_with("tolerance = "), "{error}");
    }
    let mut flow = flow;
    flow.advance_to(0.1).unwrap();
    assert!(flow.advance_to(0.05).unwrap_err().to_string().starts_with("time = 0.05"));
}

#[test]
fn components_have_their_names() {
    let settings = FlowSettings { flow: Flow::Full, ..FlowSettings::default() };
    let flow = NeuronFlow::new(problem(0.1), settings).unwrap();
    for (component, name) in
        [("y[0]", "a[0]"), ("y[4]", "a[4]"), ("y[5]", "s[0]"), ("y[10]", "r[0, 1]"), ("y[19]", "r[3, 4]")]
    {
        assert_eq!(flow.name(component), name);
    }
    // Rates beyond all numbers are named before anything moves.
    let mut p = problem(0.1);
    p.a = vec![1e300; 5];
    let mut flow = NeuronFlow::new(p, FlowSettings::default()).unwrap();
    let error = flow.advance_to(1.0).unwrap_err().to_string();
    assert!(error.contains("rate of change[5] is") && error.contains("t = 0"), "{error}");
}

#[test]
fn an_activation_that_vanishes_moves_nothing() {
    for flow in [Flow::Simplified, Flow::Full] {
        let p = SingleIndex::new([0.0], [0.8, 0.5], 1e-3, vec![1.0, -2.0]);
        let mut flow = NeuronFlow::new(p, FlowSettings { flow, ..FlowSettings::default() }).unwrap();
        flow.advance_to(1.0).unwrap();
        assert_eq!((flow.a(), flow.s()), (&[1.0, -2.0][..], &[0.0, 0.0][..]));
        assert!((flow.risk().risk - 0.445).abs() < 1e-15);
    }
}
