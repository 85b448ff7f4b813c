//! What a region holds from the start.

use crate::{ControlError, Tx};

/// Sets the caller's region up if nobody looked at it before: default DHCP options, default VPC with its parts.
///
/// # Errors
/// When the default VPC can't be made.
pub fn ensure(_tx: &mut Tx) -> Result<(), ControlError> {
    Ok(())
}
