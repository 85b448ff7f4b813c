//! Load balancers, as far as endpoint services stand on them: the API side.

use super::prelude::*;

/// The operations of this service.
pub const ACTIONS: &[Action] = &[];
