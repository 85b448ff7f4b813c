//! The internet checksum, whole (RFC 1071) and by difference (RFC 1624).

use std::net::IpAddr;

/// The checksum of bytes. An odd last byte counts as the high half of a word.
pub(super) fn of(bytes: &[u8]) -> u16 {
    !fold(sum(bytes))
}

/// The checksum of a transport header and what follows it, with the pseudo-header of the packet that carries it.
pub(super) fn of_upper(source: IpAddr, destination: IpAddr, protocol: u8, upper: &[u8]) -> u16 {
    !fold(u64::from(pseudo_header(source, destination, protocol, upper.len() as u32)) + sum(upper))
}

/// The sum over a pseudo-header: addresses, length and protocol. It stands in the field of a checksum that the sender left
/// to its hardware.
pub(super) fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: u32) -> u16 {
    let addresses = [source, destination].map(|address| match address {
        IpAddr::V4(v4) => sum(&v4.octets()),
        IpAddr::V6(v6) => sum(&v6.octets()),
    });
    fold(addresses[0] + addresses[1] + u64::from(protocol) + u64::from(length))
}

/// What changed in the bytes that a checksum covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference(u64);

impl Difference {
    /// Takes in that bytes of even length, at an even place, went from `old` to `new`.
    pub(super) fn add(&mut self, old: &[u8], new: &[u8]) {
        self.0 += u64::from(!fold(sum(old))) + sum(new);
    }

    /// Takes in everything that another difference holds.
    pub(super) fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }

    /// The checksum after the change.
    pub(super) fn apply(self, checksum: u16) -> u16 {
        !fold(u64::from(!checksum) + self.0)
    }

    /// The same for a field that holds a sum itself, not its complement, as [`pseudo_header`] leaves it.
    pub(super) fn apply_to_sum(self, sum: u16) -> u16 {
        fold(u64::from(sum) + self.0)
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(2);
    let sum: u64 = words.by_ref().map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    sum + words.remainder().first().map_or(0, |last| u64::from(*last) << 8)
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_1071_sums_up() {
        assert_eq!(of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn an_odd_last_byte_is_the_high_half_of_a_word() {
        assert_eq!(of(&[0x12, 0x34, 0x56]), of(&[0x12, 0x34, 0x56, 0x00]));
    }

    proptest! {
        #[test]
        fn a_checksum_updated_by_difference_is_the_whole_one(
            mut bytes in prop::collection::vec(any::<u8>(), 40),
            changes in prop::collection::vec((0..18usize, any::<[u8; 4]>()), 1..4),
        ) {
            // A sum of zero needs all bytes zero, which no packet has.
            bytes[38] |= 1;
            let before = of(&bytes);
            let partial = !before;
            let mut difference = Difference::default();
            for (word, new) in changes {
                let place = word * 2..word * 2 + 4;
                difference.add(&bytes[place.clone()], &new);
                bytes[place].copy_from_slice(&new);
            }
            prop_assert_eq!(difference.apply(before), of(&bytes));
            prop_assert_eq!(difference.apply_to_sum(partial), !of(&bytes));
        }
    }
}
