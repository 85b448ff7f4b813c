use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, remove_capability_from_bounding_set,
    set_capabilities,
};

use crate::DatapathError;
use crate::error::Attempt;

/// What root inside a sandbox may do: its network, its own processes and files, changing users, small ports.
///
/// Left out, among those that containers often have: `DAC_READ_SEARCH`, which opens files by handle, past what covers
/// the daemon's directories; `SYS_PTRACE`, which would let root inside take over a process of `exec` while it still
/// has the rights of its caller; `MKNOD` and `SYS_ADMIN`, which reach the machine's devices and mounts.
const KEPT: CapabilitySet = CapabilitySet::AUDIT_WRITE
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_BROADCAST)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SYS_CHROOT);

/// Gives up all other capabilities for this thread and whatever it starts, for good.
pub(super) fn give_up() -> Result<(), DatapathError> {
    limit().attempt(|| "give up capabilities")
}

fn limit() -> io::Result<()> {
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if KEPT.contains(one) {
            continue;
        }
        // The kernel knows fewer than 64, and refuses to speak of the rest.
        if capability_is_in_bounding_set(one).unwrap_or(false) {
            remove_capability_from_bounding_set(one)?;
        }
    }
    let kept = capabilities(None)?.permitted & KEPT;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(())
}
