//! The density of infinitely many neurons: against characteristics, and against m of them.

use std::error::Error;
use std::ops::ControlFlow;

use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::grid::Axis;
use learning_dynamics::monte_carlo::rng::{Generator, Key, Purpose};
use learning_dynamics::monte_carlo::statistics::{mean_and_error, wasserstein_cells};
use learning_dynamics::neurons::{DensitySettings, DensitySteps, FlowSettings, NeuronDensity, NeuronFlow};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Law, NeuronLaw, SingleIndex};
use rayon::prelude::*;

use super::characteristics::Characteristics;
use super::joint::{axis, distance, largest_difference, list, power_of_ten, worst_order};
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report, number};

/// Order 2, and the limit of many neurons.
pub const STUDY: Study = Study {
    name: "neuron-density",
    claim: "the density of neurons: order 2 from smooth starts, and the limit of m neurons, at a distance like m^(−1/2)",
    run,
};

const SIGMA: [f64; 4] = [0.4, 0.5, 0.3, 0.2];
const PHI: [f64; 4] = [0.8, 0.5, -0.6, 0.3];
/// Mean and standard deviation of a and of s at time 0.
const A: (f64, f64) = (0.3, 0.8);
const S: (f64, f64) = (0.1, 0.15);
const SOURCE: &str = "EQUATIONS 3a; Mei, Montanari & Nguyen (2018)";

fn gaussian((mean, std): (f64, f64)) -> Law {
    Law::Gaussian { mean, std }
}

fn law(epsilon: f64) -> NeuronLaw {
    NeuronLaw { activation: SIGMA.into(), target: PHI.into(), epsilon, a: gaussian(A), s: gaussian(S) }
}

type Solved = learning_dynamics::Result<NeuronDensity>;

/// The density at `end`.
fn solve(law: NeuronLaw, a: &Axis, s_cells: usize, steps: DensitySteps, end: f64) -> Solved {
    let mut density = NeuronDensity::new(law, a.clone(), s_cells, DensitySettings { steps, ..Default::default() })?;
    density.run(&[end], &mut |_| Ok(ControlFlow::Continue(())))?;
    Ok(density)
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let order = orders(&mut report, level)?;
    let (many, cloud) = many_neurons(&mut report, level)?;
    let atom = from_an_atom(&mut report, level)?;
    let stiff = stiff(&mut report)?;
    let picture = Picture::new(3).panel(order).panel(many).panel(atom).panel(stiff).panel(cloud[0].clone());
    report.picture("density", picture.panel(cloud[1].clone()));
    Ok(report)
}

/// Axes and step halved together, against characteristics.
fn orders(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    /// Cells of the coarsest grid, on which all are compared.
    const CELLS: usize = 40;
    let mut panel = Panel::new("Cells and steps halved together, t = 1", "cells on each axis", "error").log_x().log_y();
    let cells = [1, 2, 4, 8].map(|k| CELLS * k);
    let sizes = cells.map(|c| c as f64);
    let (mut epsilons, mut rows) = (Vec::new(), Vec::new());
    for (epsilon, (low, high)) in level.pick(
        vec![(0.3, (-7.0, 9.0)), (0.1, (-9.0, 12.0))],
        vec![(1.0, (-6.0, 7.0)), (0.3, (-7.0, 9.0)), (0.1, (-9.0, 12.0))],
    ) {
        let mut exact = Characteristics::new(&SIGMA, &PHI, epsilon, A, S);
        exact.advance_to(1.0)?;
        let coarse = Axis::uniform("a", low, high, CELLS)?;
        let masses = exact.masses(&coarse, &Axis::uniform("s", -1.0, 1.0, CELLS)?)?;
        let found: Vec<[f64; 2]> = cells
            .par_iter()
            .map(|&c| {
                let steps = DensitySteps::Fixed(4.0 / c as f64);
                let density = solve(law(epsilon), &Axis::uniform("a", low, high, c)?, c, steps, 1.0)?;
                let ratio = c / CELLS;
                let mut gathered = vec![0.0; CELLS * CELLS];
                for (at, m) in density.masses().iter().enumerate() {
                    gathered[at / c / ratio * CELLS + at % c / ratio] += m;
                }
                let residuals = largest_difference(&density.risk().residuals[..SIGMA.len()], &exact.residuals());
                Ok([distance(&gathered, &masses), residuals])
            })
            .collect::<learning_dynamics::Result<_>>()?;
        let label = number(epsilon);
        let total: f64 = masses.iter().sum();
        report.note(format!("ε = {label}: mass of the characteristics 1 − {}", number(1.0 - total)));
        for (kind, what) in ["density (L1)", "residuals by degree (largest)"].iter().enumerate() {
            let errors: Vec<f64> = found.iter().map(|f| f[kind]).collect();
            report.note(format!("ε = {label}, {what}: errors {}", list(&errors)));
            report
                .gate(
                    &format!("order of the {what}, ε = {label}"),
                    SOURCE,
                    Expected::Within { value: 2.0, tolerance: 0.15 },
                    worst_order(&errors),
                    0.0,
                )
                .why("the order of splitting and cells, from the worse of the last two refinements");
            panel = panel.points(&format!("{what}, ε = {label}"), &sizes, &errors, &[]);
            if kind == 0 {
                panel = panel.slope("order 2", -2.0, [sizes[0], 0.7 * errors[0]], [sizes[0], sizes[3]]);
                rows.extend(errors);
                epsilons.push(epsilon);
            }
        }
    }
    let of = [
        axis("epsilon", "time of the second layer over that of the first", &epsilons),
        axis("cells", "cells on each axis", &sizes),
    ];
    report.data(Field::array("order", "error", "L1 error of the density", &[&of[0], &of[1]], rows));
    Ok(panel)
}

/// Sorted samples against cell masses.
fn wasserstein(sample: &[f64], axis: &Axis, masses: &[f64]) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    wasserstein_cells(&sorted, &axis.faces, &cumulative(masses))
}

fn cumulative(masses: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let sums = masses.iter().map(|m| {
        sum += m;
        sum
    });
    std::iter::once(0.0).chain(sums).collect()
}

/// Expected W₁ of a large sample of independent draws, times √m: `∫ √(2F(1−F)/π) dx`.
fn of_independent(axis: &Axis, masses: &[f64]) -> f64 {
    let middle = |f: &[f64]| 0.5 * (f[0] + f[1]);
    cumulative(masses)
        .windows(2)
        .map(middle)
        .map(|f| (2.0 * f * (1.0 - f).max(0.0) / std::f64::consts::PI).sqrt())
        .sum::<f64>()
        * axis.width()
}

fn flow(problem: SingleIndex, end: f64) -> learning_dynamics::Result<NeuronFlow> {
    // 1e-6 is a hundredth of the distance of 10⁵ neurons.
    let mut flow = NeuronFlow::new(problem, FlowSettings { tolerance: 1e-6, ..FlowSettings::default() })?;
    flow.advance_to(end)?;
    Ok(flow)
}

/// m neurons drawn from the law, and their own flow.
fn many_neurons(report: &mut Report, level: Level) -> Result<(Panel, [Panel; 2]), Box<dyn Error>> {
    let (epsilon, end) = (0.1, 1.0);
    let a = Axis::uniform("a", -9.0, 12.0, level.pick(240, 400))?;
    let density = solve(law(epsilon), &a, level.pick(121, 201), DensitySteps::Tolerance(1e-4), end)?;
    let (of_a, of_s) = (density.marginal_a(), density.marginal_s());
    let counts = level.pick(vec![100, 316, 1000, 3162, 10_000], vec![100, 316, 1000, 3162, 10_000, 31_623, 100_000]);
    let replicates = |m: usize| if m < 2000 { 64 } else { level.pick(24, 32) };
    let mut panel =
        Panel::new("m neurons from the law, ε = 0.1, t = 1", "neurons m", "distance W₁ to the density").log_x().log_y();
    let sizes: Vec<f64> = counts.iter().map(|m| *m as f64).collect();
    let mut means = vec![Vec::new(); 2];
    for &m in &counts {
        let distances: Vec<[f64; 2]> = (0..replicates(m))
            .into_par_iter()
            .map(|replicate| {
                let mut rng = Generator::new(Key::new(1, Purpose::InitialTheta, replicate).at(m, 0));
                let flow = flow(law(epsilon).sample(m, &mut rng)?, end)?;
                Ok([wasserstein(flow.a(), &a, &of_a), wasserstein(flow.s(), density.s(), &of_s)])
            })
            .collect::<learning_dynamics::Result<_>>()?;
        for kind in 0..2 {
            means[kind].push(mean_and_error(&distances.iter().map(|d| d[kind]).collect::<Vec<_>>()));
        }
    }
    for (kind, (name, axis_of, masses)) in [("a", &a, &of_a), ("s", density.s(), &of_s)].into_iter().enumerate() {
        let (mean, error): (Vec<f64>, Vec<f64>) =
            means[kind].iter().map(|(mean, error)| (mean, error.unwrap_or(f64::NAN))).unzip();
        let (slope, slope_error) = fit_slope(&sizes, &mean);
        report
            .gate(
                &format!("exponent of W₁ in m, {name}-marginal"),
                SOURCE,
                Expected::Within { value: -0.5, tolerance: 0.06 },
                slope,
                slope_error,
            )
            .why("four standard errors: means of 24 and more distances that vary by 40 %, over two decades");
        let last = mean.len() - 1;
        let scaled = sizes[last].sqrt() / of_independent(axis_of, masses);
        report
            .gate(
                &format!("W₁ of the most neurons over that of independent draws, {name}-marginal"),
                "E|F_m − F| = √(2F(1−F)/πm)",
                Expected::Between(0.5, 1.5),
                mean[last] * scaled,
                error[last] * scaled,
            )
            .why("neurons share G, which correlates them by O(1) of their own fluctuation; an error of the density would add to it");
        panel = panel.points(&format!("{name}-marginal"), &sizes, &mean, &error);
        let line: Vec<f64> = sizes.iter().map(|m| of_independent(axis_of, masses) / m.sqrt()).collect();
        panel = panel.dashed(if kind == 0 { "independent draws" } else { "" }, &sizes, &line);
        if kind == 1 {
            panel = panel.same_colour();
        }
        let of = axis("neurons", "number of neurons", &sizes);
        let (group, what) = (["neurons_a", "neurons_s"][kind], "mean W₁ of the marginal to that of the density");
        report.data(Field::array(group, "wasserstein", what, &[&of], mean));
    }
    let clouds = [(law(epsilon), 0), (NeuronLaw { s: Law::Point { at: 0.0 }, ..law(epsilon) }, 1)];
    let mut pictures = Vec::new();
    for (law, replicate) in clouds {
        let shown = solve(law.clone(), &a, 121, DensitySteps::Tolerance(1e-3), end)?;
        let area = a.width() * shown.s().width();
        let per_area: Vec<f64> = shown.masses().iter().map(|m| m / area).collect();
        let mut rng = Generator::new(Key::new(2, Purpose::InitialTheta, replicate));
        let sample = flow(law.sample(40, &mut rng)?, end)?;
        let title = ["Density and 40 neurons, t = 1", "The same from s(0) = 0"][replicate];
        pictures.push(
            Panel::new(title, "alignment s", "second layer a")
                .x_range(-0.8, 0.8)
                .y_range(-3.0, 6.0)
                .heat_map("density", &shown.s().centres, &a.centres, &per_area)
                .points("neurons", sample.s(), sample.a(), &[]),
        );
    }
    let [smooth, atom] = <[Panel; 2]>::try_from(pictures).map_err(|_| "two panels")?;
    Ok((panel, [smooth, atom]))
}

/// From s(0) = 0 the neurons lie on a curve: the cells keep it narrow, and W₁ says how narrow.
fn from_an_atom(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let end = 1.0;
    let mut panel =
        Panel::new("From s(0) = 0, t = 1", "cells on each axis", "W₁ over the width of a cell").log_x().log_y();
    let cells = level.pick(vec![41, 81, 161], vec![41, 81, 161, 321]);
    let sizes: Vec<f64> = cells.iter().map(|c| *c as f64).collect();
    for epsilon in [1.0, 0.1] {
        let law = NeuronLaw { s: Law::Point { at: 0.0 }, ..law(epsilon) };
        // Neurons at the quantiles of the law of a: W₁ of that is 1/m.
        let m = 4000;
        let start = (0..m).map(|i| quantile(&law.a, (f64::from(i) + 0.5) / f64::from(m))).collect();
        let flow = flow(SingleIndex::new(law.activation.clone(), law.target.clone(), epsilon, start), end)?;
        let found: Vec<[f64; 2]> = cells
            .par_iter()
            .map(|&c| {
                let a = Axis::uniform("a", -9.0, 12.0, c)?;
                let density = solve(law.clone(), &a, c, DensitySteps::Tolerance(1e-3), end)?;
                let (of_a, of_s) = (density.marginal_a(), density.marginal_s());
                let along_a = wasserstein(flow.a(), &a, &of_a) / a.width();
                Ok([along_a, wasserstein(flow.s(), density.s(), &of_s) / density.s().width()])
            })
            .collect::<learning_dynamics::Result<_>>()?;
        for (kind, name) in ["a", "s"].into_iter().enumerate() {
            let values: Vec<f64> = found.iter().map(|f| f[kind]).collect();
            report.note(format!("s(0) = 0, ε = {}: W₁ in cells, {name}: {}", power_of_ten(epsilon), list(&values)));
            report
                .gate(
                    &format!("from s(0) = 0: W₁ of the {name}-marginal over a cell, ε = {}", power_of_ten(epsilon)),
                    SOURCE,
                    Expected::AtMost(0.5),
                    values.iter().copied().fold(0.0, |most, v| if v.is_nan() { v } else { v.max(most) }),
                    0.0,
                )
                .why("an atom is known up to the half of its cell; no order is claimed");
            panel = panel.points(&format!("{name}-marginal, ε = {}", power_of_ten(epsilon)), &sizes, &values, &[]);
        }
    }
    Ok(panel)
}

/// By bisection.
fn quantile(law: &Law, level: f64) -> f64 {
    let (mut low, mut high) = (-20.0, 20.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        *(if law.cdf(middle) < level { &mut low } else { &mut high }) = middle;
    }
    0.5 * (low + high)
}

/// ε = 10⁻³: through the layers t ≍ ε, √ε and beyond.
fn stiff(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let epsilon = 1e-3;
    let times: Vec<f64> = (0..=20).map(|k| 10f64.powf(-4.0 + 3.3 * f64::from(k) / 20.0)).collect();
    let mut exact = Characteristics::new(&SIGMA, &PHI, epsilon, A, S);
    let mut expected = Vec::new();
    for time in &times {
        exact.advance_to(*time)?;
        expected.push(exact.residuals());
    }
    let settings = DensitySettings { steps: DensitySteps::Tolerance(1e-3), ..DensitySettings::default() };
    let mut density = NeuronDensity::new(law(epsilon), Axis::uniform("a", -60.0, 60.0, 480)?, 121, settings)?;
    let mut found: Vec<Vec<f64>> = Vec::new();
    density.run(&times, &mut |frame| {
        found.push(frame.get("risk", "component").map_or(Vec::new(), |residuals| residuals[..SIGMA.len()].to_vec()));
        Ok(ControlFlow::Continue(()))
    })?;
    let worst = largest_difference(&found.concat(), &expected.concat());
    report.note(format!("ε = 10⁻³: {:?}, warnings {:?}", density.statistics(), density.warnings()));
    report
        .gate("largest error of the residuals, ε = 10⁻³", SOURCE, Expected::AtMost(1e-3), worst, 0.0)
        .why("the tolerance of the steps, which are the larger part");
    let mut panel = Panel::new("Residuals by degree, ε = 10⁻³", "t", "φ_k − σ_k ⟨a s^k⟩").log_x();
    for k in 0..SIGMA.len() {
        let of = |rows: &[Vec<f64>]| -> Vec<f64> { rows.iter().map(|row| row[k]).collect() };
        panel = panel.points(&format!("degree {k}"), &times, &of(&found), &[]);
        panel = panel.dashed(if k == 0 { "characteristics" } else { "" }, &times, &of(&expected)).same_colour();
    }
    Ok(panel)
}
