//! The two motions that a step is composed of, each conservative and non-negative for steps of any length.

use super::potential::Potential;
use super::remap::Line;
use crate::error::{Error, Result};
use crate::grid::Axis;

/// Columns that are moved together, so that each cache line is read once.
const BLOCK: usize = 8;

/// Everything that moves a density, and room to do it.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    pub a: Axis,
    pub s: Axis,
    pub epsilon: f64,
    pub potential: Potential,
    line: Line,
    columns: Vec<f64>,
    moved: Vec<f64>,
}

/// Sums over a, for each cell of s.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// `∫ dμ`.
    pub mass: Vec<f64>,
    /// `∫ a dμ`.
    pub first: Vec<f64>,
    /// `∫ a² dμ`.
    pub second: Vec<f64>,
}

impl Transport {
    pub fn new(a: Axis, s: Axis, epsilon: f64, potential: Potential) -> Self {
        let line = Line::new(a.len().max(s.len()));
        let block = vec![0.0; BLOCK * a.len()];
        Self { line, columns: block.clone(), moved: block, a, s, epsilon, potential }
    }

    /// The sums over a of the masses `state`, `[a][s]`.
    pub fn sums(&self, state: &[f64]) -> Sums {
        let n = self.s.len();
        let mut sums = Sums { mass: vec![0.0; n], first: vec![0.0; n], second: vec![0.0; n] };
        for (row, a) in state.chunks_exact(n).zip(&self.a.centres) {
            let moments = sums.mass.iter_mut().zip(&mut sums.first).zip(&mut sums.second);
            for (m, ((mass, first), second)) in row.iter().zip(moments) {
                let am = a * m;
                *mass += m;
                *first += am;
                *second += a * am;
            }
        }
        sums
    }

    /// `length` of `ε ∂_t μ + ∂_a(μ G) = 0`, s standing still: each column is shifted as a whole, by the exact solution.
    ///
    /// # Errors
    /// Those of [`Potential::displacements`]; [`Error::NonFinite`].
    pub fn second_layer(&mut self, state: &mut [f64], length: f64, time: f64) -> Result<()> {
        let sums = self.sums(state);
        let moves = self.potential.displacements(&sums.mass, &sums.first, length / self.epsilon)?;
        if let Some(&value) = moves.iter().find(|x| !x.is_finite()) {
            return Err(Error::NonFinite { quantity: "velocity of a", value, theta: vec![], h: vec![], time });
        }
        let (rows, n) = (self.a.len(), self.s.len());
        let width = self.a.width();
        for first in (0..n).step_by(BLOCK) {
            let block = BLOCK.min(n - first);
            for (row, cells) in state.chunks_exact(n).enumerate() {
                for (column, m) in cells[first..first + block].iter().enumerate() {
                    self.columns[column * rows + row] = *m;
                }
            }
            self.moved.fill(0.0);
            for (column, shift) in moves[first..first + block].iter().enumerate() {
                let cells = column * rows..(column + 1) * rows;
                self.line.shift(&self.columns[cells.clone()], shift / width, &mut self.moved[cells]);
            }
            for (row, cells) in state.chunks_exact_mut(n).enumerate() {
                for (column, m) in cells[first..first + block].iter_mut().enumerate() {
                    *m = self.moved[column * rows + row];
                }
            }
        }
        Ok(())
    }

    /// `length` of `∂_t μ + ∂_s(μ a B) = 0`, `B = (1 − s²) G'(s)`, a standing still, with B as of the middle of the step.
    ///
    /// The rows follow one flow, `ds/dx = B(s)`, for `x = a·length`: the departure points of all rows are found in one march
    /// over x, from a = 0 up and from a = 0 down.
    pub fn first_layer(&mut self, state: &[f64], length: f64, out: &mut [f64]) {
        let n = self.s.len();
        let sums = self.sums(state);
        let start = Flow::new(&self.potential, &self.s, &sums.first);
        // ∂_t ∫ a dμ = −∂_s(B ∫ a² dμ) over half a step, by centred fluxes: second order, and only sums over it are used.
        let mut first = sums.first;
        let scale = 0.25 * length / self.s.width();
        for face in 1..n {
            let flux = scale * start.at_node(2 * face) * (sums.second[face - 1] + sums.second[face]);
            first[face - 1] -= flux;
            first[face] += flux;
        }
        let flow = Flow::new(&self.potential, &self.s, &first);
        let step = length * self.a.width();
        let above = self.a.centres.partition_point(|a| *a < 0.0);
        let rows = self.a.len();
        self.march(&flow, state, out, (above..rows).map(|row| (row, step)), length);
        self.march(&flow, state, out, (0..above).rev().map(|row| (row, -step)), length);
    }

    /// Moves rows of growing |a|, each `step` in x from the one before.
    fn march(
        &mut self,
        flow: &Flow,
        state: &[f64],
        out: &mut [f64],
        rows: impl Iterator<Item = (usize, f64)>,
        length: f64,
    ) {
        let n = self.s.len();
        let mut departures: Vec<f64> = (0..=n).map(|face| face as f64).collect();
        let mut place = 0.0;
        for (row, step) in rows {
            let target = length * self.a.centres[row];
            // One step, but for a box that begins far from a = 0.
            let steps = ((target - place) / step - 1e-6).ceil().max(1.0);
            for _ in 0..steps as usize {
                flow.back(&mut departures, (target - place) / steps);
            }
            place = target;
            let cells = row * n..(row + 1) * n;
            self.line.gather(&state[cells.clone()], &departures, &mut out[cells]);
        }
    }
}

/// `B(s) = (1 − s²) G'(s)` in cell widths: G' from its values at faces and centres by cubic interpolation.
struct Flow {
    /// Coefficients of the cubic on each half cell, over the distance from its lower end in half cells.
    cubics: Vec<[f64; 4]>,
    slope: Vec<f64>,
    half_width: f64,
    cells: f64,
}

impl Flow {
    fn new(potential: &Potential, s: &Axis, weighted: &[f64]) -> Self {
        let slope = potential.slope(weighted);
        let last = slope.len() - 4;
        let cubics = (0..slope.len() - 1)
            .map(|half| {
                let first = half.saturating_sub(1).min(last);
                let p = &slope[first..first + 4];
                // Newton's form about `first`, then moved to `half`.
                let (d1, d2, d3) = (p[1] - p[0], p[2] - 2.0 * p[1] + p[0], p[3] - 3.0 * p[2] + 3.0 * p[1] - p[0]);
                let (c1, c2, c3) = (d1 - d2 / 2.0 + d3 / 3.0, d2 / 2.0 - d3 / 2.0, d3 / 6.0);
                let at = (half - first) as f64;
                [p[half - first], c1 + at * (2.0 * c2 + 3.0 * c3 * at), c2 + 3.0 * c3 * at, c3]
            })
            .collect();
        Self { cubics, slope, half_width: 0.5 * s.width(), cells: s.len() as f64 }
    }

    /// B at a face (even) or centre (odd).
    fn at_node(&self, node: usize) -> f64 {
        let s = node as f64 * self.half_width - 1.0;
        (1.0 - s * s) * self.slope[node]
    }

    /// Velocity of the departure points, in cell widths, at `place` cell widths from s = −1.
    #[inline]
    fn at(&self, place: f64) -> f64 {
        let halves = 2.0 * place;
        let half = (halves as usize).min(self.cubics.len() - 1);
        let x = halves - half as f64;
        let [c0, c1, c2, c3] = self.cubics[half];
        // 1 − s² = (1 + s)(1 − s), which is 0 at both ends.
        let square = halves * (2.0 * self.cells - halves) * self.half_width * self.half_width;
        square * (c0 + x * (c1 + x * (c2 + x * c3))) / (2.0 * self.half_width)
    }

    /// Moves the inner points against the flow by the midpoint rule: the error is `O(step²)` of a march of hundreds of steps.
    fn back(&self, departures: &mut [f64], step: f64) {
        let (mut before, last) = (0.0, departures.len() - 1);
        for place in &mut departures[1..last] {
            let middle = (*place - 0.5 * step * self.at(*place)).clamp(0.0, self.cells);
            let moved = (*place - step * self.at(middle)).clamp(0.0, self.cells);
            // Increasing also where points crowd within rounding.
            *place = moved.max(before);
            before = *place;
        }
    }
}
