//! security groups.
