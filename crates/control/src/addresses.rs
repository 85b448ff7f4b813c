//! addresses.
