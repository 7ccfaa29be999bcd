//! Keeping what solvers show: in-memory series, times at which to look, visitors side by side.

mod schedule;
mod series;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

pub use schedule::{every, logarithmic};
pub use series::Series;

use crate::error::Result;
use crate::frame::{Frame, Visit};

/// Shows each frame to all `visitors`, in order; breaks if one of them does.
///
/// The rest still sees the frame on which one breaks, so that a file and a series end at the same time.
///
/// # Errors
/// The first error of a visitor; those after it do not see the frame.
pub fn all<'v>(visitors: &'v mut [&'v mut Visit<'v>]) -> impl FnMut(&Frame<'_>) -> Result<ControlFlow<()>> + 'v {
    move |frame| {
        let mut flow = ControlFlow::Continue(());
        for visit in visitors.iter_mut() {
            if visit(frame)?.is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }
}
