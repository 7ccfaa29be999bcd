//! Recording schedules and in-memory series.
