//! Times at which to look at a run.

use crate::error::{Error, Result, require};

/// No list of times may be longer; a step too small for its span is an error and not a full memory.
const MOST: f64 = 1e8;

/// `start, start + step, start + 2 step, …` up to `end`, which is among them if it is hit to rounding.
///
/// The `k`-th time is `start + k·step`, a product and not a running sum: no drift.
///
/// # Errors
/// [`Error::Parameter`] if `start` is not finite, `end` lies before `start`, or `step` is not positive or gives more
/// than 10⁸ times.
pub fn every(start: f64, end: f64, step: f64) -> Result<Vec<f64>> {
    require(start.is_finite(), "start", start, "a finite number")?;
    require(end.is_finite() && end >= start, "end", end, "a finite number, not before start")?;
    require(step > 0.0 && step.is_finite(), "step", step, "a positive number")?;
    let steps = (end - start) / step;
    require(steps <= MOST, "step", step, "a step that gives at most 1e8 times")?;
    // A last time that misses the end by rounding alone is the end.
    let nearest = steps.round();
    let hit = (steps - nearest).abs() <= 4.0 * f64::EPSILON * steps.max((start.abs().max(end.abs())) / step);
    let last = if hit { nearest } else { steps.floor() } as usize;
    let mut times: Vec<f64> = (0..=last).map(|k| start + k as f64 * step).collect();
    if hit && let Some(time) = times.last_mut() {
        *time = end;
    }
    if times.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Error::Parameter {
            key: "step".into(),
            value: step,
            expected: "a step above the rounding of the times",
        });
    }
    Ok(times)
}

/// Times from `start` to `end`, both included, `per_decade` to a factor of ten.
///
/// The `k`-th time is `start·10^(k/per_decade)`; the end is added if it is not hit.
///
/// # Errors
/// [`Error::Parameter`] if `start` is not positive, `end` not after it, or `per_decade` is 0 or gives more than 10⁸
/// times.
pub fn logarithmic(start: f64, end: f64, per_decade: usize) -> Result<Vec<f64>> {
    require(start > 0.0 && start.is_finite(), "start", start, "a positive number")?;
    require(end > start && end.is_finite(), "end", end, "a finite number after start")?;
    let n = per_decade as f64;
    require(per_decade > 0, "per_decade", n, "at least 1")?;
    let steps = (end.log10() - start.log10()) * n;
    require(steps <= MOST, "per_decade", n, "at most 1e8 times in all")?;
    // Times closer to the end than this share of a step would only double it.
    let before = (steps - 1e-9).ceil().max(1.0) as usize;
    let mut times: Vec<f64> = (0..before).map(|k| start * 10f64.powf(k as f64 / n)).collect();
    times.push(end);
    Ok(times)
}
