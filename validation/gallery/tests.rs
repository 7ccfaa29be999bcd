//! The list of figures, and the cheap ones.

use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::problem::{
    Domain, Ends, Initial, InitialTheta, Kernel, Law, Population, QuadraticFitness, Selection,
};

use super::*;
use reference::{REFERENCES, Table};

#[test]
fn names_are_files_and_are_found() {
    let names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
    let distinct: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(distinct.len(), names.len());
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    assert_eq!(choose(&["neurons".into()]).unwrap()[0].name, "neurons");
    assert_eq!(choose(&[]).unwrap().len(), FIGURES.len());
    let error = choose(&["neuron".into()]).unwrap_err();
    assert!(error.starts_with("no figure neuron: expected one of pbt-bands, "), "{error}");
}

/// What a figure shows is measured by studies that there are.
#[test]
fn studies_are_files() {
    for study in FIGURES.iter().flat_map(|figure| figure.studies.split(", ")) {
        let file = format!("validation/studies/{}.rs", study.replace('-', "_"));
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).exists(), "{file}");
    }
}

/// A picture of few colours becomes smaller and keeps every pixel.
#[cfg(feature = "plot")]
#[test]
fn compression_keeps_the_pixels_of_a_plain_picture() {
    use learning_dynamics::output::plot::Panel;
    let path = std::env::temp_dir().join(format!("learning-dynamics-gallery-{}.png", std::process::id()));
    let decode = || {
        let mut decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&path).unwrap()));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        bytes
    };
    let panel = Panel::new("", "", "").line("", &[0.0, 1.0, 2.0], &[0.0, 2.0, 1.0]);
    Picture::new(1).panel(panel).write_png(&path).unwrap();
    let (before, size) = (decode(), std::fs::metadata(&path).unwrap().len());
    compress::compress(&path).unwrap();
    let (after, smaller) = (decode(), std::fs::metadata(&path).unwrap().len());
    std::fs::remove_file(&path).unwrap();
    assert!(smaller < size, "{smaller} {size}");
    assert_eq!(before.len(), after.len());
    // Greys and blues of the edges move by less than the side of a cube.
    assert!(before.iter().zip(&after).all(|(a, b)| a.abs_diff(*b) < 16));
}

/// The table beside the pictures is the one that this list gives.
#[test]
fn the_table_is_that_of_the_list() {
    let kept = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pictures/README.md")).unwrap();
    assert!(kept == table(), "run make gallery");
}

#[test]
fn cheap_figures_can_be_made() {
    for name in [
        "pbt-bands",
        "many-agents",
        "fast-training",
        "risk-components",
        "neurons",
        "network-against-flow",
        "erf-committee",
    ] {
        let picture = (choose(&[name.into()]).unwrap()[0].make)().unwrap();
        assert!(picture.panels.len() >= 3, "{name}");
        assert!(picture.panels.iter().all(|panel| !panel.marks.is_empty()), "{name}");
    }
}

fn kept(name: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/reference/{name}.csv"));
    Table::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn reference_results_are_found_again() {
    for reference in REFERENCES {
        let (kept, found) = (kept(reference.name), (reference.make)().unwrap());
        assert_eq!((&kept.columns, kept.rows.len()), (&found.columns, found.rows.len()), "{}", reference.name);
        let columns = kept.columns.clone();
        for (at, (kept, found)) in kept.rows.iter().zip(&found.rows).enumerate() {
            assert_eq!(kept.len(), found.len());
            for ((kept, found), column) in kept.iter().zip(found).zip(&columns) {
                let gap = (kept - found).abs() / kept.abs().max(1.0);
                assert!(gap <= reference.tolerance, "{}, row {at}, {column}: {kept} {found}", reference.name);
            }
        }
    }
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/reference/README.md");
    assert!(std::fs::read_to_string(text).unwrap() == reference::readme(), "run make gallery ARGS=reference");
}

/// The growth rates against the Gaussian fixed point: `λ = ((1+2βv)(1+ΛS))^(−½)`, `S` the variance before selection.
#[test]
fn reference_growth_rates_are_those_of_gaussian_generations() {
    for row in kept("stationary-growth").rows {
        let [beta, mutation, growth, mean, variance] = row[..] else { panic!("five columns") };
        let gain = 2.0 * beta / (1.0 + 2.0 * beta * 0.1);
        let step = mutation * mutation;
        let fixed = 0.5 * (step + (step * step + 4.0 * step / gain).sqrt());
        let exact = -0.5 * (1.0 + 0.2 * beta).ln() - 0.5 * (1.0 + gain * fixed).ln();
        // Cells of 0.015 add their h²/12 or so to variances.
        for (found, exact) in [(growth, exact), (mean, 0.5), (variance, fixed)] {
            assert!((found - exact).abs() < 1e-4, "β = {beta}, {mutation}: {found} {exact}");
        }
    }
}

/// The kinetic equation has the moments of the file.
#[test]
fn reference_moments_are_those_of_the_kinetic_equation() {
    let (_, _, times) = reference::lqg();
    let problem = Population {
        fitness: std::sync::Arc::new(QuadraticFitness { optimum: vec![1.0], curvature: 1.0 }),
        h: vec![Domain::linear(-5.0, 5.0, Ends::Reflect)],
        mutation: vec![Kernel::Diffusion { diffusion: 0.05 }],
        initial: Initial {
            h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 1.5, std: 0.4 }]),
        },
        ..common::quadratic(0.1, 0.5, Selection::Replicator { beta: 0.5 }, 0.1)
    };
    let theta = Axis::uniform("theta", -7.0, 7.0, 256).unwrap();
    let mut kinetic = Kinetic::new(problem, theta, 160, Steps::Tolerance(1e-5)).unwrap();
    let series = common::record(&mut kinetic, &times).unwrap();
    for (at, name) in ["mean_theta", "mean_h", "var_theta", "cov_theta_h", "var_h"].into_iter().enumerate() {
        for (row, found) in kept("lqg").rows.iter().zip(series.values("moments", name).unwrap()) {
            // Four times what second order leaves of cells of 0.055 (measured at twice that: 4e-3).
            assert!((row[1 + at] - found).abs() < 4e-3, "{name} at {}: {} {found}", row[0], row[1 + at]);
        }
    }
}
