use std::ops::ControlFlow;

use super::*;
use crate::numerics::ode::{StepTolerance, integrate};
use crate::problem::{Activation, Link};

fn law() -> NeuronLaw {
    NeuronLaw {
        activation: [0.4, 0.5, 0.3].into(),
        target: [0.8, 0.5, -0.6].into(),
        epsilon: 0.3,
        a: Law::Gaussian { mean: 0.3, std: 0.8 },
        s: Law::Gaussian { mean: 0.1, std: 0.15 },
    }
}

fn solver(law: &NeuronLaw, cells: (usize, usize), steps: DensitySteps) -> NeuronDensity {
    let a = Axis::uniform("a", -7.0, 9.0, cells.0).unwrap();
    NeuronDensity::new(law.clone(), a, cells.1, DensitySettings { steps, ..DensitySettings::default() }).unwrap()
}

fn run(density: &mut NeuronDensity, to: f64) {
    density.run(&[to], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
}

/// `[⟨a⟩, ⟨as⟩, ⟨as²⟩, ⟨s⟩, ⟨s²⟩, ⟨a²⟩]`.
fn moments(density: &NeuronDensity) -> [f64; 6] {
    let (a, s) = (&density.a().centres, &density.s().centres);
    let mut sums = [0.0; 6];
    for (at, m) in density.masses().iter().enumerate() {
        let (a, s) = (a[at / s.len()], s[at % s.len()]);
        sums.iter_mut().zip([a, a * s, a * s * s, s, s * s, a * a]).for_each(|(sum, f)| *sum += m * f);
    }
    sums
}

/// The same by characteristics: neurons on a tensor grid with the weights of the law, for which the trapezoidal rule converges
/// faster than any power.
fn characteristics(law: &NeuronLaw, to: f64) -> [f64; 6] {
    let (Link::Hermite(sigma), Link::Hermite(phi)) = (&law.activation, &law.target) else { panic!() };
    let nodes = |law: &Law| -> Vec<(f64, f64)> {
        let Law::Gaussian { mean, std } = *law else { panic!() };
        let points = (-20..=20).map(|k| 0.3 * f64::from(k));
        points.map(|z| (mean + std * z, 0.3 * crate::numerics::normal::normal_density(z))).collect()
    };
    let (of_a, of_s) = (nodes(&law.a), nodes(&law.s));
    let pairs: Vec<_> = of_a.iter().flat_map(|a| of_s.iter().map(move |s| (a.0, s.0, a.1 * s.1))).collect();
    let n = pairs.len();
    let mut y: Vec<f64> = pairs.iter().map(|p| p.0).chain(pairs.iter().map(|p| p.1)).collect();
    let sums = |y: &[f64], f: &dyn Fn(f64, f64) -> f64| -> f64 { (0..n).map(|i| pairs[i].2 * f(y[i], y[n + i])).sum() };
    let rhs = |_: f64, y: &[f64], dy: &mut [f64]| {
        let g: Vec<f64> =
            (0..sigma.len()).map(|k| sigma[k] * (phi[k] - sigma[k] * sums(y, &|a, s| a * s.powi(k as i32)))).collect();
        for i in 0..n {
            let [value, slope, _] = crate::gaussian::horner(&g, y[n + i]);
            dy[i] = value / law.epsilon;
            dy[n + i] = y[i] * (1.0 - y[n + i] * y[n + i]) * slope;
        }
        Ok(())
    };
    let tolerance = StepTolerance { relative: 1e-9, absolute: 1e-9 };
    integrate(rhs, (0.0, to), &mut y, tolerance, &mut 0.0).unwrap();
    let means: [&dyn Fn(f64, f64) -> f64; 6] =
        [&|a, _| a, &|a, s| a * s, &|a, s| a * s * s, &|_, s| s, &|_, s| s * s, &|a, _| a * a];
    means.map(|f| sums(&y, f))
}

#[test]
fn follows_characteristics_with_order_two() {
    let exact = characteristics(&law(), 1.0);
    let errors: Vec<f64> = [40, 80, 160]
        .map(|cells| {
            let mut density = solver(&law(), (cells, cells), DensitySteps::Fixed(4.0 / cells as f64));
            run(&mut density, 1.0);
            moments(&density).iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        })
        .to_vec();
    // One-sided: the study measures the order.
    assert!(errors[1] < errors[0] / 3.3 && errors[2] < errors[1] / 3.3, "{errors:?}");
}

#[test]
fn tolerance_is_the_error_of_the_steps() {
    let exact = characteristics(&law(), 1.0);
    let mut steps = 0;
    for tolerance in [1e-3, 1e-4, 1e-5] {
        let mut density = solver(&law(), (320, 321), DensitySteps::Tolerance(tolerance));
        run(&mut density, 1.0);
        // The five first moments: of ⟨a²⟩ a cell's width makes width²/12.
        let error = moments(&density).iter().zip(&exact).take(5).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // The cells make 2e-5, measured with steps ten times shorter.
        assert!(error < tolerance + 2e-5, "{tolerance}: {error}");
        assert!(density.statistics().steps > steps && density.statistics().steps < 100);
        steps = density.statistics().steps;
    }
}

#[test]
fn mass_and_sign_are_kept_from_any_start() {
    let atoms = [Law::Point { at: 0.0 }, Law::Point { at: -1.0 }, Law::Uniform { low: -1.0, high: 1.0 }];
    for (epsilon, end) in [(1.0, 2.0), (1e-3, 0.1), (1e-8, 1e-6)] {
        for s in &atoms {
            for steps in [DensitySteps::Tolerance(1e-2), DensitySteps::Fixed(0.1 * end)] {
                let a = Law::Uniform { low: -1.0, high: 1.0 };
                let law = NeuronLaw { epsilon, a, s: s.clone(), ..law() };
                let a = Axis::uniform("a", -60.0, 60.0, 60).unwrap();
                let settings = DensitySettings { steps, ..DensitySettings::default() };
                let mut density = NeuronDensity::new(law, a, 21, settings).unwrap();
                density
                    .run(&[0.3 * end, end], &mut |frame| {
                        assert!(frame.get("moments", "minimum").unwrap()[0] >= 0.0);
                        // Rounding: 1260 cells, some 30 steps.
                        let mass = frame.get("moments", "mass").unwrap()[0];
                        assert!((mass - 1.0).abs() < 1e-13, "{mass}");
                        Ok(ControlFlow::Continue(()))
                    })
                    .unwrap();
            }
        }
    }
}

/// Degree 0 alone: every neuron moves alike, `ε a' = σ₀φ₀ − σ₀²⟨a⟩`, and s stands still.
#[test]
fn degree_zero_is_a_translation() {
    let law = NeuronLaw { activation: [0.5].into(), target: [1.2].into(), epsilon: 1e-4, ..law() };
    let (mean, std, rest) = (0.3, 0.8, 1.2 / 0.5);
    let mut density = solver(&law, (160, 40), DensitySteps::Tolerance(1e-6));
    let before = density.marginal_s();
    for scaled in [0.5, 2.0, 1e6] {
        let time: f64 = scaled * law.epsilon;
        run(&mut density, time);
        let moved = Law::Gaussian { mean: rest + (mean - rest) * (-0.25 * scaled).exp(), std };
        let expected = density.a().faces.windows(2).map(|w| moved.mass(w[0], w[1]));
        let error: f64 = density.marginal_a().iter().zip(expected).map(|(a, b)| (a - b).abs()).sum();
        // Some remaps, each (width/std)⁴ = 2e-4 times a small constant.
        assert!(error < 1e-4, "{scaled}: {error}");
        let still = density.marginal_s().iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(still < 1e-14, "{still}");
        // The mean is that of the ordinary differential equation to rounding: nothing is left of the splitting.
        let residual = density.risk().residuals[0];
        assert!((residual - (1.2 - 0.5 * mean) * (-0.25 * scaled).exp()).abs() < 1e-12, "{residual}");
    }
}

#[test]
fn signs_turn_the_picture_round() {
    let a = Axis::uniform("a", -8.0, 8.0, 48).unwrap();
    let settings = DensitySettings { steps: DensitySteps::Fixed(0.05), ..DensitySettings::default() };
    let solve = |law: NeuronLaw| {
        let mut density = NeuronDensity::new(law, a.clone(), 33, settings).unwrap();
        run(&mut density, 0.5);
        density.masses().to_vec()
    };
    let one = solve(law());
    // (a, φ) → (−a, −φ).
    let turned = NeuronLaw { target: [-0.8, -0.5, 0.6].into(), a: Law::Gaussian { mean: -0.3, std: 0.8 }, ..law() };
    let turned = solve(turned);
    // s → −s, φ_k → (−1)^k φ_k.
    let mirrored = NeuronLaw { target: [0.8, -0.5, -0.6].into(), s: Law::Gaussian { mean: -0.1, std: 0.15 }, ..law() };
    let mirrored = solve(mirrored);
    for i in 0..48 {
        for j in 0..33 {
            let m = one[i * 33 + j];
            // Rounding of the masses, at most 1e-2, over 21 remaps.
            assert!((turned[(47 - i) * 33 + j] - m).abs() < 1e-14);
            assert!((mirrored[i * 33 + 32 - j] - m).abs() < 1e-14);
        }
    }
}

/// The closed form of ReLU against its own first Hermite coefficients.
#[test]
fn closed_kernels_and_series_agree() {
    let relu = Link::from(Activation::Relu);
    let series = crate::gaussian::HermiteSeries::new(&relu, 200, "σ").unwrap();
    let results = [relu, Link::Hermite(series.coefficients[..8].to_vec()), Link::Hermite(series.coefficients)].map(
        |activation| {
            let law = NeuronLaw { activation, ..law() };
            let mut density = solver(&law, (60, 41), DensitySteps::Fixed(0.1));
            run(&mut density, 1.0);
            (density.masses().to_vec(), density.risk())
        },
    );
    let distance = |k: usize| results[0].0.iter().zip(&results[k].0).map(|(a, b)| (a - b).abs()).sum::<f64>();
    // s lies within 0.8 or so, where the series has converged to 0.64^100; with eight terms 0.64^4 σ_8² = 3e-4 is left.
    assert!(distance(2) < 1e-7 && distance(1) < 1e-3, "{} {}", distance(1), distance(2));
    assert!((results[0].1.risk - results[2].1.risk).abs() < 1e-7);
}
