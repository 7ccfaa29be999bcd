//! Two parameters: elimination by nested dissection beside faer's sparse Cholesky, the exponential, and a joint run.
//! `cargo bench --bench plane`; wall-clock and CPU seconds, printed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use cpu_time::ProcessTime;
use faer::prelude::Solve;
use faer::sparse::{SparseColMat, Triplet};
use learning_dynamics::frame::Solver;
use learning_dynamics::grid::{Axis, PlaneFokkerPlanck, Propagator, Shift, Term, ThetaGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::problem::*;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn square(half: f64, cells: usize) -> Outcome<[Axis; 2]> {
    Ok([Axis::uniform("theta_1", -half, half, cells)?, Axis::uniform("theta_2", -half, half, cells)?])
}

/// `H(θ₁ − h, θ₂)/(scale·D)` at the cells, h = place/100.
fn operator(cells: usize, places: usize, scale: f64, diffusion: f64) -> Outcome<PlaneFokkerPlanck> {
    let axes = square(6.0, cells)?;
    let loss = Himmelblau { scale, role: Role::Shift };
    let theta = ThetaGrid::from(axes.clone());
    Ok(PlaneFokkerPlanck::new([&axes[0], &axes[1]], places, |place, values| {
        let h = [0.01 * place as f64];
        values.iter_mut().zip(theta.iter()).for_each(|(v, t)| *v = Loss::value(&loss, t, &h) / diffusion);
        Ok(diffusion)
    })?)
}

/// The shortest of a few runs: wall-clock and CPU milliseconds.
fn time(mut work: impl FnMut()) -> (f64, f64) {
    let mut best = (f64::INFINITY, f64::INFINITY);
    for _ in 0..7 {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        work();
        best = (best.0.min(wall.elapsed().as_secs_f64() * 1e3), best.1.min(cpu.elapsed().as_secs_f64() * 1e3));
    }
    best
}

fn direct(cells: usize, places: usize) -> Outcome<()> {
    let operator = operator(cells, places, 50.0, 0.5)?;
    let n = cells * cells * places;
    let (b, mut x, mut factors) = (vec![1.0; n], vec![0.0; n], operator.factors());
    let shift = Shift { q: 1.0, decay: None, c: 1e2 };
    let (wall, cpu) = time(|| {
        operator.solve(shift, &[Term::new(1.0, &b)], None, &mut factors, &mut x);
    });
    println!("{cells}² × {places}: factorise and solve {wall:.1} ms ({cpu:.1} CPU)");
    let (wall, cpu) = time(|| {
        operator.solve_again(&mut factors, &mut x);
    });
    println!(
        "{cells}² × {places}: solve {wall:.1} ms ({cpu:.1} CPU); {} MiB of factors",
        operator.factor_bytes() >> 20
    );
    Ok(())
}

/// `1 − cA` made symmetric by the Gibbs weights: `(u/2)/sinh(u/2)` off the diagonal.
fn cholesky(cells: usize) -> Outcome<()> {
    let operator = operator(cells, 1, 50.0, 0.5)?;
    let (c, n) = (1e2, cells * cells);
    let generator = operator.generator(0);
    let mut triplets = Vec::new();
    for (value, (i, j)) in generator.iter() {
        if i == j {
            triplets.push(Triplet::new(i, i, 1.0 - c * value));
        } else if i > j {
            let back = generator.get(j, i).copied().unwrap_or(0.0);
            triplets.push(Triplet::new(i, j, -c * (value * back).sqrt()));
        }
    }
    let matrix = SparseColMat::<usize, f64>::try_new_from_triplets(n, n, &triplets)?;
    faer::set_global_parallelism(faer::Par::Seq);
    let symbolic = faer::sparse::linalg::solvers::SymbolicLlt::try_new(matrix.symbolic(), faer::Side::Lower)?;
    let factorise = || {
        faer::sparse::linalg::solvers::Llt::try_new_with_symbolic(symbolic.clone(), matrix.as_ref(), faer::Side::Lower)
    };
    let (wall, cpu) = time(|| {
        let _ = factorise();
    });
    println!("{cells}²: faer's sparse Cholesky, numeric {wall:.1} ms ({cpu:.1} CPU)");
    let factors = factorise().map_err(|e| format!("{e:?}"))?;
    let mut x = faer::Mat::from_fn(n, 1, |_, _| 1.0);
    let (wall, cpu) = time(|| factors.solve_in_place(x.as_mut()));
    println!("{cells}²: its solution {wall:.1} ms ({cpu:.1} CPU)");
    Ok(())
}

/// Training alone on 256² cells, as `benches/peers` times others.
fn exponential() -> Outcome<()> {
    let operator = operator(256, 1, 50.0, 0.5)?;
    let axes = square(6.0, 256)?;
    let start = ThetaGrid::from(axes)
        .masses(&[Law::Gaussian { mean: 0.0, std: 1.0 }, Law::Gaussian { mean: 0.0, std: 1.0 }])?;
    let exact = |t: f64| {
        let mut f = start.clone();
        Propagator::new(1e-13).propagate(&operator, t, &mut operator.factors(), &mut f);
        f
    };
    for (t, tolerance) in [(20.0, 3e-7), (1e4, 1e-10)] {
        let mut f = start.clone();
        let (wall, cpu) = time(|| {
            f.copy_from_slice(&start);
            Propagator::new(tolerance).propagate(&operator, t, &mut operator.factors(), &mut f);
        });
        let error: f64 = f.iter().zip(exact(t)).map(|(a, b)| (a - b).abs()).sum();
        println!("256²: exp(tA), t = {t}, tolerance {tolerance:e}: {wall:.0} ms ({cpu:.0} CPU), L1 error {error:.1e}");
    }
    Ok(())
}

fn joint() -> Outcome<()> {
    let problem = Population {
        epsilon: 1e-2,
        diffusion: 0.1.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Himmelblau { scale: 100.0, role: Role::Shift }),
        fitness: Arc::new(Himmelblau::new(100.0)),
        h: vec![Domain::linear(-1.0, 1.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate: 1.0 } },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Uniform { low: -0.5, high: 0.5 }; 2]),
        },
    };
    let axes = square(6.0, 128)?;
    println!("joint 128² × 64: {} MiB", Kinetic::memory(&problem, &axes.clone().into(), 64) >> 20);
    let mut kinetic = Kinetic::new(problem, axes, 64, Steps::Tolerance(1e-3))?;
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    kinetic.run(&[5.0], &mut |_| Ok(ControlFlow::Continue(())))?;
    println!(
        "joint 128² × 64 to t = 5: {:.1} s ({:.1} CPU)",
        wall.elapsed().as_secs_f64(),
        cpu.elapsed().as_secs_f64()
    );
    let statistics = kinetic.statistics();
    println!("  {} steps, {} factorisations", statistics.steps, statistics.factorisations);
    Ok(())
}

fn main() -> Outcome<()> {
    // `cargo bench --bench plane -- joint` runs one part.
    let parts: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let asked = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    if asked("direct") {
        direct(128, 8)?;
        direct(128, 64)?;
        direct(256, 1)?;
        cholesky(128)?;
        cholesky(256)?;
    }
    if asked("exponential") {
        exponential()?;
    }
    if asked("joint") {
        joint()?;
    }
    Ok(())
}
