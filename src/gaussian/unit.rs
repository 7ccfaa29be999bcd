//! An activation, ready for many evaluations.

use std::cell::Cell;

use multiversion::multiversion;

use super::curve::{Curve, ORDER};
use super::rules::{Nodes, Smoothness};
use crate::error::{Error, Result};
use crate::numerics::normal::{normal_cdf, normal_density};
use crate::problem::Activation;

/// Powers of `g'` and of `g`.
pub(super) type Powers = (u8, u8);

/// `g'^p g^q`.
#[inline]
pub(super) fn power((p, q): Powers, value: f64, slope: f64) -> f64 {
    let slopes = match p {
        0 => 1.0,
        1 => slope,
        _ => slope * slope,
    };
    match q {
        0 => slopes,
        1 => slopes * value,
        _ => slopes * value * value,
    }
}

/// Widest spacing of a table, and the least that is tried before the activation itself is called each time.
const SPACING: [f64; 2] = [1.0 / 16.0, 1.0 / 256.0];
/// Most cells of a table.
const CELLS: f64 = 16_384.0;
/// Relative error of a table.
const TABLE: f64 = 1e-12;

/// `g` and `g'`, tabulated where the fields live if they are smooth.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    activation: Activation,
    names: [&'static str; 2],
    pub(super) kinks: Vec<f64>,
    pub(super) smoothness: Smoothness,
    value: Curve,
    slope: Curve,
    /// The grid of the tables and the samples on it.
    grid: (f64, f64),
    /// Where the tables are, if there are any.
    pub(super) range: Option<[f64; 2]>,
    samples: [Vec<f64>; 2],
    bad: Cell<Option<(&'static str, f64, f64)>>,
}

impl Unit {
    pub(super) fn new(activation: &Activation, names: [&'static str; 2]) -> Self {
        let smoothness = match activation {
            Activation::Erf | Activation::Gelu => Smoothness::Entire,
            Activation::Relu | Activation::Linear | Activation::Quadratic => Smoothness::Strip(f64::INFINITY),
            Activation::Softplus => Smoothness::Strip(std::f64::consts::PI),
            // Poles at ±iπ/2; the smaller width balances products like g'²g², with poles of order 6.
            Activation::Tanh | Activation::Custom(_) => Smoothness::Strip(1.0),
        };
        Self {
            activation: activation.clone(),
            names,
            kinks: activation.kinks(),
            smoothness,
            value: Curve::default(),
            slope: Curve::default(),
            grid: (0.0, 0.0),
            range: None,
            samples: [Vec::new(), Vec::new()],
            bad: Cell::new(None),
        }
    }

    pub(super) fn is_relu(&self) -> bool {
        matches!(self.activation, Activation::Relu)
    }

    fn simple(&self) -> bool {
        matches!(self.activation, Activation::Relu | Activation::Linear | Activation::Quadratic)
    }

    /// Tables for `[low, high]`, where the activation has any.
    pub(super) fn prepare(&mut self, low: f64, high: f64) {
        if !(low <= high) || self.simple() || !self.kinks.is_empty() || self.value.covers(low, high) {
            return;
        }
        // Some room, so that slowly growing overlaps do not build a table each time.
        let room = 0.25 * (high - low);
        self.tabulate((low - room).floor(), (high + room).ceil());
    }

    /// Tables on this range, if they can be good there. It depends on the way that fields took, and the bits of results on it.
    pub(super) fn tabulate(&mut self, low: f64, high: f64) {
        (self.value, self.range) = (Curve::default(), None);
        if !(low < high) {
            return;
        }
        let mut spacing = SPACING[0];
        while spacing >= SPACING[1] && (high - low) / spacing <= CELLS {
            let cells = ((high - low) / spacing).ceil() as usize;
            let range = 0..Curve::samples(cells);
            let at = |k| Curve::abscissa(low, spacing, k);
            let values: Vec<f64> = range.clone().map(|k| self.activation.value(at(k))).collect();
            let slopes: Vec<f64> = range.map(|k| self.activation.derivative(at(k))).collect();
            let (mut value, mut slope) = (Curve::default(), Curve::default());
            value.fill(low, spacing, &values);
            slope.fill(low, spacing, &slopes);
            let good = (0..cells).all(|cell| {
                let x = low + spacing * (cell as f64 + 0.5);
                let (g, d) = (self.activation.value(x), self.activation.derivative(x));
                (value.at(x) - g).abs() <= TABLE * g.abs().max(1.0)
                    && (slope.at(x) - d).abs() <= TABLE * d.abs().max(1.0)
            });
            if good {
                (self.value, self.slope, self.samples) = (value, slope, [values, slopes]);
                (self.grid, self.range) = ((low, spacing), Some([low, high]));
                return;
            }
            spacing *= 0.5;
        }
    }

    /// `(g, g')` from the activation itself.
    fn exact(&self, x: f64) -> (f64, f64) {
        let pair = (self.activation.value(x), self.activation.derivative(x));
        for (value, name) in [(pair.0, self.names[0]), (pair.1, self.names[1])] {
            if !value.is_finite() && self.bad.get().is_none() {
                self.bad.set(Some((name, value, x)));
            }
        }
        pair
    }

    /// `(g, g')`.
    #[inline]
    pub(super) fn at(&self, x: f64) -> (f64, f64) {
        if self.value.covers(x, x) { (self.value.at(x), self.slope.at(x)) } else { self.exact(x) }
    }

    /// An error if the activation returned NaN or infinity since the last call.
    pub(super) fn check(&self) -> Result<()> {
        match self.bad.take() {
            Some((function, value, x)) => Err(Error::Activation { function, value, x }),
            None => Ok(()),
        }
    }
}

/// `m ↦ E[g'^p g^q (m + deviation·z)]` for several powers.
#[derive(Debug, Clone, Default)]
pub(super) struct Smoothed {
    powers: Vec<Powers>,
    deviation: f64,
    nodes: Nodes,
    /// One a power, as many as there are; empty if there are none.
    curves: Vec<Curve>,
    tabulated: bool,
    work: [Vec<f64>; 3],
}

impl Smoothed {
    /// For means in `[low, high]`; `nodes` is the rule along z.
    pub(super) fn prepare(&mut self, unit: &Unit, powers: &[Powers], deviation: f64, nodes: &Nodes, range: [f64; 2]) {
        self.powers.clear();
        self.powers.extend_from_slice(powers);
        self.deviation = deviation;
        self.nodes.z.clone_from(&nodes.z);
        self.nodes.w.clone_from(&nodes.w);
        let reach = nodes.z.iter().fold(0.0, |most: f64, z| most.max(z.abs())) * deviation;
        let (low, spacing) = unit.grid;
        let [bottom, top] = range;
        let wide = reach + (ORDER as f64 + 1.0) * spacing;
        self.tabulated = !unit.is_relu() && unit.value.covers(bottom - wide, top + wide);
        if !self.tabulated {
            return;
        }
        // Rule and interpolation together: one list of weights for the samples around a grid point.
        let [weights, samples, values] = &mut self.work;
        let half = (reach / spacing).ceil() as usize + ORDER;
        weights.clear();
        weights.resize(2 * half, 0.0);
        for (z, w) in nodes.z.iter().zip(&nodes.w) {
            let shift = deviation * z / spacing;
            let whole = shift.floor();
            let start = (whole + half as f64) as usize - (ORDER / 2 - 1);
            for (weight, lagrange) in weights[start..].iter_mut().zip(Curve::weights(shift - whole - 0.5)) {
                *weight += w * lagrange;
            }
        }
        let first = ((bottom - low) / spacing).floor();
        let cells = ((top - low) / spacing).ceil() - first;
        let (first, cells) = (first as usize, cells.max(1.0) as usize);
        let count = Curve::samples(cells);
        let whole = &(first - half..first - half + count + 2 * half);
        self.curves.resize(self.curves.len().max(powers.len()), Curve::default());
        for (&powers, curve) in powers.iter().zip(&mut self.curves) {
            samples.clear();
            let pairs = unit.samples[0][whole.clone()].iter().zip(&unit.samples[1][whole.clone()]);
            samples.extend(pairs.map(|(&g, &d)| power(powers, g, d)));
            values.clear();
            values.resize(count, 0.0);
            convolve(weights, samples, values);
            curve.fill(low + spacing * first as f64, spacing, values);
        }
    }

    /// The expectation of power number `kind` at mean `m`.
    #[inline]
    pub(super) fn at(&self, unit: &Unit, kind: usize, m: f64) -> f64 {
        if self.tabulated {
            return self.curves[kind].at(m);
        }
        let (powers, s) = (self.powers[kind], self.deviation);
        if unit.is_relu() {
            return match powers {
                (0, 0) => 1.0,
                (_, 0) => normal_cdf(m / s),
                (_, 1) => m * normal_cdf(m / s) + s * normal_density(m / s),
                _ => (m * m + s * s) * normal_cdf(m / s) + m * s * normal_density(m / s),
            };
        }
        let mut sum = 0.0;
        for (z, w) in self.nodes.z.iter().zip(&self.nodes.w) {
            let (g, d) = unit.at(m + s * z);
            sum += w * power(powers, g, d);
        }
        sum
    }
}

/// `out[k] = Σ_o weights[o] samples[k + o]`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma", "x86_64+avx2"))]
fn convolve(weights: &[f64], samples: &[f64], out: &mut [f64]) {
    const BLOCK: usize = 32;
    for (start, out) in out.chunks_mut(BLOCK).enumerate() {
        let samples = &samples[start * BLOCK..];
        if out.len() == BLOCK {
            let mut sums = [0.0; BLOCK];
            for (o, w) in weights.iter().enumerate() {
                for (sum, x) in sums.iter_mut().zip(&samples[o..o + BLOCK]) {
                    *sum += w * x;
                }
            }
            out.copy_from_slice(&sums);
        } else {
            for (o, w) in weights.iter().enumerate() {
                for (sum, x) in out.iter_mut().zip(&samples[o..]) {
                    *sum += w * x;
                }
            }
        }
    }
}
