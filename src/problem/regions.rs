//! Named regions of θ, whose probabilities are shown: the wells of a loss.

use std::fmt::Debug;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Named, disjoint regions of θ, which need not cover everything.
#[derive(Clone)]
pub struct Regions {
    names: Vec<String>,
    of: Arc<dyn Fn(&[f64]) -> Option<usize> + Send + Sync>,
}

impl Debug for Regions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Regions {:?}", self.names)
    }
}

impl Regions {
    /// Regions by a function of θ that gives the number of the region, counted from 0 in the order of the names; `None` or a
    /// number beyond them is outside of all.
    pub fn new(names: Vec<String>, of: impl Fn(&[f64]) -> Option<usize> + Send + Sync + 'static) -> Self {
        Self { names, of: Arc::new(of) }
    }

    /// The points nearest to each of `centres` (Euclidean; the first of equals).
    ///
    /// # Errors
    /// [`Error::Shape`] for centres of different lengths, or as many names as there are not centres.
    pub fn nearest(names: &[&str], centres: &[Vec<f64>]) -> Result<Self> {
        same_shape("centres", names, centres.iter().map(Vec::len))?;
        let centres = centres.to_vec();
        Ok(Self::new(names.iter().map(|name| (*name).into()).collect(), move |theta| {
            let distance = |c: &Vec<f64>| -> f64 { c.iter().zip(theta).map(|(c, t)| (c - t) * (c - t)).sum() };
            let best = centres.iter().map(distance).enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            best.map(|(k, _)| k)
        }))
    }

    /// Boxes `low ≤ θ < high` in each component; where they overlap the first counts.
    ///
    /// # Errors
    /// [`Error::Shape`] for boxes of different dimensions, or as many names as there are not boxes.
    pub fn boxes(names: &[&str], boxes: &[Vec<(f64, f64)>]) -> Result<Self> {
        same_shape("boxes", names, boxes.iter().map(Vec::len))?;
        let boxes = boxes.to_vec();
        Ok(Self::new(names.iter().map(|name| (*name).into()).collect(), move |theta| {
            boxes.iter().position(|b| b.iter().zip(theta).all(|((low, high), t)| low <= t && t < high))
        }))
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of the region that holds θ.
    pub fn of(&self, theta: &[f64]) -> Option<usize> {
        (self.of)(theta).filter(|k| *k < self.names.len())
    }
}

fn same_shape(what: &str, names: &[&str], mut lengths: impl ExactSizeIterator<Item = usize>) -> Result<()> {
    let shape = |part: &str, found, expected| {
        if found == expected { Ok(()) } else { Err(Error::Shape { what: format!("regions: {part}"), found, expected }) }
    };
    shape(what, lengths.len(), names.len())?;
    let first = lengths.next().unwrap_or(0);
    lengths.try_for_each(|length| shape("components of θ", length, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_find_their_region() {
        let wells = Regions::nearest(&["left", "right"], &[vec![-1.0, 0.0], vec![1.0, 0.0]]).unwrap();
        assert_eq!([wells.of(&[-0.2, 5.0]), wells.of(&[0.2, -5.0])], [Some(0), Some(1)]);
        let boxes = Regions::boxes(&["a", "b"], &[vec![(0.0, 1.0)], vec![(0.5, 2.0)]]).unwrap();
        assert_eq!([-0.1, 0.0, 0.7, 1.0, 2.0].map(|t| boxes.of(&[t])), [None, Some(0), Some(0), Some(1), None]);
        let own = Regions::new(vec!["only".into()], |theta| Some(usize::from(theta[0] > 0.0)));
        assert_eq!([own.of(&[-1.0]), own.of(&[1.0])], [Some(0), None]);
    }

    #[test]
    fn shapes_are_checked() {
        assert!(Regions::nearest(&["a"], &[vec![0.0], vec![1.0]]).is_err());
        assert!(Regions::boxes(&["a", "b"], &[vec![(0.0, 1.0)], vec![(0.0, 1.0); 2]]).is_err());
    }
}
