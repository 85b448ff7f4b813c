//! VPC endpoints of all types.
