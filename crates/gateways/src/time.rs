//! The time service: NTP version 4 as a server speaks it (RFC 5905), by the machine's own clock.

use std::io;
use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Answers a socket until it fails.
///
/// # Errors
/// When the socket can't be used.
pub async fn serve(socket: UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let mut buffer = [0; 1024];
    loop {
        // An error is about an answer that didn't arrive.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let received = NtpTime::from(SystemTime::now());
        let answer = answer(&buffer[..length], received, || SystemTime::now().into());
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

/// A time as NTP writes it: seconds since 1900, modulo 2^32, and their fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtpTime(pub u64);

impl From<SystemTime> for NtpTime {
    fn from(time: SystemTime) -> Self {
        // A clock that stands before 1970 is off by more than this.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        Self((since.as_secs() + FROM_1900_TO_1970) << 32 | fraction)
    }
}

/// The answer to a request that came at `received`; none to what no client sends. `now` is asked last.
pub fn answer(request: &[u8], received: NtpTime, now: impl FnOnce() -> NtpTime) -> Option<[u8; 48]> {
    let header: &[u8; 48] = request.first_chunk()?;
    let (version, mode) = (header[0] >> 3 & 7, header[0] & 7);
    if !(1..=4).contains(&version) || mode != CLIENT {
        return None;
    }
    let mut answer = [0; 48];
    answer[0] = version << 3 | SERVER;
    answer[1] = STRATUM;
    answer[2] = header[2];
    answer[3] = PRECISION;
    answer[4..8].copy_from_slice(&ROOT_DELAY.to_be_bytes());
    answer[8..12].copy_from_slice(&ROOT_DISPERSION.to_be_bytes());
    answer[12..16].copy_from_slice(&REFERENCE);
    // The clock is looked after by the machine; that it was some seconds ago is as good a guess as any.
    let reference = received.0 & !0xf_ffff_ffff;
    answer[16..24].copy_from_slice(&reference.to_be_bytes());
    answer[24..32].copy_from_slice(&header[40..48]);
    answer[32..40].copy_from_slice(&received.0.to_be_bytes());
    answer[40..48].copy_from_slice(&now().0.to_be_bytes());
    Some(answer)
}

const CLIENT: u8 = 3;
const SERVER: u8 = 4;
const FROM_1900_TO_1970: u64 = 2_208_988_800;

/// As Amazon's.
const STRATUM: u8 = 3;
/// 2^-20 seconds, about a microsecond.
const PRECISION: u8 = -20_i8 as u8;
/// In 2^-16 seconds: half a millisecond each.
const ROOT_DELAY: u32 = 33;
const ROOT_DISPERSION: u32 = 33;
/// The server that the time comes from, as Amazon's names it.
const REFERENCE: [u8; 4] = [169, 254, 169, 122];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn request(first: u8) -> [u8; 48] {
        let mut request = [0; 48];
        request[0] = first;
        request[2] = 6;
        request[40..48].copy_from_slice(&0x0102_0304_0506_0708_u64.to_be_bytes());
        request
    }

    #[test]
    fn a_client_gets_its_own_time_back_and_ours() {
        let received = NtpTime::from(UNIX_EPOCH + Duration::from_millis(1_790_000_000_500));
        let answer = answer(&request(0xe3), received, || NtpTime(received.0 + 5)).unwrap();
        assert_eq!(answer[0], 4 << 3 | 4, "no leap second, version 4, server");
        assert_eq!((answer[1], answer[2]), (3, 6));
        assert_eq!(answer[24..32], 0x0102_0304_0506_0708_u64.to_be_bytes(), "originate");
        assert_eq!(u32::from_be_bytes(answer[32..36].try_into().unwrap()), (1_790_000_000 + FROM_1900_TO_1970) as u32);
        assert_eq!(answer[36..40], 0x8000_0000_u32.to_be_bytes(), "half a second");
        assert_eq!(u64::from_be_bytes(answer[40..48].try_into().unwrap()), received.0 + 5);
    }

    #[test]
    fn the_era_after_2036_begins_at_zero() {
        let later = UNIX_EPOCH + Duration::from_secs((1 << 32) - FROM_1900_TO_1970 + 7);
        assert_eq!(NtpTime::from(later).0 >> 32, 7);
    }

    #[test]
    fn nothing_else_is_answered() {
        let now = NtpTime(0);
        for first in 0..=255 {
            let answered = answer(&request(first), now, || now).is_some();
            assert_eq!(answered, first & 7 == 3 && (1..=4).contains(&(first >> 3 & 7)), "{first:#x}");
        }
        for length in 0..48 {
            assert_eq!(answer(&request(0x23)[..length], now, || now), None);
        }
        assert!(answer(&[&request(0x23)[..], &[0; 20]].concat(), now, || now).is_some(), "with extensions behind it");
    }
}
