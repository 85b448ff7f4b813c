//! The internet checksum, whole (RFC 1071) and by difference (RFC 1624).

/// Adds bytes to a sum; an odd last byte counts as the high half of a word.
pub(super) fn add(sum: u32, bytes: &[u8]) -> u32 {
    let mut words = bytes.chunks_exact(2);
    let sum = words.by_ref().fold(u64::from(sum), |sum, word| sum + u64::from(u16::from_be_bytes([word[0], word[1]])));
    let sum = sum + words.remainder().first().map_or(0, |last| u64::from(*last) << 8);
    // Far fewer than 2^32 words come together; folding once keeps the sum in 32 bits.
    ((sum & 0xffff_ffff) + (sum >> 32)) as u32
}

/// Folds a sum to 16 bits.
pub(super) fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

/// The checksum of bytes.
pub(super) fn of(bytes: &[u8]) -> u16 {
    !fold(add(0, bytes))
}

/// The sum over a pseudo-header: addresses, length and protocol.
pub(super) fn pseudo_header(source: &[u8], destination: &[u8], protocol: u8, length: u32) -> u32 {
    let sum = add(add(u32::from(protocol), source), destination);
    sum + (length >> 16) + (length & 0xffff)
}

/// The checksum after bytes that it covers changed from `old` to `new`, both of even length.
pub(super) fn updated(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    !fold(difference(u32::from(!checksum), old, new))
}

/// The same for a field that holds the folded sum itself, not its complement: a checksum that the sender left partial.
pub(super) fn updated_partial(sum: u16, old: &[u8], new: &[u8]) -> u16 {
    fold(difference(u32::from(sum), old, new))
}

fn difference(sum: u32, old: &[u8], new: &[u8]) -> u32 {
    let removed = !fold(add(0, old));
    add(sum + u32::from(removed), new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_updated_by_difference_is_the_whole_one() {
        let mut bytes: Vec<u8> = (0..40).map(|i| (i * 37) as u8).collect();
        let before = of(&bytes);
        let old = bytes[8..12].to_vec();
        bytes[8..12].copy_from_slice(&[203, 0, 113, 7]);
        assert_eq!(updated(before, &old, &bytes[8..12]), of(&bytes));
    }
}
