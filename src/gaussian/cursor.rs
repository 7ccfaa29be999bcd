//! The integration over one set of fields.

use super::factor::{Factor, MOST};
use super::plan::Set;
use super::planes::Planes;
use super::rules::{Nodes, RADIUS, Rule};
use super::unit::{Smoothed, Unit, power};

/// Scratch.
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

/// A set of fields while it is integrated.
pub(super) struct Cursor<'a> {
    pub(super) rule: &'a Rule,
    pub(super) units: &'a [Unit],
    pub(super) work: &'a mut Work,
    pub(super) factor: &'a Factor,
    /// Which unit and mean stand at each place.
    pub(super) which: [usize; MOST],
    pub(super) mean: [f64; MOST],
    /// The variables that are fixed at present.
    pub(super) z: [f64; MOST],
}

impl Nodes {
    pub(super) fn one() -> Self {
        Self { z: vec![0.0], w: vec![1.0] }
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn unit(&self, place: usize) -> &'a Unit {
        &self.units[self.which[place]]
    }

    /// Prepares the rules along the first `dims` directions, and along those that are averaged first.
    pub(super) fn directions(&mut self, dims: usize) {
        let factor = self.factor;
        if self.rule.splits() {
            let kinks = std::array::from_fn(|t| if t < factor.len { &self.unit(t).kinks[..] } else { &[] });
            return self.work.planes.fill(factor, dims, &self.mean, kinks);
        }
        for d in 0..factor.rank {
            let slopes: [_; MOST] = std::array::from_fn(|t| (factor.l[t][d], self.unit(t).smoothness));
            self.rule.along(&slopes[..factor.len], &mut self.work.ends, RADIUS, &mut self.work.nodes[d]);
        }
    }

    /// Nodes along direction d on `|z| ≤ radius`, given the variables `z` before it.
    pub(super) fn take(&mut self, d: usize, z: &[f64; MOST], radius: f64) -> Nodes {
        let mut nodes = std::mem::take(&mut self.work.nodes[d]);
        if self.rule.splits() {
            let Work { ends, planes, .. } = &mut *self.work;
            ends.clear();
            planes.ends(d, z, ends);
            if !ends.iter().any(|end| end.abs() < 3.0) {
                ends.push(0.0);
            }
            self.rule.along(&[], ends, radius, &mut nodes);
        }
        nodes
    }

    pub(super) fn give(&mut self, d: usize, nodes: Nodes) {
        self.work.nodes[d] = nodes;
    }

    /// All integrands of `set`, into `work.sums`.
    pub(super) fn integrate(&mut self, set: &Set) {
        let factor = self.factor;
        let last = factor.len - 1;
        // Kinks of the user's would have to be followed as the conditional mean moves.
        let relu = self.unit(last).is_relu();
        let smoothed = factor.rank == factor.len
            && if relu { factor.len > 1 } else { factor.len > 2 && self.unit(last).kinks.is_empty() };
        let dims = if smoothed { factor.rank - 1 } else { factor.rank };
        self.directions(dims);
        self.work.sums.clear();
        self.work.sums.resize(set.integrands.len(), 0.0);
        if smoothed {
            let nodes = if relu { Nodes::default() } else { self.take(last, &[0.0; MOST], RADIUS) };
            let spread = RADIUS * factor.l[last][..last].iter().map(|x| x * x).sum::<f64>().sqrt();
            let range = [self.mean[last] - spread, self.mean[last] + spread];
            let kinds = &set.kinds[factor.order[last]];
            let unit = self.unit(last);
            self.work.smoothed.prepare(unit, kinds, factor.l[last][last], &nodes, range);
            self.give(last, nodes);
        }
        let mut scalars = [[0.0; 9]; MOST];
        self.descend(set, (0, dims, smoothed), self.mean, (1.0, RADIUS * RADIUS), &mut scalars);
    }

    /// Integrates over directions `level..dims`; `scalars` holds the powers of the fields that are fixed.
    fn descend(
        &mut self,
        set: &Set,
        (level, dims, smoothed): (usize, usize, bool),
        base: [f64; MOST],
        (weight, left): (f64, f64),
        scalars: &mut [[f64; 9]; MOST],
    ) {
        if level + 1 >= dims {
            return self.row(set, (dims, smoothed), base, (weight, left), scalars);
        }
        let at = self.z;
        let nodes = self.take(level, &at, left.sqrt());
        for (&z, &w) in nodes.z.iter().zip(&nodes.w) {
            if z * z > left {
                continue;
            }
            self.z[level] = z;
            let mut base = base;
            for (base, l) in base.iter_mut().zip(&self.factor.l) {
                *base += l[level] * z;
            }
            let (g, d) = self.unit(level).at(base[level]);
            for (value, &powers) in scalars[level].iter_mut().zip(&set.kinds[self.factor.order[level]]) {
                *value = power(powers, g, d);
            }
            self.descend(set, (level + 1, dims, smoothed), base, (weight * w, left - z * z), scalars);
        }
        self.give(level, nodes);
    }

    /// The innermost direction.
    fn row(
        &mut self,
        set: &Set,
        (dims, smoothed): (usize, bool),
        base: [f64; MOST],
        (weight, left): (f64, f64),
        scalars: &[[f64; 9]; MOST],
    ) {
        let factor = self.factor;
        let inner = dims.saturating_sub(1);
        let at = self.z;
        let nodes = if dims == 0 { Nodes::one() } else { self.take(inner, &at, left.sqrt()) };
        let from = nodes.z.partition_point(|&z| z < 0.0 && z * z > left);
        let to = nodes.z.partition_point(|&z| z < 0.0 || z * z <= left);
        let (z, w) = (&nodes.z[from..to.max(from)], &nodes.w[from..to.max(from)]);
        let count = z.len();
        let mut rows = std::mem::take(&mut self.work.rows);
        let mut starts = [0; MOST];
        rows.clear();
        for t in inner..factor.len {
            let (unit, l) = (self.unit(t), if dims == 0 { 0.0 } else { factor.l[t][inner] });
            let kinds = &set.kinds[factor.order[t]];
            starts[t] = rows.len();
            rows.resize(rows.len() + kinds.len() * count, 0.0);
            let block = &mut rows[starts[t]..];
            if smoothed && t == factor.len - 1 {
                for (kind, row) in block.chunks_exact_mut(count.max(1)).enumerate() {
                    for (value, z) in row.iter_mut().zip(z) {
                        *value = self.work.smoothed.at(unit, kind, base[t] + l * z);
                    }
                }
            } else {
                for (j, z) in z.iter().enumerate() {
                    let (g, d) = unit.at(base[t] + l * z);
                    for (kind, &powers) in kinds.iter().enumerate() {
                        block[kind * count + j] = power(powers, g, d);
                    }
                }
            }
        }
        let Work { sums, product, .. } = &mut *self.work;
        for (sum, integrand) in sums.iter_mut().zip(&set.integrands) {
            let mut scale = weight;
            for (t, scalars) in scalars.iter().enumerate().take(inner) {
                scale *= scalars[integrand.kind[factor.order[t]]];
            }
            product.clear();
            product.extend_from_slice(w);
            for (t, start) in starts.iter().enumerate().take(factor.len).skip(inner) {
                let start = start + integrand.kind[factor.order[t]] * count;
                for (product, value) in product.iter_mut().zip(&rows[start..start + count]) {
                    *product *= value;
                }
            }
            *sum += scale * product.iter().sum::<f64>();
        }
        self.work.rows = rows;
        if dims > 0 {
            self.give(inner, nodes);
        }
    }
}
