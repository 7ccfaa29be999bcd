//! Runs that are stopped, saved, loaded and gone on with, against runs that are not, bit for bit.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Warning};
use crate::frame::{Frame, Solver};

/// Time, names and numbers of a frame as bits.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    time: u64,
    fields: Vec<(&'static str, &'static str, Vec<u64>)>,
}

fn bits(frame: &Frame<'_>) -> Shown {
    let field =
        |field: &crate::frame::Field<'_>| (field.group, field.name, field.values.iter().map(|x| x.to_bits()).collect());
    Shown { time: frame.time.to_bits(), fields: frame.fields.iter().map(field).collect() }
}

/// Runs, and stops at frame `most`, counted from 1.
fn run<S: Solver>(solver: &mut S, times: &[f64], shown: &mut Vec<Shown>, most: usize) {
    solver
        .run(times, &mut |frame| {
            shown.push(bits(frame));
            Ok(if shown.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
}

/// The times that no frame has been shown of.
fn left<'a>(times: &'a [f64], shown: &[Shown]) -> &'a [f64] {
    let last = shown.last().map_or(f64::NEG_INFINITY, |shown| f64::from_bits(shown.time));
    &times[times.partition_point(|time| *time <= last)..]
}

/// A watch that breaks at its call `at`, counted from 1, and counts.
fn watch<S: Solver>(solver: &mut S, at: usize) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    solver.watch(Arc::new(move |progress| {
        assert!(progress.time.is_finite() && progress.step >= 0.0, "{progress:?}");
        let call = counted.fetch_add(1, Ordering::Relaxed) + 1;
        if call == at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }));
    calls
}

/// The solver, or one that takes its place through bytes.
fn moved<S: Solver>(make: &impl Fn() -> S, solver: S, save: bool) -> S {
    if !save {
        return solver;
    }
    let (bytes, notes) = (solver.save().unwrap(), solver.notes());
    let mut next = make();
    next.load(&bytes).unwrap();
    assert_eq!((next.time().to_bits(), next.notes()), (solver.time().to_bits(), notes));
    next
}

/// Stops by the visitor at each frame and by the watch at several moments, with and without bytes. Says how often the watch
/// looked.
pub(crate) fn resumes<S: Solver>(make: impl Fn() -> S, times: &[f64]) -> usize {
    let mut whole = Vec::new();
    let mut solver = make();
    run(&mut solver, times, &mut whole, usize::MAX);
    let notes: Vec<Warning> = solver.notes();
    let end = |solver: &S, shown: &[Shown], what: &str| {
        assert_eq!(shown.len(), whole.len(), "{what}");
        for (one, other) in shown.iter().zip(&whole) {
            for (a, b) in one.fields.iter().zip(&other.fields) {
                assert_eq!(a, b, "{what}, t = {}", f64::from_bits(one.time));
            }
        }
        assert_eq!(shown, &whole[..], "{what}");
        assert_eq!(solver.notes(), notes, "{what}");
    };
    // Watching changes nothing.
    let mut solver = make();
    let (calls, mut shown) = (watch(&mut solver, 0), Vec::new());
    run(&mut solver, times, &mut shown, usize::MAX);
    end(&solver, &shown, "watched");
    let calls = calls.load(Ordering::Relaxed);
    for save in [false, true] {
        for most in 0..whole.len() {
            let (mut solver, mut shown) = (make(), Vec::new());
            if most > 0 {
                run(&mut solver, times, &mut shown, most);
            }
            // Saving twice in a row is saving once.
            let mut solver = moved(&make, moved(&make, solver, save), save);
            run(&mut solver, left(times, &shown), &mut shown, usize::MAX);
            end(&solver, &shown, &format!("frame {most}, {save}"));
        }
        // Several stops in one run, at places that drift through the steps of all kinds.
        for stride in [1, 2, 7, 31].into_iter().filter(|stride| calls / stride <= 40) {
            let (mut solver, mut shown) = (make(), Vec::new());
            let mut stops = 0;
            loop {
                watch(&mut solver, stride);
                run(&mut solver, left(times, &shown), &mut shown, usize::MAX);
                if shown.len() == whole.len() {
                    break;
                }
                stops += 1;
                assert!(stops <= calls, "no progress after {stops} stops");
                solver = moved(&make, solver, save);
            }
            end(&solver, &shown, &format!("stride {stride}, {save}"));
        }
        for at in [1, 2, calls / 5, calls / 3, calls / 2, calls.saturating_sub(1), calls] {
            if at == 0 || at > calls {
                continue;
            }
            let (mut solver, mut shown) = (make(), Vec::new());
            watch(&mut solver, at);
            run(&mut solver, times, &mut shown, usize::MAX);
            assert!(shown.len() < whole.len(), "watch {at} of {calls} did not stop the run");
            let mut solver = moved(&make, solver, save);
            watch(&mut solver, 0);
            run(&mut solver, left(times, &shown), &mut shown, usize::MAX);
            end(&solver, &shown, &format!("watch {at} of {calls}, {save}"));
        }
    }
    calls
}

/// Every truncation is refused, and no damaged byte leads to more than an error of loading or running. `small` is quick to make
/// and to run to `end`.
pub(crate) fn survives_damage<S: Solver>(make: impl Fn() -> S, end: f64) {
    let mut solver = make();
    run(&mut solver, &[0.4 * end, end], &mut Vec::new(), 1);
    let bytes = solver.save().unwrap();
    let mut solver = make();
    for length in 0..bytes.len() {
        let error = solver.load(&bytes[..length]).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{length}: {error}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(solver.load(&longer), Err(Error::Checkpoint { .. })));
    // After all that it is as it was: new.
    let (mut one, mut other) = (Vec::new(), Vec::new());
    run(&mut solver, &[0.4 * end, end], &mut one, usize::MAX);
    run(&mut make(), &[0.4 * end, end], &mut other, usize::MAX);
    assert_eq!(one, other);
    let fresh = make().save().unwrap();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let mut solver = make();
            match solver.load(&damaged) {
                Ok(()) => {
                    // A watch ends what would take long.
                    watch(&mut solver, 20);
                    let time = solver.time();
                    let _ = solver.run(&[time.max(end)], &mut |_| Ok(ControlFlow::Continue(())));
                }
                Err(error) => {
                    assert!(matches!(error, Error::Checkpoint { .. }), "{at}: {error}");
                    assert_eq!(solver.save().unwrap(), fresh, "byte {at}");
                }
            }
        }
    }
}

/// Bytes of one solver are refused by another.
pub(crate) fn refused(solver: &mut impl Solver, of: &impl Solver) {
    let error = solver.load(&of.save().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
}

/// Runs it in pools of one and of two threads.
pub(crate) fn in_pools(test: impl Fn() + Send + Sync) {
    for threads in [1, 2] {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&test);
    }
}
