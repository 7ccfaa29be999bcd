//! The order in which a wide ReLU network learns the parts of its target.
//!
//! Berthier, Montanari & Zhou (2024), *Found. Comput. Math.*: the target `0.8 h₀ + 0.5 h₁ − 0.6 h₂` of one direction is learnt degree
//! after degree, the constant at `t ≍ ε`, the linear part at `t ≍ √ε log(1/ε)`, the quadratic one at `t ≍ ε^(1/4)`. The simplified flow
//! of ten neurons perpendicular to the target, ε = 10⁻³ and 10⁻⁶. On the command line: `kind = "neurons"` with these numbers
//! (`epsilon = 1e-6` for the other column). The studies `learning-order` and `time-scales` measure profiles and exponents.

use learning_dynamics::exact::LearningOrder;
use learning_dynamics::neurons::{FlowSettings, NeuronFlow};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, SingleIndex};
use learning_dynamics::record::{Series, logarithmic};

use crate::common::{Outcome, column, record};

const A: [f64; 10] = [1.0, -0.4, 0.7, 0.2, -1.3, 0.9, -0.1, 0.5, 1.6, -0.8];
const TARGET: [f64; 3] = [0.8, 0.5, -0.6];
const CASES: [(f64, &str); 2] = [(1e-3, "ε = 10⁻³"), (1e-6, "ε = 10⁻⁶")];
const END: f64 = 10.0;

/// The statement.
pub fn problem(epsilon: f64) -> SingleIndex {
    SingleIndex::new(Activation::Relu, TARGET, epsilon, A.to_vec())
}

fn start(epsilon: f64) -> f64 {
    0.1 * epsilon
}

fn run(epsilon: f64) -> Outcome<Series> {
    let times = logarithmic(start(epsilon), END, 25)?;
    let settings = FlowSettings { degrees: TARGET.len(), ..FlowSettings::default() };
    record(&mut NeuronFlow::new(problem(epsilon), settings)?, &times)
}

/// Risk and its parts; residuals with their limits.
pub fn risk_components() -> Outcome<Picture> {
    let mut rows = [Vec::new(), Vec::new()];
    for (epsilon, label) in CASES {
        let series = run(epsilon)?;
        let times = &series.times;
        let order = LearningOrder::new(&problem(epsilon))?;
        let limits: [Vec<f64>; 3] = [
            times.iter().map(|&t| order.constant_residual(t)).collect(),
            times.iter().map(|&t| order.linear_residual(t)).collect(),
            order.quadratic_residuals(times)?,
        ];
        let axes = |title: &str, y: &str| Panel::new(title, "t", y).log_x().x_range(start(epsilon), END);
        let mut risk = axes(&format!("{label}: risk and its parts"), "risk").y_range(0.0, 0.6);
        risk = risk.line("risk", times, series.values("risk", "risk")?);
        let mut residuals = axes(&format!("{label}: residuals; dashed: ε → 0"), "φ_k − σ_k⟨a s^k⟩").y_range(-0.8, 0.8);
        for (degree, limit) in limits.into_iter().enumerate() {
            let name = ["constant", "linear", "quadratic"][degree];
            let residual = column(series.values("risk", "component")?, degree, TARGET.len());
            let part: Vec<f64> = residual.iter().map(|r| 0.5 * r * r).collect();
            risk = risk.line(name, times, &part);
            if degree == 0 {
                // The colours of the panel above.
                residuals = residuals.line("", &[], &[]);
            }
            residuals = residuals.line(name, times, &residual).dashed("", times, &limit).same_colour();
        }
        rows[0].push(risk);
        rows[1].push(residuals);
    }
    Ok(rows.into_iter().flatten().fold(Picture::new(2), Picture::panel))
}

/// `a_i` and `s_i`.
pub fn neurons() -> Outcome<Picture> {
    let mut rows = [Vec::new(), Vec::new()];
    for (epsilon, label) in CASES {
        let series = run(epsilon)?;
        for (row, (name, title)) in rows.iter_mut().zip([("a", "second layer"), ("s", "alignments")]) {
            let values = series.values("neurons", name)?;
            let panel = Panel::new(&format!("{label}: {title} of ten neurons"), "t", &format!("{name}_i"));
            let panel = panel.log_x().x_range(start(epsilon), END);
            let add = |panel: Panel, i| panel.line("", &series.times, &column(values, i, A.len()));
            row.push((0..A.len()).fold(panel, add));
        }
    }
    Ok(rows.into_iter().flatten().fold(Picture::new(2), Picture::panel))
}
