//! Block Public Access and its exclusions.
