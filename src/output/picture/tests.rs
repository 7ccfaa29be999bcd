use std::path::PathBuf;
use std::sync::Arc;

use super::cells::{edges, onto};
use super::curves::short;
use super::*;
use crate::frame::{Coordinate, Field, Frame};
use crate::output::hdf5::{Hdf5File, RunCoordinate};
use crate::output::plot::Shape;
use crate::output::provenance::Provenance;

fn cells(name: &'static str, low: f64, high: f64, n: usize) -> Arc<Coordinate> {
    let edge = |k: usize| low + (high - low) * k as f64 / n as f64;
    let values = (0..n).map(|k| 0.5 * (edge(k) + edge(k + 1))).collect();
    let bounds = Some((0..n).map(|k| [edge(k), edge(k + 1)]).collect());
    Arc::new(Coordinate { name, description: name, values, bounds })
}

fn points(name: &'static str, values: &[f64]) -> Arc<Coordinate> {
    Arc::new(Coordinate { name, description: name, values: values.to_vec(), bounds: None })
}

fn normal(x: f64, mean: f64, std: f64) -> f64 {
    (-0.5 * ((x - mean) / std).powi(2)).exp() / (std * (2.0 * std::f64::consts::PI).sqrt())
}

fn over(axis: &Coordinate, f: impl Fn(f64) -> f64) -> Vec<f64> {
    axis.values.iter().map(|&x| f(x)).collect()
}

/// A file of its own in a directory of this process.
fn written(name: &str, times: &[f64], constants: &[Field<'_>], frame: impl Fn(f64) -> Vec<Field<'static>>) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("learning-dynamics-pictures-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut file = Hdf5File::create(directory.join(name), &Provenance::new("a test")).unwrap();
    file.write_constants(constants).unwrap();
    for &time in times {
        file.write_frame(&Frame { time, fields: frame(time) }).unwrap();
    }
    file.finish().unwrap()
}

const TIMES: [f64; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

fn mean(t: f64) -> f64 {
    0.5 - 1.5 * (-t).exp()
}

/// A density of h that moves, on `n` cells.
fn density_file(name: &str, group: &'static str, n: usize, shift: f64) -> PathBuf {
    let h = cells("h", -3.0, 3.0, n);
    let theta = cells("theta", -4.0, 4.0, 64);
    let [fitness, still] = [over(&h, |h| -(h - 0.5).powi(2)), over(&h, |h| normal(h, 0.5, 0.5))];
    let effective = Field::array("density", "effective_fitness", "F̄(h)", &[&h], fitness);
    let stationary = Field::array("stationary", "rho", "stationary density", &[&h], still);
    let constants = if group == "density" { vec![effective, stationary] } else { Vec::new() };
    written(name, &TIMES, &constants, |t| {
        let centre = mean(t) + shift;
        let rho = over(&h, |h| normal(h, centre, 0.5));
        let mut fields = vec![
            Field::array(group, "rho", "density of h", &[&h], rho.clone()),
            Field::scalar("moments", "mean_h", "mean of h", centre),
            Field::scalar("moments", "var_h", "variance of h", 0.25),
            Field::scalar("moments", "mean_fitness", "mean fitness", -(centre - 0.5).powi(2)),
        ];
        if group == "marginal_h" {
            let joint: Vec<f64> = theta
                .values
                .iter()
                .flat_map(|t| h.values.iter().zip(&rho).map(move |(h, rho)| rho * normal(*t, *h, 0.6)))
                .collect();
            fields.insert(0, Field::array("density", "f", "joint density", &[&theta, &h], joint));
        }
        fields
    })
}

/// Agents whose histogram is `z` standard errors above the density of [`density_file`].
fn agents_file(name: &str, z: f64) -> PathBuf {
    let h = cells("h", -3.0, 3.0, 24);
    let (quantile, agent) = (points("quantile", &[0.1, 0.25, 0.5, 0.75, 0.9]), points("agent", &[0.0, 1.0, 2.0]));
    let component = points("component", &[0.0]);
    written(name, &TIMES, &[], |t| {
        let error = 0.01;
        // The mean over a cell of the fine density, as Simpson's rule has it to 1e-5.
        let at = |h: f64| normal(h, mean(t), 0.5);
        let rho = over(&h, |h| (at(h - 0.125) + 4.0 * at(h) + at(h + 0.125)) / 6.0 + z * error);
        let spread: Vec<f64> = [-1.3, -0.7, 0.0, 0.7, 1.3].iter().map(|k| mean(t) - 0.5 + 0.3 * k).collect();
        let paths = [0.0, 1.0, 2.0].map(|k: f64| mean(t) + (3.0 * t + k).sin() * 0.3).to_vec();
        vec![
            Field::array("marginal_h", "rho", "histogram of h", &[&h], rho),
            Field::array("marginal_h", "rho_error", "standard error", &[&h], vec![error; 24]),
            Field::scalar("moments", "mean_h", "mean of h", mean(t) + 0.06),
            Field::scalar("moments", "mean_h_error", "standard error", 0.02),
            Field::scalar("moments", "var_h", "variance of h", 0.25),
            Field::scalar("moments", "mean_fitness", "mean fitness", -(mean(t) - 0.5).powi(2)),
            Field::scalar("moments", "mean_fitness_error", "standard error", 0.05),
            Field::array("quantiles", "fitness", "quantiles of the fitness", &[&quantile], spread),
            Field::array("trajectories", "h", "hyperparameters", &[&agent, &component], paths),
        ]
    })
}

fn committee_file(name: &str, error: bool) -> PathBuf {
    let (student, other) = (points("student", &[0.0, 1.0]), points("student_2", &[0.0, 1.0]));
    let teacher = points("teacher", &[0.0, 1.0]);
    written(name, &TIMES, &[], |t| {
        let (q, m) = (1.0 - 0.5 * (-t).exp(), 1.0 - (-t).exp());
        let mut fields = vec![
            Field::array("order_parameters", "Q", "overlaps", &[&student, &other], vec![q, 0.1, 0.1, 0.9 * q]),
            Field::array("order_parameters", "M", "overlaps", &[&student, &teacher], vec![m, 0.05, 0.0, 0.9 * m]),
            Field::scalar("errors", "generalization_error", "E_g", 0.3 * (-1.5 * t).exp()),
        ];
        if error {
            fields.push(Field::scalar(
                "errors",
                "generalization_error_error",
                "standard error",
                0.05 * (-1.5 * t).exp(),
            ));
        }
        fields
    })
}

fn neurons_file(name: &str) -> PathBuf {
    let neuron = points("neuron", &(0..12).map(f64::from).collect::<Vec<_>>());
    let degree = points("degree", &[0.0, 1.0, 2.0, 3.0]);
    let times: Vec<f64> = (0..60).map(|k| 1e-4 * 10f64.powf(f64::from(k) / 10.0)).collect();
    written(name, &times, &[], |t| {
        let s = over(&neuron, |i| (0.1 * (i - 5.5) * (1.0 + t)).tanh());
        let a = over(&neuron, |i| (1.0 + 7.0 * i).sin() * (1.0 - (-t / 0.01).exp()) + 0.1);
        let parts: Vec<f64> = over(&degree, |k| (-t * 10f64.powf(2.0 - k)).exp());
        vec![
            Field::array("neurons", "a", "second layer", &[&neuron], a),
            Field::array("neurons", "s", "alignment", &[&neuron], s),
            Field::scalar("risk", "risk", "risk", 0.5 * parts.iter().map(|c| c * c).sum::<f64>()),
            Field::array("risk", "component", "residual", &[&degree], parts),
        ]
    })
}

fn titles(picture: &Picture) -> Vec<&str> {
    picture.panels.iter().map(|panel| panel.title.as_str()).collect()
}

/// Draws, and keeps the picture where a developer wants to see it.
fn drawn(picture: &Picture, name: &str) {
    #[cfg(feature = "plot")]
    {
        let directory =
            std::env::var("LEARNING_DYNAMICS_KEEP_PICTURES").map_or_else(|_| std::env::temp_dir(), PathBuf::from);
        let path = directory.join(format!("learning-dynamics-{}-{name}.png", std::process::id()));
        picture.write_png(&path).unwrap();
        if std::env::var("LEARNING_DYNAMICS_KEEP_PICTURES").is_err() {
            std::fs::remove_file(path).unwrap();
        }
    }
    #[cfg(not(feature = "plot"))]
    let _ = (picture, name);
}

#[test]
fn every_kind_has_its_picture() {
    let spread = "h: mean ± standard deviation";
    let table: [(&str, PathBuf, &[&str]); 5] = [
        (
            "kinetic",
            density_file("kinetic.h5", "marginal_h", 48, 0.0),
            &["Joint density", "Density of h", "Mean fitness", spread],
        ),
        (
            "averaged",
            density_file("averaged.h5", "density", 96, 0.0),
            &["Density of h", "Effective fitness", "Mean fitness", spread],
        ),
        (
            "agents",
            agents_file("agents.h5", 1.0),
            &["Density of h", "Mean fitness", spread, "Fitness of the agents", "Hyperparameters of some agents"],
        ),
        (
            "sgd",
            committee_file("sgd.h5", true),
            &["Generalization error", "Overlaps of the students", "Overlaps with the teachers"],
        ),
        (
            "neurons",
            neurons_file("neurons.h5"),
            &["Risk", "Alignments with the target", "Second layer", "Residual of each degree"],
        ),
    ];
    for (name, path, expected) in table {
        let picture = picture(&RunFile::open(path).unwrap()).unwrap();
        assert_eq!(titles(&picture), expected, "{name}");
        drawn(&picture, name);
    }
}

#[test]
fn densities_are_drawn_with_their_errors_and_limits() {
    let averaged = picture(&RunFile::open(density_file("limit.h5", "density", 96, 0.0)).unwrap()).unwrap();
    let labels: Vec<&str> = averaged.panels[0].marks.iter().map(|mark| mark.label.as_str()).collect();
    assert_eq!(labels, ["t = 0", "t = 1", "t = 3", "t = 5", "stationary"]);
    let agents = picture(&RunFile::open(agents_file("errors.h5", 0.0)).unwrap()).unwrap();
    let last = &agents.panels[0].marks.last().unwrap().shape;
    assert!(matches!(last, Shape::Points { error, .. } if error == &[0.01; 24]));
    let joint = picture(&RunFile::open(density_file("joint.h5", "marginal_h", 48, 0.0)).unwrap()).unwrap();
    let Shape::HeatMap { x, y, values } = &joint.panels[0].marks[0].shape else { panic!("no heat map") };
    assert_eq!((x.len(), y.len()), (64, 48));
    // Rows are h: the largest value lies where h and θ are the mean.
    let largest = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert!((x[largest % 64] - mean(5.0)).abs() < 0.15 && (y[largest / 64] - mean(5.0)).abs() < 0.15);
}

#[test]
fn a_sweep_gives_one_curve_a_value() {
    let path = std::env::temp_dir().join(format!("learning-dynamics-sweep-{}.h5", std::process::id()));
    {
        // A file as runs write it, then with a dimension before time.
        let epsilon = points("epsilon", &[1.0, 0.1, 0.01]);
        let time = points("time", &TIMES);
        let h = cells("h", -3.0, 3.0, 30);
        let each = |f: &dyn Fn(f64, f64) -> Vec<f64>| -> Vec<f64> {
            epsilon.values.iter().flat_map(|&epsilon| TIMES.iter().flat_map(move |&t| f(epsilon, t))).collect()
        };
        let at = |epsilon: f64, t: f64| mean(t) * (1.0 - epsilon / 3.0);
        let rho = each(&|epsilon, t| over(&h, |h| normal(h, at(epsilon, t), 0.5)));
        let mut file = Hdf5File::create(&path, &Provenance::new("a sweep")).unwrap();
        let axes = [&epsilon, &time];
        let scalar = |name, values| Field::array("moments", name, name, &axes, values);
        file.write_constants(&[
            Field::array("marginal_h", "rho", "density", &[&epsilon, &time, &h], rho),
            scalar("mean_h", each(&|epsilon, t| vec![at(epsilon, t)])),
            scalar("var_h", each(&|_, _| vec![0.25])),
            scalar("mean_fitness", each(&|epsilon, t| vec![-at(epsilon, t).powi(2)])),
        ])
        .unwrap();
        file.finish().unwrap();
    }
    let run = RunFile::open(&path).unwrap();
    let picture = picture(&run).unwrap();
    assert_eq!(titles(&picture), ["Density of h at t = 5", "Mean fitness", "Mean of h"]);
    let labels: Vec<&str> = picture.panels[1].marks.iter().map(|mark| mark.label.as_str()).collect();
    assert_eq!(labels, ["epsilon = 1", "epsilon = 0.1", "epsilon = 0.01"]);
    drawn(&picture, "sweep");
    assert!(compare(&run, &run).unwrap_err().to_string().contains("the sweep in"));
    std::fs::remove_file(path).unwrap();
}

fn row<'c>(comparison: &'c Comparison, variable: &str, measure: &str) -> &'c Distance {
    comparison.rows.iter().find(|row| row.variable == variable && row.measure == measure).unwrap()
}

#[test]
fn distances_of_densities_are_those_of_the_laws() {
    let open = |path| RunFile::open(path).unwrap();
    let kinetic = open(density_file("a.h5", "marginal_h", 120, 0.0));
    let same = compare(&kinetic, &kinetic).unwrap();
    assert!(same.rows.iter().all(|row| row.last == 0.0 && row.largest == 0.0) && same.times == TIMES);
    // Shifted by 0.1, on cells half as wide, and in the group of the averaged equation.
    let averaged = open(density_file("b.h5", "density", 240, 0.1));
    let comparison = compare(&kinetic, &averaged).unwrap();
    let shifted = row(&comparison, "marginal_h/rho", "Wasserstein-1");
    // Cells of width 0.05 hold 1e-3 of the distance.
    assert!((shifted.last - 0.1).abs() < 1e-3 && (shifted.largest - 0.1).abs() < 1e-3, "{shifted:?}");
    // Total variation of normal laws of standard deviation ½ at distance 0.1: 2(2Φ(0.1) − 1).
    let l1 = row(&comparison, "marginal_h/rho", "L1").last;
    assert!((l1 - 2.0 * 0.079_655_7).abs() < 1e-3, "{l1}");
    let mean = row(&comparison, "moments/mean_h", "difference");
    // As written.
    assert!((mean.last - 0.1).abs() < 1e-15 && mean.in_errors.is_none());
    let text = comparison.to_string();
    assert!(
        text.starts_with("6 common times, the last t = 5\n") && text.contains("marginal_h/rho        Wasserstein-1"),
        "{text}"
    );
    drawn(&comparison.picture, "comparison");
}

#[test]
fn distances_are_told_in_standard_errors() {
    let open = |path| RunFile::open(path).unwrap();
    let (kinetic, agents) = (open(density_file("c.h5", "marginal_h", 240, 0.0)), open(agents_file("d.h5", 2.0)));
    for comparison in [compare(&kinetic, &agents).unwrap(), compare(&agents, &kinetic).unwrap()] {
        let z = row(&comparison, "marginal_h/rho", "L1").in_errors.unwrap();
        // What Simpson's rule and midpoints leave is below a tenth of a standard error.
        assert!((z - 2.0).abs() < 0.1, "{z}");
        let mean = row(&comparison, "moments/mean_h", "difference");
        // As written: 0.06 over 0.02.
        assert!((mean.in_errors.unwrap() - 3.0).abs() < 1e-12 && (mean.last - 0.06).abs() < 1e-12);
        drawn(&comparison.picture, "twin");
    }
    let (theory, sgd) = (open(committee_file("e.h5", false)), open(committee_file("f.h5", true)));
    let comparison = compare(&theory, &sgd).unwrap();
    assert_eq!(row(&comparison, "errors/generalization_error", "difference").in_errors, Some(0.0));
    assert_eq!(row(&comparison, "order_parameters/Q", "difference").largest, 0.0);
    let error = compare(&theory, &kinetic).unwrap_err().to_string();
    assert!(error.contains("no variable at a common time"), "{error}");
}

#[test]
fn averages_over_other_cells_keep_the_mass() {
    let coordinate = |values: &[f64], bounds| RunCoordinate {
        name: "h".into(),
        long_name: "h".into(),
        values: values.to_vec(),
        bounds,
    };
    assert_eq!(edges(&coordinate(&[0.0, 1.0, 3.0], None)), [-0.5, 0.5, 2.0, 4.0]);
    assert_eq!(edges(&coordinate(&[0.4], Some(vec![[0.0, 1.0]]))), [0.0, 1.0]);
    let density = ndarray::arr1(&[1.0, 2.0, 4.0]).into_dyn();
    let finer = onto(&density, 0, &[0.0, 1.0, 2.0, 3.0], &[0.0, 0.5, 1.25, 3.0]);
    let expected = [1.0, (0.5 + 0.25 * 2.0) / 0.75, (0.75 * 2.0 + 4.0) / 1.75];
    assert!(finer.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15));
    let wider = onto(&density, 0, &[0.0, 1.0, 2.0, 3.0], &[-1.0, 0.0, 3.0, 5.0]);
    assert!(wider.iter().zip([0.0, 7.0 / 3.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-15));
    assert_eq!([0.0, 0.1, 1234.56, 2e-7, -3.0, 1e5].map(short), ["0", "0.1", "1235", "2.00e-7", "-3", "1.00e5"]);
}
