//! Hermite coefficients and the dual kernels U and V: closed forms, series and quadrature.

use std::error::Error;

use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::{DualKernel, HermiteSeries, Quadrature, i2, j2};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Link};

use super::joint::{axis, list};
use super::teacher_student::furthest;
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// Three ways to the same kernels.
pub const STUDY: Study = Study {
    name: "hermite",
    claim: "Hermite coefficients and dual kernels U, V: closed forms agree with quadrature, and series with their estimated truncation",
    run,
};

/// The function under a name that has no closed forms.
#[derive(Debug)]
struct Unnamed(Activation);

impl learning_dynamics::problem::Nonlinearity for Unnamed {
    fn value(&self, x: f64) -> f64 {
        self.0.value(x)
    }
    fn derivative(&self, x: f64) -> f64 {
        self.0.derivative(x)
    }
    fn kinks(&self) -> Vec<f64> {
        self.0.kinks()
    }
}

fn rule(activation: &Activation) -> Quadrature {
    if activation.kinks().is_empty() {
        Quadrature::Trapezoidal { points: 96 }
    } else {
        Quadrature::Split { points: 48 }
    }
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let degree = level.pick(100, 400);
    let degrees: Vec<f64> = (0..=degree).map(|k| k as f64).collect();
    let along = axis("degree", "degree", &degrees);
    let mut sizes = Panel::new("|σ_k|, k = 0 … 100", "k + 1", "|σ_k|").log_x().log_y().y_range(1e-9, 1.0);
    for (activation, name) in
        [(Activation::Relu, "relu"), (Activation::Erf, "erf"), (Activation::Quadratic, "quadratic")]
    {
        let exact = HermiteSeries::new(&activation.clone().into(), degree, "σ")?;
        let unnamed = Link::Function(Activation::Custom(std::sync::Arc::new(Unnamed(activation.clone()))));
        let numbers = HermiteSeries::new(&unnamed, degree, "σ")?;
        let worst = furthest(exact.coefficients.iter().zip(&numbers.coefficients).map(|(a, b)| a - b));
        report
            .gate(
                &format!("closed form − quadrature of σ_k, k ≤ {degree}, {activation:?}"),
                "EQUATIONS 3",
                Expected::Within { value: 0.0, tolerance: 1e-13 },
                worst,
                0.0,
            )
            .why("rounding of sums over some thousand nodes");
        report.data(Field::array("coefficients", name, "σ_k", &[&along], exact.coefficients));
    }
    for activation in [Activation::Relu, Activation::Erf, Activation::Tanh, Activation::Gelu, Activation::Softplus] {
        let series = HermiteSeries::new(&activation.clone().into(), 100, "σ")?;
        let shown: Vec<(f64, f64)> = (1..).map(f64::from).zip(series.coefficients.iter().map(|c| c.abs())).collect();
        let (x, y): (Vec<f64>, Vec<f64>) = shown.into_iter().filter(|(_, c)| *c > 1e-9).unzip();
        sizes = sizes.points(&format!("{activation:?}"), &x, &y, &[]);
    }
    let kernels = kernels(&mut report)?;
    let tails = tails(level, &mut report)?;
    report.picture("hermite", Picture::new(3).panel(sizes).panel(kernels).panel(tails));
    Ok(report)
}

/// Kernels against two-dimensional quadrature.
fn kernels(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let r: Vec<f64> = (-10..=10).map(|k| 0.1 * f64::from(k)).collect();
    let along = axis("r", "correlation", &r);
    let mut panel = Panel::new("U(r)/U(1)", "r", "U(r)/U(1)");
    for (activation, name) in [(Activation::Relu, "relu"), (Activation::Erf, "erf"), (Activation::Tanh, "tanh")] {
        let link = Link::from(activation.clone());
        let kernel = DualKernel::new(&link, &link, 400)?;
        let (mut values, mut errors, mut slopes) = (Vec::new(), Vec::new(), Vec::new());
        for &r in &r {
            let pair = [[1.0, r], [r, 1.0]];
            let found = kernel.at(r);
            errors.push(found[0] - i2([&activation, &activation], pair, [0.0; 2], rule(&activation))?);
            slopes.push(found[1] - j2([&activation, &activation], pair, [0.0; 2], rule(&activation))?);
            values.push(found[0]);
        }
        report
            .gate(
                &format!("U − E[σ(x)σ(y)], {activation:?}"),
                "EQUATIONS 3; Cho & Saul 2009, Williams 1997",
                Expected::Within { value: 0.0, tolerance: 1e-9 },
                furthest(errors),
                0.0,
            )
            .why("what the rule leaves for tanh near its poles; closed forms agree to 1e-13");
        report
            .gate(
                &format!("U' − E[σ'(x)σ'(y)], {activation:?}"),
                "Price's theorem",
                Expected::Within { value: 0.0, tolerance: 1e-7 },
                furthest(slopes),
                0.0,
            )
            .why("the step of ReLU' between parallel fields: its angle knows the square root of rounding, 1.5e-8");
        let whole = kernel.at(1.0)[0];
        let scaled: Vec<f64> = values.iter().map(|u| u / whole).collect();
        panel = panel.line(&format!("{activation:?}"), &r, &scaled);
        report.data(Field::array("kernels", name, "U(r)", &[&along], values));
    }
    let mixed = [(Activation::Gelu, Activation::Tanh), (Activation::Softplus, Activation::Relu)];
    for (f, g) in mixed {
        let kernel = DualKernel::new(&f.clone().into(), &g.clone().into(), 400)?;
        let errors = r.iter().map(|&r| {
            let points = if g.kinks().is_empty() { rule(&g) } else { Quadrature::Split { points: 48 } };
            Ok(kernel.at(r)[0] - i2([&f, &g], [[1.0, r], [r, 1.0]], [0.0; 2], points)?)
        });
        let errors: Vec<f64> = errors.collect::<learning_dynamics::Result<_>>()?;
        report.note(format!("V of {f:?}, {g:?}: errors {}", list(&errors)));
        report
            .gate(
                &format!("V − E[σ(x)φ(y)], {f:?} and {g:?}"),
                "Mehler's formula",
                Expected::Within { value: 0.0, tolerance: 1e-9 },
                furthest(errors),
                0.0,
            )
            .why("degrees above 400 add less than 1e-12; the rest is the rule's");
    }
    Ok(panel)
}

/// What a series leaves out.
fn tails(level: Level, report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let degrees: Vec<usize> = level.pick(vec![10, 20, 40, 80, 160, 320], vec![10, 20, 40, 80, 160, 320, 640, 1280]);
    let x: Vec<f64> = degrees.iter().map(|&d| d as f64).collect();
    let mut panel = Panel::new("What a series leaves out", "degree", "U(1) − series").log_x().log_y();
    for (activation, slope) in [(Activation::Relu, Some(-1.5)), (Activation::Erf, None), (Activation::Tanh, None)] {
        let link = Link::from(activation.clone());
        let (mut left, mut ratios) = (Vec::new(), Vec::new());
        let whole = HermiteSeries::new(&link, 0, "σ")?.norm;
        for &degree in &degrees {
            let kernel = DualKernel::series(&link, &link, degree)?;
            let missing = whole - kernel.at(1.0)[0];
            if missing.abs() > 1e-12 {
                ratios.push(kernel.truncation() / missing - 1.0);
            }
            left.push(missing);
        }
        report
            .gate(
                &format!("estimated over true truncation of U(1), less 1, {activation:?}"),
                "Parseval",
                Expected::Within { value: 0.0, tolerance: 1e-3 },
                furthest(ratios),
                0.0,
            )
            .why("equality at r = 1; rounding of E[σ²] over what is left, 1e-12 at least");
        if let Some(expected) = slope {
            let (found, error) = fit_slope(&x, &left);
            report
                .gate(
                    &format!("exponent of the truncation, {activation:?}"),
                    "σ_k² ~ k^(−5/2), from the kink",
                    Expected::Within { value: expected, tolerance: 0.05 },
                    found,
                    error,
                )
                .why("the next order, 1/degree, over the first degrees");
        }
        let shown: (Vec<f64>, Vec<f64>) = x.iter().zip(&left).filter(|(_, l)| **l > 1e-15).unzip();
        panel = panel.points(&format!("{activation:?}"), &shown.0, &shown.1, &[]);
    }
    Ok(panel.slope("−3/2", -1.5, [40.0, 2e-3], [10.0, 300.0]))
}
