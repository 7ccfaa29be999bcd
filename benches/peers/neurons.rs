//! Flows of neurons, against SciPy with a right-hand side compiled by numba and against the dense BDF of diffsol.

use diffsol::{FaerLU, FaerMat, MatrixCommon, OdeBuilder, OdeSolverMethod};
use learning_dynamics::gaussian::{DualKernel, horner};
use learning_dynamics::neurons::{Flow, FlowSettings, NeuronFlow};
use learning_dynamics::problem::{Activation, SingleIndex};
use learning_dynamics::{Error, Result};

use super::{peer, timed};

const TIMES: [f64; 10] = [1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0];
const DEGREE: usize = 8;

/// `numpy.random.default_rng(0).standard_normal(10)`.
const START: [f64; 10] = [
    0.125_730_221_096_031_5,
    -0.132_104_863_290_158_9,
    0.640_422_650_443_284_5,
    0.104_900_117_108_046_24,
    -0.535_669_373_161_146_9,
    0.361_595_054_909_486_4,
    1.304_000_045_096_131_6,
    0.947_080_957_625_412_9,
    -0.703_735_235_806_926_9,
    -1.265_421_470_989_093_2,
];

fn problem(neurons: usize, epsilon: f64) -> SingleIndex {
    let a = (0..neurons).map(|i| START[i % 10] * (1.0 + 0.1 * (i / 10) as f64 / (1.0 + i as f64))).collect();
    let mut problem = SingleIndex::new(Activation::Relu, [1.0, -0.8, 0.6, 0.0, 0.4], epsilon, a);
    // The starts of SciPy for ten; more neurons start a little apart.
    problem.s = (0..neurons).map(|i| 1e-3 * (1.0 + 0.1 * (i / 10) as f64 / (1.0 + i as f64))).collect();
    problem
}

fn solve(neurons: usize, epsilon: f64, tolerance: f64) -> Result<(Vec<f64>, u64)> {
    let settings = FlowSettings { flow: Flow::Simplified, series: Some(DEGREE), tolerance, degrees: 0 };
    let mut flow = NeuronFlow::new(problem(neurons, epsilon), settings)?;
    let mut states = Vec::new();
    for time in TIMES {
        flow.advance_to(time)?;
        states.extend_from_slice(flow.a());
        states.extend_from_slice(flow.s());
    }
    Ok((states, flow.steps()[0]))
}

fn largest(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn series(problem: &SingleIndex) -> Result<[Vec<f64>; 2]> {
    let kernel = |other| match DualKernel::series(&problem.activation, other, DEGREE)? {
        DualKernel::Series { coefficients, .. } => Ok(coefficients),
        _ => Ok(Vec::new()),
    };
    Ok([kernel(&problem.activation)?, kernel(&problem.target)?])
}

/// The same equations by diffsol's BDF, dense, with sums by degree in the right-hand side and in products of the Jacobian.
fn bdf(neurons: usize, epsilon: f64, tolerance: f64) -> Result<Vec<f64>> {
    let problem = problem(neurons, epsilon);
    let [u, v] = series(&problem)?;
    let m = neurons;
    // P(s) of this state.
    let polynomial = |y: &[f64]| -> Vec<f64> {
        let mut p = vec![0.0; u.len().max(v.len())];
        let mut power = y[..m].to_vec();
        for (k, p) in p.iter_mut().enumerate() {
            let sum: f64 = power.iter().sum::<f64>() / m as f64;
            *p = v.get(k).unwrap_or(&0.0) - u.get(k).unwrap_or(&0.0) * sum;
            power.iter_mut().zip(&y[m..]).for_each(|(x, s)| *x *= s);
        }
        p
    };
    let change = |y: &[f64], d: &[f64]| -> Vec<f64> {
        let mut p = vec![0.0; u.len().max(v.len())];
        let (mut power, mut below) = (vec![1.0; m], vec![0.0; m]);
        for (k, p) in p.iter_mut().enumerate() {
            let terms = (0..m).map(|j| d[j] * power[j] + y[j] * k as f64 * below[j] * d[m + j]);
            *p = -u.get(k).unwrap_or(&0.0) * terms.sum::<f64>() / m as f64;
            below.copy_from_slice(&power);
            power.iter_mut().zip(&y[m..]).for_each(|(x, s)| *x *= s);
        }
        p
    };
    let start: Vec<f64> = problem.a.iter().chain(&problem.s).copied().collect();
    let library = |error: diffsol::DiffsolError| Error::Library { library: "diffsol", message: error.to_string() };
    let mut ode = OdeBuilder::<FaerMat<f64>>::new()
        .rtol(tolerance)
        .atol([1e-2 * tolerance])
        .h0(1e-3 * epsilon)
        .rhs_implicit(
            |y, _, _, out| {
                let p = polynomial(y);
                for i in 0..m {
                    let [value, slope, _] = horner(&p, y[m + i]);
                    out[i] = value / epsilon;
                    out[m + i] = y[i] * (1.0 - y[m + i] * y[m + i]) * slope;
                }
            },
            |y, _, _, d, out| {
                let (p, dp) = (polynomial(y), change(y, d));
                for i in 0..m {
                    let (a, s, da, ds) = (y[i], y[m + i], d[i], d[m + i]);
                    let ([_, slope, curvature], [value_d, slope_d, _]) = (horner(&p, s), horner(&dp, s));
                    out[i] = (slope * ds + value_d) / epsilon;
                    out[m + i] = da * (1.0 - s * s) * slope - 2.0 * a * s * ds * slope
                        + a * (1.0 - s * s) * (curvature * ds + slope_d);
                }
            },
        )
        .init(move |_, _, y| y.copy_from_slice(&start), 2 * m)
        .build()
        .map_err(library)?;
    ode.ode_options.min_timestep = 1e-18;
    // Its default of 50 is for the whole run.
    ode.ode_options.max_nonlinear_solver_failures = 100_000;
    let mut solver = ode.bdf::<FaerLU<f64>>().map_err(library)?;
    let (found, _) = solver.solve_dense(&TIMES).map_err(library)?;
    Ok((0..TIMES.len()).flat_map(|k| (0..2 * m).map(move |i| (i, k))).map(|(i, k)| found.inner()[(i, k)]).collect())
}

/// Prints the rows.
pub fn compare() -> Result<()> {
    let peers = peer("neurons.py");
    println!("| what | here, CPU ms | worst error | steps | peer, CPU ms | its error | ratio |");
    println!("|---|---|---|---|---|---|---|");
    for epsilon in [1e-3, 1e-6] {
        let (exact, _) = solve(10, epsilon, 1e-11)?;
        let bdf = bdf(10, epsilon, 1e-11)?;
        println!("| BDF of diffsol at 1e-11, ε = {epsilon:e}, error | | {:.1e} | | | | |", largest(&bdf, &exact));
        for tolerance in [1e-5, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8, 3e-9] {
            let (seconds, (states, steps)) = timed(21, || solve(10, epsilon, tolerance))?;
            let error = largest(&states, &exact);
            let lsoda = peers.iter().find(|(key, ..)| {
                *key == format!("LSODA {epsilon:e} 1e-08").replace("1e-3", "0.001").replace("1e-6", "1e-06")
            });
            let beside = lsoda.map_or("| | |".to_owned(), |(_, cpu, error)| {
                format!("| {:.2} | {error:.1e} | 1/{:.1} |", cpu * 1e3, cpu / seconds)
            });
            println!(
                "| m = 10, ε = {epsilon:e}, tolerance {tolerance:e} | {:.3} | {error:.1e} | {steps} {beside}",
                seconds * 1e3
            );
        }
    }
    let (dense, _) = timed(1, || bdf(300, 1e-6, 1e-6))?;
    println!("| BDF of diffsol, m = 300, ε = 1e-6, tolerance 1e-6 | {:.0} | | | | | |", dense * 1e3);
    for neurons in [100, 300, 1000, 3000] {
        let (exact, _) = solve(neurons, 1e-6, 1e-9)?;
        let (seconds, (states, steps)) = timed(5, || solve(neurons, 1e-6, 1e-6))?;
        println!(
            "| m = {neurons}, ε = 1e-6, tolerance 1e-6 | {:.1} | {:.1e} | {steps} | {:.0} | | 1/{:.1}; {:.2} µs a neuron |",
            seconds * 1e3,
            largest(&states, &exact),
            dense * 1e3,
            dense / seconds,
            seconds * 1e6 / neurons as f64
        );
    }
    Ok(())
}
