//! Product grids and log axes.

use approx::{assert_abs_diff_eq, assert_relative_eq};

use super::*;
use crate::problem::{Domain, Ends, Law, Scale};

#[test]
fn places_of_a_product_are_row_major() {
    let domains = [Domain::linear(0.0, 2.0, Ends::Clip), Domain::log(1e-2, 1.0, Ends::Reflect)];
    let grid = HyperGrid::new(domains, [2, 3]).unwrap();
    assert_eq!((grid.len(), grid.dimension(), grid.shape()), (12, 2, (4, 3)));
    assert_eq!(grid.point(0)[0], 0.0);
    assert_relative_eq!(grid.point(4)[1], 0.1, max_relative = 1e-14); // the centre is the geometric mean of the ends
    assert_eq!(grid.cell_places(), [3, 4, 5, 6, 7, 8]);
    let volumes = grid.volumes();
    assert_relative_eq!(volumes[3], 10f64.powf(-4.0 / 3.0) - 0.01, max_relative = 1e-14);
    assert_eq!(volumes[0], volumes[3], "an atom of h_1 is per unit of h_2; cells of h_1 have width 1");
    assert_eq!(grid.marginal(&[1.0; 12], 0), [3.0; 4]);
    assert_eq!(grid.marginal(&[1.0; 12], 1), [4.0; 3]);
    let one = HyperGrid::new(Domain::linear(0.0, 2.0, Ends::Reflect), 4).unwrap();
    assert_eq!((one.point(1), one.cell_places()), (&[0.75][..], vec![0, 1, 2, 3]));
}

#[test]
fn theta_cells_are_row_major() {
    let axes = [Axis::uniform("theta_1", 0.0, 2.0, 2).unwrap(), Axis::uniform("theta_2", 0.0, 3.0, 3).unwrap()];
    let grid = ThetaGrid::from(axes);
    assert_eq!((grid.len(), grid.point(4), grid.volume()), (6, &[1.5, 1.5][..], 1.0));
    assert!((0..6).all(|cell| grid.at_wall(cell)), "two cells along θ_1 are both at a wall");
    assert_eq!(grid.coarse_points(), [1.0, 1.0]);
    let axes = vec![Axis::uniform("theta_1", 0.0, 3.0, 3).unwrap(); 2];
    assert!(!ThetaGrid::from(axes.clone()).at_wall(4));
    assert!(ThetaGrid::from(axes).validated(1).is_err() && ThetaGrid::from(Vec::new()).validated(1).is_err());
}

#[test]
fn initial_laws_on_log_axes_go_by_their_cumulative_function() {
    let axis = HyperAxis::new("h", Domain::log(1e-4, 1.0, Ends::Reflect), 80).unwrap();
    for mass in axis.masses(&Law::LogUniform { low: 1e-4, high: 1.0 }).unwrap() {
        assert_abs_diff_eq!(mass, 1.0 / 80.0, epsilon = 1e-15); // rounding
    }
    let uniform = axis.masses(&Law::Uniform { low: 1e-4, high: 1.0 }).unwrap();
    for (mass, width) in uniform.iter().zip(axis.widths()) {
        assert_relative_eq!(*mass, width / (1.0 - 1e-4), max_relative = 1e-9); // cancellation in differences of h
    }
    let gaussian = axis.masses(&Law::Gaussian { mean: 0.3, std: 0.05 }).unwrap();
    let mean: f64 = gaussian.iter().zip(&axis.points).map(|(m, h)| m * h).sum();
    assert_abs_diff_eq!(mean, 0.3, epsilon = 2e-3); // cells of 0.03 about 0.3
    assert!(
        axis.masses(&Law::Gaussian { mean: 0.0, std: 0.1 }).unwrap_err().to_string().contains("outside [0.0001, 1]")
    );
}

#[test]
fn bad_grids_are_named() {
    let linear = Domain::linear(0.0, 1.0, Ends::Reflect);
    let text = |domains: Vec<Domain>, cells: Vec<usize>| HyperGrid::new(domains, cells).unwrap_err().to_string();
    assert!(text(vec![linear; 2], vec![4]).contains("one number of cells a hyperparameter"));
    assert!(text(vec![linear; 3], vec![4; 3]).contains("one or two"));
    assert!(text(vec![linear; 2], vec![4, 0]).starts_with("grid.h_2.cells = 0"));
    let crossing = Domain { low: -1.0, high: 1.0, scale: Scale::Log, ends: Ends::Reflect };
    assert!(text(vec![crossing], vec![4]).contains("log has no zero"));
}
