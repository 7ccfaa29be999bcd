use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// Rates of a rectangle of cells for potentials `[cell][place]`.
struct Grid {
    rows: usize,
    columns: usize,
    places: usize,
    potential: Vec<f64>,
    rates: [Vec<f64>; 4],
}

fn bernoulli(u: f64) -> f64 {
    if u.abs() < 1e-12 { 1.0 - 0.5 * u } else { u / u.exp_m1() }
}

/// Numbers between 0 and 1 that look random.
fn noise(k: usize, seed: u64) -> f64 {
    let x = (k as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(seed.wrapping_mul(0xD1B5_4A32_D192_ED03));
    let x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((x ^ (x >> 32)) >> 11) as f64 / (1u64 << 53) as f64
}

impl Grid {
    fn new(rows: usize, columns: usize, places: usize, rise: f64, seed: u64) -> Self {
        let potential: Vec<f64> = (0..rows * columns * places).map(|k| rise * noise(k, seed)).collect();
        let mut rates = [(); 4].map(|()| vec![0.0; potential.len()]);
        for cell in 0..rows * columns {
            for place in 0..places {
                let at = cell * places + place;
                let mut pair = |axis: usize, other: usize| {
                    let u = potential[other * places + place] - potential[at];
                    rates[2 * axis][at] = bernoulli(u);
                    rates[2 * axis + 1][at] = bernoulli(-u);
                };
                if cell / columns + 1 < rows {
                    pair(0, cell + columns);
                }
                if cell % columns + 1 < columns {
                    pair(1, cell + 1);
                }
            }
        }
        Self { rows, columns, places, potential, rates }
    }

    fn matrix<'a>(&'a self, q: f64, decay: Option<&'a [f64]>, c: f64) -> Matrix<'a> {
        let [up, down, right, left] = &self.rates;
        Matrix { rates: Rates { up: [up, right], down: [down, left] }, places: self.places, q, decay, c }
    }

    fn solve(&self, q: f64, decay: Option<&[f64]>, c: f64, b: &[f64]) -> (Vec<f64>, Vec<[f64; 2]>) {
        let dissection = Dissection::new(self.rows, self.columns, self.places);
        let mut x = b.to_vec();
        let contents = dissection.solve(Some(&self.matrix(q, decay, c)), &mut dissection.factors(), &mut x);
        (x, contents)
    }

    /// The grid of one place.
    fn place(&self, place: usize) -> Self {
        let pick = |v: &Vec<f64>| column(v, self.places, place);
        Self { places: 1, potential: pick(&self.potential), rates: self.rates.each_ref().map(pick), ..*self }
    }

    /// `(q + decay − cA) x` at one place.
    fn multiply(&self, q: f64, decay: Option<&[f64]>, c: f64, x: &[f64]) -> Vec<f64> {
        let mut b: Vec<f64> = (0..x.len()).map(|k| (q + decay.map_or(0.0, |d| d[k])) * x[k]).collect();
        for (axis, next) in [self.columns, 1].into_iter().enumerate() {
            for cell in 0..x.len() - next {
                let flux = c * (self.rates[2 * axis][cell] * x[cell] - self.rates[2 * axis + 1][cell] * x[cell + next]);
                b[cell] += flux;
                b[cell + next] -= flux;
            }
        }
        b
    }
}

fn column(values: &[f64], places: usize, place: usize) -> Vec<f64> {
    values.iter().skip(place).step_by(places).copied().collect()
}

/// The solution by dense elimination with pivots.
fn dense(grid: &Grid, q: f64, decay: Option<&[f64]>, c: f64, b: &[f64]) -> Vec<f64> {
    use faer::prelude::Solve;
    let n = b.len();
    let mut matrix = faer::Mat::<f64>::zeros(n, n);
    for k in 0..n {
        let mut unit = vec![0.0; n];
        unit[k] = 1.0;
        for (i, value) in grid.multiply(q, decay, c, &unit).into_iter().enumerate() {
            matrix[(i, k)] = value;
        }
    }
    let mut x = faer::Mat::from_fn(n, 1, |i, _| b[i]);
    matrix.partial_piv_lu().solve_in_place(x.as_mut());
    (0..n).map(|i| x[(i, 0)]).collect()
}

#[test]
fn agrees_with_dense_elimination() {
    for (rows, columns) in [(1, 1), (1, 40), (2, 5), (5, 2), (7, 9), (13, 4), (33, 17)] {
        let grid = Grid::new(rows, columns, 1, 3.0, 1);
        let n = rows * columns;
        let b: Vec<f64> = (0..n).map(|k| noise(k, 2) - 0.3).collect();
        let decay: Vec<f64> = (0..n).map(|k| 5.0 * noise(k, 3)).collect();
        for decay in [None, Some(&decay[..])] {
            let (x, _) = grid.solve(1.3, decay, 20.0, &b);
            let exact = dense(&grid, 1.3, decay, 20.0, &b);
            let scale = exact.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            for (x, exact) in x.iter().zip(&exact) {
                assert!((x - exact).abs() < 1e-12 * scale, "{rows}×{columns}: {x} {exact}"); // of the dense elimination
            }
        }
    }
}

#[test]
fn sizes_are_known_beforehand() {
    for (rows, columns) in [(1, 1), (1, 40), (5, 2), (13, 4), (33, 17), (64, 64), (50, 81)] {
        let tree = Tree::new(rows, columns);
        let (wide, single) = (Lanes::new::<WIDE>(&tree), Lanes::new::<1>(&tree));
        for (lanes, size, width) in
            [(&wide, Size::new::<WIDE>(rows, columns), WIDE as u64), (&single, Size::new::<1>(rows, columns), 1)]
        {
            assert_eq!([size.forward, size.backward], [lanes.forward.len() as u64, lanes.backward.len() as u64]);
            assert_eq!([size.largest, size.stack], [tree.largest as u64, tree.stack as u64 * width]);
        }
    }
    // Grids that could never be built are sized at once.
    assert!(Dissection::bytes(1 << 20, 1 << 20, 1)[0] > 1 << 45);
}

#[test]
fn lanes_do_what_single_matrices_do_bit_for_bit() {
    for (rows, columns, places) in [(19, 23, 8), (40, 37, 13), (24, 24, 19), (6, 7, 2)] {
        let grid = Grid::new(rows, columns, places, 20.0, 4);
        let b: Vec<f64> = (0..rows * columns * places).map(|k| noise(k, 5)).collect();
        let decay: Vec<f64> = (0..b.len()).map(|k| noise(k, 6)).collect();
        let (x, contents) = grid.solve(0.7, Some(&decay), 1e3, &b);
        for (place, content) in contents.iter().enumerate() {
            let pick = |v: &[f64]| column(v, places, place);
            let (alone, content_alone) = grid.place(place).solve(0.7, Some(&pick(&decay)), 1e3, &pick(&b));
            assert_eq!(alone, pick(&x), "{rows}×{columns}, place {place}");
            assert_eq!(content_alone[0], *content);
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let grid = Grid::new(30, 31, 20, 5.0, 7);
    let b: Vec<f64> = (0..30 * 31 * 20).map(|k| noise(k, 8)).collect();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| grid.solve(1.0, None, 1e5, &b))
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn factors_serve_again() {
    let grid = Grid::new(11, 14, 9, 2.0, 9);
    let b: Vec<f64> = (0..11 * 14 * 9).map(|k| noise(k, 10)).collect();
    let dissection = Dissection::new(11, 14, 9);
    let (mut factors, mut x, mut again) = (dissection.factors(), b.clone(), b);
    dissection.solve(Some(&grid.matrix(1.0, None, 3.0)), &mut factors, &mut x);
    dissection.solve(None, &mut factors, &mut again);
    assert_eq!(x, again);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, rng_seed: RngSeed::Fixed(2), failure_persistence: None, ..ProptestConfig::default() })]

    /// Mass, sign and Gibbs masses survive any stiffness and steep potentials.
    #[test]
    fn mass_sign_and_gibbs_are_exact_at_any_stiffness(
        rows in 1usize..40, columns in 1usize..40, places in 1usize..11, exponent in -3.0..12.0f64,
        rise in prop_oneof![0.0..8.0f64, Just(600.0)], seed in 0u64..1000,
    ) {
        let grid = Grid::new(rows, columns, places, rise, seed);
        let c = 10f64.powf(exponent);
        let b: Vec<f64> = (0..rows * columns * places).map(|k| noise(k, seed + 1)).collect();
        let (x, _) = grid.solve(1.0, None, c, &b);
        prop_assert!(x.iter().all(|x| *x >= 0.0));
        let mut gibbs = vec![0.0; b.len()];
        for place in 0..places {
            let (mass, before) = (column(&x, places, place).iter().sum::<f64>(), column(&b, places, place).iter().sum::<f64>());
            prop_assert!((mass / before - 1.0).abs() < 1e-13, "mass {mass} of {before}"); // rounding of sums of 1600
            let potential = column(&grid.potential, places, place);
            let lowest = potential.iter().copied().fold(f64::INFINITY, f64::min);
            for (cell, v) in potential.iter().enumerate() {
                gibbs[cell * places + place] = (lowest - v).exp();
            }
        }
        let (after, _) = grid.solve(1.0, None, c, &gibbs);
        for (after, gibbs) in after.iter().zip(&gibbs) {
            // Cell by cell, down to masses of e⁻⁶⁰⁰: rounding of the rates.
            prop_assert!((after / gibbs - 1.0).abs() < 1e-12, "{after} {gibbs}");
        }
    }
}
