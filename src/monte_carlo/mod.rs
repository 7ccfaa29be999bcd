//! Particle twins of the mean-field equations.
