//! The averages over Gaussian fields: closed forms, quadrature, plain Monte Carlo.

use std::error::Error;

use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::{Quadrature, i2, i3, i4, j2};
use learning_dynamics::monte_carlo::rng::{Key, Purpose, fill_normals};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::Activation;
use rayon::prelude::*;

use super::joint::{axis, list};
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// Every closed form against two numbers that do not know it; how fast quadrature converges.
pub const STUDY: Study = Study {
    name: "gaussian-integrals",
    claim: "closed forms of I2, J2, I3, I4 agree with quadrature and Monte Carlo; a circulating formula for ReLU lacks c₁₂/4",
    run,
};

type Matrix = [[f64; 4]; 4];

/// Rows of W whose products are the covariances: all directions, students close to teachers, three dimensions for four fields.
const VECTORS: [(&str, Matrix); 3] = [
    ("generic", [[0.9, 0.3, -0.2, 0.1], [0.1, 0.8, 0.4, -0.3], [0.2, -0.4, 0.7, 0.3], [-0.3, 0.5, 0.2, 0.6]]),
    ("near", [[0.9, 0.3, -0.2, 0.1], [0.1, 0.8, 0.4, -0.3], [0.901, 0.3, -0.201, 0.1], [0.1, 0.8, 0.401, -0.299]]),
    ("singular", [[0.9, 0.3, -0.2, 0.0], [0.1, 0.8, 0.4, 0.0], [0.2, -0.4, 0.7, 0.0], [-0.3, 0.5, 0.2, 0.0]]),
];

fn covariance(vectors: &Matrix) -> Matrix {
    vectors.map(|a| vectors.map(|b| a.iter().zip(b).map(|(x, y)| x * y).sum()))
}

fn part<const N: usize>(c: &Matrix, at: [usize; N]) -> [[f64; N]; N] {
    at.map(|a| at.map(|b| c[a][b]))
}

/// I2, J2, I3 and I4 of the fields 0, 1, 2, 3 with the same activation throughout.
fn all(g: &Activation, c: &Matrix, rule: Quadrature) -> learning_dynamics::Result<[f64; 4]> {
    Ok([
        i2([g, g], part(c, [0, 2]), [0.0; 2], rule)?,
        j2([g, g], part(c, [0, 2]), [0.0; 2], rule)?,
        i3([g, g], part(c, [0, 1, 2]), [0.0; 3], rule)?,
        i4([g, g, g, g], *c, [0.0; 4], rule)?,
    ])
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    closed_forms(&mut report, level)?;
    let relu = circulating(&mut report, level)?;
    let [smooth, kinked] = convergence(&mut report)?;
    report.picture("integrals", Picture::new(3).panel(relu).panel(smooth).panel(kinked));
    Ok(report)
}

fn closed_forms(report: &mut Report, level: Level) -> Result<(), Box<dyn Error>> {
    let samples = level.pick(1 << 20, 1 << 25);
    // The rule, the error that it leaves, and why.
    let cases = [
        (Activation::Erf, Quadrature::Trapezoidal { points: 64 }, 1e-11, "64 points a dimension, entire integrands"),
        (
            Activation::Relu,
            Quadrature::Split { points: 64 },
            3e-9,
            "panels that end at kinks; near-kinks where fields nearly coincide",
        ),
        (Activation::Linear, Quadrature::GaussHermite { points: 12 }, 1e-12, "the rule is exact; rounding"),
        (Activation::Quadratic, Quadrature::GaussHermite { points: 12 }, 1e-12, "the rule is exact; rounding"),
    ];
    for (g, rule, tolerance, why) in cases {
        let (mut worst, mut furthest) = (0.0_f64, 0.0_f64);
        for (number, (name, vectors)) in VECTORS.iter().enumerate() {
            let c = covariance(vectors);
            let (closed, numbers) = (all(&g, &c, Quadrature::Automatic)?, all(&g, &c, rule)?);
            let sampled = monte_carlo(&g, vectors, samples, number);
            for k in 0..4 {
                worst = worst.max((closed[k] - numbers[k]).abs());
                let (mean, error) = sampled[k];
                // Linear slopes are constants, without a Monte Carlo error.
                furthest = furthest.max((closed[k] - mean).abs() / error.max(1e-9));
            }
            report.note(format!(
                "{g:?}, {name}: closed {}; quadrature − closed {}; Monte Carlo {}",
                list(&closed),
                list(&std::array::from_fn::<f64, 4, _>(|k| numbers[k] - closed[k])),
                sampled.map(|(mean, error)| format!("{mean:.6} ± {error:.6}")).join(", ")
            ));
        }
        let source = match g {
            Activation::Erf => "Saad & Solla (1995), eqs. (A1)–(A6); EQUATIONS 2a",
            Activation::Relu => "Stein's lemma and orthant probabilities; EQUATIONS 2a",
            _ => "Wick's theorem; EQUATIONS 2a",
        };
        report
            .gate(
                &format!("{g:?}: closed forms of I2, J2, I3, I4 against quadrature, three covariances"),
                source,
                Expected::AtMost(tolerance),
                worst,
                0.0,
            )
            .why(why);
        report
            .gate(
                &format!("{g:?}: closed forms against Monte Carlo, in standard errors, largest of 12"),
                source,
                Expected::AtMost(4.0),
                furthest,
                0.0,
            )
            .why("4 standard errors; the numbers of one covariance share their samples");
    }
    Ok(())
}

/// Means and standard errors of what I2, J2, I3, I4 average.
fn monte_carlo(g: &Activation, vectors: &Matrix, samples: usize, stream: usize) -> [(f64, f64); 4] {
    const BLOCK: usize = 1 << 14;
    let key = Key::new(20, Purpose::Evaluation, stream);
    let sums: Vec<[[f64; 2]; 4]> = (0..samples / BLOCK)
        .into_par_iter()
        .map(|block| {
            let mut z = vec![0.0; 4 * BLOCK];
            fill_normals(key.at(block, 0), &mut z);
            let mut sums = [[0.0; 2]; 4];
            for z in z.chunks_exact(4) {
                let x = vectors.map(|row| row.iter().zip(z).map(|(w, z)| w * z).sum::<f64>());
                let (v, d) = (x.map(|x| g.value(x)), [g.derivative(x[0]), g.derivative(x[1]), g.derivative(x[2])]);
                let terms = [v[0] * v[2], d[0] * d[2], d[0] * x[1] * v[2], d[0] * d[1] * v[2] * v[3]];
                for (sum, term) in sums.iter_mut().zip(terms) {
                    sum[0] += term;
                    sum[1] += term * term;
                }
            }
            sums
        })
        .collect();
    let n = samples as f64;
    std::array::from_fn(|k| {
        let mean = sums.iter().map(|sum| sum[k][0]).sum::<f64>() / n;
        let square = sums.iter().map(|sum| sum[k][1]).sum::<f64>() / n;
        (mean, ((square - mean * mean).max(0.0) / n).sqrt())
    })
}

/// `E[r(x) r(y)]` of ReLU: `(s + c asin ρ)/2π` against `(s + c (π/2 + asin ρ))/2π`.
fn circulating(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    use std::f64::consts::{FRAC_PI_2, TAU};
    let (a, b): (f64, f64) = (1.0, 0.64);
    let formula = |c: f64, quarter: f64| {
        let s = (a * b - c * c).max(0.0).sqrt();
        (s + c * (quarter + (c / (a * b).sqrt()).clamp(-1.0, 1.0).asin())) / TAU
    };
    let relu = Activation::Relu;
    let samples = level.pick(1 << 19, 1 << 25);
    let cosines = [-0.95, -0.7, -0.4, -0.1, 0.2, 0.5, 0.8, 1.0];
    let (mut lacking, mut right, mut wrong) = (Vec::new(), 0.0_f64, f64::INFINITY);
    let (mut means, mut errors) = (Vec::new(), Vec::new());
    for (stream, &cosine) in cosines.iter().enumerate() {
        let c = cosine * (a * b).sqrt();
        let sine = f64::sqrt(1.0 - cosine * cosine);
        let vectors = [[1.0, 0.0, 0.0, 0.0], [0.0; 4], [0.8 * cosine, 0.8 * sine, 0.0, 0.0], [0.0; 4]];
        let (mean, error) = monte_carlo(&relu, &vectors, samples, 100 + stream)[0];
        let quadrature = i2([&relu, &relu], [[a, c], [c, b]], [0.0; 2], Quadrature::Split { points: 64 })?;
        lacking.push((quadrature - formula(c, 0.0)) / (0.25 * c));
        right = right.max((formula(c, FRAC_PI_2) - mean).abs() / error);
        wrong = wrong.min((formula(c, 0.0) - mean).abs() / error);
        means.push(mean);
        errors.push(error);
    }
    let source = "a note in circulation; EQUATIONS 2a (test)";
    let spread = lacking.iter().fold(0.0_f64, |most, x| most.max((x - 1.0).abs()));
    report
        .gate(
            "ReLU: what (s + c₁₂ asin ρ)/2π lacks, over c₁₂/4: largest distance from 1",
            source,
            Expected::AtMost(1e-9),
            spread,
            0.0,
        )
        .why("panels of 64 points against a closed form");
    report
        .gate(
            "ReLU: (s + c₁₂(π/2 + asin ρ))/2π against Monte Carlo, in standard errors, largest of 8",
            source,
            Expected::AtMost(4.0),
            right,
            0.0,
        )
        .why("4 standard errors");
    report
        .gate(
            "ReLU: (s + c₁₂ asin ρ)/2π against Monte Carlo, in standard errors, smallest of 8",
            source,
            Expected::AtLeast(10.0),
            wrong,
            0.0,
        )
        .why("far beyond chance at every angle: the circulating formula is wrong");
    report.note(format!("**Verdict: the circulating formula lacks c₁₂/4**: ratios {}", list(&lacking)));
    let fine: Vec<f64> = (0..=200).map(|k| -1.0 + 0.01 * f64::from(k)).collect();
    let curve = |quarter: f64| -> Vec<f64> { fine.iter().map(|x| formula(x * (a * b).sqrt(), quarter)).collect() };
    let angle = axis("correlation", "ρ", &cosines);
    report.data(Field::array("relu", "mean", "E[r r], Monte Carlo", &[&angle], means.clone()));
    report.data(Field::array("relu", "standard_error", "its standard error", &[&angle], errors.clone()));
    Ok(Panel::new("ReLU, c₁₁ = 1, c₂₂ = 0.64", "ρ", "E[r(x) r(y)]")
        .points("Monte Carlo", &cosines, &means, &errors)
        .line("(s + c(π/2 + asin ρ))/2π", &fine, &curve(FRAC_PI_2))
        .dashed("(s + c asin ρ)/2π", &fine, &curve(0.0)))
}

/// How fast tensor rules converge: for tanh, with poles at ±iπ/2, and for the kinks of ReLU.
fn convergence(report: &mut Report) -> Result<[Panel; 2], Box<dyn Error>> {
    let numbers = [8, 12, 16, 20, 24, 32, 40, 48, 64];
    let points = numbers.map(|n| n as f64);
    let hermite = |points| Quadrature::GaussHermite { points };
    let trapezoid = |points| Quadrature::Trapezoidal { points };
    let (tanh, relu) = (Activation::Tanh, Activation::Relu);
    let errors = |f: &(dyn Fn(Quadrature) -> learning_dynamics::Result<f64> + Sync),
                  rule: &(dyn Fn(usize) -> Quadrature + Sync),
                  best: Quadrature| {
        let exact = f(best)?;
        numbers.par_iter().map(|&n| Ok((f(rule(n))? - exact).abs())).collect::<learning_dynamics::Result<Vec<f64>>>()
    };
    let c = covariance(&VECTORS[0].1);
    let fourth = |rule| i4([&tanh, &tanh, &tanh, &tanh], c, [0.0; 4], rule);
    let square = |rule| i2([&tanh, &tanh], [[1.0; 2]; 2], [0.0; 2], rule);
    let pair = |rule| i2([&relu, &relu], [[1.0, 0.5], [0.5, 1.0]], [0.0; 2], rule);
    let steps = |rule| j2([&relu, &relu], [[1.0, 0.5], [0.5, 1.0]], [0.0; 2], rule);
    let best = Quadrature::Trapezoidal { points: 100 };
    let by_hermite = errors(&fourth, &hermite, best)?;
    let by_trapezoid = errors(&fourth, &trapezoid, best)?;
    let one = errors(&square, &hermite, Quadrature::Trapezoidal { points: 200 })?;
    let kink = errors(&pair, &hermite, Quadrature::Automatic)?;
    let jump = errors(&steps, &hermite, Quadrature::Automatic)?;
    let number = axis("points", "points a dimension", &points);
    for (name, description, list) in [
        ("tanh_hermite", "error of I4, Gauss–Hermite", &by_hermite),
        ("tanh_trapezoid", "error of I4, trapezoidal rule", &by_trapezoid),
        ("tanh_square", "error of E[tanh²], Gauss–Hermite", &one),
        ("relu", "error of I2, ReLU, Gauss–Hermite", &kink),
        ("steps", "error of J2, ReLU, Gauss–Hermite", &jump),
    ] {
        report.note(format!("{description}, n = {numbers:?}: {}", list_of(list)));
        report.data(Field::array("convergence", name, description, &[&number], list.clone()));
    }
    // Least squares on ln(e/√n) = α − β√n, where rounding is far; √n belongs to a double pole.
    let used: Vec<(f64, f64)> = points.iter().zip(&one).filter(|p| *p.1 > 1e-13).map(|(n, e)| (n.sqrt(), *e)).collect();
    let exponentials: Vec<f64> = used.iter().map(|p| p.0.exp()).collect();
    let (rate, error) = fit_slope(&exponentials, &used.iter().map(|p| p.1 / p.0).collect::<Vec<_>>());
    let source = "poles at ±iπ/2 and Hermite's remainder (Boyd 1984; Trefethen 2022)";
    report
        .gate(
            "tanh, Gauss–Hermite in one dimension: ln(error/√n) of E[tanh² x] against √n, slope",
            source,
            Expected::Within { value: -std::f64::consts::PI, tolerance: 0.15 },
            rate,
            error,
        )
        .why("the usual 0.15; a double pole gives the √n");
    report
        .gate(
            "tanh, I4 with 32 points a dimension: error of the trapezoidal rule over that of Gauss–Hermite",
            "Trefethen (2022); EQUATIONS 2a",
            Expected::AtMost(0.1),
            by_trapezoid[5] / by_hermite[5],
            0.0,
        )
        .why("at least one digit");
    report
        .gate(
            "tanh, I4 with 32 points a dimension: error of the trapezoidal rule",
            "EQUATIONS 2a",
            Expected::AtMost(1e-8),
            by_trapezoid[5],
            0.0,
        )
        .why("what a trajectory to 1e-8 needs");
    let (slope, error) = fit_slope(&points, &kink);
    report
        .gate(
            "ReLU, Gauss–Hermite: order of I2 in the number of points",
            "a kink between nodes 1/√n apart; EQUATIONS 2a",
            Expected::Within { value: -1.0, tolerance: 0.15 },
            slope,
            error,
        )
        .why("the usual 0.15 for an observed order");
    let (steep, error) = fit_slope(&points, &jump);
    report.note(format!("ReLU, Gauss–Hermite, J2 (steps): slope {steep:.2} ± {error:.2}, irregular"));
    let smooth = Panel::new("tanh, I4: two rules", "points a dimension", "error")
        .log_y()
        .points("Gauss–Hermite", &points, &by_hermite, &[])
        .line("", &points, &by_hermite)
        .same_colour()
        .points("trapezoidal", &points, &by_trapezoid, &[])
        .line("", &points, &by_trapezoid)
        .same_colour();
    let kinked = Panel::new("ReLU: Gauss–Hermite at kinks", "points a dimension", "error")
        .log_x()
        .log_y()
        .points("I2", &points, &kink, &[])
        .points("J2", &points, &jump, &[])
        .slope("order 1", -1.0, [points[0], 1.5 * kink[0]], [points[0], points[8]]);
    Ok([smooth, kinked])
}

fn list_of(errors: &[f64]) -> String {
    errors.iter().map(|e| format!("{e:.1e}")).collect::<Vec<_>>().join(", ")
}
