//! Affine maps `y ↦ Ay + c` of a few numbers, their powers, and the flow of `y' = Ay + c`.

/// `y ↦ Ay + c`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Affine<const N: usize> {
    pub matrix: [[f64; N]; N],
    pub shift: [f64; N],
}

impl<const N: usize> Affine<N> {
    pub fn identity() -> Self {
        Self { matrix: std::array::from_fn(|i| std::array::from_fn(|j| f64::from(i == j))), shift: [0.0; N] }
    }

    pub fn apply(&self, y: [f64; N]) -> [f64; N] {
        std::array::from_fn(|i| self.shift[i] + (0..N).map(|j| self.matrix[i][j] * y[j]).sum::<f64>())
    }

    /// `self` after `first`.
    pub fn after(&self, first: &Self) -> Self {
        let entry = |i: usize, j: usize| (0..N).map(|k| self.matrix[i][k] * first.matrix[k][j]).sum();
        Self { matrix: std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j))), shift: self.apply(first.shift) }
    }

    /// The map applied `steps` times, by repeated squaring.
    pub fn power(&self, mut steps: u64) -> Self {
        let (mut result, mut square) = (Self::identity(), *self);
        while steps > 0 {
            if steps & 1 == 1 {
                result = square.after(&result);
            }
            steps >>= 1;
            if steps > 0 {
                square = square.after(&square);
            }
        }
        result
    }

    /// The flow of `y' = Ay + c` over `time`: the Taylor series over a stretch with `‖A‖∞ t ≤ ½`, then squared.
    pub fn flow(&self, time: f64) -> Self {
        // ½¹⁷/17! is below 1e-19.
        const TERMS: u32 = 16;
        let size = |row: &[f64; N]| row.iter().map(|a| a.abs()).sum::<f64>();
        let norm = self.matrix.iter().map(size).fold(0.0, f64::max) * time;
        let halvings = if norm > 0.5 { (2.0 * norm).log2().ceil() as i32 } else { 0 };
        let step = time / 2f64.powi(halvings);
        // e^{tA} = Σ (tA)^k/k!, and ∫₀ᵗ e^{sA} ds = t Σ (tA)^k/(k+1)!.
        let generator = Self { matrix: self.matrix, shift: [0.0; N] };
        let mut term = Self::identity();
        let (mut exponential, mut integral) = (term.matrix, term);
        for k in 1..=TERMS {
            term = generator.after(&term);
            let sums = exponential.iter_mut().zip(&mut integral.matrix);
            for (row, (exponential, integral)) in term.matrix.iter_mut().zip(sums) {
                for ((term, exponential), integral) in row.iter_mut().zip(exponential).zip(integral) {
                    *term *= step / f64::from(k);
                    *exponential += *term;
                    *integral += *term / f64::from(k + 1);
                }
            }
        }
        let shift = integral.apply(self.shift).map(|c| c * step);
        let flow = Self { matrix: exponential, shift };
        (0..halvings).fold(flow, |flow, _| flow.after(&flow))
    }
}
