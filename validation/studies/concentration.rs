//! How fast the overlaps of SGD concentrate as the dimension grows, and that the chain is SGD.

use std::error::Error;

use learning_dynamics::Result;
use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::statistics::{kolmogorov_smirnov, mean_and_error};
use learning_dynamics::monte_carlo::{OnlineSgd, OverlapChain, SgdSettings};
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Committee, Momentum};
use ndarray::{Array2, ArrayView1};

use super::joint::{axis, list};
use super::sgd_runs::committee;
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// `max_t E|φ_d − φ|` over five decades of d.
pub const STUDY: Study = Study {
    name: "concentration",
    claim: "overlaps of SGD in d dimensions lie within O(1/√d) of the order parameters; the chain has the law of SGD on weights",
    run,
};

const SOURCE: &str = "EQUATIONS 2c";
/// Kolmogorov's law goes beyond it with probability 6e-5, as the normal law beyond four standard deviations.
const FOUR_SIGMA: f64 = 2.28;

fn run(level: Level) -> std::result::Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let rate = rate(&mut report, level)?;
    let laws = laws(&mut report, level)?;
    let mut picture = Picture::new(3).panel(rate);
    for panel in laws {
        picture = picture.panel(panel);
    }
    report.picture("concentration", picture);
    Ok(report)
}

fn rate(report: &mut Report, level: Level) -> Result<Panel> {
    let problem = committee(2, 2, 0.3, 1.0);
    let times: Vec<f64> = (1..=5).map(|k| 0.2 * f64::from(k)).collect();
    let mut theory = OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-12)?;
    let path = times
        .iter()
        .map(|&time| {
            theory.advance_to(time)?;
            Ok(theory.state().to_vec())
        })
        .collect::<Result<Vec<_>>>()?;
    let more = level.pick(1, 10);
    let sizes = [(100, 2000), (1_000, 1000), (10_000, 200), (100_000, 60), (1_000_000, 24)];
    let (mut distances, mut errors) = (Vec::new(), Vec::new());
    for (dimension, runs) in sizes {
        let settings = SgdSettings { dimension, runs: runs * more, seed: 101, record_runs: false };
        let mut chain = OverlapChain::new(problem.clone(), settings)?;
        let (mut worst, mut error) = (0.0, 0.0);
        for (&time, expected) in times.iter().zip(&path) {
            chain.advance_to(time)?;
            let distance = |state: ArrayView1<'_, f64>| {
                state.iter().zip(expected).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
            };
            let sample: Vec<f64> = chain.states().outer_iter().map(distance).collect();
            let (mean, spread) = mean_and_error(&sample);
            if mean > worst {
                (worst, error) = (mean, spread.unwrap_or(f64::NAN));
            }
        }
        distances.push(worst);
        errors.push(error);
    }
    let dimensions = sizes.map(|(dimension, _)| dimension as f64);
    let scaled: Vec<f64> = distances.iter().zip(&dimensions).map(|(x, d)| x * d.sqrt()).collect();
    let relative: Vec<f64> = errors.iter().zip(&distances).map(|(error, x)| error / x).collect();
    report.note(format!(
        "√d max_t E|φ_d − φ| for d = 10² … 10⁶: {}; relative standard errors {}",
        list(&scaled),
        list(&relative)
    ));
    // Least squares on logarithms at equal distances: the weights of the ends are ±1/5 a decade.
    let slope_error = [-2.0, -1.0, 0.0, 1.0, 2.0]
        .iter()
        .zip(&relative)
        .map(|(weight, error)| (0.1 * weight * error / std::f64::consts::LN_10).powi(2))
        .sum::<f64>()
        .sqrt();
    let (slope, _) = fit_slope(&dimensions, &distances);
    report
        .gate(
            "exponent of max_t E|φ_d − φ| in d, d = 10² … 10⁶, t ≤ 1",
            SOURCE,
            Expected::Within { value: -0.5, tolerance: 0.01 + 4.0 * slope_error },
            slope,
            slope_error,
        )
        .why("four standard errors of the slope, and 0.01 for the next order at d = 100, where 1/√d is a tenth");
    let decade = |k: usize| {
        let slope = (distances[k + 1] / distances[k]).log10();
        (slope, relative[k].hypot(relative[k + 1]) / std::f64::consts::LN_10)
    };
    for (k, name) in [(2, "from 10⁴ to 10⁵"), (3, "from 10⁵ to 10⁶")] {
        let (slope, error) = decade(k);
        report
            .gate(
                &format!("the same exponent {name}"),
                SOURCE,
                Expected::Within { value: -0.5, tolerance: 0.15 },
                slope,
                error,
            )
            .why("that of orders, about four standard errors");
    }
    let at = axis("dimension", "d", &dimensions);
    report.data(Field::array("concentration", "distance", "max_t E|φ_d − φ|", &[&at], distances.clone()));
    report.data(Field::array("concentration", "error", "standard error", &[&at], errors.clone()));
    Ok(Panel::new("K = M = 2, erf, τ = 1, t ≤ 1", "d", "max_t E|φ_d − φ|")
        .log_x()
        .log_y()
        .points("overlap chain", &dimensions, &distances, &errors)
        .slope("d^(−1/2)", -0.5, [dimensions[2], distances[2]], [dimensions[0], dimensions[4]]))
}

/// The largest `√(n/2) sup|F − G|` of two samples of the same size n, over columns.
fn largest_distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let sorted = |table: &Array2<f64>, column| {
        let mut values = table.column(column).to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let distance = |column| {
        let (a, b) = (sorted(a, column), sorted(b, column));
        let n = b.len() as f64;
        let at_most = |x: f64| b.partition_point(|y| *y <= x) as f64 / n;
        let below = |x: f64| b.partition_point(|y| *y < x) as f64 / n;
        kolmogorov_smirnov(&a, at_most, below) * (0.5 * n).sqrt()
    };
    (0..a.ncols()).map(distance).fold(0.0, |most, x| if x > most || x.is_nan() { x } else { most })
}

fn laws(report: &mut Report, level: Level) -> Result<Vec<Panel>> {
    let runs = level.pick(1200, 20_000);
    let plain = committee(2, 2, 0.3, 1.0);
    let laden = Committee {
        second_layer_rate: 0.5,
        noise_variance: 0.2,
        weight_decay: 0.1,
        batch: 3,
        momentum: Momentum::Scaled { gamma: 0.8, alpha: 0.8 },
        ..committee(3, 2, 0.3, 1.0)
    };
    let names = ["plain, K = M = 2", "scaled momentum, B = 3, noise, decay, a trained, K = 3, M = 2"];
    let mut panels = Vec::new();
    for (problem, name) in [plain, laden].into_iter().zip(names) {
        let settings = |seed| SgdSettings { dimension: 200, runs, seed, record_runs: false };
        let mut weights = OnlineSgd::new(problem.clone(), settings(111))?;
        let mut chain = OverlapChain::new(problem.clone(), settings(112))?;
        let mut found = Vec::new();
        for time in [0.5, 2.0] {
            weights.advance_to(time)?;
            chain.advance_to(time)?;
            found.push(largest_distance(&weights.states(), &chain.states()));
        }
        report.note(format!("{name}: √(n/2) × largest Kolmogorov–Smirnov distance at t = 0.5, 2: {}", list(&found)));
        report
            .gate(
                &format!("chain against weights in law, d = 200, {name}: √(n/2) × largest Kolmogorov–Smirnov distance"),
                SOURCE,
                Expected::AtMost(FOUR_SIGMA),
                found.iter().copied().fold(0.0, f64::max),
                0.0,
            )
            .why(format!("passed with probability 6e-5 by one of {} overlaps, at n = {runs}", problem.layout().len()));
        let cumulative = |table: &Array2<f64>| {
            let mut values = table.column(0).to_vec();
            values.sort_by(f64::total_cmp);
            let levels: Vec<f64> = (0..values.len()).map(|k| (k as f64 + 0.5) / values.len() as f64).collect();
            (values, levels)
        };
        let ((w, levels), (c, _)) = (cumulative(&weights.states()), cumulative(&chain.states()));
        let title =
            if panels.is_empty() { "Law of Q11 at t = 2, d = 200, plain" } else { "The same, momentum and batch" };
        panels.push(
            Panel::new(title, "Q11", "cumulative frequency").line("weights", &w, &levels).dashed("chain", &c, &levels),
        );
    }
    Ok(panels)
}
