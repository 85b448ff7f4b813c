//! IAM, as far as tools read and write it around a network: the API side.

use super::prelude::*;

/// The operations of this service.
pub const ACTIONS: &[Action] = &[];
