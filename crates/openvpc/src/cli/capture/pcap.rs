//! The classic pcap format, with nanoseconds: <https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/draft-ietf-opsawg-pcap.html>.

use std::io::{self, Write};

use openvpc_datapath::capture::Frame;

/// Says nanoseconds, and by its own order the order of all numbers.
const MAGIC: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];
/// Ethernet.
const LINK_TYPE: u32 = 1;

/// What a file begins with.
pub fn file_header(snaplen: u32) -> Vec<u8> {
    let mut header = MAGIC.to_le_bytes().to_vec();
    header.extend(VERSION.iter().flat_map(|number| number.to_le_bytes()));
    // Two fields that are always 0 lie between.
    header.extend([0, 0, snaplen, LINK_TYPE].iter().flat_map(|number: &u32| number.to_le_bytes()));
    header
}

/// One frame, behind its record header.
///
/// # Errors
/// The writer's.
pub fn write_frame(out: &mut impl Write, frame: &Frame<'_>) -> io::Result<()> {
    // Seconds are unsigned in this format, and last until 2106.
    let seconds = frame.time.as_secs() as u32;
    let numbers = [seconds, frame.time.subsec_nanos(), frame.bytes.len() as u32, frame.length];
    for number in numbers {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(frame.bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cut_frame_keeps_its_original_length() {
        let mut file = file_header(4);
        let frame = Frame { time: Duration::new(7, 9), outgoing: true, length: 70_000, bytes: &[1, 2, 3, 4] };
        write_frame(&mut file, &frame).unwrap();
        let numbers: Vec<_> = file[..40].chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
        assert_eq!(numbers, [MAGIC, 2 | 4 << 16, 0, 0, 4, 1, 7, 9, 4, 70_000]);
        assert_eq!(file[40..], [1, 2, 3, 4]);
    }
}
