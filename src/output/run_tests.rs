use super::*;
use crate::frame::Field;

/// Counts to each time in steps of 1/8, and can say where it stands.
struct Counter {
    time: f64,
    sum: f64,
    watch: Option<Watch>,
    saves: bool,
}

fn counter() -> Counter {
    Counter { time: 0.0, sum: 1.0, watch: None, saves: true }
}

impl Solver for Counter {
    fn time(&self) -> f64 {
        self.time
    }

    fn run(&mut self, times: &[f64], visit: &mut crate::frame::Visit<'_>) -> Result<()> {
        for &end in times {
            while self.time < end {
                self.time += 0.125;
                self.sum += self.sum.sin();
                let progress = Progress { time: self.time, step: 0.125 };
                if self.time < end && self.watch.as_ref().is_some_and(|watch| watch(progress).is_break()) {
                    return Ok(());
                }
            }
            let fields = vec![Field::scalar("moments", "mass", "", self.sum)];
            if visit(&Frame { time: end, fields })?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    fn save(&self) -> Result<Vec<u8>> {
        if !self.saves {
            return Err(Error::Unsupported { solver: "the counter", what: "checkpoints".into(), instead: "" });
        }
        Ok([self.time.to_le_bytes(), self.sum.to_le_bytes()].concat())
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().unwrap());
        (self.time, self.sum) = (number(&state[..8]), number(&state[8..]));
        Ok(())
    }
}

fn values(path: &Path) -> Vec<f64> {
    let file = ::hdf5::File::open(path).unwrap();
    let mut values = file.dataset("moments/mass").unwrap().read_raw::<f64>().unwrap();
    values.extend(file.dataset("moments/time").unwrap().read_raw::<f64>().unwrap());
    values
}

fn scratch(test: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("learning-dynamics-{}-run-{test}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn finish(run: &Run, solver: &mut Counter) -> PathBuf {
    match run.go(solver).unwrap() {
        Outcome::Finished(file) => file.finish().unwrap(),
        stopped @ Outcome::Stopped { .. } => panic!("{stopped:?}"),
    }
}

#[test]
fn stopped_at_any_step_a_run_goes_on_to_the_same_frames() {
    let directory = scratch("stop");
    let times = vec![0.5, 1.0, 2.5, 3.0];
    let run = |name: &str| Run::new(directory.join(name), Provenance::new("p"), times.clone());
    let expected = values(&finish(&run("whole.h5"), &mut counter()));
    for steps in 1..24 {
        // The file of a run that stopped, and one of a run killed at its end whose checkpoint is older than the file.
        for every in [None, Some(0.7)] {
            let stopped = Run { checkpoint_every: every, ..run("run.h5") };
            let mut solver = counter();
            let stop = Arc::clone(&stopped.stop);
            let at = f64::from(steps) * 0.125;
            let listener: Listener = Arc::new(move |_| {});
            let stopped = Run { listener: Some(listener), ..stopped };
            // Whoever watches first stops the run at its step.
            struct Stopper<'c>(&'c mut Counter, Arc<AtomicBool>, f64);
            impl Solver for Stopper<'_> {
                fn time(&self) -> f64 {
                    self.0.time
                }
                fn run(&mut self, times: &[f64], visit: &mut crate::frame::Visit<'_>) -> Result<()> {
                    self.0.run(times, visit)
                }
                fn watch(&mut self, watch: Watch) {
                    let (stop, at) = (Arc::clone(&self.1), self.2);
                    self.0.watch(Arc::new(move |progress| {
                        stop.fetch_or(progress.time >= at, Ordering::Relaxed);
                        watch(progress)
                    }));
                }
                fn save(&self) -> Result<Vec<u8>> {
                    self.0.save()
                }
            }
            let outcome = stopped.go(&mut Stopper(&mut solver, stop, at)).unwrap();
            match outcome {
                Outcome::Stopped { time, checkpoint } => {
                    assert!(time >= at && checkpoint.unwrap().exists());
                }
                Outcome::Finished(file) => drop(file),
            }
            let again = Run { resume: true, ..run("run.h5") };
            assert_eq!(
                values(&finish(&again, &mut counter())),
                expected,
                "stopped at {at}, checkpoints every {every:?}"
            );
            Run::remove_checkpoint(&again.path).unwrap();
        }
    }
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn checkpoints_come_at_the_multiples_asked_for_and_a_solver_without_them_still_runs() {
    let directory = scratch("multiples");
    let times = vec![1.0, 2.0];
    let run = Run { checkpoint_every: Some(0.3), ..Run::new(directory.join("run.h5"), Provenance::new("p"), times) };
    finish(&run, &mut counter());
    let last = Checkpoint::read(&Run::checkpoint_path(&run.path), "p").unwrap().unwrap();
    // The first step at or after 1.8.
    assert_eq!((last.time, last.frames), (1.875, 1));
    finish(&run, &mut Counter { saves: false, ..counter() });
    assert_eq!(Checkpoint::read(&Run::checkpoint_path(&run.path), "p").unwrap(), None, "that of another run is gone");
    run.stop.store(true, Ordering::Relaxed);
    match run.go(&mut Counter { saves: false, ..counter() }).unwrap() {
        Outcome::Stopped { time, checkpoint } => {
            assert_eq!(time, 0.125);
            assert!(matches!(checkpoint, Err(Error::Unsupported { .. })));
        }
        Outcome::Finished(_) => panic!("not stopped"),
    }
    std::fs::remove_dir_all(directory).unwrap();
}
