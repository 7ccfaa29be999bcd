//! A few fields as linear functions of independent standard normal variables.

/// At most this many fields in one expectation.
pub(super) const MOST: usize = 4;

/// `x_order[t] = mean + Σ_d l[t][d] z_d`: Cholesky's factor, largest conditional variance first, as many columns as the rank.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factor {
    pub(super) len: usize,
    pub(super) rank: usize,
    /// Which of the given fields stands at place t.
    pub(super) order: [usize; MOST],
    pub(super) l: [[f64; MOST]; MOST],
}

/// Conditional variance, relative to the largest variance, that counts as rounding.
pub(super) const ROUNDING: f64 = 1e-14;

impl Factor {
    /// Of the fields `at` under the n×n covariance `c`; conditional variances up to `rounding` times the largest variance count
    /// as 0.
    pub(super) fn new(c: &[f64], n: usize, at: &[usize], rounding: f64) -> Self {
        let len = at.len().min(MOST);
        let mut order: [usize; MOST] = std::array::from_fn(|t| t);
        let mut l = [[0.0; MOST]; MOST];
        let mut left = [0.0; MOST];
        for (left, &a) in left.iter_mut().zip(at) {
            *left = c[a * n + a];
        }
        let largest = left.iter().fold(0.0, |most: f64, &v| most.max(v));
        let mut rank = 0;
        while rank < len {
            let mut best = rank;
            for t in rank + 1..len {
                if left[t] > left[best] {
                    best = t;
                }
            }
            if !(left[best] > rounding * largest) {
                break;
            }
            order.swap(rank, best);
            l.swap(rank, best);
            left.swap(rank, best);
            let pivot = left[rank].sqrt();
            l[rank][rank] = pivot;
            for t in rank + 1..len {
                let mut sum = c[at[order[t]] * n + at[order[rank]]];
                for (x, y) in l[t].iter().zip(&l[rank]).take(rank) {
                    sum -= x * y;
                }
                l[t][rank] = sum / pivot;
                left[t] -= l[t][rank] * l[t][rank];
            }
            rank += 1;
        }
        Self { len, rank, order, l }
    }
}
