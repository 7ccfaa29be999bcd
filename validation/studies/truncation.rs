//! Truncation selection: one event against closed forms, long runs of cells against agents.

use std::sync::Arc;

use learning_dynamics::exact::truncation::truncate;
use learning_dynamics::frame::Field;
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::numerics::normal::{normal_cdf, normal_density};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::toy::*;
use super::{Level, Study};
use crate::fit::observed_orders;
use crate::report::{Expected, Report};

/// Truncation.
pub const STUDY: Study = Study {
    name: "truncation",
    claim: "truncation on cells has the closed form of one event, of second order, and follows its agents",
    run,
};

const Q: f64 = 0.2;
/// So slow that θ stays what it was at first.
const SLOW: f64 = 1e12;
const SOURCE: &str = "EQUATIONS 1b: f·1{F > F_low} + M_h[f·1{F > F_high}], masses 1 − q and q";

/// `h ~ N(−0.3, 0.5²)` on [−4, 4], `θ ~ N(0.4, 0.7²)`, which stays; one event at t = 1.
fn one_event(fitness: Arc<dyn Fitness>, fraction: f64) -> Population {
    let rule = Rule::Truncation { fraction };
    Population {
        epsilon: SLOW,
        fitness,
        selection: Selection::Events { rule, clock: Clock::Periodic { every: 1.0 } },
        initial: Initial {
            h: vec![Law::Gaussian { mean: -0.3, std: 0.5 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 0.4, std: 0.7 }]),
        },
        ..toy()
    }
}

fn moments(problem: &Population, cells: (usize, usize)) -> Outcome<[f64; 4]> {
    let theta = Axis::uniform("theta", -6.0, 6.0, cells.0)?;
    let mut kinetic = Kinetic::new(problem.clone(), theta, cells.1, Steps::Tolerance(1e-10))?;
    let series = record(&mut kinetic, &[1.0])?;
    let one = |name| -> Outcome<f64> { Ok(series.values("moments", name)?[0]) };
    Ok([one("mean_h")?, one("var_h")?, one("mean_theta")?, one("var_theta")?])
}

/// `∫ (1, x, x²) φ` over `|x − c| < r` for x ~ N(m, s²).
fn around(c: f64, r: f64, m: f64, s: f64) -> [f64; 3] {
    let (a, b) = ((c - r - m) / s, (c + r - m) / s);
    let mass = normal_cdf(b) - normal_cdf(a);
    let (pa, pb) = (normal_density(a), normal_density(b));
    let first = m * mass + s * (pa - pb);
    let second = (m * m + s * s) * mass + s * ((m + c - r) * pa - (m + c + r) * pb);
    [mass, first, second]
}

/// The radius around `c` that holds the mass `p`, by bisection to rounding.
fn radius(p: f64, c: f64, m: f64, s: f64) -> f64 {
    let (mut low, mut high) = (0.0, 50.0);
    for _ in 0..200 {
        let r = 0.5 * (low + high);
        if around(c, r, m, s)[0] < p { low = r } else { high = r }
    }
    0.5 * (low + high)
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let monotone = monotone(&mut report)?;
    let branches = two_branches(&mut report)?;
    neutral(&mut report)?;
    let long = long_runs(&mut report, level)?;
    report.picture("truncation", Picture::new(3).panel(monotone).panel(branches).panel(long));
    Ok(report)
}

/// F = h.
fn monotone(report: &mut Report) -> Outcome<Panel> {
    let problem = one_event(Arc::new(FitnessFn(|_: f64, h: f64| h)), Q);
    let (mean, variance) = truncate((-0.3, 0.25), Q, true, 0.04)?;
    let cells = [40, 80, 160, 320, 640];
    let errors = |k: usize, exact: f64| -> Outcome<Vec<f64>> {
        cells.iter().map(|&n| Ok((moments(&problem, (16, n))?[k] - exact).abs())).collect()
    };
    let (of_mean, of_variance) = (errors(0, mean)?, errors(1, variance)?);
    report.note(format!(
        "F = h, one event, {} cells: error of the mean {}, of the variance {}.",
        list(&cells.map(|n| n as f64)),
        list(&of_mean),
        list(&of_variance)
    ));
    // The place of a quantile in its cell moves the constant: over two halvings it evens out.
    let order = |e: &[f64]| 0.25 * (e[0] / e[4]).log2();
    for (what, errors) in [("mean", &of_mean), ("variance", &of_variance)] {
        report
            .gate(
                &format!("one event, F = h: mean order in the width of cells of the error of the {what}, 40 … 640 cells"),
                SOURCE,
                Expected::AtLeast(1.8),
                order(errors),
                0.0,
            )
            .why("second order; the place of the quantile in its cell makes single orders uneven, over four halvings by 0.2");
        report
            .gate(
                &format!("one event, F = h: error of the {what} at 640 cells"),
                "Falconer & Mackay (1996), ch. 11: shift 2φ(z)s, variance s²(1 − 4φ(z)²) + qμ²",
                Expected::AtMost(5e-5),
                errors[4],
                0.0,
            )
            .why("a twelfth of width² = 1.6e-4 for the cells, and as much for the quantiles within theirs");
    }
    let widths = cells.map(|n| 8.0 / n as f64);
    let axis = axis("width", "width of a cell of h", &widths);
    report.data(Field::array("monotone", "error_mean", "error of the mean", &[&axis], of_mean.clone()));
    report.data(Field::array("monotone", "error_variance", "error of the variance", &[&axis], of_variance.clone()));
    Ok(Panel::new("One event, F = h", "width of a cell", "error")
        .log_x()
        .log_y()
        .points("mean", &widths, &of_mean, &[])
        .points("variance", &widths, &of_variance, &[])
        .slope("slope 2", 2.0, [widths[4], of_variance[4]], [widths[4], widths[0]]))
}

/// F = −(θ − c)²: two branches, whose cells have interleaved values.
fn two_branches(report: &mut Report) -> Outcome<Panel> {
    let (c, m, s) = (0.157, 0.4, 0.7);
    let problem = one_event(Arc::new(QuadraticFitness { optimum: vec![c], curvature: 1.0 }), Q);
    let (kept, copied) = (around(c, radius(1.0 - Q, c, m, s), m, s), around(c, radius(Q, c, m, s), m, s));
    let mean = kept[1] + copied[1];
    let variance = kept[2] + copied[2] - mean * mean;
    let cells = [48, 96, 192, 384, 768];
    let found: Vec<[f64; 4]> = cells.iter().map(|&n| moments(&problem, (n, 16))).collect::<Outcome<_>>()?;
    let of_mean: Vec<f64> = found.iter().map(|f| (f[2] - mean).abs()).collect();
    let of_variance: Vec<f64> = found.iter().map(|f| (f[3] - variance).abs()).collect();
    report.note(format!(
        "F = −(θ − {c})², one event, {} cells of θ: error of the mean {} (orders {}), of the variance {} (orders {}).",
        list(&cells.map(|n| n as f64)),
        list(&of_mean),
        list(&observed_orders(&of_mean)),
        list(&of_variance),
        list(&observed_orders(&of_variance)),
    ));
    for (what, errors) in [("mean", &of_mean), ("variance", &of_variance)] {
        report
            .gate(
                &format!("one event, F = −(θ − c)²: mean order in the width of cells of the error of the {what}, 48 … 768 cells"),
                SOURCE,
                Expected::AtLeast(1.7),
                0.25 * (errors[0] / errors[4]).log2(),
                0.0,
            )
            .why("second order; the place of the quantile in its cell makes single orders uneven");
        report
            .gate(
                &format!("one event, F = −(θ − c)²: error of the {what} of θ at 768 cells"),
                "partial moments of a normal law over |θ − c| < r, r from the quantile",
                Expected::AtMost(5e-5),
                errors[4],
                0.0,
            )
            .why("a twelfth of width² = 2.4e-4 for the cells, and as much for the quantiles; cells taken for atoms of fitness are off by 2e-4 and more");
    }
    let widths = cells.map(|n| 12.0 / n as f64);
    let axis = axis("width", "width of a cell of theta", &widths);
    report.data(Field::array("branches", "error_mean", "error of the mean", &[&axis], of_mean.clone()));
    report.data(Field::array("branches", "error_variance", "error of the variance", &[&axis], of_variance.clone()));
    Ok(Panel::new("One event, F = −(θ − c)²", "width of a cell", "error")
        .log_x()
        .log_y()
        .points("mean", &widths, &of_mean, &[])
        .points("variance", &widths, &of_variance, &[])
        .slope("slope 2", 2.0, [widths[4], of_variance[4]], [widths[4], widths[0]]))
}

/// Flat fitness: everybody is as good as everybody, and a share q of the population turns over.
fn neutral(report: &mut Report) -> Outcome<()> {
    let problem = one_event(Arc::new(FitnessFn(|_: f64, _: f64| 3.0)), Q);
    let [mean, variance, ..] = moments(&problem, (16, 320))?;
    // Cells add a twelfth of their width squared to the variance of the initial law.
    let exact = 0.25 + (8.0_f64 / 320.0).powi(2) / 12.0 + Q * 0.04;
    report
        .gate(
            "flat fitness: variance of h after one event on cells, V + qμ²",
            "EQUATIONS 1b: flat fitness is legal and gives neutral turnover",
            Expected::Within { value: exact, tolerance: 1e-10 },
            variance,
            0.0,
        )
        .why("a Gaussian kernel of eight cells has its variance to rounding; tails of the law beyond the domain");
    report
        .gate(
            "flat fitness: mean of h after one event on cells",
            SOURCE,
            Expected::Within { value: -0.3, tolerance: 1e-9 },
            mean,
            0.0,
        )
        .why("tails of the initial law beyond the domain are below 1e-9");
    let settings = AgentSettings {
        agents: 20_000,
        replicates: 20,
        step: TrainingStep::Step(1.0),
        dynamics: Dynamics::ExactOu,
        seed: 7,
        ..AgentSettings::default()
    };
    let series = record(&mut Agents::new(problem, settings)?, &[1.0])?;
    let one = |name| -> Outcome<f64> { Ok(series.values("moments", name)?[0]) };
    let (value, error) = (one("var_h")?, one("var_h_error")?);
    let expected = 0.25 + Q * 0.04;
    report
        .gate(
            "flat fitness: variance of h of the agents after one event",
            SOURCE,
            Expected::Within { value: expected, tolerance: 4.0 * error + 2.0 * expected / 20_000.0 },
            value,
            error,
        )
        .why("four standard errors and a bias of order V/N");
    Ok(())
}

/// Cells against agents over many events, both clocks.
fn long_runs(report: &mut Report, level: Level) -> Outcome<Panel> {
    let times = [1.0, 2.0, 4.0, 8.0];
    let (n, replicates) = level.pick((20_000, 12), (200_000, 20));
    let mut panel = Panel::new("Long runs", "t", "mean of h");
    for (clock, name, step) in
        [(Clock::Periodic { every: 0.5 }, "periodic", 0.01), (Clock::Poisson { rate: 1.0 }, "poisson", 0.01)]
    {
        let rule = Rule::Truncation { fraction: Q };
        let problem = Population { selection: Selection::Events { rule, clock }, ..toy() };
        let theta = Axis::uniform("theta", -4.0, 3.0, 192)?;
        let mut kinetic = Kinetic::new(problem.clone(), theta, 200, Steps::Tolerance(1e-4))?;
        let grid = record(&mut kinetic, &times)?;
        let settings = AgentSettings {
            agents: n,
            replicates,
            step: TrainingStep::Step(step),
            dynamics: Dynamics::ExactOu,
            seed: 21,
            ..AgentSettings::default()
        };
        let agents = record(&mut Agents::new(problem, settings)?, &times)?;
        let mut worst = 0.0_f64;
        for (moment, error) in
            [("mean_h", "mean_h_error"), ("var_h", "var_h_error"), ("mean_theta", "mean_theta_error")]
        {
            for k in 0..times.len() {
                let (a, b) = (agents.values("moments", moment)?[k], grid.values("moments", moment)?[k]);
                let error = agents.values("moments", error)?[k];
                // Poisson events are binned to the step: O(κΔt) of what they change. Cells: 1e-3 of the width of the law.
                let bias = if name == "poisson" { 2.0 * step * 0.3 } else { 0.0 } + 1e-3;
                worst = worst.max((a - b).abs() / (4.0 * error + bias));
                if a.is_nan() || b.is_nan() {
                    worst = f64::NAN;
                }
            }
        }
        report
            .gate(
                &format!("long runs, {name} clock: agents from cells, moments at t = 1 … 8, largest share of what is allowed"),
                SOURCE,
                Expected::AtMost(1.0),
                worst,
                0.0,
            )
            .why("allowed: four standard errors, 1e-3 for the cells, and for the Poisson clock its binning, κΔt of a shift of 0.3");
        let means = grid.values("moments", "mean_h")?;
        let (of_agents, errors) = (agents.values("moments", "mean_h")?, agents.values("moments", "mean_h_error")?);
        report.note(format!(
            "{name}: mean of h at t = {}: cells {}, agents {} ± {}.",
            list(&times),
            list(means),
            list(of_agents),
            list(errors)
        ));
        panel = panel
            .line(&format!("{name}, cells"), &times, means)
            .points("agents", &times, of_agents, errors)
            .same_colour();
    }
    Ok(panel)
}
