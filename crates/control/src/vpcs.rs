//! vpcs.
