//! The replicator–mutator equation as a linear one: `ρ ∝ exp(tA)ρ₀`, `A = D_hΔ_h + βF̄`.
//!
//! With `q ≥ Σ 2D_h/width² + max βF̄ − min βF̄` (the sum over the axes; widths in the coordinate y of the scale), `B = A − max βF̄ + q` is nonnegative, so the series
//! `exp(tA) ∝ Σ (tB)ᵏ/k!` has no negative term (uniformisation, Jensen 1953): no step size is unstable, every cell stays
//! ≥ 0, and what is left out of the series is known, place by place. Work: some 70 products per piece of qt = 32.

use std::ops::ControlFlow;

use super::series::Series;
use crate::error::{Error, Result, require};

/// The operator on the masses of equal cells, no flux through the ends.
#[derive(Debug, Clone)]
pub(super) struct Replicator {
    /// `D_h/width²` along the (fastest) axis.
    pub exchange: f64,
    /// Along the slow axis of two, and the number of cells of the fast one.
    pub across: Option<(f64, usize)>,
    /// The diagonal of B: `βF̄ − min βF̄`, and at the walls, through which nothing leaves, `D_h/width²` more.
    pub diagonal: Vec<f64>,
    /// `βF̄` at the cells.
    pub growth: Vec<f64>,
    /// `q`.
    pub shift: f64,
    /// `max βF̄`.
    pub largest: f64,
}

/// qt of one piece: short enough that `e^{qt}` is harmless.
const PIECE: f64 = 32.0;
/// qt of a whole run above which the explicit series is the wrong tool.
const LONGEST: f64 = 1e9;

impl Replicator {
    /// From `D_h`, the cell width and `βF̄` at the cells.
    pub fn new(diffusion: f64, width: f64, growth: &[f64]) -> Result<Self> {
        let exchange = diffusion / (width * width);
        let (mut smallest, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
        for &g in growth {
            require(g.is_finite(), "β·(effective fitness)", g, "a finite number; lower β or shrink the domain of h")?;
            (smallest, largest) = (smallest.min(g), largest.max(g));
        }
        let shift = 2.0 * exchange + (largest - smallest);
        require(shift.is_finite(), "range of β·(effective fitness)", largest - smallest, "a finite number; lower β")?;
        let last = growth.len() - 1;
        let diagonal = growth
            .iter()
            .enumerate()
            .map(|(i, g)| (g - smallest) + if i == 0 || i == last { exchange } else { 0.0 })
            .collect();
        Ok(Self { exchange, across: None, diagonal, growth: growth.to_vec(), shift, largest })
    }

    /// That of a product of two axes with so many cells, row-major; `exchanges` are `D_h/width²` along each.
    pub fn product(exchanges: [f64; 2], cells: [usize; 2], growth: &[f64]) -> Result<Self> {
        let [slow, fast] = exchanges;
        let mut this = Self::new(0.0, 1.0, growth)?;
        this.shift += 2.0 * (slow + fast);
        require(this.shift.is_finite(), "D_h/width²", slow + fast, "a finite number; use fewer cells")?;
        for (place, d) in this.diagonal.iter_mut().enumerate() {
            let walls = |index: usize, cells: usize| f64::from(u8::from(index == 0) + u8::from(index + 1 == cells));
            *d += slow * walls(place / cells[1], cells[0]);
            // A row of one cell adds its second wall itself.
            *d += fast * walls(place % cells[1], cells[1]).min(1.0);
        }
        Ok(Self { exchange: fast, across: Some((slow, cells[1])), ..this })
    }

    /// `out = B x`.
    pub fn apply(&self, x: &[f64], out: &mut [f64]) {
        let width = self.across.map_or(x.len(), |(_, width)| width);
        let rows = out.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(self.diagonal.chunks_exact(width));
        rows.for_each(|((out, x), diagonal)| self.row(x, diagonal, out));
        if let Some((a, width)) = self.across {
            let n = x.len();
            out[width..].iter_mut().zip(&x[..n - width]).for_each(|(out, x)| *out += a * x);
            out[..n - width].iter_mut().zip(&x[width..]).for_each(|(out, x)| *out += a * x);
        }
    }

    fn row(&self, x: &[f64], diagonal: &[f64], out: &mut [f64]) {
        let (n, a) = (x.len(), self.exchange);
        if n == 1 {
            // The one cell is at both walls.
            out[0] = (diagonal[0] + a) * x[0];
            return;
        }
        out[0] = diagonal[0] * x[0] + a * x[1];
        for ((out, d), x) in out[1..n - 1].iter_mut().zip(&diagonal[1..n - 1]).zip(x.windows(3)) {
            *out = d * x[1] + a * (x[0] + x[2]);
        }
        out[n - 1] = diagonal[n - 1] * x[n - 1] + a * x[n - 2];
    }

    /// Length of the pieces of a duration.
    pub fn piece(&self, duration: f64) -> f64 {
        duration / (self.shift * duration / PIECE).ceil().max(1.0)
    }

    /// Advances the masses by `duration`, of which some pieces are `done`, keeping their sum 1, with an L1 error of at most
    /// `tolerance`. `look` sees the number of pieces done and their length, and may end it after any.
    pub fn advance(
        &self,
        mass: &mut [f64],
        duration: f64,
        tolerance: f64,
        done: u64,
        look: &mut dyn FnMut(u64, f64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let total = self.shift * duration;
        require(
            total <= LONGEST,
            "(2 D_h/width² + range of βF̄)·time",
            total,
            "at most 1e9: use fewer cells or shorter times, or look at the stationary law",
        )?;
        if total == 0.0 {
            return Ok(ControlFlow::Continue(()));
        }
        let pieces = (total / PIECE).ceil();
        let step = self.piece(duration);
        // Normalising doubles what is left out.
        let allowed = 0.5 * tolerance / pieces;
        let mut series = Series::default();
        for piece in done..pieces as u64 {
            if !series.add_up(|x, out| self.apply(x, out), mass, step, allowed) {
                return Err(Error::Weights { sum: f64::INFINITY, time: duration, hint: "lower β" });
            }
            let sum = &series.total;
            let scale = 1.0 / sum.iter().sum::<f64>();
            mass.iter_mut().zip(sum).for_each(|(m, s)| *m = s * scale);
            if look(piece + 1, step).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
