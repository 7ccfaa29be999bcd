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
    let sums = |y: &[f64], f: &dyn Fn(f64, f64) -> f64| -> f64 {
        (0..n).map(|i| pairs[i].2 * f(y[i], y[n + i])).sum()
    };
    let rhs = |_: f64, y: &[f64], dy: &mut [f64]| {
        let g: Vec<f64> = (0..sigma.len())
            .map(|k| sigma[k] * (phi[k] - sigma[k] * sums(y, &|a, s| a * s.powi(k as i32))))
            .collect();
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
    println!("{errors:?} {exact:?}");
    // One-sided: the study measures the order.
    assert!(errors[1] < errors[0] / 3.3 && errors[2] < errors[1] / 3.3, "{errors:?}");
}

#[test]
fn tolerance_is_kept() {
    let exact = characteristics(&law(), 1.0);
    for tolerance in [1e-2, 1e-3, 1e-4] {
        let mut density = solver(&law(), (200, 201), DensitySteps::Tolerance(tolerance));
        run(&mut density, 1.0);
        let errors: Vec<f64> = moments(&density).iter().zip(&exact).map(|(a, b)| a - b).collect();
        println!("{tolerance} {:?} {errors:?}", density.statistics());
    }
}
