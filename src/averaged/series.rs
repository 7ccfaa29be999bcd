//! `exp(δA)x` for a nonnegative matrix A and x ≥ 0, by its power series.
//!
//! No term is negative, so nothing cancels and every place is right relative to itself. That is what a population needs
//! which grows out of the tail of its initial law: by linearity an error of at most ε·x in each place stays at most ε
//! times the solution for ever, whereas an error that is small against the whole may be large against those who take over.

/// The series, with its working memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    /// `(δA)ᵏx/k!`, one after the other.
    terms: Vec<f64>,
    /// Their sum.
    pub total: Vec<f64>,
    /// The sum over the places of each term.
    pub sums: Vec<f64>,
}

/// Terms above which a step counts as too long.
const TERMS: usize = 500;
/// What counts in places that hold less than this share of the whole is this, so that places that nobody has reached do
/// not ask for terms without end.
const FLOOR: f64 = 1e-280;
/// Terms below this are 0: arithmetic below 1e-308 is slow and not exact.
const TINY: f64 = 1e-300;
const LANES: usize = 8;

impl Series {
    /// Adds terms until what is left out is at most `allowed` times the sum in each place. The sum of `start` must be of
    /// order 1. Returns whether 500 terms were enough and nothing overflowed.
    ///
    /// With `r_k` the largest share that term k has of its place, `r_{k+1} ≤ r_k`: `(k+1)·term_{k+1}` is
    /// `δA term_k ≤ r_k δA(term_0 + … + term_k)`, which is `r_k Σ (m+1)·term_{m+1}`. So a small share is no accident that
    /// a later term could undo, and what is left out is estimated by a geometric series.
    pub fn add_up(
        &mut self,
        mut product: impl FnMut(&[f64], &mut [f64]),
        start: &[f64],
        step: f64,
        allowed: f64,
    ) -> bool {
        let n = start.len();
        self.terms.clear();
        self.terms.extend_from_slice(start);
        self.total.clear();
        self.total.extend_from_slice(start);
        self.sums.clear();
        self.sums.push(start.iter().sum());
        let mut previous = 1.0;
        for k in 1..=TERMS {
            self.terms.resize((k + 1) * n, 0.0);
            let (done, next) = self.terms.split_at_mut(k * n);
            product(&done[(k - 1) * n..], next);
            let (sum, largest) = add(next, &mut self.total, step / k as f64);
            self.sums.push(sum);
            if !sum.is_finite() {
                return false;
            }
            let ratio = largest / previous;
            if largest == 0.0 || (ratio <= 0.5 && largest * ratio <= (1.0 - ratio) * allowed) {
                return true;
            }
            previous = largest;
        }
        false
    }

    /// Writes `exp(xδA)` of the start to `out`, 0 ≤ x ≤ 1.
    pub fn at(&self, x: f64, out: &mut [f64]) {
        out.fill(0.0);
        for term in self.terms.rchunks_exact(out.len()) {
            out.iter_mut().zip(term).for_each(|(out, term)| *out = *out * x + term);
        }
    }
}

/// Scales the term, adds it to the total; returns its sum and its largest share of a place.
fn add(term: &mut [f64], total: &mut [f64], factor: f64) -> (f64, f64) {
    let (mut sums, mut shares) = ([0.0; LANES], [0.0; LANES]);
    let one = |term: &mut f64, total: &mut f64, sum: &mut f64, largest: &mut f64| {
        let value = *term * factor;
        let value = if value < TINY { 0.0 } else { value };
        *term = value;
        *total += value;
        *sum += value;
        let share = value / (*total + FLOOR);
        *largest = if share > *largest { share } else { *largest };
    };
    let (mut terms, mut totals) = (term.chunks_exact_mut(LANES), total.chunks_exact_mut(LANES));
    for (term, total) in terms.by_ref().zip(totals.by_ref()) {
        for lane in 0..LANES {
            one(&mut term[lane], &mut total[lane], &mut sums[lane], &mut shares[lane]);
        }
    }
    for (term, total) in terms.into_remainder().iter_mut().zip(totals.into_remainder()) {
        one(term, total, &mut sums[0], &mut shares[0]);
    }
    (sums.iter().sum(), shares.iter().copied().fold(0.0, f64::max))
}
