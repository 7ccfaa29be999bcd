use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::SeedableRng;

use super::*;
use crate::problem::{Domain, Ends, Law};

const ENDS: [Ends; 3] = [Ends::Reflect, Ends::Clip, Ends::Retry];

fn kernels() -> Vec<Kernel> {
    vec![
        Kernel::None,
        Kernel::Gaussian { std: 0.13 },
        Kernel::Uniform { width: 0.37 },
        Kernel::Factor { factors: vec![0.8, 1.2] },
        Kernel::perturb(vec![0.8, 1.2], 0.25, Law::Uniform { low: 0.5, high: 1.5 }),
    ]
}

fn grid(ends: [Ends; 2], cells: [usize; 2]) -> HyperGrid {
    HyperGrid::new([Domain::log(0.25, 2.25, ends[0]), Domain::linear(0.25, 2.25, ends[1])], cells).unwrap()
}

#[test]
fn two_axes_are_the_kronecker_product() {
    for first in ENDS {
        for second in ENDS {
            for (k, kernel) in kernels().iter().enumerate() {
                let grid = grid([first, second], [13, 45]);
                let kernels = [kernel.clone(), kernels()[(k + 1) % 5].clone()];
                let operator = MutationOperator::new(&kernels, &grid).unwrap();
                let places = grid.len();
                let input: Vec<f64> = (0..3 * places).map(|k| (k as f64 * 0.7).sin().abs()).collect();
                let weights: Vec<f64> = (0..3 * places).map(|k| (k as f64 * 0.3).cos().abs()).collect();
                let mut fast = vec![0.0; input.len()];
                let total = operator.apply_weighted(&input, &weights, &mut fast);
                let weighted: Vec<f64> = input.iter().zip(&weights).map(|(x, w)| x * w).collect();
                assert_abs_diff_eq!(total, weighted.iter().sum::<f64>(), epsilon = 1e-11); // rounding of 2000 terms
                for (input, fast) in weighted.chunks(places).zip(fast.chunks(places)) {
                    for (row, fast) in operator.matrix().outer_iterator().zip(fast) {
                        let slow: f64 = row.iter().map(|(j, p)| p * input[j]).sum();
                        assert_abs_diff_eq!(slow, *fast, epsilon = 1e-14); // rounding of sums of terms below 1
                    }
                    let (before, after) = (input.iter().sum::<f64>(), fast.iter().sum::<f64>());
                    assert_abs_diff_eq!(after / before, 1.0, epsilon = 1e-14); // columns sum to 1
                }
            }
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let grid = grid([Ends::Clip, Ends::Reflect], [40, 40]);
    let operator = MutationOperator::new(&kernels()[1..3], &grid).unwrap();
    let input: Vec<f64> = (0..100 * grid.len()).map(|k| (k as f64 * 0.7).sin().abs()).collect();
    let run = |threads| {
        let mut output = vec![0.0; input.len()];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let total = pool.install(|| operator.apply_weighted(&input, &input, &mut output));
        (total, output)
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}

#[test]
fn factors_are_exact_shifts_on_a_log_axis() {
    // 64 cells over six octaves: a factor of 2^(9/32) is a shift by exactly 3 cells.
    let grid = HyperGrid::new(Domain::log(1.0 / 64.0, 1.0, Ends::Reflect), 64).unwrap();
    let up = 2f64.powf(9.0 / 32.0);
    let operator = MutationOperator::new(&[Kernel::Factor { factors: vec![up] }], &grid).unwrap();
    let input: Vec<f64> = (0..64).map(|k| (k as f64 * 0.7).sin().abs()).collect();
    let mut output = vec![0.0; 64];
    operator.apply(&input, &mut output);
    for place in 3..61 {
        assert_abs_diff_eq!(output[place], input[place - 3], epsilon = 1e-13); // rounding of the logarithm
    }
    // What passes the upper end is mirrored there; nothing is left at the lower one.
    assert_abs_diff_eq!(output[63], input[60] + input[61], epsilon = 1e-13);
    assert_abs_diff_eq!(output[61], input[58] + input[63], epsilon = 1e-13);
    assert_abs_diff_eq!(output[1], 0.0, epsilon = 1e-13);
}

#[test]
fn one_cell_is_legal() {
    for ends in ENDS {
        for kernel in kernels() {
            let grid = HyperGrid::new(Domain::linear(0.25, 2.25, ends), 1).unwrap();
            let operator = MutationOperator::new(&[kernel], &grid).unwrap();
            let mut output = vec![0.0; grid.len()];
            operator.apply(&vec![1.0; grid.len()], &mut output);
            assert_abs_diff_eq!(output.iter().sum::<f64>(), grid.len() as f64, epsilon = 1e-14); // rounding
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    /// On a log axis, too, cells follow the cumulative function of what agents draw.
    #[test]
    fn log_cells_follow_the_sampler(which in 0usize..5, ends in 0usize..3, seed in 0u64..1000) {
        let (ends, kernel) = (ENDS[ends], &kernels()[which]);
        let grid = HyperGrid::new(Domain::log(0.25, 2.25, ends), 64).unwrap();
        let axis = &grid.axes[0];
        let operator = MutationOperator::new(std::slice::from_ref(kernel), &grid).unwrap();
        let law = Law::LogUniform { low: 0.75, high: 1.75 };
        let mut output = vec![0.0; grid.len()];
        operator.apply(&axis.masses(&law).unwrap(), &mut output);
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(seed);
        let n = 4000;
        let draw = |_| axis.domain.scale.coordinate(kernel.sample(law.sample(&mut rng), &axis.domain, &mut rng).unwrap());
        let mut sample: Vec<f64> = (0..n).map(draw).collect();
        sample.sort_by(f64::total_cmp);
        let (mut cumulative, mut distance) = (0.0, 0.0f64);
        for (place, mass) in output.iter().enumerate() {
            cumulative += mass;
            let face = axis.faces(place).1;
            let atom_above = ends == Ends::Clip && place + 1 != grid.len() && face >= axis.axis.high();
            let below = sample.partition_point(|x| if atom_above { *x < face } else { *x <= face });
            distance = distance.max((cumulative - below as f64 / f64::from(n)).abs());
        }
        // Kolmogorov–Smirnov at probability 1e-6, plus the smearing of a jump over two of 64 cells of a density of 1.2 in y.
        prop_assert!(distance < 2.7 / f64::from(n).sqrt() + 0.6 / 29.0, "{distance}");
    }
}
