//! Network Access Analyzer: scopes and their analyses: the API side.

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[];
