use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::problem::Law;

fn grid(ends: Ends, cells: usize) -> HyperAxis {
    HyperAxis::new("h", Domain::linear(0.25, 2.25, ends), cells).unwrap()
}

fn kernels() -> Vec<Kernel> {
    vec![
        Kernel::None,
        Kernel::Gaussian { std: 0.13 },
        Kernel::Gaussian { std: 0.004 },
        Kernel::Gaussian { std: 2.5 },
        Kernel::Uniform { width: 0.37 },
        Kernel::Factor { factors: vec![0.8, 1.2] },
        Kernel::Resample { probability: 0.25, law: Law::Uniform { low: 0.5, high: 1.5 } },
        Kernel::Sequence(vec![Kernel::Factor { factors: vec![0.8, 1.2] }, Kernel::Gaussian { std: 0.1 }]),
    ]
}

#[test]
fn columns_sum_to_one_and_entries_are_not_negative() {
    for ends in [Ends::Reflect, Ends::Clip, Ends::Retry] {
        for kernel in kernels() {
            let grid = grid(ends, 50);
            let operator = AxisMutation::new(&kernel, &grid).unwrap();
            let columns = operator.matrix().transpose_view().to_csr();
            for column in columns.outer_iterator() {
                let sum: f64 = column.iter().map(|(_, p)| p).sum();
                assert_abs_diff_eq!(sum, 1.0, epsilon = 1e-14); // 50 roundings
                assert!(column.iter().all(|(_, p)| *p >= 0.0));
            }
        }
    }
}

#[test]
fn fast_path_is_the_matrix() {
    for ends in [Ends::Reflect, Ends::Retry] {
        for kernel in kernels() {
            let grid = grid(ends, 77);
            let operator = AxisMutation::new(&kernel, &grid).unwrap();
            let input: Vec<f64> = (0..2 * grid.len()).map(|k| (k as f64 * 0.7).sin().abs()).collect();
            let (mut fast, mut slow) = (vec![0.0; input.len()], vec![0.0; input.len()]);
            operator.apply(&input, &mut fast);
            for (input, slow) in input.chunks(grid.len()).zip(slow.chunks_mut(grid.len())) {
                multiply(operator.matrix(), input, slow);
            }
            for (a, b) in fast.iter().zip(&slow) {
                assert_abs_diff_eq!(a, b, epsilon = 1e-14); // rounding of sums of terms below 1
            }
        }
    }
}

#[test]
fn gaussian_steps_have_their_variance() {
    // Far from the ends the variance of one mutation is exact for every width of the kernel.
    for std in [0.005, 0.03, 0.04, 0.1] {
        let grid = grid(Ends::Reflect, 64);
        let operator = AxisMutation::new(&Kernel::Gaussian { std }, &grid).unwrap();
        let mut input = vec![0.0; 64];
        input[32] = 1.0;
        let mut output = vec![0.0; 64];
        operator.apply(&input, &mut output);
        let variance: f64 = output.iter().zip(&grid.points).map(|(p, h)| p * (h - grid.points[32]).powi(2)).sum();
        assert_abs_diff_eq!(variance, std * std, epsilon = 1e-8 * std * std); // aliasing e^{−2π²} at std = width
    }
}

#[test]
fn kernels_far_wider_than_the_domain_mix_everything() {
    let grid = HyperAxis::new("h", Domain::linear(-3.0, 3.0, Ends::Reflect), 50).unwrap();
    for std in [30.0, 1e3, 1e300] {
        let operator = AxisMutation::new(&Kernel::Gaussian { std }, &grid).unwrap();
        // The mean of a cumulative function over a cell is a difference of integrals a thousand times as large, for some ten
        // images: 6e-12.
        let worst = operator.matrix().data().iter().fold(0.0f64, |worst, p| worst.max((p - 0.02).abs()));
        assert!(worst < 1e-10, "{std}: {worst:e}");
    }
    assert!(AxisMutation::new(&Kernel::Uniform { width: 1e4 }, &grid).is_err());
    let operator = AxisMutation::new(&Kernel::Uniform { width: 600.0 }, &grid).unwrap();
    // A hundred widths cover each point fifty times, give or take one.
    assert!(operator.matrix().data().iter().all(|p| (p - 0.02).abs() < 0.02 * 0.03));
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    /// Cells follow the cumulative function: the distribution of a mutant of a smooth density agrees to second order.
    #[test]
    fn cells_follow_the_sampler(which in 1usize..8, ends in 0usize..3, seed in 0u64..1000) {
        use rand::SeedableRng;
        let ends = [Ends::Reflect, Ends::Clip, Ends::Retry][ends];
        let kernel = &kernels()[which];
        let grid = grid(ends, 64);
        let operator = AxisMutation::new(kernel, &grid).unwrap();
        let law = Law::Uniform { low: 0.75, high: 1.75 };
        let mut output = vec![0.0; grid.len()];
        operator.apply(&grid.masses(&law).unwrap(), &mut output);
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(seed);
        let n = 4000;
        let mut sample: Vec<f64> = (0..n)
            .map(|_| kernel.sample(law.sample(&mut rng), &grid.domain, &mut rng).unwrap())
            .collect();
        sample.sort_by(f64::total_cmp);
        let (mut cumulative, mut distance) = (0.0, 0.0f64);
        for (place, mass) in output.iter().enumerate() {
            cumulative += mass;
            let face = grid.faces(place).1;
            let atom_above = ends == Ends::Clip && place + 1 != grid.len() && face >= grid.domain.high;
            let below = sample.partition_point(|x| if atom_above { *x < face } else { *x <= face });
            distance = distance.max((cumulative - below as f64 / f64::from(n)).abs());
        }
        // Kolmogorov–Smirnov at probability 1e-6 (2.7/√n), plus the smearing of a jump over two of 64 cells of a unit density.
        prop_assert!(distance < 2.7 / f64::from(n).sqrt() + 0.5 / 32.0, "{distance}");
    }
}
