//! Transit gateways, their attachments and route tables: the API side.

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[];
