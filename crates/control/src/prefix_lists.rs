//! Managed prefix lists.
