//! How many packets each interface sent to the link-local services of late.

use crate::compile::EniIndex;
use crate::time::Nanos;

/// The second that runs for each interface, by index.
#[derive(Debug, Default)]
pub(crate) struct ServiceUse(Vec<Second>);

/// A second, and the packets in it.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    began: Nanos,
    packets: u32,
}

impl ServiceUse {
    /// Makes room for that many interfaces.
    pub fn make_room(&mut self, interfaces: usize) {
        if interfaces > self.0.len() {
            self.0.resize(interfaces, Second::default());
        }
    }

    /// Counts a packet, or what a super-packet becomes, unless that would be more than `allowance` within a second.
    ///
    /// A second begins with the first packet after the one before has passed: whoever keeps below the allowance in every
    /// second never meets it, and nobody gets more than twice as much in any.
    pub fn admit(&mut self, eni: EniIndex, packets: u32, allowance: u32, now: Nanos) -> bool {
        // Whoever asks about packets that nobody has sent makes no room for what is never counted.
        let Some(second) = self.0.get_mut(eni.0 as usize) else { return true };
        if now.0 >= second.began.after_seconds(1).0 || second.packets == 0 {
            *second = Second { began: now, packets: 0 };
        }
        let sum = second.packets.saturating_add(packets);
        let fits = sum <= allowance;
        if fits {
            second.packets = sum;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_room_for_the_allowance_and_the_next_one_again() {
        let mut used = ServiceUse::default();
        used.make_room(2);
        let (one, other, start) = (EniIndex(0), EniIndex(1), 5_500_000_000);
        for packet in 0..10 {
            assert!(used.admit(one, 1, 10, Nanos(start + packet)));
        }
        assert!(!used.admit(one, 1, 10, Nanos(start + 999_999_999)));
        assert!(used.admit(other, 10, 10, Nanos(start)), "each has its own");
        assert!(!used.admit(other, 1, 10, Nanos(start)));
        assert!(used.admit(one, 1, 10, Nanos(start + 1_000_000_000)));
        assert!(used.admit(EniIndex(7), 11, 10, Nanos(start)), "no room, no count");
    }
}
