//! CloudWatch Logs: the API side.

use super::prelude::*;

/// The operations of this service.
pub const ACTIONS: &[JsonAction] = &[];
