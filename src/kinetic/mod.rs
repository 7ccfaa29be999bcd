//! The joint equation on a (θ,h) grid.
