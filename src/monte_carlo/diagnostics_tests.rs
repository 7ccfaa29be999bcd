//! Lineage, wells, diversity, and the record before events.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::diagnostics::{Lineage, diversity, effective_sample_size, entropy};
use super::tests::{BOLTZMANN, every, plane, poisson, problem, published, settings, staggered};
use super::*;
use crate::frame::{Frame, Solver};
use crate::problem::*;
use crate::record::Series;

#[test]
fn measures_of_known_samples() {
    let Lineage { surviving, effective_number, largest } = Lineage::new(&[5, 5, 5, 5, 1, 1, 0, 9, 9, 9]);
    assert_eq!((surviving, effective_number), (4.0, 100.0 / 30.0));
    assert_eq!(largest, [0.4, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let nobody_related: Vec<u32> = (0..30).collect();
    assert_eq!(Lineage::new(&nobody_related).largest, [1.0 / 30.0; 10]);
    // Weights 1, 1, 2: 16/(3·6).
    let size = |rule: &Rule, fitness: &[f64]| effective_sample_size(rule, fitness, 0.0);
    assert!((size(&Rule::Proportional, &[1.0, 1.0, 2.0]) - 16.0 / 18.0).abs() < 1e-15);
    assert_eq!([size(&BOLTZMANN, &[3.0; 5]), size(&Rule::Tournament, &[1.0, 2.0])], [1.0, 1.0]);
    assert!(size(&Rule::Proportional, &[-1.0, 2.0, 3.0]).is_nan() && size(&Rule::Proportional, &[0.0; 2]).is_nan());
    // Two agents at the ends: variance ¼ of the squared width in y, twice that is ½ a component.
    let domains = [Domain::linear(0.0, 4.0, Ends::Clip), Domain::log(0.01, 1.0, Ends::Clip)];
    assert!((diversity(&domains, &[0.0, 0.01, 4.0, 1.0], &[4.0, f64::NAN]) - 1.0).abs() < 1e-14);
    // The uniform law on [0, 2] has entropy ln 2.
    assert!((entropy(&[5.0, 5.0, 0.0], &[0.5, 0.5, 0.0], 10) - 2.0_f64.ln()).abs() < 1e-15);
}

#[test]
fn ancestors_follow_copies() {
    // θ stays where it was drawn, so it tells the ancestor.
    let loss = Arc::new(LossFn { value: |_, _| 0.0, gradient: |_, _| 0.0 });
    let rules = [BOLTZMANN, Rule::Tournament, Rule::Truncation { fraction: 0.25 }];
    let selections = rules.iter().flat_map(|rule| {
        let periodic = Selection::Events { rule: rule.clone(), clock: Clock::Periodic { every: 0.1 } };
        [periodic, poisson(rule.clone()), staggered(rule.clone())]
    });
    for selection in selections {
        for evaluation in [Evaluation::default(), published(1).evaluation] {
            let problem = Population { selection: selection.clone(), evaluation, loss: loss.clone(), ..problem() };
            let settings = AgentSettings { lineage: true, dynamics: Dynamics::Sgd, ..settings(3000) };
            let mut agents = Agents::new(problem, settings).unwrap();
            assert!(agents.ancestors(1).iter().zip(0..).all(|(a, k)| *a == k));
            let first = agents.theta(1).to_vec();
            let mut series = Series::new();
            agents.run(&[1.0], &mut |frame| series.visit(frame)).unwrap();
            assert!(agents.ancestors(1).iter().zip(agents.theta(1)).all(|(a, t)| first[*a as usize] == *t));
            let last = |name| series.last("lineage", name).unwrap();
            let (surviving, share) = (last("surviving")[0], last("share"));
            assert!(surviving < 2500.0 && last("effective_number")[0] <= surviving, "{selection:?} {surviving}");
            assert!(share[0] == last("largest_share")[0] && share.windows(2).all(|s| s[0] >= s[1]), "{share:?}");
            assert!(last("surviving_error")[0] >= 0.0);
        }
    }
    assert!(Agents::new(problem(), settings(10)).unwrap().ancestors(0).is_empty());
}

#[test]
fn wells_are_shown_by_name() {
    let names = ["north-east", "north-west", "south-west", "south-east"];
    let wells = Regions::nearest(&names, &Himmelblau::WELLS.map(|w| w.to_vec())).unwrap();
    let settings = AgentSettings { regions: Some(wells), ..settings(4000) };
    let mut agents = Agents::new(Population { selection: every(0.1), ..plane() }, settings).unwrap();
    let mut series = Series::new();
    agents.run(&[0.0, 0.4], &mut |frame| series.visit(frame)).unwrap();
    let probability = series.last("wells", "probability").unwrap();
    assert!((probability.iter().sum::<f64>() - 1.0).abs() < 1e-14 && probability.len() == 4, "{probability:?}");
    let axis = &series.axes("wells", "probability").unwrap()[0];
    assert_eq!(
        (axis.name, axis.description),
        ("region", "region of theta: north-east, north-west, south-west, south-east")
    );
    assert!(series.values("wells", "probability_error").unwrap().iter().all(|e| *e >= 0.0));
}

#[test]
fn diagnostics_of_a_run() {
    let mut problem = Population { selection: every(0.1), ..problem() };
    problem.h = vec![Domain::linear(-1.0, 1.0, Ends::Reflect)];
    let mut agents = Agents::new(problem, AgentSettings { bins: 20, ..settings(50_000) }).unwrap();
    let mut series = Series::new();
    agents.run(&[0.0, 0.5], &mut |frame| series.visit(frame)).unwrap();
    let values = |name| series.values("diagnostics", name).unwrap();
    // Uniform over the domain: variance 1/12 of the squared width, entropy ln 2; both fall.
    assert!(
        (values("diversity")[0] - 1.0 / 6.0).abs() < 2e-3 && values("diversity")[1] < 0.16,
        "{:?}",
        values("diversity")
    );
    assert!(
        (values("entropy")[0] - 2.0_f64.ln()).abs() < 1e-3 && values("entropy")[1] < 0.69,
        "{:?}",
        values("entropy")
    );
    // θ normal with s² = 1 about 0, w = exp(−(θ − ½)²): E[wⁿ] = exp(−n/4/(1 + 2n))/√(1 + 2n).
    let (a, b) = ((-0.25_f64 / 3.0).exp() / 3.0_f64.sqrt(), (-0.5_f64 / 5.0).exp() / 5.0_f64.sqrt());
    let size = values("effective_sample_size");
    assert!((size[0] - a * a / b).abs() < 5e-3 && size[1] > size[0], "{size:?} {}", a * a / b);
}

#[test]
fn the_state_before_an_event_is_shown() {
    for dynamics in [Dynamics::Langevin, Dynamics::Equilibrium] {
        let run = |before_events| {
            let settings = AgentSettings { before_events, dynamics, recorded_agents: 500, ..settings(500) };
            let mut agents = Agents::new(Population { selection: every(0.1), ..problem() }, settings).unwrap();
            let (mut times, mut marks, mut h) = (Vec::new(), Vec::new(), Vec::new());
            let mut visit = |frame: &Frame<'_>| {
                times.push(frame.time);
                marks.push(frame.get("moments", "after_event").map(|v| v[0]));
                h.push(frame.get("trajectories", "h").unwrap().to_vec());
                Ok(ControlFlow::Continue(()))
            };
            agents.run(&[0.0, 0.1, 0.25, 0.25], &mut visit).unwrap();
            agents.run(&[0.3], &mut visit).unwrap();
            (times, marks, h, agents.theta(0).to_vec())
        };
        let (times, marks, h, theta) = run(true);
        assert_eq!(times, [0.0, 0.1_f64.next_down(), 0.1, 0.2_f64.next_down(), 0.25, 0.25, 0.3_f64.next_down(), 0.3]);
        assert_eq!(marks, [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0].map(Some));
        // The event changes h, nothing else does.
        assert!(h[0] == h[1] && h[1] != h[2] && h[2] == h[3] && h[3] != h[4] && h[4] == h[6] && h[6] != h[7]);
        let (plain_times, plain_marks, plain, plain_theta) = run(false);
        assert_eq!((plain_times, plain_marks), (vec![0.0, 0.1, 0.25, 0.25, 0.3], vec![None; 5]));
        assert!(plain == [&h[0], &h[2], &h[4], &h[5], &h[7]].map(Clone::clone) && plain_theta == theta);
    }
    // Whoever stops before an event leaves the state after it.
    let settings = AgentSettings { before_events: true, ..settings(500) };
    let new = || Agents::new(Population { selection: every(0.1), ..problem() }, settings.clone()).unwrap();
    let (mut stopped, mut gone) = (new(), new());
    stopped.run(&[0.5], &mut |_| Ok(ControlFlow::Break(()))).unwrap();
    gone.advance_to(0.1).unwrap();
    assert!(stopped.time() == 0.1 && stopped.h(0) == gone.h(0) && stopped.theta(0) == gone.theta(0));
    let poisson = Agents::new(Population { selection: poisson(BOLTZMANN), ..problem() }, settings);
    assert!(matches!(poisson, Err(crate::Error::Unsupported { .. })));
}

#[cfg(feature = "hdf5")]
#[test]
fn everything_shown_can_be_written() {
    use crate::output::{hdf5::Hdf5File, provenance::Provenance};
    let regions = Some(Regions::new(vec!["right".into(), "left".into()], |theta| Some(usize::from(theta[0] < 0.0))));
    let bins = ThetaBins { low: -8.0, high: 8.0, bins: 20 };
    let settings = AgentSettings {
        recorded_agents: 3,
        quantiles: vec![0.1, 0.9],
        theta_bins: vec![bins; 2],
        regions,
        lineage: true,
        before_events: true,
        ..settings(500)
    };
    let mut agents = Agents::new(Population { selection: every(0.1), ..plane() }, settings).unwrap();
    let path = std::env::temp_dir().join(format!("agents-{}.h5", std::process::id()));
    let mut file = Hdf5File::create(&path, &Provenance::default()).unwrap();
    agents.run(&[0.0, 0.1, 0.2], &mut |frame| file.visit(frame)).unwrap();
    file.finish().unwrap();
    let file = hdf5::File::open(&path).unwrap();
    let read = |name: &str| file.dataset(name).unwrap().read_raw::<f64>().unwrap();
    assert_eq!(read("moments/time"), [0.0, 0.1_f64.next_down(), 0.1, 0.2_f64.next_down(), 0.2]);
    assert_eq!(read("moments/after_event"), [1.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(file.dataset("moments/cov_theta").unwrap().shape(), [5, 2, 2]);
    assert_eq!(file.dataset("wells/probability").unwrap().shape(), [5, 2]);
    assert_eq!(file.dataset("lineage/share").unwrap().shape(), [5, 10]);
    drop(file);
    std::fs::remove_file(path).unwrap();
}
