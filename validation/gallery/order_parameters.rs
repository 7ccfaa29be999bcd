//! Order parameters of a linear student, and how far SGD at finite dimension strays from them.
//!
//! After Saad & Solla (1995) for the equations and van Kampen (1961) for the spread: `m(t)`, `q(t)` of the equations, the band of two
//! predicted standard deviations of a run in dimension d, and SGD on weight vectors: mean and two standard deviations over 200 runs.
//! Learning rate 0.8, weight decay 0.2, label noise 0.25. On the command line: `kind = "committee"` and `kind = "sgd"` with
//! `activation = "linear"`. The study `linear-sgd` measures the means, `fluctuations` the spread.

use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::{OnlineSgd, SgdSettings};
use learning_dynamics::order_parameters::{FluctuationSettings, Fluctuations};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use ndarray::array;

use crate::common::{Outcome, column, linspace, record};

const END: f64 = 8.0;
const RUNS: usize = 200;

fn problem() -> Committee {
    let student = Student::new(array![[0.5]], array![[0.1]], Activation::Linear);
    let plain = Committee::new(Teacher::orthonormal(1, Activation::Linear), student, 0.8);
    Committee { weight_decay: 0.2, noise_variance: 0.25, ..plain }
}

pub fn picture() -> Outcome<Picture> {
    let quadrature = Quadrature::GaussHermite { points: 8 };
    let times = linspace(0.0, END, 161);
    let mut theory = Fluctuations::of(problem(), quadrature, &FluctuationSettings::default())?;
    let series = record(&mut theory, &times)?;
    let covariance = series.values("covariance", "C")?;
    let looks = linspace(0.0, END, 17);
    let mut rows = [Vec::new(), Vec::new()];
    for d in [50, 1000] {
        let settings = SgdSettings { dimension: d, runs: RUNS, seed: 9, record_runs: false };
        let mut sgd = OnlineSgd::new(problem(), settings)?;
        let mut found = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
        for &time in &looks {
            sgd.advance_to(time)?;
            for (at, (means, bars)) in found.iter_mut().enumerate() {
                let runs = sgd.states().column(at).to_vec();
                let mean = runs.iter().sum::<f64>() / RUNS as f64;
                let variance = runs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (RUNS - 1) as f64;
                means.push(mean);
                bars.push(2.0 * variance.sqrt());
            }
        }
        // The state is q, then m.
        for (at, name, fields) in [(1, "m(t)", "M"), (0, "q(t)", "Q")] {
            let line = series.values("order_parameters", fields)?;
            let spread: Vec<f64> =
                column(covariance, 3 * at, 4).iter().map(|c| 2.0 * (c / d as f64).max(0.0).sqrt()).collect();
            let end = |sign: f64| -> Vec<f64> { line.iter().zip(&spread).map(|(x, s)| x + sign * s).collect() };
            let (means, bars) = &found[at];
            let (low, high) = if at == 1 { (0.0, 1.1) } else { (0.2, 1.2) };
            let panel = Panel::new(&format!("{name}, d = {d}"), "t = steps/d", name)
                .y_range(low, high)
                .band("predicted ± 2σ", &times, &end(-1.0), &end(1.0))
                .line("equation", &times, line)
                .same_colour()
                .points("200 runs, ± 2σ", &looks, means, bars);
            rows[usize::from(at == 0)].push(panel);
        }
    }
    Ok(rows.into_iter().flatten().fold(Picture::new(2), Picture::panel))
}
