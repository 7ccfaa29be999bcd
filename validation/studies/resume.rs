//! Runs that are stopped, saved, loaded and continued, against runs that are not.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::*;
use learning_dynamics::neurons::{DensitySettings, DensitySteps, FlowSettings, NeuronDensity, NeuronFlow};
use learning_dynamics::order_parameters::{FluctuationSettings, Fluctuations, OrderParameters};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;
use learning_dynamics::record::{Series, every};
use ndarray::array;

use super::plane::{events, himmelblau, square};
use super::toy::{Outcome, axis, boltzmann, linspace, toy};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// Stopping leaves no trace.
pub const STUDY: Study = Study {
    name: "resume",
    claim: "a run that is stopped anywhere, saved, loaded and continued gives the very bits of one that is not",
    run,
};

type Boxed = Box<dyn Solver>;

/// One solver in all its frames, uninterrupted and in pieces.
struct Case {
    claim: &'static str,
    make: fn() -> Outcome<Boxed>,
    end: f64,
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let frames = level.pick(4, 16);
    let (mut sizes, mut counts, mut ignored) = (Vec::new(), Vec::new(), 0);
    for case in CASES {
        let times = every(0.0, case.end, case.end / frames as f64)?[1..].to_vec();
        let whole = pieces(case, &times, usize::MAX)?;
        let (mut differ, mut values, mut stops) = (0, 0, 0);
        // Every how many calls of `watch` and frames a run is taken apart.
        for stride in level.pick(vec![1, 7], vec![1, 2, 7, 31]) {
            let parts = pieces(case, &times, stride)?;
            stops += parts.stops;
            ignored += parts.ignored;
            differ += (parts.bits.len().abs_diff(whole.bits.len())) + different(&parts.bits, &whole.bits);
            values += whole.bits.len();
        }
        report
            .gate(case.claim, "Solver::save", Expected::AtMost(0.0), differ as f64, 0.0)
            .why(format!("values whose bits differ, of {values}, after {stops} stops"));
        // A run that is never stopped would pass.
        let claim = format!("times stopped, saved and loaded: {}", case.claim);
        let least = 2.0 * times.len() as f64 - 1.0;
        report
            .gate(&claim, "Solver::watch", Expected::AtLeast(least), stops as f64, 0.0)
            .why("at each frame at least once, in one of the ways of taking it apart");
        sizes.push(whole.largest as f64);
        counts.push(stops as f64);
        report.note(format!("{}: {stops} stops, {} bytes saved at most", case.claim, whole.largest));
    }
    report
        .gate("times that a run went on though told to stop", "Solver::run", Expected::AtMost(0.0), ignored as f64, 0.0)
        .why("each Break of watch or visitor ends the call of run that it was given in");
    let number =
        axis("case", "the runs in the order of the gates", &linspace(0.0, (CASES.len() - 1) as f64, CASES.len()));
    report.data(Field::array("resume", "state_bytes", "size of a saved state", &[&number], sizes.clone()));
    report.data(Field::array("resume", "stops", "stops in all", &[&number], counts));
    let panel = Panel::new("Size of a saved state", "case, in the order of the gates", "bytes").log_y();
    report.picture("sizes", Picture::new(1).panel(panel.points("", &number.values, &sizes, &[])));
    Ok(report)
}

fn different(a: &[u64], b: &[u64]) -> usize {
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

struct Pieces {
    bits: Vec<u64>,
    stops: usize,
    /// Breaks that ended no call of `run`.
    ignored: usize,
    /// Bytes of the largest state saved.
    largest: usize,
}

/// All values of all frames, with a stop, a new solver and a load at every `stride`-th call of `watch` or of the visitor.
fn pieces(case: &Case, times: &[f64], stride: usize) -> Outcome<Pieces> {
    // Calls and breaks.
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let stop = move |[calls, breaks]: &[AtomicUsize; 2]| {
        if (calls.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(stride) {
            breaks.fetch_add(1, Ordering::Relaxed);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    let (mut series, mut stops, mut ignored, mut largest) = (Series::new(), 0, 0, 0);
    let mut state: Option<Vec<u8>> = None;
    while series.times.len() < times.len() {
        let mut solver = (case.make)()?;
        if let Some(state) = &state {
            solver.load(state)?;
        }
        let (watched, before) = (Arc::clone(&counts), counts[1].load(Ordering::Relaxed));
        solver.watch(Arc::new(move |_| stop(&watched)));
        solver.run(&times[series.times.len()..], &mut |frame| series.visit(frame).map(|_| stop(&counts)))?;
        ignored += (counts[1].load(Ordering::Relaxed) - before).saturating_sub(1);
        let saved = solver.save()?;
        (stops, largest) = (stops + 1, largest.max(saved.len()));
        state = Some(saved);
    }
    let names: Vec<_> = series.names().collect();
    let mut bits: Vec<u64> = series.times.iter().map(|t| t.to_bits()).collect();
    for (group, name) in names {
        bits.extend(series.values(group, name)?.iter().map(|value| value.to_bits()));
    }
    Ok(Pieces { bits, stops: stops - 1, ignored, largest })
}

const CASES: &[Case] = &[
    Case { claim: "joint equation, Poisson clock", make: kinetic, end: 1.0 },
    Case { claim: "joint equation, periodic clock", make: periodic, end: 1.0 },
    Case { claim: "joint equation, two parameters", make: plane, end: 0.6 },
    Case { claim: "averaged equation, weights", make: weighted, end: 4.0 },
    Case { claim: "averaged equation, ranks of published states", make: ranked, end: 4.0 },
    Case { claim: "averaged equation, clocks of their own", make: staggered, end: 2.5 },
    Case { claim: "agents, stale checkpoints of others and windows", make: agents, end: 1.3 },
    Case { claim: "SGD on weights, momentum and label noise", make: weights, end: 2.0 },
    Case { claim: "overlap chain", make: chain, end: 2.0 },
    Case { claim: "order parameters, trained second layer", make: committee, end: 20.0 },
    Case { claim: "fluctuations", make: fluctuations, end: 4.0 },
    Case { claim: "neuron flow", make: flow, end: 1.0 },
    Case { claim: "density of neurons, steps by tolerance", make: density, end: 0.5 },
    Case { claim: "density of neurons, steps of one length", make: stepped_density, end: 0.5 },
    Case { claim: "network, one-pass SGD", make: network, end: 0.1 },
];

fn kinetic() -> Outcome<Boxed> {
    joint(Clock::Poisson { rate: 1.0 })
}

/// Stopped right after an event, between it and the first step.
fn periodic() -> Outcome<Boxed> {
    joint(Clock::Periodic { every: 0.3 })
}

fn joint(clock: Clock) -> Outcome<Boxed> {
    let theta = Axis::uniform("theta", -4.5, 4.5, 48)?;
    let problem = Population { selection: boltzmann(1.0, clock), ..toy() };
    Ok(Box::new(Kinetic::new(problem, theta, 40, Steps::Tolerance(1e-4))?))
}

/// From frame to frame in steps that agree to rounding alone, so that it counts which matrices are at hand.
fn plane() -> Outcome<Boxed> {
    Ok(Box::new(Kinetic::new(himmelblau(0.1, events(1.0)), square(6.0, 20)?, 8, Steps::Tolerance(1e-3))?))
}

fn averaged(rule: Rule, clock: Clock, donors: Donors) -> Outcome<Boxed> {
    let mut problem = toy();
    problem.selection = Selection::Events { rule, clock };
    problem.evaluation.donors = donors;
    let grid = HyperGrid::new(problem.h[0], 48)?;
    let weight = Weight::Quadrature { theta: Axis::uniform("theta", -6.0, 6.0, 96)?.into() };
    Ok(Box::new(Averaged::new(problem, grid, Settings { weight, tolerance: 1e-6 })?))
}

// So many events that there are stops on the way from frame to frame.
const FAST: Clock = Clock::Poisson { rate: 40.0 };

fn weighted() -> Outcome<Boxed> {
    averaged(Rule::Boltzmann { beta: 1.0 }, FAST, Donors::default())
}

fn ranked() -> Outcome<Boxed> {
    averaged(Rule::Truncation { fraction: 0.25 }, FAST, Donors::Published)
}

fn staggered() -> Outcome<Boxed> {
    averaged(Rule::Boltzmann { beta: 1.0 }, Clock::Staggered { every: 1.0 }, Donors::Published)
}

fn agents() -> Outcome<Boxed> {
    let mut problem = toy();
    problem.selection = boltzmann(1.0, Clock::Staggered { every: 0.2 });
    problem.evaluation = Evaluation { window: 5, noise: 0.1, donors: Donors::Published, ..Evaluation::default() };
    let settings = AgentSettings {
        agents: 300,
        replicates: 2,
        step: TrainingStep::LearningRate(0.1),
        quantiles: vec![0.1, 0.9],
        recorded_agents: 3,
        lineage: true,
        ..AgentSettings::default()
    };
    Ok(Box::new(Agents::new(problem, settings)?))
}

fn teacher_and_student(activation: Activation) -> Committee {
    let student = Student::new(array![[0.5, 0.1], [0.1, 0.3]], array![[0.1, 0.0], [0.0, 0.1]], activation.clone());
    let mut problem = Committee::new(Teacher::orthonormal(2, activation), student, 0.5);
    problem.second_layer_rate = 0.2;
    problem.noise_variance = 0.01;
    problem
}

fn weights() -> Outcome<Boxed> {
    let mut problem = teacher_and_student(Activation::Erf);
    problem.momentum = Momentum::Constant { beta: 0.5 };
    problem.batch = 3;
    Ok(Box::new(OnlineSgd::new(problem, SgdSettings { dimension: 70, runs: 3, ..SgdSettings::default() })?))
}

fn chain() -> Outcome<Boxed> {
    let settings = SgdSettings { dimension: 200, runs: 3, ..SgdSettings::default() };
    Ok(Box::new(OverlapChain::new(teacher_and_student(Activation::Erf), settings)?))
}

/// Averages by tables, whose places follow what fields there were.
fn committee() -> Outcome<Boxed> {
    let mut problem = teacher_and_student(Activation::Gelu);
    problem.learning_rate = LearningRate::Piecewise { times: vec![7.0], rates: vec![0.5, 0.1] };
    Ok(Box::new(OrderParameters::of(problem, Quadrature::Automatic, 1e-9)?))
}

fn fluctuations() -> Outcome<Boxed> {
    let settings = FluctuationSettings { points: 8, ..FluctuationSettings::default() };
    Ok(Box::new(Fluctuations::of(teacher_and_student(Activation::Erf), Quadrature::Automatic, &settings)?))
}

fn single_index() -> SingleIndex {
    SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 1e-2, vec![1.0, -0.4, 0.7, 0.2, -1.3])
}

fn flow() -> Outcome<Boxed> {
    let settings = FlowSettings { series: Some(20), tolerance: 1e-6, ..FlowSettings::default() };
    Ok(Box::new(NeuronFlow::new(single_index(), settings)?))
}

fn density() -> Outcome<Boxed> {
    density_by(DensitySteps::Tolerance(1e-4))
}

fn stepped_density() -> Outcome<Boxed> {
    density_by(DensitySteps::Fixed(0.01))
}

fn density_by(steps: DensitySteps) -> Outcome<Boxed> {
    let law = NeuronLaw {
        activation: [0.4, 0.5, 0.3].into(),
        target: [0.8, 0.5, -0.6].into(),
        epsilon: 0.1,
        a: Law::Gaussian { mean: 0.0, std: 1.0 },
        s: Law::Gaussian { mean: 0.0, std: 0.2 },
    };
    let settings = DensitySettings { steps, ..DensitySettings::default() };
    Ok(Box::new(NeuronDensity::new(law, Axis::uniform("a", -8.0, 12.0, 40)?, 31, settings)?))
}

fn network() -> Outcome<Boxed> {
    let settings = NetworkSettings {
        dimension: 30,
        gradient: Gradient::Sample { batch: 4 },
        runs: 2,
        ..NetworkSettings::default()
    };
    Ok(Box::new(Network::new(single_index(), settings)?))
}
