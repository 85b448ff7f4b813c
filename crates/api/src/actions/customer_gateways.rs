//! Customer gateways: the far ends of site-to-site VPNs: the API side.

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[];
