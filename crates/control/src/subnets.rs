//! subnets.
