//! This library beside the programs of `peers/`, in one run: CPU seconds of the whole process, errors, and ratios.
//!
//! `cargo bench --bench peers`; `-- committee` and `-- neurons` run one part alone. The Python that runs `peers/*.py` is `benches/peers/.venv/bin/python` or what `PYTHON` names; it
//! needs numpy and scipy, and numba for these two parts. Without one only this library's rows are printed. One thread is used (`RAYON_NUM_THREADS` is set).

use std::ops::ControlFlow;
use std::process::Command;
use std::sync::Arc;

use cpu_time::ProcessTime;
use learning_dynamics::Result;
use learning_dynamics::frame::Solver;
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, TrainingStep};
use learning_dynamics::problem::*;

/// The problem of `peers/joint.py`, and with a periodic clock that of `peers/agents.py`.
fn problem(epsilon: f64, clock: Clock) -> Population {
    Population {
        epsilon,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![1.0], curvature: 1.0 }),
        h: vec![Domain::linear(-4.0, 4.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial { h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }], theta: InitialTheta::Equilibrium },
    }
}

fn joint(epsilon: f64, cells: usize, tolerance: f64) -> Result<Kinetic> {
    let theta = Axis::uniform("theta", -7.0, 7.0, cells)?;
    let problem = problem(epsilon, Clock::Poisson { rate: 1.0 });
    let mut kinetic = Kinetic::new(problem, theta, cells, Steps::Tolerance(tolerance))?;
    kinetic.run(&[5.0], &mut |_| Ok(ControlFlow::Continue(())))?;
    Ok(kinetic)
}

/// Median CPU seconds of some runs, and the last result.
fn timed<T>(repeats: usize, mut run: impl FnMut() -> Result<T>) -> Result<(f64, T)> {
    let mut seconds = Vec::new();
    // One run more than is counted, to warm up; the earlier result is dropped first, so that memory is that of one run.
    let mut result = None;
    for _ in 0..=repeats {
        drop(result.take());
        let start = ProcessTime::now();
        result = Some(run()?);
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    let result = result.ok_or(learning_dynamics::Error::Library { library: "bench", message: "no run".into() })?;
    Ok((seconds[repeats / 2], result))
}

/// Runs a peer and returns its rows as (key, CPU seconds, error); prints why if it cannot.
fn peer(script: &str) -> Vec<(String, f64, f64)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| format!("{directory}/.venv/bin/python"));
    let output = Command::new(&python).arg(format!("{directory}/{script}")).env("OPENBLAS_NUM_THREADS", "1").output();
    let text = match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(output) => {
            println!("{script}: {}", String::from_utf8_lossy(&output.stderr));
            return Vec::new();
        }
        Err(error) => {
            println!("{script}: {python}: {error}");
            return Vec::new();
        }
    };
    print!("{text}");
    let rows = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    rows.filter_map(|row| Some((row["key"].as_str()?.to_owned(), row["cpu_s"].as_f64()?, row["error"].as_f64()?)))
        .collect()
}

#[path = "peers/neurons.rs"]
mod neurons;
#[path = "peers/saad_solla.rs"]
mod saad_solla;

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

fn main() -> Result<()> {
    // Before the first use of the pool; nothing else runs yet.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
    if let Err(error) = pool {
        println!("more than one thread: {error}");
    }
    if std::env::args().any(|word| word == "committee") {
        return saad_solla::compare();
    }
    if std::env::args().any(|word| word == "neurons") {
        return neurons::compare();
    }
    // First of all, while nothing else has used memory.
    drop(joint(1e-2, 1024, 0.1)?);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    if let Some(kilobytes) = peak {
        println!("Peak memory of the process with a run of 1024²: {:.1} densities.\n", kilobytes / (8.0 * 1024.0));
    }
    println!("| what | here, CPU s | error | steps | peer, CPU s | its error | ratio |");
    println!("|---|---|---|---|---|---|---|");
    let peers = peer("joint.py");
    for (epsilon, tolerance) in [(1.0, 8e-4), (1e-2, 2e-3), (1e-4, 2e-3), (1e-8, 2e-3)] {
        let exact = joint(epsilon, 256, 1e-7)?;
        let (seconds, run) = timed(9, || joint(epsilon, 256, tolerance))?;
        let error = distance(&run.marginal_h(), &exact.marginal_h());
        let name = format!("joint {epsilon:e}");
        let steps = run.statistics().steps + run.statistics().rejected;
        let best = peers.iter().filter(|(key, _, error)| *key == name && *error <= 1e-3);
        let beside = best.min_by(|a, b| a.1.total_cmp(&b.1)).map_or("| | |".to_owned(), |(_, cpu, error)| {
            format!("| {cpu:.3} | {error:.1e} | 1/{:.1} |", cpu / seconds)
        });
        println!("| {name}, 256² | {seconds:.4} | {error:.1e} | {steps} {beside}");
    }
    for cells in [128, 512, 1024] {
        let (seconds, run) = timed(3, || joint(1e-2, cells, 2e-3))?;
        let steps = run.statistics().steps + run.statistics().rejected;
        let taps = 0.1 / (8.0 / cells as f64) * 2.0 * 8.58;
        let work = seconds / steps as f64 / (cells * cells) as f64 * 1e9;
        println!(
            "| joint 1e-2, {cells}² | {seconds:.4} | | {steps} | | | {work:.2} ns a cell and step, {taps:.0} taps |"
        );
    }
    let peers = peer("agents.py");
    let settings = AgentSettings { agents: 1_000_000, step: TrainingStep::Step(0.01), ..AgentSettings::default() };
    let (seconds, _) = timed(3, || {
        let mut agents = Agents::new(problem(1.0, Clock::Periodic { every: 0.5 }), settings.clone())?;
        agents.advance_to(5.0)?;
        Ok(agents)
    })?;
    let beside =
        peers.first().map_or("| | |".to_owned(), |(_, cpu, _)| format!("| {cpu:.2} | | 1/{:.1} |", cpu / seconds));
    println!("| agents, 10⁶ × 500 steps | {seconds:.2} | | {:.2} ns an agent and step {beside}", seconds * 2.0);
    saad_solla::compare()?;
    neurons::compare()
}
