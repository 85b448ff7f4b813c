//! The source/destination check of interfaces.

use std::net::IpAddr;

use crate::compile::EniEntry;
use crate::verdict::Code;

/// Judges the address that should be the interface's own: the source of a packet that leaves it, the destination of one
/// that arrives. With the check off, every address may pass; that makes an instance a router.
pub(crate) fn judge(eni: &EniEntry, address: IpAddr) -> Result<(), Code> {
    if eni.eni.source_dest_check && !eni.eni.owns(address) { Err(Code::EniSourceDestCheckRestriction) } else { Ok(()) }
}
