use ndarray::{Array2, array};

use super::*;
use crate::gaussian::Quadrature;
use crate::monte_carlo::rng::{Generator, Key, Purpose};
use crate::numerics::normal::standard_normal;
use crate::order_parameters::{CommitteeEquations, Equations};
use crate::problem::{Student, Teacher};

/// Row-major, the upper triangle of G and F₁.
fn noise(problem: &Committee, points: usize, lattice: usize) -> (StepNoise, Vec<f64>, Vec<f64>) {
    let problem = problem.clone().validated().unwrap();
    let len = problem.layout().len();
    let mut noise = StepNoise::new(&problem, points, lattice);
    let (mut covariance, mut correction) = (vec![0.0; len * (len + 1) / 2], vec![0.0; len]);
    let fields: Vec<f64> = problem.covariance().iter().copied().collect();
    let mean: Vec<f64> = problem.student.biases.iter().chain(&problem.teacher.biases).copied().collect();
    let outputs: Vec<f64> =
        problem.student.weights.iter().copied().chain(problem.teacher.weights.iter().map(|a| -a)).collect();
    let rate = problem.learning_rate.at(0.0).unwrap();
    let place = Place { covariance: &fields, mean: &mean, outputs: &outputs, rate };
    noise.evaluate(place, &mut covariance, &mut correction).unwrap();
    (noise, covariance, correction)
}

fn committee(students: usize, activation: Activation) -> Committee {
    let q = Array2::from_shape_fn((students, students), |(i, j)| if i == j { 0.7 + 0.1 * i as f64 } else { 0.2 });
    let m = Array2::from_shape_fn((students, 2), |(i, n)| 0.1 + 0.15 * ((i + 2 * n) as f64).sin());
    let mut teacher = Teacher::orthonormal(2, activation.clone());
    teacher.overlaps = array![[1.0, 0.3], [0.3, 0.8]];
    teacher.weights = vec![1.0, 0.6];
    let mut student = Student::new(q, m, activation);
    student.weights = (0..students).map(|i| 1.0 - 0.4 * i as f64).collect();
    Committee { weight_decay: 0.4, noise_variance: 0.3, batch: 3, ..Committee::new(teacher, student, 0.7) }
}

#[test]
fn linear_noise_is_that_by_hand() {
    let (rho, m, q, sigma, tau, decay) = (1.3, 0.4, 0.6, 0.2, 0.7, 0.5);
    for batch in [1, 4] {
        let mut teacher = Teacher::orthonormal(1, Activation::Linear);
        teacher.overlaps = array![[rho]];
        let student = Student::new(array![[q]], array![[m]], Activation::Linear);
        let plain = Committee::new(teacher, student, tau);
        let (_, g, correction) =
            noise(&Committee { weight_decay: decay, noise_variance: sigma, batch, ..plain }, 8, 16);
        let (b, v) = (batch as f64, rho - 2.0 * m + q + sigma);
        let t = tau * tau / b;
        // Wick: Var Γ = V, Cov(Γ, u) = q − m, Cov(Γ, v) = m − ρ.
        let expected = [
            4.0 * tau * tau * (v * q + (q - m).powi(2)) - 8.0 * tau * t * v * (q - m) + 2.0 * t * t * v * v,
            2.0 * tau * tau * (v * m + (q - m) * (m - rho)) - 2.0 * tau * t * v * (m - rho),
            tau * tau * (v * rho + (m - rho).powi(2)),
        ];
        for (g, expected) in g.iter().zip(expected) {
            // Rounding.
            assert!((g - expected / b).abs() < 1e-12, "B = {batch}: {g} {}", expected / b);
        }
        let length = 2.0 * (v - sigma) / b + (1.0 - 1.0 / b) * (v - sigma);
        let expected = tau * tau * (decay * decay * q + 2.0 * decay * (q - m) + length);
        assert!((correction[0] - expected).abs() < 1e-12 && correction[1] == 0.0, "{correction:?}");
    }
}

#[test]
fn mean_of_a_step_is_the_drift() {
    for students in [1, 2] {
        let problem = Committee { second_layer_rate: 0.4, ..committee(students, Activation::Erf) };
        let (noise, ..) = noise(&problem, 32, 16);
        let layout = problem.layout();
        // The first chunk was left with the total.
        let mut mean = noise.sums[0].mean.clone();
        let state = problem.initial_state();
        let mut drift = vec![0.0; layout.len()];
        CommitteeEquations::new(problem.clone(), Quadrature::Automatic).unwrap().rhs(0.0, &state, &mut drift).unwrap();
        for i in 0..students {
            for j in i..students {
                mean[layout.q(i, j)] -= 2.0 * 0.7 * 0.4 * state[layout.q(i, j)];
            }
            for n in 0..2 {
                mean[layout.m(i, n)] -= 0.7 * 0.4 * state[layout.m(i, n)];
            }
        }
        for (a, b) in mean.iter().zip(drift) {
            // The trapezoidal rule with 32 points: e^{−2π²/h²(1+2s)} with s ≤ 1 here.
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
    }
}

/// Mean and covariance of Y of one sample by drawing, with `|x_∥|² − r` for the correction.
#[test]
fn noise_is_that_of_samples() {
    let mut problem = Committee { second_layer_rate: 0.4, bias_rate: 0.3, batch: 1, ..committee(2, Activation::Tanh) };
    problem.student.biases = vec![0.3, -0.2];
    problem.teacher.biases = vec![-0.1, 0.4];
    let (noise, g, correction) = noise(&problem, 24, 16);
    let layout = problem.layout();
    let (len, tau) = (layout.len(), 0.7);
    let mut rng = Generator::new(Key::new(3, Purpose::Training, 0));
    let samples = 400_000;
    let (mut sum, mut square, mut fourth) = (vec![0.0; len], vec![0.0; g.len()], vec![0.0; g.len()]);
    let (mut f1, mut f1_square) = (vec![0.0; len], vec![0.0; len]);
    let (student, teacher) = (&problem.student, &problem.teacher);
    for _ in 0..samples {
        let z: [f64; 4] = std::array::from_fn(|_| standard_normal(&mut rng));
        let x: [f64; 4] = std::array::from_fn(|a| (0..=a).map(|b| noise.factor[a * 4 + b] * z[b]).sum());
        let value = |a: usize| {
            if a < 2 { (x[a] + student.biases[a]).tanh() } else { (x[a] + teacher.biases[a - 2]).tanh() }
        };
        let gamma = (0..2).map(|i| student.weights[i] * value(i) - teacher.weights[i] * value(2 + i)).sum::<f64>()
            - 0.3f64.sqrt() * standard_normal(&mut rng);
        let length = z.iter().map(|z| z * z).sum::<f64>() - 4.0;
        let delta: [f64; 2] = std::array::from_fn(|i| student.weights[i] * (1.0 - value(i).powi(2)));
        let mut y = vec![0.0; len];
        for i in 0..2 {
            for j in i..2 {
                let pull = gamma * (delta[i] * x[j] + delta[j] * x[i]);
                let push = tau * tau * gamma * gamma * delta[i] * delta[j];
                y[layout.q(i, j)] = push - tau * pull;
                let extra = 0.4 * tau * tau * pull + push * length;
                f1[layout.q(i, j)] += extra;
                f1_square[layout.q(i, j)] += extra * extra;
            }
            for n in 0..2 {
                y[layout.m(i, n)] = -tau * gamma * delta[i] * x[2 + n];
            }
            y[layout.a(i)] = -0.4 * gamma * value(i);
            y[layout.b(i)] = -0.3 * gamma * delta[i];
        }
        let mut at = 0;
        for i in 0..len {
            sum[i] += y[i];
            for j in i..len {
                square[at] += y[i] * y[j];
                fourth[at] += (y[i] * y[j]).powi(2);
                at += 1;
            }
        }
    }
    let n = samples as f64;
    let mut at = 0;
    for i in 0..len {
        for j in i..len {
            let (product, wide) = (square[at] / n, fourth[at] / n);
            let error = (wide / n).sqrt();
            let covariance = product - sum[i] / n * sum[j] / n;
            // 66 numbers at 4.5 standard errors, which bounds that of the product of means.
            assert!((g[at] - covariance).abs() < 4.5 * error, "{i} {j}: {} {covariance} ± {error}", g[at]);
            at += 1;
        }
    }
    for i in 0..2 {
        for j in i..2 {
            let at = layout.q(i, j);
            let error = (f1_square[at] / n / n).sqrt();
            let expected = f1[at] / n + (0.4 * tau).powi(2) * student.q[[i, j]];
            assert!((correction[at] - expected).abs() < 4.0 * error, "{} {expected} ± {error}", correction[at]);
        }
    }
}

#[test]
fn lattice_agrees_with_the_tensor_rule() {
    // A third unit without output, which the others do not see: the lattice of five fields against the tensor of four.
    let mut silent = committee(3, Activation::Erf);
    silent.student.weights[2] = 0.0;
    let (small, large) = (committee(2, Activation::Erf), silent);
    let (few, many) = (small.layout(), large.layout());
    let places = |layout: Layout| {
        let (q, m) = (layout.q(0, 1), layout.m(1, 1));
        let at = |i: usize, j: usize| i * layout.len() - i * (i + 1) / 2 + j;
        [at(0, 0), at(q, q), at(q, m), at(m, m)]
    };
    let (_, exact, exact_correction) = noise(&small, 24, 16);
    // Faster than 1/nodes, from one per cent at 1024; independent points would be off by several.
    for (nodes, allowed) in [(1 << 10, 1e-2), (1 << 12, 2.5e-3), (1 << 14, 6e-4)] {
        let (_, g, correction) = noise(&large, 24, nodes);
        for (a, b) in places(few).into_iter().zip(places(many)) {
            assert!((g[b] / exact[a] - 1.0).abs() < allowed, "{nodes}: {} {}", g[b], exact[a]);
        }
        assert!((correction[0] / exact_correction[0] - 1.0).abs() < allowed, "{nodes}: {}", correction[0]);
    }
}

#[test]
fn points_of_the_default_suffice() {
    let (mut worst, mut largest) = (0.0_f64, 0.0_f64);
    let problem = committee(2, Activation::Erf);
    let ((_, coarse, _), (_, fine, _)) = (noise(&problem, 20, 16), noise(&problem, 40, 16));
    for (a, b) in coarse.iter().zip(&fine) {
        worst = worst.max((a - b).abs());
        largest = largest.max(b.abs());
    }
    // Exponential convergence: e^{−4π²/(4ah²)}, a ≤ 2.5 here.
    assert!(worst < 1e-4 * largest, "{worst} of {largest}");
}

#[test]
fn indefinite_covariances_are_named() {
    let mut factor = vec![0.0; 4];
    assert!(matches!(factorise(2, &[1.0, 1.2, 1.2, 1.0], &mut factor), Err(Error::Indefinite { .. })));
    factorise(2, &[1.0, 1.0, 1.0, 1.0], &mut factor).unwrap();
    assert_eq!(factor, [1.0, 0.0, 1.0, 0.0]);
}
