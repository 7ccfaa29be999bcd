//! Refinements: what each kind has, and that each changes one thing.

use super::{Case, Document, Kind, template};

fn case(kind: Kind, settings: &[(&str, &str)]) -> Case {
    let mut document = Document::parse(template(kind), "example.toml").unwrap();
    settings.iter().for_each(|(key, value)| document.set(key, value).unwrap());
    document.case().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn each_kind_refines_what_it_has() {
    for (kind, settings, expected) in [
        (Kind::Kinetic, &[][..], &["grid", "tolerance"][..]),
        (Kind::Kinetic, &[("time", "{ end = 1.0, step = 0.1 }")], &["grid", "step"]),
        (Kind::Averaged, &[], &["grid", "tolerance", "quadrature"]),
        (Kind::Averaged, &[("problem.weight", "{ population = 100 }")], &["grid", "tolerance", "population"]),
        (Kind::Agents, &[], &["agents", "step"]),
        (Kind::Committee, &[], &["tolerance"]),
        (Kind::Committee, &[("problem.quadrature", "{ split = 12 }")], &["tolerance", "quadrature"]),
        (Kind::Committee, &[("fluctuations", "{}")], &["tolerance", "noise"]),
        (Kind::Sgd, &[], &["dimension", "runs"]),
        (Kind::Neurons, &[], &["tolerance"]),
        (Kind::Neurons, &[("problem.series", "30")], &["tolerance", "series"]),
        (Kind::Network, &[], &["dimension", "step", "runs"]),
        (Kind::NeuronDensity, &[], &["grid", "tolerance"]),
    ] {
        let case = case(kind, settings);
        let names: Vec<&str> = case.refined(1).iter().map(|(what, _)| *what).collect();
        assert_eq!(names, expected, "{kind:?} {settings:?}");
        let plain = format!("{:?}", case.statement);
        for (what, refined) in case.refined(0) {
            assert_eq!(format!("{:?}", refined.statement), plain, "{what}");
        }
        for (what, refined) in case.refined(1) {
            assert_ne!(format!("{:?}", refined.statement), plain, "{what}");
            assert_eq!(refined.times, case.times);
        }
        for level in [64, u32::MAX] {
            for (_, refined) in case.refined(level) {
                // Sizes saturate; nothing is made of them.
                assert!(refined.estimate().bytes > 0);
            }
        }
    }
}

#[test]
fn refinements_are_the_file_with_other_numbers() {
    let refined = |kind, what: &str| {
        let found = case(kind, &[]).refined(2);
        found.into_iter().find(|(name, _)| *name == what).map(|(_, case)| format!("{:?}", case.statement)).unwrap()
    };
    for (kind, what, settings) in [
        (Kind::Kinetic, "grid", &[("grid.theta.cells", "1024"), ("grid.h.cells", "960")][..]),
        (Kind::Kinetic, "tolerance", &[("time.tolerance", "1.0000000000000001e-7")]),
        (Kind::Averaged, "grid", &[("grid.h.cells", "2400")]),
        (Kind::Averaged, "quadrature", &[("grid.theta.cells", "2048")]),
        (Kind::Agents, "agents", &[("population.agents", "320000")]),
        (Kind::Agents, "step", &[("population.learning_rate", "0.025")]),
        (Kind::Sgd, "dimension", &[("simulation.dimension", "16000")]),
        (Kind::Network, "step", &[("simulation.step", "2.5e-5")]),
        (Kind::NeuronDensity, "grid", &[("grid.a.cells", "320"), ("grid.s.cells", "241")]),
    ] {
        assert_eq!(refined(kind, what), format!("{:?}", case(kind, settings).statement), "{kind:?} {what}");
    }
}

#[test]
fn estimates_grow_with_the_problem() {
    for kind in Kind::ALL {
        let estimate = case(kind, &[]).estimate();
        assert!(estimate.bytes > 100 && estimate.work > 100.0 && estimate.work.is_finite(), "{kind:?} {estimate:?}");
        assert!(estimate.text.contains("of memory"), "{}", estimate.text);
        for (what, refined) in case(kind, &[]).refined(3) {
            let finer = refined.estimate();
            assert!(finer.bytes >= estimate.bytes && finer.work >= estimate.work, "{kind:?} {what}");
        }
    }
    let (kinetic, big) = (case(Kind::Kinetic, &[]).estimate(), case(Kind::Kinetic, &[("grid.h.cells", "1e9")]));
    // 256 cells × 240 places: 19 arrays of them, and the grid.
    assert_eq!(kinetic.bytes, 256 * 240 * 8 * 19 + 32 * 256 + 64 * 240);
    let error = big.solver().err().unwrap().to_string();
    assert!(
        error.starts_with("example.toml: the run needs 38976000008192 bytes") && error.contains("are free"),
        "{error}"
    );
}
