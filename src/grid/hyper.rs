//! The grid of the hyperparameters: a product of one or two axes.

use super::hyper_axis::HyperAxis;
use crate::error::{Error, Result};
use crate::numerics::memory;
use crate::problem::{Domain, Ends, Law};

/// Numbers of cells, one an axis; made from `usize`, `[usize; 2]` or `Vec<usize>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells(pub Vec<usize>);

impl Cells {
    /// The number of places that they make on these domains, atoms included.
    pub fn places(&self, domains: &[Domain]) -> u64 {
        let on = |(cells, domain): (&usize, &Domain)| *cells as u64 + if domain.ends == Ends::Clip { 2 } else { 0 };
        self.0.iter().zip(domains).map(on).fold(1, u64::saturating_mul)
    }
}

impl From<usize> for Cells {
    fn from(cells: usize) -> Self {
        Self(vec![cells])
    }
}

impl From<[usize; 2]> for Cells {
    fn from(cells: [usize; 2]) -> Self {
        Self(cells.into())
    }
}

impl From<Vec<usize>> for Cells {
    fn from(cells: Vec<usize>) -> Self {
        Self(cells)
    }
}

/// Domains, one a hyperparameter; made from a [`Domain`], an array, a slice or a vector of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Domains(pub Vec<Domain>);

impl From<Domain> for Domains {
    fn from(domain: Domain) -> Self {
        Self(vec![domain])
    }
}

impl From<[Domain; 2]> for Domains {
    fn from(domains: [Domain; 2]) -> Self {
        Self(domains.into())
    }
}

impl From<&[Domain]> for Domains {
    fn from(domains: &[Domain]) -> Self {
        Self(domains.into())
    }
}

impl From<&Vec<Domain>> for Domains {
    fn from(domains: &Vec<Domain>) -> Self {
        Self(domains.clone())
    }
}

impl From<Vec<Domain>> for Domains {
    fn from(domains: Vec<Domain>) -> Self {
        Self(domains)
    }
}

/// The places of one or two hyperparameters, row-major (`h_1` slowest).
#[derive(Debug, Clone, PartialEq)]
pub struct HyperGrid {
    /// One a hyperparameter.
    pub axes: Vec<HyperAxis>,
    /// The hyperparameters at each place, [`HyperGrid::dimension`] numbers a place.
    pub points: Vec<f64>,
}

impl HyperGrid {
    /// The product of axes with `cells` cells each over its whole domain.
    ///
    /// # Errors
    /// [`Error::Shape`] for as many numbers of cells as there are not domains; [`Error::Unsupported`] above two;
    /// [`Error::Parameter`] as [`HyperAxis::new`]; [`Error::TooMuchMemory`].
    pub fn new(domains: impl Into<Domains>, cells: impl Into<Cells>) -> Result<Self> {
        let (domains, cells) = (domains.into().0, cells.into().0);
        if !(1..=2).contains(&domains.len()) {
            return Err(Error::Unsupported {
                solver: "a grid of hyperparameters",
                what: format!("{} of them", domains.len()),
                instead: "one or two; use agents for more",
            });
        }
        if cells.len() != domains.len() {
            let what = "grid.h (one number of cells a hyperparameter)".into();
            return Err(Error::Shape { what, found: cells.len(), expected: domains.len() });
        }
        let places = Cells(cells.clone()).places(&domains);
        memory::ensure("a grid of hyperparameters", places.saturating_mul(8 * domains.len() as u64))?;
        let keys = if domains.len() == 1 { ["h", ""] } else { ["h_1", "h_2"] };
        let axes =
            domains.into_iter().zip(cells).zip(keys).map(|((domain, cells), key)| HyperAxis::new(key, domain, cells));
        let axes: Vec<HyperAxis> = axes.collect::<Result<_>>()?;
        let points = match &axes[..] {
            [first, second] => {
                first.points.iter().flat_map(|&a| second.points.iter().flat_map(move |&b| [a, b])).collect()
            }
            axes => axes[0].points.clone(),
        };
        Ok(Self { axes, points })
    }

    /// The number dh of hyperparameters.
    pub fn dimension(&self) -> usize {
        self.axes.len()
    }

    /// Number of places, atoms included.
    pub fn len(&self) -> usize {
        self.axes.iter().map(HyperAxis::len).product()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The hyperparameters at a place.
    pub fn point(&self, place: usize) -> &[f64] {
        let dimension = self.dimension();
        &self.points[place * dimension..(place + 1) * dimension]
    }

    /// The hyperparameters at each place, in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f64> {
        self.points.chunks_exact(self.dimension())
    }

    /// Its domains.
    pub fn domains(&self) -> Vec<Domain> {
        self.axes.iter().map(|axis| axis.domain).collect()
    }

    /// Whether some axis has atoms.
    pub fn clips(&self) -> bool {
        self.axes.iter().any(HyperAxis::clips)
    }

    /// Places of the fastest axis, and how often they come: `(rows, width)`, `rows · width = len`.
    pub fn shape(&self) -> (usize, usize) {
        let width = self.axes[self.dimension() - 1].len();
        (self.len() / width, width)
    }

    /// The indices of a place on the axes (the first is 0 where there is one axis).
    pub fn indices(&self, place: usize) -> [usize; 2] {
        let width = self.shape().1;
        [place / width, place % width]
    }

    /// Its index on axis `k`.
    pub fn index(&self, place: usize, k: usize) -> usize {
        self.indices(place)[k + 2 - self.dimension()]
    }

    /// The places that are cells on every axis, in order.
    pub fn cell_places(&self) -> Vec<usize> {
        let is_cell =
            |place: &usize| self.axes.iter().enumerate().all(|(k, a)| a.cells().contains(&self.index(*place, k)));
        (0..self.len()).filter(is_cell).collect()
    }

    /// What the mass of each place is divided by to give a density: the product of the widths in h on the axes on which
    /// it is a cell. So an atom's is per unit of the other axis, and that of a corner 1.
    pub fn volumes(&self) -> Vec<f64> {
        let widths: Vec<Vec<f64>> = self
            .axes
            .iter()
            .map(|axis| {
                let mut widths = vec![1.0; axis.len()];
                widths[axis.cells()].copy_from_slice(&axis.widths());
                widths
            })
            .collect();
        (0..self.len()).map(|place| widths.iter().enumerate().map(|(k, w)| w[self.index(place, k)]).product()).collect()
    }

    /// The mass that independent laws, one a hyperparameter, give to each place.
    ///
    /// # Errors
    /// [`Error::InitialMassOutside`]; [`Error::Shape`] for as many laws as there are not hyperparameters.
    pub fn masses(&self, laws: &[Law]) -> Result<Vec<f64>> {
        if laws.len() != self.dimension() {
            return Err(Error::Shape { what: "laws of h".into(), found: laws.len(), expected: self.dimension() });
        }
        let by_axis: Vec<Vec<f64>> =
            self.axes.iter().zip(laws).map(|(axis, law)| axis.masses(law)).collect::<Result<_>>()?;
        Ok(match &by_axis[..] {
            [first, second] => first.iter().flat_map(|a| second.iter().map(move |b| a * b)).collect(),
            _ => by_axis.concat(),
        })
    }

    /// `masses` summed over the other axes: the masses of the places of axis `k`.
    pub fn marginal(&self, masses: &[f64], k: usize) -> Vec<f64> {
        if self.dimension() == 1 {
            return masses.to_vec();
        }
        let mut sums = vec![0.0; self.axes[k].len()];
        for (row, masses) in masses.chunks_exact(self.shape().1).enumerate() {
            if k == 0 {
                sums[row] = masses.iter().sum();
            } else {
                sums.iter_mut().zip(masses).for_each(|(sum, m)| *sum += m);
            }
        }
        sums
    }
}
