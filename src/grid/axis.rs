//! One axis of a grid: cells between faces.

use crate::error::{Result, require};

/// Cells between increasing faces.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The faces, one more than cells.
    pub faces: Vec<f64>,
    /// The centres.
    pub centres: Vec<f64>,
}

impl Axis {
    /// `cells` equal cells on `[low, high]`; `key` names the axis in errors.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] for inverted or infinite ends and for no cells.
    pub fn uniform(key: &str, low: f64, high: f64, cells: usize) -> Result<Self> {
        require(low.is_finite(), format!("grid.{key}.low"), low, "a finite number")?;
        require(high > low && high.is_finite(), format!("grid.{key}.high"), high, "a finite number above low")?;
        require(cells >= 1, format!("grid.{key}.cells"), cells as f64, "at least 1 cell")?;
        require(cells <= u32::MAX as usize, format!("grid.{key}.cells"), cells as f64, "fewer than 2^32 cells")?;
        let at = |k: f64| low + (high - low) * (k / cells as f64);
        let faces = (0..=cells).map(|k| at(k as f64)).collect();
        let centres = (0..cells).map(|k| at(k as f64 + 0.5)).collect();
        Ok(Self { faces, centres })
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.centres.len()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.centres.is_empty()
    }

    /// Width of the (equal) cells.
    pub fn width(&self) -> f64 {
        (self.high() - self.low()) / self.len() as f64
    }

    /// Lower end.
    pub fn low(&self) -> f64 {
        self.faces[0]
    }

    /// Upper end.
    pub fn high(&self) -> f64 {
        self.faces[self.len()]
    }

    /// `[lower, upper]` of each cell.
    pub fn bounds(&self) -> Vec<[f64; 2]> {
        self.faces.windows(2).map(|w| [w[0], w[1]]).collect()
    }
}
