//! Runs that are stopped and killed, at moments drawn at random.

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// SplitMix64 (Steele, Lea and Flood, 2014), to [0, 1).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// A kind in a directory of its own, with what an undisturbed run gives and how long it takes.
struct Bench {
    directory: PathBuf,
    arguments: Vec<String>,
    reference: BTreeMap<String, Data>,
    takes: Duration,
}

impl Bench {
    fn new(test: &str, kind: &str, settings: &[&str]) -> Self {
        let directory = scratch(&format!("{test}-{kind}"));
        problem(&directory, kind);
        let file = format!("{kind}.toml");
        // Checkpoints far apart and close together, by the kind.
        let every = if kind.len().is_multiple_of(2) { "checkpoint.every=0.1" } else { "checkpoint.every=0.7" };
        let settings = [settings, &[every]].concat();
        let arguments = |out| solve(&settings, &file, out).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let start = Instant::now();
        expect(0, &program().args(arguments("reference.h5")).current_dir(&directory).output().unwrap());
        let takes = start.elapsed();
        let reference = read(&directory.join("reference.h5")).unwrap();
        Self { arguments: arguments("out.h5"), directory, reference, takes }
    }

    fn start(&self, more: &[&str]) -> Child {
        let mut command = program();
        command.args(&self.arguments).args(more).current_dir(&self.directory);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// That the frames of a killed run are those of the undisturbed one.
    fn check_frames(&self, what: &str) -> usize {
        let path = self.path("out.partial.h5");
        if !path.exists() {
            return 0;
        }
        let found = read(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut frames = Vec::new();
        for (name, data) in &found {
            let whole = &self.reference[name];
            assert_eq!(data.shape.len(), whole.shape.len(), "{what}: {name}");
            assert!(data.bits[..] == whole.bits[..data.bits.len()], "{what}: {name} differs");
            match data.grows {
                true => frames.push(data.shape[0]),
                false => assert_eq!(data.shape, whole.shape, "{what}: {name}"),
            }
        }
        assert!(frames.windows(2).all(|pair| pair[0] == pair[1]), "{what}: {frames:?}");
        frames.first().copied().unwrap_or(0)
    }

    fn clear(&self) {
        for name in ["out.h5", "out.partial.h5", "out.partial-next.h5", "out.partial-swap.h5", "out.checkpoint"] {
            let _ = std::fs::remove_file(self.path(name));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// For two processors.
fn in_parallel(work: impl Fn(usize) + Sync, count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    work(at);
                }
            });
        }
    });
}

#[test]
fn every_kind_goes_on_after_sigterm_to_the_same_bits() {
    in_parallel(
        |at| {
            let (kind, settings) = KINDS[at];
            let bench = Bench::new("term", kind, settings);
            let mut random = at as u64;
            let mut stops = 0;
            for trial in 0..30 {
                let what = format!("{kind}, trial {trial}");
                let child = bench.start(if stops == 0 { &["--force"] } else { &["--resume"] });
                std::thread::sleep(bench.takes.mul_f64(0.05 + 0.6 * uniform(&mut random)));
                let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).stderr(Stdio::null()).status();
                let output = child.wait_with_output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                match output.status.code() {
                    // Stopped too late.
                    Some(0) if stops == 0 => {}
                    Some(0) => break,
                    Some(3) => {
                        stops += 1;
                        assert!(said.contains("--resume") && said.contains("stopped at t = "), "{what}: {said}");
                        assert!(bench.path("out.checkpoint").exists(), "{what}");
                        bench.check_frames(&what);
                    }
                    code => {
                        // Before the program listens, a signal ends it.
                        assert!(code.is_none() && said.is_empty(), "{what}: {code:?} {said}");
                    }
                }
            }
            if !bench.path("out.h5").exists() {
                expect(0, &bench.start(&["--resume"]).wait_with_output().unwrap());
            }
            same(&bench.path("out.h5"), &bench.reference, &format!("{kind} after {stops} stops"));
            assert!(stops > 0, "{kind}: never stopped");
            assert!(!bench.path("out.checkpoint").exists() && !bench.path("out.partial.h5").exists(), "{kind}");
        },
        KINDS.len(),
    );
}

#[test]
fn two_hundred_kills_break_no_file_and_lose_no_bit() {
    const KILLS: usize = 26;
    let frames = AtomicUsize::new(0);
    in_parallel(
        |at| {
            let (kind, settings) = KINDS[at];
            let bench = Bench::new("kill", kind, settings);
            let mut random = 100 + at as u64;
            let mut resume = false;
            for kill in 0..KILLS {
                let what = format!("{kind}, kill {kill}");
                let mut child = bench.start(if resume { &["--resume"] } else { &[] });
                std::thread::sleep(bench.takes.mul_f64(0.05 + 0.9 * uniform(&mut random)));
                child.kill().unwrap();
                child.wait().unwrap();
                if bench.path("out.h5").exists() {
                    same(&bench.path("out.h5"), &bench.reference, &what);
                    bench.clear();
                    resume = false;
                    continue;
                }
                frames.fetch_add(bench.check_frames(&what), Ordering::Relaxed);
                // Every third goes on from where it was killed, the others start anew.
                resume = kill % 3 == 0;
                if !resume {
                    bench.clear();
                }
            }
            if !bench.path("out.h5").exists() {
                expect(0, &bench.start(&["--resume"]).wait_with_output().unwrap());
                same(&bench.path("out.h5"), &bench.reference, kind);
            }
        },
        KINDS.len(),
    );
    // Else the kills came too early to show anything.
    assert!(frames.into_inner() > 1000, "too few frames were written");
}

#[test]
fn a_checkpoint_of_another_problem_is_refused() {
    let (kind, settings) = KINDS[1];
    let bench = Bench::new("other", kind, settings);
    // Until it is killed after its first checkpoint and before its end.
    for attempt in 0.. {
        assert!(attempt < 100, "no checkpoint is left");
        bench.clear();
        let mut child = bench.start(&[]);
        while !bench.path("out.checkpoint").exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if bench.path("out.checkpoint").exists() {
            break;
        }
    }
    let said = expect(2, &bench.start(&["--resume", "--set", "problem.diffusion=0.2"]).wait_with_output().unwrap());
    assert!(said.contains("another problem") && said.contains("diffusion"), "{said}");
    let said = expect(2, &bench.start(&[]).wait_with_output().unwrap());
    assert!(said.contains("--resume") && said.contains("--force"), "{said}");
    let bytes = std::fs::read(bench.path("out.checkpoint")).unwrap();
    std::fs::write(bench.path("out.checkpoint"), &bytes[..bytes.len() / 2]).unwrap();
    let said = expect(2, &bench.start(&["--resume"]).wait_with_output().unwrap());
    assert!(said.contains("damaged"), "{said}");
    std::fs::remove_file(bench.path("out.checkpoint")).unwrap();
    let said = expect(0, &bench.start(&["--resume"]).wait_with_output().unwrap());
    assert!(said.contains("starting anew"), "{said}");
    same(&bench.path("out.h5"), &bench.reference, "started anew");
}
