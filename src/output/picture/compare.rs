//! What is between two files: the distance of every variable that both hold, and a picture of one over the other.

use std::fmt;

use ndarray::ArrayD;

use super::cells::{centres, edges, onto, widths};
use super::curves::{short, swept};
use crate::error::{Error, Result};
use crate::output::hdf5::{RunFile, RunGroup, RunVariable};
use crate::output::plot::{Panel, Picture};

/// Times closer than this, relative, are one.
const SAME_TIME: f64 = 1e-9;
/// Panels of the picture.
const PANELS: usize = 9;
/// Markers of one curve.
const MARKERS: usize = 60;
/// What the picture shows first.
const FIRST: [&str; 8] =
    ["rho", "mean_fitness", "mean_h", "var_h", "generalization_error", "risk", "mean_loss", "effective_fitness"];

/// How far a variable of one file is from that of another, over the times common to both.
#[derive(Debug, Clone, PartialEq)]
pub struct Distance {
    /// Group and name (of the first file).
    pub variable: String,
    /// `"L1"` (`∫|a − b|`, at most 2) and `"Wasserstein-1"` of densities, else `"difference"`: the largest of all entries.
    pub measure: &'static str,
    /// At the last common time.
    pub last: f64,
    /// The largest over the common times.
    pub largest: f64,
    /// When it is largest; `None` for what does not change in time.
    pub time: Option<f64>,
    /// Root mean square over the entries, at the last common time, of the difference in standard errors, where either file has
    /// them.
    pub in_errors: Option<f64>,
}

/// Two files side by side.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// One row a variable and measure.
    pub rows: Vec<Distance>,
    /// The common times.
    pub times: Vec<f64>,
    /// One over the other, at the last common time and over time.
    pub picture: Picture,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.variable.len()).max().unwrap_or(0).max(8);
        let (count, last) = (self.times.len(), self.times.last().map_or("-".into(), |&time| short(time)));
        writeln!(f, "{count} common times, the last t = {last}")?;
        writeln!(
            f,
            "{:width$}  {:13}  {:>10}  {:>10}  {:>9}  {:>10}",
            "variable", "distance", "last", "largest", "at t", "std errors"
        )?;
        for row in &self.rows {
            let [time, errors] = [row.time, row.in_errors].map(|value| value.map_or("-".to_owned(), short));
            writeln!(
                f,
                "{:width$}  {:13}  {:>10.3e}  {:>10.3e}  {time:>9}  {errors:>10}",
                row.variable, row.measure, row.last, row.largest
            )?;
        }
        Ok(())
    }
}

/// Compares two files: all variables that both hold under the same name, and the density of h of the averaged equation
/// (`density/rho`) with the marginal density of the others (`marginal_h/rho`).
///
/// Only times that both have count. Densities on different cells are averaged onto the coarser ones, mass outside of either
/// box included; other functions of a coordinate are interpolated there.
///
/// # Errors
/// [`Error::Unsupported`] for files of sweeps, and for files that have no time or no variable in common; those of
/// [`RunFile::values`].
pub fn compare(a: &RunFile, b: &RunFile) -> Result<Comparison> {
    let refuse = |what: String, instead| Err(Error::Unsupported { solver: "a comparison", what, instead });
    if let Some(file) = [a, b].into_iter().find(|file| !swept(file).is_empty()) {
        return refuse(format!("the sweep in {}", file.path().display()), "compare files of single runs");
    }
    let mut rows = Vec::new();
    let mut times: Vec<f64> = Vec::new();
    let mut panels: Vec<(usize, Panel)> = Vec::new();
    for (one, other) in pairs(a, b) {
        let pair = Pair::new(a, b, one, other)?;
        let Some(pair) = pair else { continue };
        if pair.times.len() > times.len() {
            times = pair.times.iter().map(|(_, _, time)| *time).collect();
        }
        rows.extend(pair.distances()?);
        if let Some(panel) = pair.panel()? {
            let rank = FIRST.iter().position(|name| *name == one.1.name).unwrap_or(FIRST.len());
            panels.push((rank, panel));
        }
    }
    if rows.is_empty() {
        let what =
            format!("{} and {}, which have no variable at a common time", a.path().display(), b.path().display());
        return refuse(what, "record both runs at the same times");
    }
    panels.sort_by_key(|(rank, _)| *rank);
    panels.truncate(PANELS);
    let columns = if panels.len() > 4 { 3 } else { 2 };
    let picture = panels.into_iter().fold(Picture::new(columns), |picture, (_, panel)| picture.panel(panel));
    Ok(Comparison { rows, times, picture })
}

type Member<'r> = (&'r RunGroup, &'r RunVariable);

fn pairs<'r>(a: &'r RunFile, b: &'r RunFile) -> Vec<(Member<'r>, Member<'r>)> {
    let mut found = Vec::new();
    for group in a.groups().iter().filter(|group| !["trajectories", "runs"].contains(&group.name.as_str())) {
        for variable in group.variables.iter().filter(|variable| !group.is_error(&variable.name)) {
            let of_h = match (group.name.as_str(), variable.name.as_str()) {
                ("density", "rho") => Some("marginal_h"),
                ("marginal_h", "rho") => Some("density"),
                _ => None,
            };
            let other = b.variable(&group.name, &variable.name).ok();
            let other = other.or_else(|| b.variable(of_h?, "rho").ok());
            if let Some(other) = other.filter(|(_, other)| other.dimensions == variable.dimensions) {
                found.push(((group, variable), other));
            }
        }
    }
    found
}

/// How the entries along one axis of both files go together.
#[derive(Debug, Clone)]
struct Grid {
    name: String,
    /// Ends of the cells of a, of b, and of those on which they are compared.
    ends: [Vec<f64>; 2],
    common: Vec<f64>,
}

impl Grid {
    /// The coarser of the two, with one cell more at each end where the other goes on.
    fn new(name: &str, a: Vec<f64>, b: Vec<f64>) -> Self {
        let (coarse, fine) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
        let mut common = coarse.clone();
        if let (Some(&first), Some(&last)) = (fine.first(), fine.last()) {
            let width = |edges: &[f64]| (edges[edges.len() - 1] - edges[0]).abs() * 1e-9;
            if first < common[0] - width(&common) {
                common.insert(0, first);
            }
            if last > common[common.len() - 1] + width(&common) {
                common.push(last);
            }
        }
        Self { name: name.to_owned(), ends: [a, b], common }
    }
}

struct Pair<'r> {
    files: [&'r RunFile; 2],
    members: [Member<'r>; 2],
    /// Numbers of the common times in a and in b, and the time; one without a time for what does not change.
    times: Vec<(usize, usize, f64)>,
    moves: bool,
    is_density: bool,
    grids: Vec<Grid>,
}

impl<'r> Pair<'r> {
    /// `None` if the two cannot be compared: no common time, or other numbers of units.
    fn new(a: &'r RunFile, b: &'r RunFile, one: Member<'r>, other: Member<'r>) -> Result<Option<Self>> {
        let dimensions = &one.1.dimensions;
        let moves = dimensions.first().is_some_and(|first| first == "time");
        let times = |group: &RunGroup| group.coordinate("time").map_or(Vec::new(), |time| time.values.clone());
        let times = if moves { common_times(&times(one.0), &times(other.0)) } else { vec![(0, 0, 0.0)] };
        let mut grids = Vec::new();
        let mut is_density = ["rho", "f", "mu", "published"].contains(&one.1.name.as_str());
        for name in &dimensions[usize::from(moves)..] {
            let (Some(a), Some(b)) = (one.0.coordinate(name), other.0.coordinate(name)) else { return Ok(None) };
            let cells = a.bounds.is_some() && b.bounds.is_some();
            is_density &= cells;
            if a.values.is_empty() || b.values.is_empty() || (!cells && a.values != b.values) {
                return Ok(None);
            }
            grids.push(Grid::new(name, edges(a), edges(b)));
        }
        is_density &= !grids.is_empty();
        let same = grids.iter().all(|grid| grid.ends[0] == grid.ends[1]);
        if times.is_empty() || !(is_density || same || grids.len() == 1) {
            return Ok(None);
        }
        Ok(Some(Self { files: [a, b], members: [one, other], times, moves, is_density, grids }))
    }

    fn read(&self, file: usize, name: &str, time: usize) -> Result<ArrayD<f64>> {
        let group = &self.members[file].0.name;
        if self.moves { self.files[file].values_at(group, name, time) } else { self.files[file].values(group, name) }
    }

    /// The values of one file on the common cells.
    fn on_common(&self, file: usize, mut values: ArrayD<f64>) -> ArrayD<f64> {
        for (axis, grid) in self.grids.iter().enumerate() {
            if grid.ends[0] == grid.ends[1] {
                continue;
            }
            if self.is_density {
                values = onto(&values, axis, &grid.ends[file], &grid.common);
            } else {
                let (from, known): (Vec<f64>, Vec<f64>) = (centres(&grid.ends[file]), values.iter().copied().collect());
                let on_common =
                    centres(&grid.common).iter().map(|&x| interpolate(&from, &known, x)).collect::<Vec<_>>();
                values = ndarray::Array1::from(on_common).into_dyn();
            }
        }
        values
    }

    fn both(&self, (one, other, _): (usize, usize, f64)) -> Result<[ArrayD<f64>; 2]> {
        let name = &self.members[0].1.name;
        Ok([self.on_common(0, self.read(0, name, one)?), self.on_common(1, self.read(1, name, other)?)])
    }

    fn distances(&self) -> Result<Vec<Distance>> {
        let (group, variable) = self.members[0];
        let measures: &[&'static str] = match (self.is_density, self.grids.len()) {
            (true, 1) => &["L1", "Wasserstein-1"],
            (true, _) => &["L1"],
            _ => &["difference"],
        };
        let mut rows: Vec<Distance> = Vec::new();
        for &at in &self.times {
            let [a, b] = self.both(at)?;
            for (k, &measure) in measures.iter().enumerate() {
                let distance = match measure {
                    "L1" => self.l1(&a, &b),
                    "Wasserstein-1" => self.wasserstein(&a, &b),
                    // Where one does not reach, interpolation gives NaN, which `max` leaves out.
                    _ => a.iter().zip(&b).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())),
                };
                let time = self.moves.then_some(at.2);
                match rows.get_mut(k) {
                    None => rows.push(Distance {
                        variable: format!("{}/{}", group.name, variable.name),
                        measure,
                        last: distance,
                        largest: distance,
                        time,
                        in_errors: None,
                    }),
                    Some(row) => {
                        row.last = distance;
                        if distance > row.largest {
                            (row.largest, row.time) = (distance, time);
                        }
                    }
                }
            }
        }
        if let (Some(row), Some(&last)) = (rows.first_mut(), self.times.last()) {
            row.in_errors = self.in_errors(last)?;
        }
        Ok(rows)
    }

    fn l1(&self, a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
        let mut difference = (a - b).mapv_into(f64::abs);
        for grid in &self.grids {
            // One axis after the other is summed with its widths.
            let widths = ndarray::Array1::from(widths(&grid.common));
            let shape = difference.shape().to_vec();
            let rest: usize = shape[1..].iter().product();
            let flat: Vec<f64> = difference.iter().copied().collect();
            let mut sums = vec![0.0; rest];
            for (row, width) in flat.chunks(rest.max(1)).zip(&widths) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += width * value);
            }
            difference = ArrayD::from_shape_vec(&shape[1..], sums).unwrap_or_else(|_| ArrayD::zeros(&shape[1..]));
        }
        difference.sum()
    }

    fn wasserstein(&self, a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
        let Some(grid) = self.grids.first() else { return 0.0 };
        let (mut excess, mut distance) = (0.0, 0.0);
        for ((a, b), width) in a.iter().zip(b).zip(widths(&grid.common)) {
            let next = excess + (a - b) * width;
            // The integral of |excess|, which is linear within a cell.
            distance += width
                * if excess * next >= 0.0 {
                    0.5 * (excess.abs() + next.abs())
                } else {
                    0.5 * (excess * excess + next * next) / (excess.abs() + next.abs())
                };
            excess = next;
        }
        distance
    }

    /// The difference in standard errors, on the cells of the file that has them.
    fn in_errors(&self, at: (usize, usize, f64)) -> Result<Option<f64>> {
        let name = format!("{}_error", self.members[0].1.name);
        let mut variance: Option<ArrayD<f64>> = None;
        for (file, time) in [at.0, at.1].into_iter().enumerate() {
            let on_common = self.grids.iter().all(|grid| grid.ends[file] == grid.common);
            if self.members[file].0.variable(&name).is_some() && on_common {
                let square = self.read(file, &name, time)?.mapv_into(|error| error * error);
                variance = Some(match variance {
                    Some(sum) if sum.shape() == square.shape() => sum + square,
                    _ => square,
                });
            }
        }
        let Some(variance) = variance else { return Ok(None) };
        let [a, b] = self.both(at)?;
        let squares = a.iter().zip(&b).zip(&variance).filter(|(_, variance)| **variance > 0.0);
        let (sum, count) = squares
            .fold((0.0, 0.0), |(sum, count), ((a, b), variance)| (sum + (a - b) * (a - b) / variance, count + 1.0));
        Ok((count > 0.0).then(|| f64::sqrt(sum / count)))
    }

    /// Numbers over time; functions of one coordinate at the last common time.
    fn panel(&self) -> Result<Option<Panel>> {
        let (group, variable) = self.members[0];
        let label = |file: usize| {
            let stem = |file: &RunFile| file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let [a, b] = self.files.map(stem);
            match (a == b, file) {
                (true, _) => format!("{}. {a}", file + 1),
                (false, 0) => a,
                (false, _) => b,
            }
        };
        let title = format!("{}/{}", group.name, variable.name);
        let y_label = variable.name.replace('_', " ");
        let errors = format!("{}_error", variable.name);
        match &self.grids[..] {
            [] if self.moves => {
                let mut panel = Panel::new(&title, "time t", &y_label);
                for file in 0..2 {
                    let time = self.members[file].0.coordinate("time").map_or(Vec::new(), |time| time.values.clone());
                    let of = |name: &str| -> Result<Vec<f64>> {
                        Ok(self.files[file].values(&self.members[file].0.name, name)?.iter().copied().collect())
                    };
                    let values = of(&variable.name)?;
                    panel = match self.members[file].0.variable(&errors) {
                        Some(_) => {
                            let [time, values, errors] = [time, values, of(&errors)?].map(thinned);
                            panel.points(&label(file), &time, &values, &errors)
                        }
                        None if file == 0 => panel.line(&label(file), &time, &values),
                        None => panel.dashed(&label(file), &time, &values),
                    };
                }
                Ok(Some(panel))
            }
            [grid]
                if self
                    .members
                    .iter()
                    .all(|member| member.0.coordinate(&grid.name).is_some_and(|c| c.bounds.is_some())) =>
            {
                let Some(&at) = self.times.last() else { return Ok(None) };
                let title = if self.moves { format!("{title} at t = {}", short(at.2)) } else { title };
                let mut panel = Panel::new(&title, &super::panels::symbol(&grid.name), &y_label);
                for (file, time) in [at.0, at.1].into_iter().enumerate() {
                    let x = centres(&grid.ends[file]);
                    let y: Vec<f64> = self.read(file, &variable.name, time)?.iter().copied().collect();
                    panel = match self.members[file].0.variable(&errors) {
                        Some(_) => {
                            let errors: Vec<f64> = self.read(file, &errors, time)?.iter().copied().collect();
                            let [x, y, errors] = [x, y, errors].map(thinned);
                            panel.points(&label(file), &x, &y, &errors)
                        }
                        None if file == 0 => panel.line(&label(file), &x, &y),
                        None => panel.dashed(&label(file), &x, &y),
                    };
                }
                Ok(Some(panel))
            }
            _ => Ok(None),
        }
    }
}

/// At most [`MARKERS`] of many values, at equal distances.
fn thinned(values: Vec<f64>) -> Vec<f64> {
    let step = values.len().div_ceil(MARKERS).max(1);
    values.into_iter().step_by(step).collect()
}

fn common_times(a: &[f64], b: &[f64]) -> Vec<(usize, usize, f64)> {
    let (mut i, mut k, mut found) = (0, 0, Vec::new());
    while let (Some(&s), Some(&t)) = (a.get(i), b.get(k)) {
        if (s - t).abs() <= SAME_TIME * s.abs().max(t.abs()) {
            found.push((i, k, s));
            (i, k) = (i + 1, k + 1);
        } else if s < t {
            i += 1;
        } else {
            k += 1;
        }
    }
    found
}

/// On straight lines between the points; NaN outside.
fn interpolate(points: &[f64], values: &[f64], x: f64) -> f64 {
    let after = points.partition_point(|&point| point < x);
    let pair = |list: &[f64]| Some((*list.get(after.checked_sub(1)?)?, *list.get(after)?));
    match (pair(points), pair(values)) {
        (Some((p, q)), Some((u, v))) => u + (v - u) * (x - p) / (q - p),
        _ if points.get(after) == Some(&x) => values.get(after).copied().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}
