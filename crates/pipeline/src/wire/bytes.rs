//! Big-endian numbers at fixed places. Callers have checked the length; what lies beyond the end reads as zero and isn't
//! written, so that no input can panic.

pub(super) fn u8(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

pub(super) fn u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(octets(bytes, at))
}

pub(super) fn u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(octets(bytes, at))
}

pub(super) fn octets<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    from(bytes, at).first_chunk().copied().unwrap_or([0; N])
}

/// Everything from a place on.
pub(super) fn from(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

pub(super) fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}

pub(super) fn set_u16(bytes: &mut [u8], at: usize, value: u16) {
    set(bytes, at, &value.to_be_bytes());
}
