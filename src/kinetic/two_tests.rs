//! Two hyperparameters, log axes, what copies inherit, diagnostics.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::grid::Axis;
use crate::problem::*;

/// `L = ½(θ − h_1)²`, `F = −(θ − 1)² − 2 log(h_2/0.1)²`, h_2 on a log axis: separate but for nothing.
#[derive(Debug)]
struct Separate;

impl Loss for Separate {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        0.5 * (theta[0] - h[0]) * (theta[0] - h[0])
    }
    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        out[0] = theta[0] - h[0];
    }
}

impl Fitness for Separate {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        let second = if let [_, second] = h { -0.5 * (second / 0.1).ln().powi(2) } else { 0.0 };
        second - (theta[0] - 1.0) * (theta[0] - 1.0)
    }
}

fn boltzmann(clock: Clock) -> Selection {
    Selection::Events { rule: Rule::Boltzmann { beta: 0.7 }, clock }
}

fn second_domain(ends: Ends) -> Domain {
    Domain::log(1e-2, 2.0, ends)
}

fn two(selection: Selection, kernels: [Kernel; 2], ends: Ends) -> Population {
    Population {
        epsilon: 0.3,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Separate),
        fitness: Arc::new(Separate),
        h: vec![Domain::linear(-3.0, 3.0, ends), second_domain(ends)],
        selection,
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: kernels.into(),
        initial: Initial {
            h: vec![Law::Gaussian { mean: -0.5, std: 0.4 }, Law::LogUniform { low: 1e-2, high: 2.0 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 1.0, std: 0.4 }]),
        },
    }
}

fn first_alone(problem: &Population) -> Population {
    let mut first = problem.clone();
    first.h.truncate(1);
    first.mutation.truncate(1);
    first.initial.h.truncate(1);
    first
}

/// The second hyperparameter alone, with a fitness of its own.
fn second_alone(problem: &Population) -> Population {
    let mut second = problem.clone();
    second.h.remove(0);
    second.mutation.remove(0);
    second.initial.h.remove(0);
    second.loss = Arc::new(LossFn { value: |t: f64, _| 0.5 * t * t, gradient: |t: f64, _| t });
    second.fitness = Arc::new(FitnessFn(|_, h: f64| -0.5 * (h / 0.1).ln().powi(2)));
    second
}

fn axis() -> Axis {
    Axis::uniform("theta", -4.0, 4.5, 40).unwrap()
}

fn run(problem: Population, cells: impl Into<Cells>, steps: Steps, end: f64) -> Kinetic {
    let mut kinetic = Kinetic::new(problem, axis(), cells, steps).unwrap();
    kinetic.run(&[end], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    kinetic
}

/// L1 distance of the joint masses to the product of (θ, h_1) and h_2.
fn distance_to_product(both: &Kinetic, first: &Kinetic, second: &Kinetic) -> f64 {
    let second = second.marginal_h();
    let product = first.masses().iter().flat_map(|a| second.iter().map(move |b| a * b));
    both.masses().iter().zip(product).map(|(f, p)| (f - p).abs()).sum()
}

#[test]
fn generations_of_independent_hyperparameters_are_a_product() {
    let kernels = [Kernel::Gaussian { std: 0.3 }, Kernel::Factor { factors: vec![0.8, 1.2] }];
    for ends in [Ends::Reflect, Ends::Clip, Ends::Retry] {
        let problem = two(boltzmann(Clock::Periodic { every: 0.25 }), kernels.clone(), ends);
        let steps = Steps::Uniform(0.05);
        let both = run(problem.clone(), [24, 30], steps.clone(), 1.0);
        let first = run(first_alone(&problem), 24, steps.clone(), 1.0);
        let second = run(second_alone(&problem), 30, steps, 1.0);
        let gap = distance_to_product(&both, &first, &second);
        // Between events every h trains by itself, in equal steps: only roundings, some 30,000 of 1e-16/30,000.
        assert!(gap < 1e-13, "{ends:?} {gap:e}");
        assert!((sum(both.masses()) - 1.0).abs() < 1e-13);
    }
}

#[test]
fn replicator_form_of_independent_hyperparameters_is_a_product() {
    let kernels = [0.02, 0.03].map(|diffusion| Kernel::Diffusion { diffusion });
    let problem = two(Selection::Replicator { beta: 0.7 }, kernels, Ends::Reflect);
    let steps = Steps::Tolerance(1e-6);
    let both = run(problem.clone(), [20, 16], steps.clone(), 1.0);
    let first = run(first_alone(&problem), 20, steps.clone(), 1.0);
    let second = run(second_alone(&problem), 16, steps, 1.0);
    let gap = distance_to_product(&both, &first, &second);
    assert!(gap < 3e-5, "{gap:e}"); // three runs, each within ten times its tolerance
    let stationary = both.stationary().unwrap();
    let (first, second) = (first.stationary().unwrap(), second.stationary().unwrap());
    let rho: Vec<f64> = (0..16).map(|k| second.masses.iter().skip(k).step_by(16).sum()).collect();
    let product = first.masses.iter().flat_map(|a| rho.iter().map(move |b| a * b));
    let gap: f64 = stationary.masses.iter().zip(product).map(|(f, p)| (f - p).abs()).sum();
    assert!(gap < 1e-11, "{gap:e}"); // fixed points to 1e-14 a step, times the hundreds of steps of a relaxation
}

#[test]
fn one_cell_is_legal() {
    let diffusion = [0.02, 0.03].map(|diffusion| Kernel::Diffusion { diffusion });
    let steps = [Kernel::Gaussian { std: 0.3 }, Kernel::Uniform { width: 0.2 }];
    let clock = Clock::Poisson { rate: 1.0 };
    for problem in [
        two(Selection::Replicator { beta: 0.7 }, diffusion, Ends::Reflect),
        two(boltzmann(clock), steps.clone(), Ends::Retry),
        two(Selection::Events { rule: Rule::Tournament, clock }, steps, Ends::Reflect),
    ] {
        for cells in [[12, 1], [1, 12], [1, 1]] {
            let kinetic = run(problem.clone(), cells, Steps::Tolerance(1e-3), 0.5);
            assert!((sum(kinetic.masses()) - 1.0).abs() < 1e-12 && kinetic.masses().iter().all(|m| *m >= 0.0));
        }
    }
}

#[test]
fn frames_of_two_hyperparameters() {
    let kernels = [Kernel::Gaussian { std: 0.8 }, Kernel::Uniform { width: 2.0 }];
    let problem = two(boltzmann(Clock::Poisson { rate: 1.0 }), kernels, Ends::Clip);
    let regions = Regions::boxes(&["left", "right"], &[vec![(-9.0, 0.0)], vec![(0.0, 9.0)]]).unwrap();
    let kinetic = run(problem, [10, 12], Steps::Tolerance(1e-3), 1.0).with_regions(&regions);
    let frame = kinetic.frame().unwrap();
    let names = |group: &str, name: &str| {
        let field = frame.fields.iter().find(|f| f.group == group && f.name == name).unwrap();
        let size: usize = field.axes.iter().map(|axis| axis.values.len()).product();
        assert_eq!(size, field.values.len(), "{group}/{name}");
        field.axes.iter().map(|axis| axis.name).collect::<Vec<_>>()
    };
    assert_eq!(names("density", "f"), ["theta", "h_1", "h_2"]);
    assert_eq!(names("density", "mass"), ["theta", "place_1", "place_2"]);
    assert_eq!(names("marginal_h", "rho"), ["h_1", "h_2"]);
    assert_eq!(names("marginal_h", "mass"), ["place_1", "place_2"]);
    assert_eq!(names("moments", "mean_h"), ["h_component"]);
    assert_eq!(names("moments", "cov_h"), ["h_component", "h_component_2"]);
    assert_eq!(names("moments", "cov_theta_h"), ["h_component"]);
    assert!(names("moments", "mean_theta").is_empty());
    assert_eq!(names("wells", "probability"), ["region"]);
    let mass = frame.get("marginal_h", "mass").unwrap();
    assert!((sum(mass) - 1.0).abs() < 1e-13 && mass[0] > 0.0 && mass[14 * 12 - 1] > 0.0); // the corners
    assert!((sum(frame.get("wells", "probability").unwrap()) - 1.0).abs() < 1e-13);
    let mean = frame.get("moments", "mean_h").unwrap();
    let places = kinetic.h().iter().zip(mass);
    let direct: f64 = places.map(|(h, m)| h[1] * m).sum();
    assert!((mean[1] - direct).abs() < 1e-14);
    // The density on a log axis is per unit of h.
    let (rho, volumes) = (frame.get("marginal_h", "rho").unwrap(), kinetic.h().volumes());
    let on_cells: f64 = kinetic.h().cell_places().iter().zip(rho).map(|(&place, rho)| rho * volumes[place]).sum();
    let atoms: f64 = (0..mass.len()).filter(|p| !kinetic.h().cell_places().contains(p)).map(|p| mass[p]).sum();
    assert!((on_cells + atoms - 1.0).abs() < 1e-13 && atoms > 0.01);
}

#[test]
fn diagnostics_of_a_uniform_population() {
    let mut problem = two(Selection::Off, [Kernel::None, Kernel::None], Ends::Reflect);
    problem.initial.h[0] = Law::Uniform { low: -3.0, high: 3.0 };
    let kinetic = run(problem.clone(), [40, 50], Steps::Uniform(0.1), 0.0);
    let frame = kinetic.frame().unwrap();
    let get = |name| frame.get("diagnostics", name).unwrap()[0];
    // log-uniform on [a, b]: entropy log log(b/a) + (log a + log b)/2.
    let log_uniform = f64::ln(200f64.ln()) + 0.5 * (1e-2f64.ln() + 2f64.ln());
    assert!((get("entropy") - 6f64.ln() - log_uniform).abs() < 1e-3, "{}", get("entropy")); // cells of 11 %
    // 2·(1/12) for each of two uniform coordinates, less 1/cells².
    let expected = (1.0 - 1.0 / 1600.0 + 1.0 - 1.0 / 2500.0) / 6.0;
    assert!((get("diversity") - expected).abs() < 1e-12, "{}", get("diversity"));
    assert_eq!(get("effective_sample_size"), 1.0);
    problem.selection = boltzmann(Clock::Periodic { every: 1.0 });
    let share = Kinetic::new(problem, axis(), [40, 50], Steps::Uniform(0.1)).unwrap().frame().unwrap();
    let share = share.get("diagnostics", "effective_sample_size").unwrap()[0];
    assert!(share > 0.3 && share < 0.8, "{share}");
}

#[test]
fn copies_that_redraw_theta_have_its_initial_law() {
    let law = |h: &[f64]| vec![Law::Gaussian { mean: 0.4 * h[0] - 0.3 * h[1], std: 0.4 }];
    for rule in [Rule::Boltzmann { beta: 1.0 }, Rule::Truncation { fraction: 0.25 }, Rule::Tournament] {
        let selection = Selection::Events { rule: rule.clone(), clock: Clock::Periodic { every: 0.5 } };
        let kernels = [Kernel::Gaussian { std: 0.3 }, Kernel::Factor { factors: vec![0.8, 1.2] }];
        let mut problem = two(selection, kernels, Ends::Reflect);
        problem.initial.theta = InitialTheta::Given(Arc::new(law));
        let inherits = run(problem.clone(), [12, 10], Steps::Uniform(0.05), 0.5);
        problem.inheritance = Inheritance::Hyperparameters;
        let redraws = run(problem.clone(), [12, 10], Steps::Uniform(0.05), 0.5);
        // Selection and mutation of h do not ask what happens to θ.
        let gap: f64 = inherits.marginal_h().iter().zip(redraws.marginal_h()).map(|(a, b)| (a - b).abs()).sum();
        assert!(gap < 1e-13, "{rule:?} {gap:e}");
        if rule.is_weight() {
            // Everybody is a copy.
            let (h, rho) = (redraws.h(), redraws.marginal_h());
            for (place, rho) in rho.iter().enumerate() {
                let exact = redraws.theta().masses(&law(h.point(place))).unwrap();
                for (cell, exact) in exact.iter().enumerate() {
                    let found = redraws.masses()[cell * h.len() + place];
                    assert!((found - rho * exact).abs() < 1e-15, "{place} {cell}");
                }
            }
        }
        assert!((sum(redraws.masses()) - 1.0).abs() < 1e-13);
    }
}

#[test]
fn annealing_is_boltzmann_at_the_beta_of_the_time() {
    let kernels = [Kernel::Gaussian { std: 0.3 }, Kernel::None];
    for clock in [Clock::Poisson { rate: 1.0 }, Clock::Periodic { every: 0.25 }] {
        let with = |rule: Rule| {
            let problem = two(Selection::Events { rule, clock }, kernels.clone(), Ends::Reflect);
            run(first_alone(&problem), 24, Steps::Tolerance(1e-6), 1.0)
        };
        let distance =
            |a: &Kinetic, b: &Kinetic| -> f64 { a.masses().iter().zip(b.masses()).map(|(a, b)| (a - b).abs()).sum() };
        let plain = with(Rule::Boltzmann { beta: 0.7 });
        let constant = with(Rule::Annealed { beta: Schedule::Constant(0.7) });
        assert_eq!(plain.masses(), constant.masses());
        // A jump of β, and the same jump spread over a moment that nobody can tell from it.
        let jump = with(Rule::Annealed { beta: Schedule::Piecewise { times: vec![0.4], rates: vec![0.0, 2.0] } });
        let ramp = Schedule::Tabulated { times: vec![0.4 - 1e-7, 0.4 + 1e-7], rates: vec![0.0, 2.0] };
        let gap = distance(&jump, &with(Rule::Annealed { beta: ramp }));
        assert!(gap < 2e-5, "{clock:?} {gap:e}"); // two runs, each within ten times its tolerance
        assert!(distance(&jump, &plain) > 0.05);
    }
}

#[test]
fn a_well_outside_the_box_is_told() {
    let mut problem = first_alone(&two(Selection::Off, [Kernel::None, Kernel::None], Ends::Reflect));
    problem.loss = Arc::new(DoubleWell { barrier: 2.0, coupling: 1.0 });
    problem.initial.theta = InitialTheta::Law(vec![Law::Uniform { low: 0.5, high: 1.5 }]);
    let new = |problem: &Population, low: f64| {
        let theta = Axis::uniform("theta", low, 2.5, 50).unwrap();
        Kinetic::new(problem.clone(), theta, 10, Steps::Tolerance(1e-3)).unwrap().warnings()
    };
    assert!(new(&problem, -2.5).is_empty());
    let cut = new(&problem, 0.0);
    // At the lower end of h the well at −1 holds nearly everything.
    assert!(matches!(&cut[..], [Warning::WellCut { outside, h, .. }] if *outside > 0.9 && h[0] < -2.5), "{cut:?}");
    // A loss that is not a number out there is no reason for anything.
    problem.loss = Arc::new(LossFn { value: |t: f64, _| t - t.ln(), gradient: |t: f64, _| 1.0 - 1.0 / t });
    problem.diffusion = 0.02.into();
    assert!(new(&problem, 1e-3).is_empty());
}

#[test]
fn what_it_does_not_hold_is_named() {
    let new = |change: &dyn Fn(&mut Population), cells: Vec<usize>| {
        let mut problem = two(boltzmann(Clock::Poisson { rate: 1.0 }), [Kernel::None, Kernel::None], Ends::Reflect);
        change(&mut problem);
        Kinetic::new(problem, axis(), cells, Steps::Tolerance(1e-3)).unwrap_err().to_string()
    };
    assert!(new(&|_| {}, vec![10]).contains("one number of cells a hyperparameter"));
    assert!(new(&|_| {}, vec![4_000_000_000, 4_000_000_000]).contains("bytes of memory"));
    assert!(new(&|p| p.h[1].low = -1.0, vec![4, 4]).contains("log has no zero"));
    assert!(new(&|p| p.evaluation.donors = Donors::Published, vec![4, 4]).contains("averaged::Averaged"));
    let staggered = boltzmann(Clock::Staggered { every: 1.0 });
    assert!(new(&|p| p.selection = staggered.clone(), vec![4, 4]).contains("averaged::Averaged"));
    let truncation =
        Selection::Events { rule: Rule::Truncation { fraction: 0.6 }, clock: Clock::Poisson { rate: 1.0 } };
    assert!(new(&|p| p.selection = truncation.clone(), vec![4, 4]).starts_with("selection.fraction = 0.6"));
    let proportional = Selection::Events { rule: Rule::Proportional, clock: Clock::Poisson { rate: 1.0 } };
    assert!(new(&|p| p.selection = proportional.clone(), vec![4, 4]).starts_with("fitness, as a weight = -"));
    let two_parameters = |p: &mut Population| {
        p.loss = Arc::new(Quadratic::new(1.0, 2));
        p.initial.theta = InitialTheta::Equilibrium;
    };
    assert!(new(&two_parameters, vec![4, 4]).contains("grid.theta"));
}
