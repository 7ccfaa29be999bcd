//! The kinetic equation as training becomes fast.

use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;
use rayon::prelude::*;

use super::toy::*;
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// ε → 0.
pub const STUDY: Study = Study {
    name: "fast-training",
    claim: "the h-marginal tends to the averaged equation: as O(ε) (Poisson clock), as e^(−gap·T_s/ε) (periodic clock)",
    run,
};

const CELLS: usize = 96;
/// Events of the periodic clock.
const EVENTS: usize = 4;
/// Learning rate: training steps between selections times this is T_s/ε.
const ETA: f64 = 0.05;

fn problem(epsilon: f64, clock: Clock) -> Population {
    Population {
        epsilon,
        selection: boltzmann(1.0, clock),
        h: vec![Domain::linear(-3.0, 3.0, Ends::Reflect)],
        initial: Initial { h: vec![Law::Gaussian { mean: -0.8, std: 0.4 }], theta: InitialTheta::Equilibrium },
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.5], curvature: 1.0 }),
        ..toy()
    }
}

fn theta() -> learning_dynamics::Result<Axis> {
    Axis::uniform("theta", -5.0, 5.0, 2 * CELLS)
}

/// The h-marginal at the end, as masses.
fn kinetic(problem: Population, end: f64, tolerance: f64) -> learning_dynamics::Result<Kinetic> {
    let mut solver = Kinetic::new(problem, theta()?, CELLS, Steps::Tolerance(tolerance))?;
    let run = <Kinetic as learning_dynamics::frame::Solver>::run;
    run(&mut solver, &[end], &mut |_| Ok(std::ops::ControlFlow::Continue(())))?;
    Ok(solver)
}

/// The limit on the same grids, so that their errors cancel.
fn limit(problem: Population, end: f64) -> Outcome<Averaged> {
    let grid = HyperGrid::new(problem.h[0], CELLS)?;
    let settings = Settings { weight: Weight::Quadrature { theta: theta()?.into() }, tolerance: 1e-10 };
    let mut solver = Averaged::new(problem, grid, settings)?;
    record(&mut solver, &[end])?;
    Ok(solver)
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let poisson = poisson(&mut report, level)?;
    let [periodic, densities] = periodic(&mut report, level)?;
    report.picture("limit", Picture::new(3).panel(densities).panel(poisson).panel(periodic));
    Ok(report)
}

fn poisson(report: &mut Report, level: Level) -> Outcome<Panel> {
    let epsilons = [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125];
    let clock = Clock::Poisson { rate: 1.0 };
    let end = 2.0;
    let rho = limit(problem(1.0, clock), end)?;
    let tolerance = level.pick(1e-5, 1e-6);
    let distances = epsilons
        .par_iter()
        .map(|&epsilon| Ok(l1(&kinetic(problem(epsilon, clock), end, tolerance)?.marginal_h(), rho.mass())))
        .collect::<learning_dynamics::Result<Vec<f64>>>()?;
    let (slope, error) = fit_slope(&epsilons, &distances);
    report.note(format!("Poisson clock, t = 2: L1 distance {} at ε = {}.", list(&distances), list(&epsilons)));
    let source = "EQUATIONS 1d, fast training: ‖∫f dθ − ρ‖₁ = O(ε)";
    report
        .gate(
            "Poisson clock: exponent of ε in the L1 distance of the h-marginal, ε = 0.1 … 0.003",
            source,
            Expected::Within { value: 1.0, tolerance: 0.1 },
            slope,
            error,
        )
        .why("the next term is of relative size κε ≤ 0.1, at the large end only");
    report
        .gate(
            "Poisson clock: the same between the two smallest ε",
            source,
            Expected::Within { value: 1.0, tolerance: 0.05 },
            (distances[4] / distances[5]).log2(),
            0.0,
        )
        .why("relative corrections κε = 0.006, and the steps' tolerance is below 1 % of the distance");
    let axis_e = axis("epsilon", "time of training over time of selection", &epsilons);
    report.data(Field::array("poisson", "distance", "L1 distance of the h-marginal", &[&axis_e], distances.clone()));
    Ok(Panel::new("Poisson clock, t = 2", "ε", "L1 distance to ε = 0")
        .log_x()
        .log_y()
        .points("kinetic", &epsilons, &distances, &[])
        .slope("slope 1", 1.0, [epsilons[5], distances[5]], [epsilons[5], epsilons[0]]))
}

fn periodic(report: &mut Report, level: Level) -> Outcome<[Panel; 2]> {
    let steps = [20_usize, 50, 70, 100, 120];
    let clock = Clock::Periodic { every: 1.0 };
    let end = EVENTS as f64;
    let rho = limit(problem(1.0, clock), end)?;
    let times: Vec<f64> = steps.iter().map(|&n| n as f64 * ETA).collect();
    let runs = times
        .par_iter()
        .map(|&t| kinetic(problem(1.0 / t, clock), end, level.pick(1e-5, 1e-6)))
        .collect::<learning_dynamics::Result<Vec<Kinetic>>>()?;
    let distances: Vec<f64> = runs.iter().map(|run| l1(&run.marginal_h(), rho.mass())).collect();
    let exponents: Vec<f64> = times.iter().map(|t| t.exp()).collect();
    let (slope, error) = fit_slope(&exponents[1..], &distances[1..]);
    let source = "EQUATIONS 1d, fast training: periodic clock, distance ≈ e^(−gap·T_s/ε), gap = k = 1";
    report.note(format!(
        "Periodic clock, {EVENTS} events, η = {ETA}: steps {steps:?}, T_s/ε = {}: L1 distance {}; times e^(T_s/ε): {}.",
        list(&times),
        list(&distances),
        list(&distances.iter().zip(&exponents).map(|(d, e)| d * e).collect::<Vec<_>>()),
    ));
    report
        .gate(
            "periodic clock: rate of decay of the L1 distance in T_s/ε (50 … 120 steps), over the gap",
            source,
            Expected::Within { value: 1.0, tolerance: 0.05 },
            -slope,
            error,
        )
        .why("the next mode is e^{−2.5} smaller at the short end and changes the rate by a few per cent");

    // The agents: exact Ornstein–Uhlenbeck steps, so that only sampling tells them from the kinetic equation.
    let (n, replicates) = level.pick((20_000, 10), (100_000, 20));
    let shown = [0, 1, 3];
    let (mut scores, mut excess, mut histograms) = (Vec::new(), Vec::new(), Vec::new());
    let mean_limit = mean_and_variance(rho.mass(), &rho.grid.points).0;
    for &k in &shown {
        let settings = AgentSettings {
            agents: n,
            replicates,
            step: TrainingStep::StepsPerSelection(steps[k]),
            dynamics: Dynamics::ExactOu,
            seed: 40 + k as u64,
            bins: CELLS,
            ..AgentSettings::default()
        };
        let mut agents = Agents::new(problem(1.0 / times[k], clock), settings)?;
        let series = record(&mut agents, &[end])?;
        let one = |name| -> Outcome<f64> { Ok(series.values("moments", name)?[0]) };
        let (mean, error) = (one("mean_h")?, one("mean_h_error")?);
        let mean_kinetic = mean_and_variance(&runs[k].marginal_h(), &runs[k].h().points).0;
        scores.push((mean - mean_kinetic).abs() / error);
        excess.push(((mean - mean_limit).abs(), error));
        histograms.push(series.values("marginal_h", "rho")?.to_vec());
    }
    report.note(format!(
        "Agents, N = {n}, {replicates} replicates, 20, 50, 100 steps: |mean of h − limit| {} ± {}; from the kinetic equation {} errors.",
        list(&excess.iter().map(|e| e.0).collect::<Vec<_>>()),
        list(&excess.iter().map(|e| e.1).collect::<Vec<_>>()),
        list(&scores),
    ));
    report
        .gate(
            "periodic clock: agents and kinetic equation, mean of h for 20, 50, 100 steps: largest difference in standard errors",
            source,
            Expected::AtMost(4.0),
            largest(scores),
            1.0,
        )
        .why("four standard errors over replicates; bias O(1/N) and steps of 1e-5 are below one");
    let axis_t = axis("period", "T_s/epsilon", &times);
    report.data(Field::array("periodic", "distance", "L1 distance of the h-marginal", &[&axis_t], distances.clone()));
    let h = &rho.grid.points;
    let width = rho.grid.axes[0].axis.width();
    let density = |mass: &[f64]| -> Vec<f64> { mass.iter().map(|m| m / width).collect() };
    let place = axis("h", "hyperparameter", h);
    let mut densities = Panel::new(&format!("Periodic clock, {EVENTS} events"), "h", "density of h").x_range(-2.0, 2.0);
    let names = ["kinetic_20", "kinetic_50", "kinetic_100"];
    for ((&k, histogram), name) in shown.iter().zip(&histograms).zip(names) {
        let values = density(&runs[k].marginal_h());
        report.data(Field::array("periodic", name, "density of h, kinetic", &[&place], values.clone()));
        let some = |v: &[f64]| v.iter().step_by(3).copied().collect::<Vec<_>>();
        densities = densities
            .line(&format!("{} steps, kinetic", steps[k]), h, &values)
            .points("agents", &some(h), &some(histogram), &[])
            .same_colour();
    }
    let densities = densities.dashed("ε = 0", h, &density(rho.mass()));
    report.data(Field::array("periodic", "limit", "density of h, epsilon = 0", &[&place], density(rho.mass())));
    let line = linspace(times[0], times[4], 21);
    let through = distances[3] * times[3].exp();
    let law: Vec<f64> = line.iter().map(|t| through * (-t).exp()).collect();
    let periodic = Panel::new("Periodic clock", "T_s/ε", "L1 distance to ε = 0")
        .log_y()
        .points("kinetic", &times, &distances, &[])
        .dashed("∝ e^(−T_s/ε)", &line, &law);
    Ok([periodic, densities])
}
