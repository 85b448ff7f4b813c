//! Network interfaces.

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[];
