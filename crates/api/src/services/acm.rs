//! Certificate Manager, as far as Client VPN needs it: the API side.

use super::prelude::*;

/// The operations of this service.
pub const ACTIONS: &[JsonAction] = &[];
