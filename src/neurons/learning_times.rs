//! When each degree of the target is learnt.

use super::flow::{FlowSettings, NeuronFlow};
use crate::error::{Error, Result};
use crate::problem::SingleIndex;

/// The first time at which the residual of each degree is at most half of its initial size, from a record: `residuals[k·degrees + l]` is
/// that of degree l at `times[k]` (the field `risk/component` of a series).
///
/// The first row counts as initial: record at t = 0, or long before ε. Between two records the residual is interpolated linearly in log t
/// (in t, from t = 0): at n records a decade this is off by some `(2.3/n)²/8`, relative. `None`: not within the record, or
/// nothing to learn.
///
/// # Errors
/// [`Error::Shape`] for a record that is not `times × degrees`.
pub fn learning_times_of(times: &[f64], residuals: &[f64], degrees: usize) -> Result<Vec<Option<f64>>> {
    if residuals.len() != times.len() * degrees {
        return Err(Error::Shape {
            what: "record of residuals".into(),
            found: residuals.len(),
            expected: times.len() * degrees,
        });
    }
    let size = |k: usize, degree: usize| residuals[k * degrees + degree].abs();
    let of = |degree: usize| {
        let half = if times.is_empty() { 0.0 } else { 0.5 * size(0, degree) };
        let k = (1..times.len()).find(|&k| half > 0.0 && size(k, degree) <= half)?;
        let (low, high) = (size(k - 1, degree), size(k, degree));
        Some(between([times[k - 1], times[k]], (low - half) / (low - high)))
    };
    Ok((0..degrees).map(of).collect())
}

fn between([low, high]: [f64; 2], share: f64) -> f64 {
    if low > 0.0 { low * (high / low).powf(share) } else { low + (high - low) * share }
}

/// The first of `times` (increasing) after which the residual of each degree is at most half of its initial size, made precise to 1e-9,
/// relative, by going through the interval again. `None`: not by the last of them, or nothing to learn.
///
/// # Errors
/// Those of [`NeuronFlow::new`] and [`NeuronFlow::advance_to`].
pub fn learning_times(problem: SingleIndex, settings: FlowSettings, times: &[f64]) -> Result<Vec<Option<f64>>> {
    let mut flow = NeuronFlow::new(problem, settings)?;
    let halves: Vec<f64> = flow.risk().residuals.iter().map(|r| 0.5 * r.abs()).collect();
    let mut found = vec![None; halves.len()];
    for &time in times {
        if halves.iter().zip(&found).all(|(half, found)| *half == 0.0 || found.is_some()) {
            break;
        }
        let before = flow.clone();
        flow.advance_to(time)?;
        let residuals = flow.risk().residuals;
        for (degree, found) in found.iter_mut().enumerate() {
            let half = halves[degree];
            if found.is_none() && half > 0.0 && residuals[degree].abs() <= half {
                *found = Some(crossing(&before, time, degree, half)?);
            }
        }
    }
    Ok(found)
}

/// Bisects with the secant's guess (Illinois), each time from the start of the interval.
fn crossing(start: &NeuronFlow, end: f64, degree: usize, half: f64) -> Result<f64> {
    let excess = |share: f64| -> Result<f64> {
        let mut flow = start.clone();
        flow.advance_to(between([start.at(), end], share))?;
        Ok(flow.risk().residuals[degree].abs() - half)
    };
    let (mut low, mut high) = (0.0, 1.0);
    let (mut at_low, mut at_high) = (excess(low)?, excess(high)?);
    let mut kept = 0;
    for _ in 0..100 {
        if high - low < 1e-9 || at_low == at_high {
            break;
        }
        let middle = ((low * at_high - high * at_low) / (at_high - at_low)).clamp(low, high);
        let value = excess(middle)?;
        if value > 0.0 {
            (low, at_low) = (middle, value);
            if kept == 1 {
                at_high *= 0.5;
            }
            kept = 1;
        } else {
            (high, at_high) = (middle, value);
            if kept == -1 {
                at_low *= 0.5;
            }
            kept = -1;
        }
        if value.abs() <= 1e-10 * half {
            return Ok(between([start.at(), end], middle));
        }
    }
    Ok(between([start.at(), end], high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Solver;
    use crate::problem::Activation;
    use crate::record::{Series, logarithmic};

    #[test]
    fn records_are_interpolated_in_the_logarithm() {
        let times = [0.0, 1.0, 10.0, 100.0];
        let residuals = [1.0, -2.0, 0.0, 0.8, -1.8, 0.0, 0.3, -1.5, 0.0, 0.1, -1.1, 0.1];
        let found = learning_times_of(&times, &residuals, 3).unwrap();
        assert!((found[0].unwrap() - 10f64.powf(0.6)).abs() < 1e-14);
        assert_eq!(found[1..], [None, None]);
        assert_eq!(learning_times_of(&[], &[], 2).unwrap(), [None, None]);
        assert!(matches!(learning_times_of(&times, &residuals, 2), Err(Error::Shape { found: 12, expected: 8, .. })));
    }

    #[test]
    fn the_constant_of_one_degree_is_exact_and_records_agree() {
        let a = vec![1.0, -0.4, 0.7, 0.2, -1.3];
        let settings = FlowSettings { degrees: 3, ..FlowSettings::default() };
        let times = logarithmic(1e-6, 10.0, 20).unwrap();
        let one = SingleIndex::new([0.5], [0.8], 1e-3, a.clone());
        let found = learning_times(one, settings, &times).unwrap();
        // ε ln 2/σ₀²; tolerance 1e-8.
        assert!((found[0].unwrap() / (4e-3 * std::f64::consts::LN_2) - 1.0).abs() < 1e-7, "{found:?}");
        assert_eq!(found[1..], [None, None]);

        let problem = SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 1e-3, a);
        let mut series = Series::new();
        let mut flow = NeuronFlow::new(problem.clone(), settings).unwrap();
        let all = [vec![0.0], times.clone()].concat();
        flow.run(&all, &mut |frame| series.visit(frame)).unwrap();
        let coarse = learning_times_of(&all, series.values("risk", "component").unwrap(), 3).unwrap();
        let fine = learning_times(problem, settings, &times).unwrap();
        for (coarse, fine) in coarse.iter().zip(&fine) {
            // (2.3/20)²/8 = 0.002, times slopes of order 1.
            assert!((coarse.unwrap() / fine.unwrap() - 1.0).abs() < 0.01, "{coarse:?} {fine:?}");
        }
        assert!(fine[0] < fine[1] && fine[1] < fine[2]);
    }
}
