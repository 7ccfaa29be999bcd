use std::fmt::Write;

use exmex::{Differentiate, Express, FlatEx};
use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::problem::*;

fn at(text: &str, x: f64) -> f64 {
    Formula::new(text, &["x"]).unwrap().value(&[x])
}

#[test]
fn powers_bind_before_signs_and_signs_before_products() {
    let x: f64 = 1.7;
    let table = [
        ("-x^2", -(x * x)),
        ("-(x - 0.5)^2", -(x - 0.5) * (x - 0.5)),
        ("2 - -x", 2.0 + x),
        ("2*-x^2", -2.0 * x * x),
        ("2^-x", libm::pow(2.0, -x)),
        ("2^3^2", 512.0),
        ("2**3", 8.0),
        ("x/2/4", x / 8.0),
        ("x - 1 - 2", x - 1.0 - 2.0),
        ("1 + 2*x^2", 1.0 + 2.0 * x * x),
        ("+x", x),
        (".5 + 5. + 1e-3 + 2E+1", 25.501),
        ("2*e", 2.0 * std::f64::consts::E),
        ("x·2 − π", x * 2.0 - std::f64::consts::PI),
        ("max(min(x, 1), max(0, -x))", 1.0),
        ("ln(exp(x)) - log(e^x)", 0.0),
        ("(-x)^3", -x * x * x),
        ("(-x)^-2", 1.0 / (x * x)),
        ("4^0.5 + x^0", 3.0),
        ("relu(-x) + step(x) + sign(-x)", 0.0),
        ("normal_cdf(0) + sigmoid(0) + gelu(0)", 1.0),
    ];
    for (text, expected) in table {
        let value = at(text, x);
        // Rounding of a few operations on numbers of order one to 512.
        assert!((value - expected).abs() <= 1e-15 * (1.0 + expected.abs()), "{text}: {value} {expected}");
    }
    assert_eq!(variables(1, 2), ["theta", "h_1", "h_2"]);
}

#[test]
fn errors_name_the_place() {
    let table = [
        ("", 0, "the end", "a number, a name or ("),
        ("0.5*(theta - h", 14, "the end", "an operator (+ - * / ^) or )"),
        (
            "0.5*(thet - h)",
            5,
            "thet",
            "theta? There are the variables theta, h; the constants pi, e; the functions sin",
        ),
        ("theta h", 6, "h", "an operator (+ - * / ^) or the end"),
        ("2theta", 1, "theta", "an operator"),
        ("theta)", 5, ")", "no ) without a ("),
        ("theta, h", 5, ",", "no comma"),
        ("sin theta", 4, "theta", "( after sin"),
        ("max(theta)", 9, ")", "a comma and the second argument of max"),
        ("max(theta, h, 1)", 12, ",", ") after the argument of max"),
        ("theta + $", 8, "$", "numbers, names"),
        ("θ₁ ∂ 2", 0, "θ₁", "the variables theta, h"),
        ("h + \u{1F600}", 4, "\u{1F600}", "numbers, names"),
        ("1e999", 0, "1e999", "a finite number"),
        ("theta + * h", 8, "*", "a number, a name or ("),
        (".", 0, ".", "a finite number"),
        ("()", 1, ")", "a number, a name or ("),
    ];
    for (text, place, what, wanted) in table {
        let Error::Formula { text: given, at, found, expected } = Formula::new(text, &["theta", "h"]).unwrap_err()
        else {
            panic!("{text}");
        };
        assert_eq!((given.as_str(), at, found.as_str()), (text, place, what));
        assert!(expected.contains(wanted), "{text}: {expected}");
    }
    let line = Formula::new("0.5*(theta - h", &["theta", "h"]).unwrap_err().to_string();
    assert_eq!(
        line,
        "formula \"0.5*(theta - h\": found the end at character 15, expected an operator (+ - * / ^) or )"
    );
}

#[test]
fn absurd_text_is_refused_at_once() {
    let long_sum = format!("x{}", " + sin(x)*x".repeat(400));
    let nested = format!("{}x{}", "sin(".repeat(190), ")".repeat(190));
    let product = format!("x{}", "*(x + 1.5)".repeat(600));
    let texts = ["(".repeat(100_000), "(".repeat(9_999), "-".repeat(9_999), "x^".repeat(4_999), "sin(".repeat(2_400)];
    for text in texts {
        let error = Formula::new(&text, &["x"]).unwrap_err();
        assert!(matches!(error, Error::Formula { .. }) && error.to_string().chars().count() < 250, "{error}");
    }
    let mut refusals = 0;
    for text in [long_sum, nested, product] {
        // Derivatives grow by a factor for each order, and are given up before they fill the memory.
        let mut formula = Formula::new(&text, &["x"]).unwrap();
        for _ in 0..60 {
            match formula.derivative(0) {
                Ok(derivative) => formula = derivative,
                Err(error) => {
                    assert!(error.to_string().contains("at most 100000 operations"));
                    refusals += 1;
                    break;
                }
            }
        }
        FormulaLoss::new(&renamed(&text, &[("x", "theta")]), 1, 0).unwrap();
    }
    assert!(refusals > 0);
}

/// `text` with other names.
fn renamed(text: &str, names: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        out += names.iter().find(|(old, _)| *old == word).map_or(word, |(_, new)| new);
        out += &part[word.len()..];
    }
    out
}

/// Formulas in `x` and `y` with every sign and parenthesis written, as text.
fn written() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("x".to_owned()),
        Just("y".to_owned()),
        (1..40_i32).prop_map(|k| format!("{}", f64::from(k) * 0.125)),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*"]), inner.clone())
                .prop_map(|(a, operator, b)| format!("({a}{operator}{b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}/(3.0+cos({b})))")),
            (inner.clone(), prop::sample::select(vec!["sin", "cos", "tanh", "atan"]))
                .prop_map(|(a, function)| format!("{function}({a})")),
            inner.clone().prop_map(|a| format!("exp(sin({a}))")),
            inner.clone().prop_map(|a| format!("sqrt(1.5+sin({a}))")),
            inner.clone().prop_map(|a| format!("log(2.5+cos({a}))")),
            (inner, 2..7_u32).prop_map(|(a, n)| format!("((sin({a}))^{n})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Another parser with derivatives of its own (exmex) finds the same.
    #[test]
    fn values_and_derivatives_are_those_of_exmex(text in written(), x in -2.0..2.0, y in -2.0..2.0) {
        let ours = Formula::new(&text, &["x", "y"]).unwrap();
        let theirs = FlatEx::<f64>::parse(&text).unwrap();
        let names = theirs.var_names().to_vec();
        let point: Vec<f64> = names.iter().map(|name| if name == "x" { x } else { y }).collect();
        // Rounding through at most some dozens of operations, whose intermediate values may be a few hundred times the result.
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-10 * (1.0 + b.abs());
        let value = theirs.eval(&point).unwrap();
        prop_assert!(close(ours.value(&[x, y]), value), "{} {}", ours.value(&[x, y]), value);
        for (k, name) in names.iter().enumerate() {
            let variable = usize::from(name == "y");
            let (slope, slope_of_theirs) = (ours.derivative(variable).unwrap(), theirs.clone().partial(k).unwrap());
            let expected = slope_of_theirs.eval(&point).unwrap();
            let found = slope.value(&[x, y]);
            // Theirs is NaN where it divides by an argument that is 0 or takes its logarithm.
            prop_assert!(found.is_finite());
            prop_assert!(!expected.is_finite() || close(found, expected), "{name}: {found} {expected}");
        }
    }

    /// Whatever is typed gives a formula or an error within the text, never a panic.
    #[test]
    fn any_text_is_read_or_refused(text in r"([a-z0-9.,()+*/^ −θ\-]|sin\(|max\(|theta|1e|\PC){0,40}") {
        match Formula::new(&text, &["theta", "h"]) {
            Ok(formula) => {
                formula.derivative(0).unwrap().value(&[0.3, 0.7]);
            }
            Err(Error::Formula { at, .. }) => prop_assert!(text.is_char_boundary(at)),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    /// Blocks, strides and single points give the same bits.
    #[test]
    fn blocks_are_their_points(text in written(), agents in 1..300_usize) {
        let theta: Vec<f64> = (0..2 * agents).map(|k| (k as f64 * 0.7).sin() * 3.0).collect();
        for (x, y, dim_theta, dim_h) in [("theta_1", "theta_2", 2, 0), ("theta", "h", 1, 1), ("h_1", "theta", 1, 2)] {
            let loss = FormulaLoss::new(&renamed(&text, &[("x", x), ("y", y)]), dim_theta, dim_h).unwrap();
            let (theta, h) = (&theta[..agents * dim_theta], &theta[..agents * dim_h]);
            let mut block = vec![f64::NAN; theta.len()];
            loss.gradients(theta, h, agents, &mut block);
            for k in 0..agents {
                let mut each = vec![0.0; dim_theta];
                loss.gradient(&theta[k * dim_theta..][..dim_theta], &h[k * dim_h..][..dim_h], &mut each);
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&each), bits(&block[k * dim_theta..][..dim_theta]));
            }
        }
    }
}

#[test]
fn every_function_has_its_derivative() {
    let mut checked = 0;
    for (name, function) in function::FUNCTIONS {
        let text = match function {
            function::Function::Two(_) => format!("{name}(x, 0.3*x - 0.1)"),
            _ => format!("{name}(0.7*x + 0.1)"),
        };
        let formula = Formula::new(&text, &["x"]).unwrap();
        let derivative = formula.derivative(0).unwrap();
        for x in [-1.1, -0.4, 0.2, 0.5, 1.1] {
            let h = 1e-3;
            let difference = |h: f64| (formula.value(&[x + h]) - formula.value(&[x - h])) / (2.0 * h);
            // Richardson's extrapolation of central differences: the error is of order h⁴ times fifth derivatives up to 1e3.
            let slope = (4.0 * difference(h) - difference(2.0 * h)) / 3.0;
            if slope.is_finite() {
                checked += 1;
                assert!((slope - derivative.value(&[x])).abs() < 1e-8, "{text} at {x}: {slope}");
            }
        }
        assert!(formula.value(&[f64::NAN]).is_nan(), "{name}");
    }
    assert!(checked > 120, "{checked}");
    for text in ["max(x, 1)", "max(1, x)", "min(x, 1)", "min(1, x)"] {
        assert!(at(text, f64::NAN).is_nan());
    }
}

#[test]
fn powers_hold_for_negative_bases() {
    for (text, slope) in [("x^2", -3.0), ("x^3", 6.75), ("x^-1", -1.0 / 2.25), ("x^20", 20.0 * libm::pow(-1.5, 19.0))] {
        let derivative = Formula::new(text, &["x"]).unwrap().derivative(0).unwrap().value(&[-1.5]);
        assert!((derivative - slope).abs() < 1e-14 * slope.abs(), "{text}: {derivative} {slope}");
    }
    let both = Formula::new("x^y", &["x", "y"]).unwrap();
    let (x, y): (f64, f64) = (1.3, -0.7);
    let slopes = [0, 1].map(|variable| both.derivative(variable).unwrap().value(&[x, y]));
    let expected = [y * x.powf(y - 1.0), x.powf(y) * x.ln()];
    assert!((slopes[0] - expected[0]).abs() + (slopes[1] - expected[1]).abs() < 1e-15 * 4.0);
}

#[test]
fn losses_are_the_built_in_ones() {
    let theta: Vec<f64> = (0..500).map(|k| (f64::from(k) * 0.37).sin() * 4.0).collect();
    let h: Vec<f64> = (0..500).map(|k| (f64::from(k) * 0.91).cos() * 3.0).collect();
    let gradients = |loss: &dyn Loss, h: &[f64]| {
        let mut out = vec![0.0; theta.len()];
        loss.gradients(&theta, h, theta.len() / loss.dimension(), &mut out);
        out
    };
    let quadratic = FormulaLoss::new("0.5*(theta - h)^2", 1, 1).unwrap();
    assert_eq!(gradients(&quadratic, &h), gradients(&Quadratic::new(1.0, 1), &h));
    let (mut values, mut built_in) = (vec![0.0; 500], vec![0.0; 500]);
    FormulaFitness::new("-(theta - 0.5)^2", 1, 1).unwrap().values(&theta, &h, &mut values);
    QuadraticFitness { optimum: vec![0.5], curvature: 1.0 }.values(&theta, &h, &mut built_in);
    assert_eq!(values, built_in);
    let pairs: [(FormulaLoss, Box<dyn Loss>); 3] = [
        (
            FormulaLoss::new("2*(theta^2 - 1)^2 - 0.3*h*theta", 1, 1).unwrap(),
            Box::new(DoubleWell { barrier: 2.0, coupling: 0.3 }),
        ),
        (
            FormulaLoss::new("((theta_1^2 + theta_2 - 11)^2 + (theta_1 + theta_2^2 - 7)^2)/100", 2, 2).unwrap(),
            Box::new(Himmelblau::new(100.0)),
        ),
        (
            FormulaLoss::new("0.5*((theta_1 - h_1)^2 + (theta_2 - h_2)^2)", 2, 2).unwrap(),
            Box::new(Quadratic::new(1.0, 2)),
        ),
    ];
    for (formula, built_in) in &pairs {
        for (a, b) in gradients(formula, &h).iter().zip(gradients(&**built_in, &h)) {
            // Rounding of terms up to 1e3 in another order.
            assert!((a - b).abs() < 1e-12, "{formula:?}: {a} {b}");
        }
    }
    assert_eq!(pairs[1].0.least_hyperparameters(), 0);
    assert_eq!(pairs[2].0.least_hyperparameters(), 2);
}

#[test]
fn quadratic_losses_are_seen() {
    let quadratic = |text: &str, h: &[f64]| {
        let mut minimiser = [f64::NAN];
        FormulaLoss::new(text, 1, h.len()).unwrap().quadratic(h, &mut minimiser).map(|k| (k, minimiser[0]))
    };
    assert_eq!(quadratic("0.5*(theta - h)^2", &[1.7]), Some((1.0, 1.7)));
    assert_eq!(quadratic("theta^2", &[1.7]), Some((2.0, 0.0)));
    assert_eq!(quadratic("3*theta*theta/4 - theta*h + sin(h)", &[1.5]), Some((1.5, 1.0)));
    assert_eq!(quadratic("0.5*exp(h_1)*(theta - h_2^2)^2", &[0.0, 3.0]), Some((1.0, 9.0)));
    for text in
        ["(theta^2 - 1)^2", "-(theta - h)^2", "theta*h", "0.5*theta^2 + abs(theta)", "max(theta^2, h)", "h*theta^2"]
    {
        assert_eq!(quadratic(text, &[-1.0]), None, "{text}");
    }
    let mut minimiser = [0.0; 2];
    let two = |text| FormulaLoss::new(text, 2, 1).unwrap();
    let round = two("0.5*((theta_1 - h)^2 + (theta_2 + 1)^2)");
    assert_eq!((round.quadratic(&[0.3], &mut minimiser), minimiser), (Some(1.0), [0.3, -1.0]));
    for text in ["theta_1^2 + 2*theta_2^2", "theta_1^2 + theta_2^2 + theta_1*theta_2", "theta_1^2"] {
        assert_eq!(two(text).quadratic(&[0.3], &mut minimiser), None, "{text}");
    }
    let fitness = |text| FormulaFitness::new(text, 1, 1).unwrap().quadratic().map(|(a, c)| (a, c.to_vec()));
    assert_eq!(fitness("-(theta - 0.5)^2"), Some((1.0, vec![0.5])));
    assert_eq!(fitness("theta - theta^2 - 0.25"), Some((1.0, vec![0.5])));
    for text in ["1 - (theta - 0.5)^2", "(theta - 0.5)^2", "-(theta - h)^2", "-theta^4", "-abs(theta)"] {
        assert_eq!(fitness(text), None, "{text}");
    }
}

#[test]
fn kinks_of_activations_are_found() {
    let kinks = |text| FormulaActivation::new(text).unwrap().kinks();
    assert_eq!(kinks("max(x, 0.1*x)"), [0.0]);
    assert_eq!(kinks("relu(x)"), Activation::Relu.kinks());
    assert!(kinks("erf(x/sqrt(2)) + tanh(x)*exp(-x^2)").is_empty());
    for (text, expected) in [
        ("abs(x - 0.3) + relu(-x - 1)", vec![-1.0, 0.3]),
        ("min(max(x, -1.25), 2.3)", vec![-1.25, 2.3]),
        ("step(x^2 - 2)", vec![-2_f64.sqrt(), 2_f64.sqrt()]),
        ("floor(x/8)", vec![-8.0, 0.0, 8.0]),
        ("relu(relu(x) - 1)", vec![0.0, 1.0]),
    ] {
        let found = kinks(text);
        assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
        // Bisection ends at the last bit.
        found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-14, "{text}: {a} {b}"));
    }
}

#[test]
fn activations_are_the_built_in_ones() {
    let texts = ["erf(x/sqrt(2))", "relu(x)", "x", "x^2", "tanh(x)", "gelu(x)", "softplus(x)"];
    for (text, named) in texts.iter().zip(Activation::NAMED) {
        let formula = FormulaActivation::new(text).unwrap();
        for x in [-40.0, -3.3, -0.2, 0.0, 0.7, 2.0, 35.0] {
            // The argument of erf is divided rather than multiplied: one rounding, relative, of a function that is not steep.
            assert!((formula.value(x) - named.value(x)).abs() <= 1e-15 * named.value(x).abs(), "{text} {x}");
            let (a, b) = (formula.derivative(x), named.derivative(x));
            // Rounding of x² in the exponents.
            assert!((a - b).abs() <= 1e-15 * (1.0 + x * x) * b.abs(), "{text} {x}: {a} {b}");
        }
    }
}

#[test]
fn coefficients_schedules_and_weights() {
    assert!(matches!(Coefficient::formula("2/4", 1).unwrap(), Coefficient::Constant(0.5)));
    assert_eq!(Coefficient::formula("0.1*h^2", 1).unwrap().at(&[2.0]), 0.4);
    assert_eq!(Coefficient::formula("h_2 - h_1", 2).unwrap().at(&[2.0, 5.0]), 3.0);
    assert!(Coefficient::formula("theta", 1).is_err());
    assert_eq!(LearningRate::formula("0.5/(1 + t/50)").unwrap().at(50.0), Some(0.25));
    assert!(matches!(LearningRate::formula("1/2").unwrap(), LearningRate::Constant(0.5)));
    let log_weight = |text, fitness| Rule::formula(text).unwrap().log_weight(fitness, 0.0).unwrap();
    assert_eq!(log_weight("exp(2*F)", 1e4), 2e4);
    assert_eq!(log_weight("exp(2*fitness)", -1e4), -2e4);
    // Rounding of 2e4.
    assert!((log_weight("3*F*e^(-F)/exp(F)", 1e4) - ((3e4_f64).ln() - 2e4)).abs() < 1e-11);
    assert_eq!(log_weight("2^F", -4000.0), -4000.0 * 2_f64.ln());
    assert_eq!(log_weight("max(F, 0)^2", -1.0), f64::NEG_INFINITY);
    assert!(log_weight("F", -1.0).is_nan() && log_weight("-exp(F)", 1.0).is_nan());
}

#[test]
fn values_over_slices() {
    let mut text = String::from("0");
    // More registers than fit on the stack: products that all wait for the last sum.
    for k in 1..60 {
        text.insert(0, '(');
        write!(text, " + sin({k}*x))*cos({k} + y)").unwrap();
    }
    for text in [text.as_str(), "1.5", "x", "y - x"] {
        let formula = Formula::new(text, &["x", "y"]).unwrap();
        let x: Vec<f64> = (0..333).map(|k| f64::from(k) * 0.01).collect();
        let y: Vec<f64> = x.iter().map(|x| 1.0 - x).collect();
        let mut out = vec![0.0; 333];
        formula.values(&[&x, &y], &mut out).unwrap();
        assert!(x.iter().zip(&y).zip(&out).all(|((&x, &y), &out)| formula.value(&[x, y]) == out), "{text}");
        assert!(formula.values(&[&x], &mut out).is_err() && formula.values(&[&x, &y[1..]], &mut out).is_err());
    }
}
