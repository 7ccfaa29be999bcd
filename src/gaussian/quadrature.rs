//! Expectations by quadrature, for any activations and means.
//!
//! The fields of one expectation are written as linear functions of independent normal variables, as many as the rank of their
//! covariance; of three or four fields of full rank the last is averaged first, into a table over its conditional mean. All
//! expectations over the same set of fields are done at the same nodes.

use super::cursor::Cursor;
use super::factor::{Factor, MOST, ROUNDING};
use super::planes::Planes;
use super::rules::{Nodes, RADIUS, Rule};
use super::sets::{Integrand, Set, sets};
use super::unit::{Smoothed, Unit};
use super::{Expectations, Fields, Quadrature};
use crate::error::Result;
use crate::problem::Activation;

/// Averages by a rule.
#[derive(Debug, Clone)]
pub(super) struct ByQuadrature {
    pub(super) rule: Rule,
    quadrature: Quadrature,
    pub(super) units: Vec<Unit>,
    /// Which unit belongs to each field; empty: the first to students, the second to teachers.
    assigned: Vec<usize>,
    /// Plan of the noise, and the `(K, n)` that it is for.
    sets: Vec<Set>,
    size: (usize, usize),
    pub(super) work: Work,
    /// The coarser rule of [`Expectations::estimated_error`].
    coarse: Option<Box<ByQuadrature>>,
}

/// Arrays that are reused at each average.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    /// Along each direction, where that is the same everywhere.
    pub(super) nodes: [Nodes; MOST],
    pub(super) ends: Vec<f64>,
    pub(super) planes: Planes,
    pub(super) smoothed: Smoothed,
    /// Values of all powers of all fields along the innermost direction.
    pub(super) rows: Vec<f64>,
    pub(super) sums: Vec<f64>,
    pub(super) product: Vec<f64>,
}

/// What two fields need: index 0 and 1 are the fields, or the variables z.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    values: f64,
    /// `E[g'_0 g_1]`, `E[g'_1 g_0]`.
    value_slopes: [f64; 2],
    slopes: f64,
    /// `E[g'_0 g_1 z]`, `E[g'_1 g_0 z]`.
    moments: [[f64; 2]; 2],
}

impl ByQuadrature {
    /// # Errors
    /// [`crate::Error::Parameter`] for a number of points that the rule cannot have.
    pub(super) fn new(student: &Activation, teacher: &Activation, quadrature: Quadrature) -> Result<Self> {
        let units = vec![Unit::new(student, ["g", "g'"]), Unit::new(teacher, ["g*", "g*'"])];
        Self::with(units, Vec::new(), quadrature)
    }

    /// Fields that each have their own activation.
    ///
    /// # Errors
    /// As [`ByQuadrature::new`].
    pub(super) fn each(activations: &[&Activation], quadrature: Quadrature) -> Result<Self> {
        let units = activations.iter().map(|activation| Unit::new(activation, ["g", "g'"])).collect();
        Self::with(units, (0..activations.len()).collect(), quadrature)
    }

    fn with(units: Vec<Unit>, assigned: Vec<usize>, quadrature: Quadrature) -> Result<Self> {
        let rule = Rule::new(quadrature, units.iter().any(|unit| !unit.kinks.is_empty()))?;
        let quadrature = rule.resolved(quadrature);
        Ok(Self {
            rule,
            quadrature,
            units,
            assigned,
            sets: Vec::new(),
            size: (0, 0),
            work: Work::default(),
            coarse: None,
        })
    }

    /// `E[g'_0 g'_1 g_2 g_3]` of four fields.
    pub(super) fn fourth(&mut self, fields: Fields<'_>) -> Result<f64> {
        self.prepare(fields);
        let powers = vec![(1, 0), (1, 0), (0, 1), (0, 1)];
        let set = Set {
            fields: vec![0, 1, 2, 3],
            kinds: powers.iter().map(|&powers| vec![powers]).collect(),
            integrands: vec![Integrand { powers, kind: vec![0; 4], uses: Vec::new() }],
        };
        let factor = Factor::new(fields.covariance, 4, &set.fields, ROUNDING);
        Cursor::new(self, fields, &set.fields, &factor).integrate(&set);
        self.check()?;
        Ok(self.work.sums[0])
    }

    pub(super) fn unit_of(&self, field: usize, students: usize) -> usize {
        self.assigned.get(field).copied().unwrap_or(usize::from(field >= students))
    }

    /// Tables where the fields live.
    fn prepare(&mut self, fields: Fields<'_>) {
        let n = fields.len();
        for which in 0..self.units.len() {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for a in (0..n).filter(|&a| self.unit_of(a, fields.students) == which) {
                // The conditional mean and what is averaged around it each reach RADIUS of their deviations.
                let reach = std::f64::consts::SQRT_2 * RADIUS * fields.covariance[a * n + a].max(0.0).sqrt() + 1.0;
                low = low.min(fields.mean[a] - reach);
                high = high.max(fields.mean[a] + reach);
            }
            self.units[which].prepare(low, high);
        }
    }

    fn check(&self) -> Result<()> {
        self.units.iter().try_for_each(Unit::check)
    }

    fn pair(&mut self, fields: Fields<'_>, a: usize, b: usize) -> (Factor, Pair) {
        let n = fields.len();
        let at = [a, b];
        let at = if a == b { &at[..1] } else { &at[..] };
        let factor = Factor::new(fields.covariance, n, at, 0.0);
        let mut cursor = Cursor::new(self, fields, at, &factor);
        cursor.directions(factor.rank);
        let mut pair = Pair::default();
        // Which place belongs to a and b.
        let place = |f: usize| (0..factor.len).find(|&t| at[factor.order[t]] == f).unwrap_or(0);
        let places = [place(a), place(b)];
        let outer = if factor.rank == 2 { cursor.take(0, &[0.0; MOST], RADIUS) } else { Nodes::one() };
        for (&z0, &w0) in outer.z.iter().zip(&outer.w) {
            let mut base = cursor.mean;
            if factor.rank == 2 {
                for (base, l) in base.iter_mut().zip(&factor.l) {
                    *base += l[0] * z0;
                }
            }
            let last = factor.rank.saturating_sub(1);
            let inner = if factor.rank > 0 {
                let left = if factor.rank == 2 { (RADIUS * RADIUS - z0 * z0).max(0.0).sqrt() } else { RADIUS };
                cursor.take(last, &[z0, 0.0, 0.0, 0.0], left)
            } else {
                Nodes::one()
            };
            for (&z, &w) in inner.z.iter().zip(&inner.w) {
                let w = w * w0;
                let x = |t: usize| base[t] + factor.l[t][last] * z;
                let (g, d) = cursor.unit(places[0]).at(x(places[0]));
                let (h, e) = if a == b { (g, d) } else { cursor.unit(places[1]).at(x(places[1])) };
                let (dh, eg) = (w * d * h, w * e * g);
                pair.values += w * g * h;
                pair.slopes += w * d * e;
                pair.value_slopes[0] += dh;
                pair.value_slopes[1] += eg;
                let z = if factor.rank == 2 { [z0, z] } else { [z, 0.0] };
                for (sum, z) in pair.moments[0].iter_mut().zip(z) {
                    *sum += dh * z;
                }
                for (sum, z) in pair.moments[1].iter_mut().zip(z) {
                    *sum += eg * z;
                }
            }
            cursor.give(last, inner);
        }
        cursor.give(0, outer);
        (factor, pair)
    }
}

impl Expectations for ByQuadrature {
    fn tables(&self) -> Vec<Option<[f64; 2]>> {
        self.units.iter().map(|unit| unit.range).collect()
    }

    fn tabulate(&mut self, tables: &[Option<[f64; 2]>]) {
        for (unit, range) in self.units.iter_mut().zip(tables) {
            let [low, high] = range.unwrap_or([0.0; 2]);
            unit.tabulate(low, high);
        }
    }

    fn values(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        self.prepare(fields);
        let n = fields.len();
        for a in 0..n {
            for b in a..n {
                let value = self.pair(fields, a, b).1.values;
                (out[a * n + b], out[b * n + a]) = (value, value);
            }
        }
        self.check()
    }

    fn value_slopes(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        self.prepare(fields);
        let n = fields.len();
        for i in 0..fields.students {
            for b in i..n {
                let pair = self.pair(fields, i, b).1;
                out[i * n + b] = pair.value_slopes[0];
                if b < fields.students {
                    out[b * n + i] = pair.value_slopes[1];
                }
            }
        }
        self.check()
    }

    fn slopes(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        self.prepare(fields);
        let n = fields.len();
        for i in 0..fields.students {
            for b in i..n {
                let value = self.pair(fields, i, b).1.slopes;
                out[i * n + b] = value;
                if b < fields.students {
                    out[b * n + i] = value;
                }
            }
        }
        self.check()
    }

    fn drift(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()> {
        self.prepare(fields);
        let (n, c) = (fields.len(), fields.covariance);
        out[..fields.students * n].fill(0.0);
        for i in 0..fields.students {
            for b in i..n {
                let (factor, pair) = self.pair(fields, i, b);
                let at = [i, b].map(|f| f * n);
                // Cov(x_a, z) by forward substitution; then E[… x̃_a] = Σ_d Cov(x_a, z_d) E[… z_d].
                for a in 0..n {
                    let mut along = [0.0; 2];
                    for d in 0..factor.rank {
                        let known = if d == 1 { factor.l[1][0] * along[0] } else { 0.0 };
                        along[d] = (c[at[factor.order[d]] + a] - known) / factor.l[d][d];
                    }
                    let moment = |which: usize| along[0] * pair.moments[which][0] + along[1] * pair.moments[which][1];
                    out[i * n + a] += outputs[b] * moment(0);
                    if b != i && b < fields.students {
                        out[b * n + a] += outputs[i] * moment(1);
                    }
                }
            }
        }
        self.check()
    }

    fn noise(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()> {
        self.prepare(fields);
        let (n, students) = (fields.len(), fields.students);
        if self.size != (students, n) {
            (self.sets, self.size) = (sets(students, n), (students, n));
        }
        out[..students * students].fill(0.0);
        let sets = std::mem::take(&mut self.sets);
        // A unit without output costs nothing.
        let counts = |set: &&Set| {
            let mut uses = set.integrands.iter().flat_map(|integrand| &integrand.uses);
            uses.any(|&(_, a, b, _)| outputs[a] * outputs[b] != 0.0)
        };
        for set in sets.iter().filter(counts) {
            let factor = Factor::new(fields.covariance, n, &set.fields, ROUNDING);
            Cursor::new(self, fields, &set.fields, &factor).integrate(set);
            for (value, integrand) in self.work.sums.iter().zip(&set.integrands) {
                for &(at, a, b, multiplicity) in &integrand.uses {
                    out[at] += multiplicity * outputs[a] * outputs[b] * value;
                }
            }
        }
        self.sets = sets;
        for i in 0..students {
            for k in 0..i {
                out[i * students + k] = out[k * students + i];
            }
        }
        self.check()
    }

    fn estimated_error(&mut self, fields: Fields<'_>, outputs: &[f64]) -> Result<f64> {
        let (n, students) = (fields.len(), fields.students);
        let mut coarse = match self.coarse.take() {
            Some(coarse) => coarse,
            None => {
                let mut coarse = self.clone();
                (coarse.rule, coarse.quadrature) = Rule::coarser(self.quadrature)?;
                Box::new(coarse)
            }
        };
        let mut lists = [
            vec![0.0; students * n],
            vec![0.0; students * n],
            vec![0.0; students * students],
            vec![0.0; students * students],
        ];
        self.drift(fields, outputs, &mut lists[0])?;
        coarse.drift(fields, outputs, &mut lists[1])?;
        self.noise(fields, outputs, &mut lists[2])?;
        coarse.noise(fields, outputs, &mut lists[3])?;
        self.coarse = Some(coarse);
        let largest = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
        Ok(largest(&lists[0], &lists[1]).max(largest(&lists[2], &lists[3])))
    }
}
