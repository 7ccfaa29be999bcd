//! Small reference results, written by `gallery -- reference` and recomputed by a test.

use std::fmt::Write as _;
use std::path::Path;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::exact::GaussianMoments;
use learning_dynamics::exact::lqg::Lqg;
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::grid::HyperGrid;
use learning_dynamics::neurons::{FlowSettings, NeuronFlow};
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::problem::*;
use learning_dynamics::record::logarithmic;
use ndarray::array;

use crate::common::{Outcome, boltzmann, linspace, quadratic, record};
use crate::{erf_committee, learning_order};

/// A file of `data/reference`.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    /// Its name, without `.csv`.
    pub name: &'static str,
    /// What it holds and how it is computed, for the README.
    pub made: &'static str,
    /// Largest difference, of numbers above 1 relative, at which a computation agrees with it.
    pub tolerance: f64,
    /// Computes it.
    pub make: fn() -> Outcome<Table>,
}

/// Rows of numbers under the names of their columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// One a column.
    pub columns: Vec<String>,
    /// As long as `columns` each.
    pub rows: Vec<Vec<f64>>,
}

/// All files.
pub const REFERENCES: &[Reference] = &[
    Reference {
        name: "erf-committee",
        made: "Overlaps and generalisation error of the erf committee of the figure `erf-committee`, K = M = 2, learning rate 1; \
               `OrderParameters` with tolerance 1e-12",
        tolerance: 1e-9,
        make: committee,
    },
    Reference {
        name: "lqg",
        made: "Moments of (θ, h) in replicator form, L = ½(θ − h)², F = −(θ − 1)², β = ½, D = ½, D_h = 0.05, ε = 0.1, from \
               N(1.5, 0.16) and N(−1, 0.25); `exact::lqg::Lqg`, relative error 1e-11",
        tolerance: 1e-10,
        make: moments,
    },
    Reference {
        name: "neurons",
        made: "Risk, residuals and neurons of the simplified flow of the figure `risk-components`, ε = 1e-3, m = 10; `NeuronFlow` \
               with tolerance 1e-11",
        tolerance: 1e-9,
        make: neurons,
    },
    Reference {
        name: "stationary-growth",
        made: "Growth rate log⟨w̄⟩, mean and variance of h of the stationary averaged equation, L = ½(θ − h)², F = −(θ − ½)², D = 0.1, \
               h on [−3, 3] in 400 cells, by β and the size of Gaussian mutation; `Averaged::stationary`, closed-form w̄",
        tolerance: 1e-10,
        make: growth,
    },
];

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn committee() -> Outcome<Table> {
    let problem = erf_committee::problem(array![[0.09, 0.02], [0.03, 0.08]]);
    let times = logarithmic(0.5, 80.0, 9)?;
    let series = record(&mut OrderParameters::of(problem, Quadrature::Automatic, 1e-12)?, &times)?;
    let of = |group, name| series.values(group, name);
    let (q, m) = (of("order_parameters", "Q")?, of("order_parameters", "M")?);
    let errors = of("errors", "generalization_error")?;
    let row = |(k, &time): (usize, &f64)| {
        let (q, m) = (&q[4 * k..], &m[4 * k..]);
        vec![time, errors[k], q[0], q[1], q[3], m[0], m[1], m[2], m[3]]
    };
    Ok(Table {
        columns: names(&["t", "E_g", "Q11", "Q12", "Q22", "R11", "R12", "R21", "R22"]),
        rows: times.iter().enumerate().map(row).collect(),
    })
}

/// The case of `lqg`, and where its moments are read.
pub fn lqg() -> (Lqg, GaussianMoments, Vec<f64>) {
    let start = GaussianMoments::independent((1.5, 0.16), (-1.0, 0.25));
    (Lqg::quadratic(1.0, 1.0, 0.5, 0.5, 0.05, 0.1), start, linspace(0.1, 2.0, 20))
}

fn moments() -> Outcome<Table> {
    let (case, start, times) = lqg();
    let moments = case.moments(start, &times)?;
    let rows = moments.iter().zip(&times).map(|(m, &t)| [vec![t], m.to_array().to_vec()].concat()).collect();
    Ok(Table { columns: names(&["t", "mean_theta", "mean_h", "var_theta", "cov", "var_h"]), rows })
}

fn neurons() -> Outcome<Table> {
    let settings = FlowSettings { degrees: 3, tolerance: 1e-11, ..FlowSettings::default() };
    let times = logarithmic(1e-4, 10.0, 4)?;
    let series = record(&mut NeuronFlow::new(learning_order::problem(1e-3), settings)?, &times)?;
    let risk = series.values("risk", "risk")?;
    let lists =
        [("risk", "component"), ("neurons", "a"), ("neurons", "s")].map(|(group, name)| series.values(group, name));
    let mut columns = names(&["t", "risk", "residual_0", "residual_1", "residual_2"]);
    let mut rows: Vec<Vec<f64>> = times.iter().zip(risk).map(|(&time, &risk)| vec![time, risk]).collect();
    for (name, values) in ["", "a", "s"].into_iter().zip(lists) {
        let values = values?;
        let per = values.len() / times.len();
        if !name.is_empty() {
            columns.extend((1..=per).map(|i| format!("{name}_{i}")));
        }
        rows.iter_mut().zip(values.chunks_exact(per)).for_each(|(row, values)| row.extend_from_slice(values));
    }
    Ok(Table { columns, rows })
}

fn growth() -> Outcome<Table> {
    let mut rows = Vec::new();
    for beta in [0.5, 1.0, 2.0] {
        for mutation in [0.1, 0.2, 0.3] {
            let problem = quadratic(1.0, 0.1, boltzmann(beta, Clock::Poisson { rate: 1.0 }), mutation);
            let grid = HyperGrid::new(problem.h[0], 400)?;
            let points = grid.points.clone();
            let settings = Settings { weight: Weight::ClosedForm, tolerance: 1e-8 };
            let stationary = Averaged::new(problem, grid, settings)?.stationary()?;
            let mean =
                |f: &dyn Fn(f64) -> f64| stationary.mass.iter().zip(&points).map(|(m, &h)| m * f(h)).sum::<f64>();
            let centre = mean(&|h| h);
            rows.push(vec![beta, mutation, stationary.growth, centre, mean(&|h| (h - centre).powi(2))]);
        }
    }
    Ok(Table { columns: names(&["beta", "mutation_std", "growth_rate", "mean_h", "var_h"]), rows })
}

impl Table {
    /// As CSV, all digits.
    pub fn csv(&self) -> String {
        let mut text = self.columns.join(",") + "\n";
        for row in &self.rows {
            let _ = writeln!(text, "{}", row.iter().map(|x| format!("{x:?}")).collect::<Vec<_>>().join(","));
        }
        text
    }

    /// What [`Table::csv`] wrote.
    #[cfg(test)]
    pub fn parse(text: &str) -> Outcome<Self> {
        let mut lines = text.lines();
        let columns = lines.next().unwrap_or_default().split(',').map(str::to_owned).collect();
        let row = |line: &str| line.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>();
        Ok(Self { columns, rows: lines.map(row).collect::<Result<_, _>>()? })
    }
}

/// `README.md` beside the files.
pub fn readme() -> String {
    let mut text = String::from(
        "# Reference results\n\nWritten by `make gallery ARGS=reference`; a test computes them again. All numbers are dimensionless; \
         the licence is that of the project.\n\n| file | holds; how made | agrees to |\n|---|---|---|\n",
    );
    for Reference { name, made, tolerance, .. } in REFERENCES {
        let _ = writeln!(text, "| [{name}.csv]({name}.csv) | {made} | {tolerance:e} |");
    }
    text
}

/// Computes and writes all files.
pub fn write(out: &Path) -> Outcome<()> {
    std::fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let put = |name: String, text: String| {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    for reference in REFERENCES {
        let table = (reference.make)().map_err(|error| format!("{}: {error}", reference.name))?;
        put(format!("{}.csv", reference.name), table.csv())?;
    }
    Ok(put("README.md".into(), readme())?)
}
