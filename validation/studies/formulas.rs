//! Problems stated by formulas against the same ones stated in code, and derivatives of formulas against closed forms.

use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::{HermiteSeries, Quadrature};
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, TrainingStep};
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;
use ndarray::array;

use super::plane::{events, himmelblau, square};
use super::toy::{Outcome, axis, l1, largest, linspace, record, toy};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// A formula is as good as code.
pub const STUDY: Study = Study {
    name: "formulas",
    claim: "losses, fitnesses, activations, coefficients and weights given as text have exact derivatives and the results of code",
    run,
};

/// A formula in x, its derivative in code, and the points between which they are compared.
type Pair = (&'static str, fn(f64) -> f64, [f64; 2]);

const PAIRS: &[Pair] = &[
    ("-(x - 0.5)^2", |x| -2.0 * (x - 0.5), [-3.0, 3.0]),
    ("x^3 - 2*x^-1", |x| 3.0 * x * x + 2.0 / (x * x), [0.3, 3.0]),
    ("x^1.5/(1 + x)", |x| (1.5 * x.sqrt() * (1.0 + x) - x.powf(1.5)) / (1.0 + x).powi(2), [0.2, 4.0]),
    ("2^x", |x| 2f64.ln() * x.exp2(), [-3.0, 3.0]),
    ("exp(-0.5*x^2)", |x| -x * (-0.5 * x * x).exp(), [-4.0, 4.0]),
    ("sin(2*x)*cos(x)", |x| 2.0 * (2.0 * x).cos() * x.cos() - (2.0 * x).sin() * x.sin(), [-3.0, 3.0]),
    ("tan(x)", |x| 1.0 + x.tan().powi(2), [-1.0, 1.0]),
    ("asin(x) + acos(x/2)", |x| 1.0 / (1.0 - x * x).sqrt() - 0.5 / (1.0 - 0.25 * x * x).sqrt(), [-0.9, 0.9]),
    ("atan(x)", |x| 1.0 / (1.0 + x * x), [-3.0, 3.0]),
    ("sinh(x) - cosh(2*x)", |x| x.cosh() - 2.0 * (2.0 * x).sinh(), [-2.0, 2.0]),
    ("tanh(x)", |x| 1.0 / x.cosh().powi(2), [-4.0, 4.0]),
    ("log(1 + x^2)", |x| 2.0 * x / (1.0 + x * x), [-4.0, 4.0]),
    ("log10(x) + log2(x)", |x| (1.0 / 10f64.ln() + 1.0 / 2f64.ln()) / x, [0.1, 4.0]),
    ("sqrt(1 + x)", |x| 0.5 / (1.0 + x).sqrt(), [-0.9, 4.0]),
    ("erf(x/sqrt(2))", |x| (2.0 / std::f64::consts::PI).sqrt() * (-0.5 * x * x).exp(), [-4.0, 4.0]),
    ("max(x, 0.3*x^2) + abs(x)", |x| if x > 0.0 { 2.0 } else { 0.6 * x - 1.0 }, [-3.0, 3.0]),
    (
        "softplus(x) + sigmoid(x)",
        |x| {
            let s = 1.0 / (1.0 + (-x).exp());
            s + s * (1.0 - s)
        },
        [-4.0, 4.0],
    ),
    ("gelu(x)", |x| Activation::Gelu.derivative(x), [-4.0, 4.0]),
];

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    derivatives(&mut report, level.pick(101, 10_001))?;
    populations(&mut report, level)?;
    networks(&mut report)?;
    Ok(report)
}

/// Largest relative error of the derivatives, at an even number of points so that none hits a kink.
fn derivatives(report: &mut Report, points: usize) -> Outcome<()> {
    let mut errors = Vec::new();
    for (text, slope, [low, high]) in PAIRS {
        let derivative = Formula::new(text, &["x"])?.derivative(0)?;
        let x = linspace(*low, *high, points + 1);
        let mut values = vec![0.0; x.len()];
        derivative.values(&[&x], &mut values)?;
        let error = |(x, value): (&f64, &f64)| (value - slope(*x)).abs() / slope(*x).abs().max(1.0);
        errors.push(largest(x.iter().zip(&values).map(error)));
    }
    report
        .gate(
            "largest relative error of a derivative over all functions",
            "rules of differentiation",
            Expected::AtMost(1e-13),
            largest(errors.iter().copied()),
            0.0,
        )
        .why("some hundred roundings; a difference quotient would leave 1e-10");
    let number = axis("formula", "number of the formula", &linspace(0.0, (PAIRS.len() - 1) as f64, PAIRS.len()));
    report.data(Field::array("derivatives", "error", "largest relative error", &[&number], errors.clone()));
    let shown: Vec<f64> = errors.iter().map(|error| error.max(1e-17)).collect();
    let panel = Panel::new("Derivatives of formulas", "formula", "largest relative error").log_y();
    report.picture("derivatives", Picture::new(1).panel(panel.points("", &number.values, &shown, &[])));
    for ((text, ..), error) in PAIRS.iter().zip(&errors) {
        report.note(format!("d/dx {text}: {error:.1e}"));
    }
    Ok(())
}

/// The same populations with loss, fitness, coefficients and weights in code and as text.
fn populations(report: &mut Report, level: Level) -> Outcome<()> {
    let mut code = toy();
    code.loss = Arc::new(DoubleWell { barrier: 0.5, coupling: 0.3 });
    code.fitness = Arc::new(FitnessFn(|theta: f64, h: f64| -(theta - 0.5).powi(2) - 0.1 * h * h));
    code.mobility = Coefficient::Function(Arc::new(|h: &[f64]| 1.0 + 0.1 * h[0] * h[0]));
    code.initial.theta = InitialTheta::Law(vec![Law::Gaussian { mean: 0.0, std: 0.5 }]);
    let mut text = code.clone();
    text.loss = Arc::new(FormulaLoss::new("0.5*(theta^2 - 1)^2 - 0.3*h*theta", 1, 1)?);
    text.fitness = Arc::new(FormulaFitness::new("-(theta - 0.5)^2 - 0.1*h^2", 1, 1)?);
    text.mobility = Coefficient::formula("1 + 0.1*h^2", 1)?;
    let cells = level.pick(96, 256);
    let joint = |problem: &Population| -> Outcome<Vec<f64>> {
        let theta = Axis::uniform("theta", -3.0, 3.0, cells)?;
        let mut kinetic = Kinetic::new(problem.clone(), theta, cells / 2, Steps::Tolerance(1e-4))?;
        record(&mut kinetic, &[2.0])?;
        Ok(kinetic.masses().to_vec())
    };
    report
        .gate(
            "joint equation, double well: L1 distance",
            "the same problem in code",
            Expected::AtMost(1e-11),
            l1(&joint(&code)?, &joint(&text)?),
            0.0,
        )
        .why("rounding; the step control may turn 1e-16 into 1e-12");

    // Without selection, in which a rounding may change who copies whom.
    let cloud = |problem: &Population| -> Outcome<Vec<f64>> {
        let problem = Population { selection: Selection::Off, ..problem.clone() };
        let step = TrainingStep::LearningRate(0.05);
        let mut agents = Agents::new(problem, AgentSettings { agents: 2000, step, ..AgentSettings::default() })?;
        record(&mut agents, &[0.5])?;
        Ok(agents.theta(0).to_vec())
    };
    let (a, b) = (cloud(&code)?, cloud(&text)?);
    report
        .gate(
            "agents, double well: largest difference of θ after 100 steps",
            "the same problem in code",
            Expected::AtMost(1e-11),
            largest(a.iter().zip(&b).map(|(a, b)| (a - b).abs())),
            0.0,
        )
        .why("rounding of 100 steps, which the hill between the wells stretches");

    let mut plane = himmelblau(0.1, events(1.0));
    let of_code = cloud(&plane)?;
    let by_code = Kinetic::new(plane.clone(), square(6.0, 24)?, 8, Steps::Tolerance(1e-3));
    let shifted = "((theta_1 - h)^2 + theta_2 - 11)^2/100 + ((theta_1 - h) + theta_2^2 - 7)^2/100";
    plane.loss = Arc::new(FormulaLoss::new(shifted, 2, 1)?);
    plane.fitness =
        Arc::new(FormulaFitness::new("-((theta_1^2 + theta_2 - 11)^2 + (theta_1 + theta_2^2 - 7)^2)/100", 2, 1)?);
    report
        .gate(
            "agents, Himmelblau moved by h: largest difference of θ after 100 steps",
            "the same problem in code",
            Expected::AtMost(1e-11),
            largest(of_code.iter().zip(&cloud(&plane)?).map(|(a, b)| (a - b).abs())),
            0.0,
        )
        .why("rounding of 100 steps, which the hills between the wells stretch");
    let by_text = Kinetic::new(plane, square(6.0, 24)?, 8, Steps::Tolerance(1e-3));
    let ends = [by_code?, by_text?].map(|mut kinetic| record(&mut kinetic, &[0.5]).map(|_| kinetic.masses().to_vec()));
    let [a, b] = ends;
    report
        .gate(
            "joint equation, Himmelblau moved by h: L1 distance",
            "the same problem in code",
            Expected::AtMost(1e-11),
            l1(&a?, &b?),
            0.0,
        )
        .why("rounding");

    // w̄ of the toy problem in closed form: v = D, A = 1, β = 1, so w̄ ∝ exp(−h²/(1 + 2v)).
    let law = |weight: Weight| -> Outcome<Vec<f64>> {
        let grid = HyperGrid::new(toy().h[0], 200)?;
        let mut averaged = Averaged::new(toy(), grid, Settings { weight, tolerance: 1e-11 })?;
        record(&mut averaged, &[3.0])?;
        Ok(averaged.mass().to_vec())
    };
    report
        .gate(
            "averaged equation with w̄(h) as text: L1 distance to the closed form",
            "EQUATIONS 1c",
            Expected::AtMost(1e-12),
            l1(&law(Weight::ClosedForm)?, &law(Weight::formula("exp(-h^2/1.2)/sqrt(1.2)", 1)?)?),
            0.0,
        )
        .why("rounding");
    Ok(())
}

/// Activations as text.
fn networks(report: &mut Report) -> Outcome<()> {
    let custom =
        |text: &str| -> Outcome<Activation> { Ok(Activation::Custom(Arc::new(FormulaActivation::new(text)?))) };
    let error = |activation: Activation| -> Outcome<f64> {
        let student = Student::new(array![[0.5, 0.0], [0.0, 0.3]], array![[0.1, 0.0], [0.0, 0.1]], activation.clone());
        let problem = Committee::new(Teacher::orthonormal(2, activation), student, 0.5);
        let mut theory = OrderParameters::of(problem, Quadrature::Trapezoidal { points: 64 }, 1e-10)?;
        Ok(record(&mut theory, &[5.0])?.last("errors", "generalization_error")?[0])
    };
    let (named, text) = (error(Activation::Erf)?, error(custom("erf(x/sqrt(2))")?)?);
    report
        .gate(
            "erf committee at t = 5, both by quadrature: E_g of the text over that of the code, less 1",
            "the same in code",
            Expected::Within { value: 0.0, tolerance: 1e-9 },
            text / named - 1.0,
            0.0,
        )
        .why("the rule leaves 1e-5 with 24 points a dimension and 5e-7 with 32, as its error falls exponentially");
    // (x − b)₊ has c₀ = φ(b) − b Q(b), c₁ = Q(b) and c_k = φ(b) He_{k−2}(b)/√k!; Q(b) = 1 − Φ(b). Its kink lies within a panel of
    // the quadrature.
    let kink: f64 = 0.3;
    let density = (-0.5 * kink * kink).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let beyond = 0.5 * libm::erfc(kink / 2f64.sqrt());
    let mut exact = vec![density - kink * beyond, beyond];
    let (mut before, mut hermite, mut factorial) = (0.0, 1.0, 1.0);
    for k in 2..=12 {
        factorial *= f64::from(k);
        exact.push(density * hermite / factorial.sqrt());
        (before, hermite) = (hermite, kink * hermite - f64::from(k - 2) * before);
    }
    let text = HermiteSeries::new(&custom("max(x - 0.3, 0)")?.into(), 12, "σ")?.coefficients;
    report
        .gate(
            "ReLU moved by 0.3, as text: largest error of its Hermite coefficients to degree 12",
            "closed form, by parts",
            Expected::AtMost(1e-12),
            largest(exact.iter().zip(&text).map(|(a, b)| (a - b).abs())),
            0.0,
        )
        .why("quadrature that knows of the kink; one that does not leaves 1e-5");
    Ok(())
}
