//! Frames written on a thread of their own.

use std::borrow::Cow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::Hdf5File;
use crate::error::{Error, Result};
use crate::frame::{Field, Frame};

/// Frames of more values than this (64 MB) are written before the solver goes on: copies of them would take too much memory.
const LARGE: usize = 1 << 23;

/// A file that takes frames while the one before is still being written, so that a solver does not wait for it.
#[derive(Debug)]
pub struct BackgroundFile {
    state: State,
    frames: usize,
}

#[derive(Debug)]
enum State {
    /// Nobody writes.
    Idle(Box<Hdf5File>),
    Busy(SyncSender<Frame<'static>>, JoinHandle<(Box<Hdf5File>, Result<()>)>),
    /// The thread is lost, which only a panic in it can bring about.
    Lost,
}

impl BackgroundFile {
    /// Takes `file` over; [`BackgroundFile::settle`] gives it back.
    pub fn new(file: Hdf5File) -> Self {
        Self { frames: file.frames(), state: State::Idle(Box::new(file)) }
    }

    /// Frames in the file and handed over.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Hands a frame over; waits while the one before the last is still being written.
    ///
    /// # Errors
    /// Those of [`Hdf5File::write_frame`], of this frame or of one handed over before; nothing of this one is then written.
    pub fn write_frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        let large = frame.fields.iter().map(|field| field.values.len()).sum::<usize>() > LARGE;
        if large {
            self.rest()?;
        }
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Idle(mut file) if large => {
                let outcome = file.write_frame(frame);
                self.state = State::Idle(file);
                outcome?;
            }
            State::Idle(file) => {
                // No place to wait in: one frame is being written, one may wait with the solver.
                let (sender, receiver) = sync_channel(0);
                let thread = std::thread::spawn(move || write_all(file, &receiver));
                self.state = State::Busy(sender, thread);
                return self.write_frame(frame);
            }
            State::Busy(sender, thread) => {
                let refused = sender.send(owned(frame)).is_err();
                self.state = State::Busy(sender, thread);
                if refused {
                    self.rest()?;
                    return Err(lost());
                }
            }
            State::Lost => return Err(lost()),
        }
        self.frames += 1;
        Ok(())
    }

    /// Waits until all is written, and gives the file back.
    ///
    /// # Errors
    /// Those of a frame that was handed over.
    pub fn settle(mut self) -> Result<Hdf5File> {
        self.rest()?;
        match self.state {
            State::Idle(file) => Ok(*file),
            _ => Err(lost()),
        }
    }

    fn rest(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Busy(sender, thread) => {
                drop(sender);
                let (file, outcome) = thread.join().map_err(|_| lost())?;
                self.state = State::Idle(file);
                outcome
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }
}

/// Writes until no more come, or to the first error, after which none is taken.
fn write_all(mut file: Box<Hdf5File>, receiver: &Receiver<Frame<'static>>) -> (Box<Hdf5File>, Result<()>) {
    let outcome = receiver.iter().try_for_each(|frame| file.write_frame(&frame));
    (file, outcome)
}

fn owned(frame: &Frame<'_>) -> Frame<'static> {
    let own =
        |field: &Field<'_>| Field { values: Cow::Owned(field.values.to_vec()), axes: field.axes.clone(), ..*field };
    Frame { time: frame.time, fields: frame.fields.iter().map(own).collect() }
}

fn lost() -> Error {
    Error::Library { library: "hdf5", message: "the thread that writes frames ended too early".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::provenance::Provenance;

    fn frame(time: f64, value: f64) -> Frame<'static> {
        Frame { time, fields: vec![Field::scalar("moments", "mass", "total mass", value)] }
    }

    #[test]
    fn frames_are_written_in_order_and_a_bad_one_is_told() {
        let directory = std::env::temp_dir().join(format!("learning-dynamics-background-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("run.h5");
        let mut file = BackgroundFile::new(Hdf5File::create(&path, &Provenance::new("p")).unwrap());
        for k in 0..20 {
            file.write_frame(&frame(f64::from(k), 0.5 * f64::from(k))).unwrap();
        }
        assert_eq!(file.frames(), 20);
        let file = file.settle().unwrap();
        assert_eq!(file.frames(), 20);
        // Told with the next frame that is handed over, or with the one after, or at the end.
        let mut file = BackgroundFile::new(file);
        let told = (20..23).try_for_each(|k| file.write_frame(&frame(f64::from(k), f64::NAN)));
        let told = told.and_then(|()| file.settle().map(|_| ()));
        assert!(matches!(told, Err(Error::NonFiniteField { time: 20.0, .. })), "{told:?}");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
