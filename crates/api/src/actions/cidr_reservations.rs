//! Ranges of subnets kept from, or for, automatic assignment: the API side.

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[];
