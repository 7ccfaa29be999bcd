//! The laws of SGD on weight vectors, of the overlap chain and of random students, against each other and against moments.

use ndarray::{Array2, array};

use super::rng::{Key, Purpose, fill_normals};
use super::statistics::mean;
use super::*;
use crate::problem::{Activation, Committee, LearningRate, Momentum, Student, Teacher};

/// Mean and variance of a sample, each with its standard error.
fn moments(sample: &[f64]) -> [(f64, f64); 2] {
    let (n, centre) = (sample.len() as f64, mean(sample));
    let moment = |p: i32| sample.iter().map(|x| (x - centre).powi(p)).sum::<f64>() / n;
    let variance = moment(2);
    [(centre, (variance / n).sqrt()), (variance, ((moment(4) - variance * variance) / n).sqrt())]
}

/// Every column of both tables has the same mean and variance, to four standard errors.
fn assert_same_law(what: &str, a: &Array2<f64>, b: &Array2<f64>) {
    for column in 0..a.ncols() {
        let [a, b] = [a, b].map(|table| moments(&table.column(column).to_vec()));
        for (moment, (x, y)) in a.iter().zip(&b).enumerate() {
            // Rounding where the law is a point.
            let allowed = 4.0 * x.1.hypot(y.1) + 1e-12;
            assert!((x.0 - y.0).abs() <= allowed, "{what}: moment {moment} of {column}: {x:?} {y:?}");
        }
    }
}

fn two_by_two(student: Activation, teacher: Activation) -> Committee {
    let student = Student::new(array![[0.8, 0.2], [0.2, 0.5]], array![[0.3, 0.1], [-0.2, 0.4]], student);
    let teacher = Teacher { overlaps: array![[1.0, 0.3], [0.3, 0.7]], ..Teacher::orthonormal(2, teacher) };
    Committee::new(teacher, student, 0.7)
}

#[test]
fn chain_and_weights_have_the_same_law() {
    let erf = || two_by_two(Activation::Erf, Activation::Erf);
    let mut trained = two_by_two(Activation::Tanh, Activation::Relu);
    trained.student.weights = vec![0.5, -0.8];
    trained.student.biases = vec![0.1, -0.3];
    trained.teacher.biases = vec![0.2, 0.0];
    trained.teacher.weights = vec![1.0, 0.5];
    (trained.second_layer_rate, trained.bias_rate, trained.noise_variance) = (0.8, 0.6, 0.3);
    let mut flat = erf();
    // Students that differ along the teacher alone.
    flat.student.q = flat.student.m.dot(&array![[1.0, 0.3], [0.3, 0.7]].dot(&flat.student.m.t()));
    flat.student.m = flat.student.m.dot(&array![[1.0, 0.3], [0.3, 0.7]]);
    let scaled = Momentum::Scaled { gamma: 0.8, alpha: 0.5 };
    let constant = Momentum::Constant { beta: 0.6 };
    let decaying = |problem| Committee { weight_decay: 0.4, noise_variance: 0.2, ..problem };
    let schedule = LearningRate::Exponential { initial: 1.0, scale: 1.5 };
    let cases = [
        ("plain", 9, erf()),
        ("plain, all that it may have", 9, decaying(Committee { second_layer_rate: 0.5, ..erf() })),
        ("the frame is everything", 3, flat),
        ("decay, noise, schedule", 6, Committee { learning_rate: schedule, ..decaying(erf()) }),
        ("batch beyond the dimension", 6, Committee { batch: 3, noise_variance: 0.2, ..erf() }),
        ("constant momentum", 7, Committee { momentum: constant, ..decaying(erf()) }),
        ("constant momentum, batch", 9, Committee { momentum: constant, batch: 2, ..erf() }),
        ("scaled momentum, batch", 8, Committee { momentum: scaled, batch: 2, ..decaying(erf()) }),
        ("second layer and biases", 8, trained.clone()),
        ("second layer and biases, batch, momentum", 5, Committee { batch: 4, momentum: scaled, ..trained }),
    ];
    for (what, dimension, problem) in cases {
        let settings = |seed| SgdSettings { dimension, runs: 6000, seed, record_runs: false };
        let mut weights = OnlineSgd::new(problem.clone(), settings(1)).unwrap();
        let mut chain = OverlapChain::new(problem, settings(2)).unwrap();
        for time in [1.0 / dimension as f64, 3.0] {
            weights.advance_to(time).unwrap();
            chain.advance_to(time).unwrap();
            assert_same_law(&format!("{what} at {time}"), &weights.states(), &chain.states());
        }
    }
}

#[test]
fn one_step_of_the_linear_student_has_its_exact_moments() {
    let (rho, m, q, tau, lambda, variance, d) = (1.0, 0.3, 0.8, 0.6, 0.5, 0.25, 4.0);
    let student = Student::new(array![[q]], array![[m]], Activation::Linear);
    let problem = Committee {
        weight_decay: lambda,
        noise_variance: variance,
        ..Committee::new(Teacher::orthonormal(1, Activation::Linear), student, tau)
    };
    let settings = SgdSettings { dimension: 4, runs: 100_000, ..SgdSettings::default() };
    let v = rho - 2.0 * m + q + variance;
    let keep = 1.0 - tau * lambda / d;
    let mean_m = keep * m - tau / d * (m - rho);
    // E[Γ²|x|²] = V(d + 2) − 2σ².
    let mean_q =
        keep * keep * q - 2.0 * keep * tau / d * (q - m) + (tau / d).powi(2) * (v * (d + 2.0) - 2.0 * variance);
    let variance_m = (tau / d).powi(2) * (v * rho + (m - rho).powi(2));
    let mut weights = OnlineSgd::new(problem.clone(), settings.clone()).unwrap();
    let mut chain = OverlapChain::new(problem, settings).unwrap();
    weights.advance_to(0.25).unwrap();
    chain.advance_to(0.25).unwrap();
    for states in [weights.states(), chain.states()] {
        let [(q, dq), _] = moments(&states.column(0).to_vec());
        let [(m, dm), (var, dvar)] = moments(&states.column(1).to_vec());
        // Four standard errors.
        assert!((q - mean_q).abs() < 4.0 * dq, "Q {q} ± {dq}, {mean_q}");
        assert!((m - mean_m).abs() < 4.0 * dm, "M {m} ± {dm}, {mean_m}");
        assert!((var - variance_m).abs() < 4.0 * dvar, "variance of M {var} ± {dvar}, {variance_m}");
    }
}

#[test]
fn random_students_have_the_law_of_random_vectors() {
    const DRAWS: usize = 20_000;
    let (units, std, d) = (3, 0.7, 4);
    // Two teachers in four dimensions: of the three students' perpendicular parts only two are independent.
    let teacher_vectors: Array2<f64> = array![[1.0, 0.5, 0.0, 2.0], [-1.0, 1.0, 0.3, 0.0]];
    let mut teacher = Teacher::orthonormal(2, Activation::Erf);
    teacher.overlaps = teacher_vectors.dot(&teacher_vectors.t()) / d as f64;
    let statistics = |q: &Array2<f64>, m: &Array2<f64>| {
        let mut row: Vec<f64> = (0..units).flat_map(|i| (i..units).map(move |k| q[[i, k]])).collect();
        row.extend(m.iter());
        // Products tell whether the entries depend on each other as they should.
        row.extend([q[[0, 1]] * q[[1, 2]] * q[[0, 2]], q[[0, 1]] * m[[0, 0]] * m[[1, 0]], m[[0, 0]] * m[[0, 1]]]);
        row.push(q[[0, 0]] * m[[0, 0]].powi(2));
        row
    };
    let (mut drawn, mut brute) = (Vec::new(), Vec::new());
    for draw in 0..DRAWS {
        let student = random_student(&teacher, Activation::Erf, units, d, std, draw as u64).unwrap();
        drawn.extend(statistics(&student.q, &student.m));
        let mut w = Array2::zeros((units, d));
        fill_normals(Key::new(5, Purpose::InitialWeights, draw), w.as_slice_mut().unwrap());
        w *= std;
        brute.extend(statistics(&(w.dot(&w.t()) / d as f64), &(w.dot(&teacher_vectors.t()) / d as f64)));
    }
    let table = |values: Vec<f64>| Array2::from_shape_vec((DRAWS, values.len() / DRAWS), values).unwrap();
    assert_same_law("random student", &table(drawn), &table(brute));
}
