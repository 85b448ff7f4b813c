//! Carrier gateways (Wavelength zones): the API side.

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[];
