//! Plateaus of the generalisation error.

/// A stretch in which the error hardly falls, before it falls on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plateau {
    /// When the error fell to 1.1 times the height (or the record began).
    pub entry: f64,
    /// When it fell to 0.9 times the height.
    pub exit: f64,
    /// The error where it falls slowest.
    pub height: f64,
}

/// Relative half-width of the band around the height.
const BAND: f64 = 0.1;
/// The fall after it, without which it is the end of training.
const FALL: f64 = 2.0;
/// How many times longer than in the neighbouring bands the error must stay.
const LINGERS: f64 = 2.0;
/// Ratio of the levels tried.
const LEVELS: f64 = 1.01;

/// The longest plateau of an error recorded at increasing `times`.
///
/// A stretch counts if the error stays within ±10 % of a level `h` for at least twice as long as it takes for the bands of
/// equal ratio just above and just below, and later falls to `h/2` or less. So neither exponential nor algebraic decay has a
/// plateau, nor has the last value approached. The height is the error where it changes slowest (relative
/// change over time between two records) within the longest such stretch; entry and exit are the crossings of 1.1 and 0.9
/// heights around there, interpolated (log E linear in t). A record should have several times within each 20 % of change.
///
/// `None` if there is no plateau, for lists of different lengths, and for errors that are not positive and finite.
pub fn plateau(times: &[f64], errors: &[f64]) -> Option<Plateau> {
    let usable = errors.iter().all(|error| *error > 0.0 && error.is_finite());
    if times.len() != errors.len() || times.len() < 3 || !usable {
        return None;
    }
    let logs: Vec<f64> = errors.iter().map(|error| error.ln()).collect();
    let curve = Curve { times, logs: &logs };
    let (lowest, highest) = logs.iter().fold((f64::MAX, f64::MIN), |(low, high), &e| (low.min(e), high.max(e)));
    let count = ((highest - lowest) / LEVELS.ln()).ceil() as usize;
    let mut best: Option<(f64, usize, usize)> = None;
    for level in (0..count).map(|k| highest - k as f64 * LEVELS.ln()) {
        if lowest > level - FALL.ln() {
            break;
        }
        for (from, to) in curve.stays(level) {
            let length = curve.lingers(level, from, to);
            if length.is_some_and(|length| best.is_none_or(|best| length > best.0)) {
                best = length.map(|length| (length, from, to));
            }
        }
    }
    let (_, from, to) = best?;
    let slowest = (from.max(1)..=to.min(logs.len() - 1)).min_by(|&i, &j| curve.slope(i).total_cmp(&curve.slope(j)))?;
    let log = 0.5 * (logs[slowest - 1] + logs[slowest]);
    let entry = curve.before(slowest, log + (1.0 + BAND).ln());
    let exit = curve.after(slowest, log + (1.0 - BAND).ln())?;
    Some(Plateau { entry, exit, height: log.exp() })
}

struct Curve<'a> {
    times: &'a [f64],
    logs: &'a [f64],
}

impl Curve<'_> {
    /// Maximal runs of records within the band around `level`.
    fn stays(&self, level: f64) -> Vec<(usize, usize)> {
        let inside = |e: &f64| *e <= level + (1.0 + BAND).ln() && *e >= level + (1.0 - BAND).ln();
        let mut runs = Vec::new();
        let mut start = None;
        for (k, e) in self.logs.iter().enumerate() {
            match (start, inside(e)) {
                (None, true) => start = Some(k),
                (Some(from), false) => {
                    runs.push((from, k - 1));
                    start = None;
                }
                _ => {}
            }
        }
        // A run up to the end of the record is not followed by a fall.
        runs
    }

    /// How long the error stays, if that is a plateau.
    fn lingers(&self, level: f64, from: usize, to: usize) -> Option<f64> {
        let ratio = ((1.0 + BAND) / (1.0 - BAND)).ln();
        let (top, bottom) = (level + (1.0 + BAND).ln(), level + (1.0 - BAND).ln());
        let falls = self.logs[to..].iter().any(|e| *e <= level - FALL.ln());
        if !falls || self.logs[to + 1] > level {
            return None;
        }
        let (entry, exit) = (self.before(from, top), self.after(to, bottom)?);
        let (length, above) = (exit - entry, entry - self.before(from, top + ratio));
        let below = self.after(to, bottom - ratio)? - exit;
        (length >= LINGERS * above.max(below)).then_some(length)
    }

    /// When, last before record `k`, the curve was at `level`, coming from above; the first time if never.
    fn before(&self, k: usize, level: f64) -> f64 {
        let above = self.logs[..k].iter().rposition(|e| *e > level);
        above.map_or(self.times[0], |at| self.crossing(at, level))
    }

    /// When, first after record `k`, it falls below `level`.
    fn after(&self, k: usize, level: f64) -> Option<f64> {
        let below = self.logs[k..].iter().position(|e| *e < level)? + k;
        Some(if below == 0 { self.times[0] } else { self.crossing(below - 1, level) })
    }

    /// Where the line from record `k` to the next takes the value `level`.
    fn crossing(&self, k: usize, level: f64) -> f64 {
        let (t, e) = (&self.times[k..k + 2], &self.logs[k..k + 2]);
        t[0] + (t[1] - t[0]) * (level - e[0]) / (e[1] - e[0])
    }

    /// Relative change over time from record `k − 1` to `k`.
    fn slope(&self, k: usize) -> f64 {
        (self.logs[k] - self.logs[k - 1]).abs() / (self.times[k] - self.times[k - 1])
    }
}

#[cfg(test)]
#[path = "plateau_tests.rs"]
mod tests;
