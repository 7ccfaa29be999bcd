//! Whether the θ box cuts off part of what training leads to.

use super::hyper::HyperGrid;
use super::theta::ThetaGrid;
use crate::error::Warning;
use crate::problem::Population;

/// Gibbs mass outside the box from which it is told.
const ALLOWED: f64 = 1e-6;
/// Cells a box and axis of the wider box, at most, by dθ.
const CELLS: [usize; 2] = [400, 40];

/// A warning if the Gibbs law on a box three times as wide in each direction has mass outside the box, at the ends and in
/// the middle of each axis of h. Where the loss or its coefficients are not numbers there is nothing.
pub(crate) fn well_cut(problem: &Population, theta: &ThetaGrid, h: &HyperGrid) -> Option<Warning> {
    let few = |k: usize| {
        let places = h.axes[k].len();
        let mut few = vec![0, places / 2, places - 1];
        few.dedup();
        few.into_iter().map(move |place| h.axes[k].points[place])
    };
    let points: Vec<Vec<f64>> = match h.dimension() {
        1 => few(0).map(|a| vec![a]).collect(),
        _ => few(0).flat_map(|a| few(1).map(move |b| vec![a, b])).collect(),
    };
    let (outside, h) =
        points.into_iter().map(|point| (outside(problem, theta, &point), point)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (outside > ALLOWED).then_some(Warning::WellCut { outside, h, allowed: ALLOWED })
}

fn outside(problem: &Population, theta: &ThetaGrid, h: &[f64]) -> f64 {
    let scale = problem.mobility.at(h) / problem.diffusion.at(h);
    // Three boxes along each axis, so that the box itself lies on faces.
    let axes: Vec<Vec<(f64, bool)>> = theta
        .axes()
        .iter()
        .map(|axis| {
            let cells = axis.len().min(CELLS[theta.dimension() - 1]);
            let width = (axis.high() - axis.low()) / cells as f64;
            (0..3 * cells)
                .map(|k| (axis.low() + (k as f64 + 0.5 - cells as f64) * width, (cells..2 * cells).contains(&k)))
                .collect()
        })
        .collect();
    let mut values = Vec::new();
    let mut add = |theta: &[f64], inside: bool| {
        let value = scale * problem.loss.value(theta, h);
        if value.is_finite() {
            values.push((value, inside));
        }
    };
    match &axes[..] {
        [first, second] => first.iter().for_each(|a| second.iter().for_each(|b| add(&[a.0, b.0], a.1 && b.1))),
        [axis] => axis.iter().for_each(|a| add(&[a.0], a.1)),
        _ => {}
    }
    let lowest = values.iter().map(|v| v.0).fold(f64::INFINITY, f64::min);
    let (mut all, mut out) = (0.0, 0.0);
    for (value, inside) in values {
        let mass = (lowest - value).exp();
        all += mass;
        out += if inside { 0.0 } else { mass };
    }
    if all > 0.0 { out / all } else { 0.0 }
}
