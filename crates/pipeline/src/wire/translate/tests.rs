#![allow(clippy::unwrap_used, reason = "tests")]
use proptest::prelude::*;

use super::*;
use crate::wire::{PacketHeader, TcpInfo, Transport, testing};

const SERVER: &str = "198.51.100.10";
const NAT: &str = "203.0.113.50";
const CLIENT: &str = "2001:db8:0:102::20";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn far() -> IpAddr {
    embed(SERVER.parse().unwrap()).into()
}

fn out() -> Rewrite {
    Rewrite { src: Some(ip(NAT)), dst: Some(ip(SERVER)), src_port: Some(5000), ttl_decrement: 2, ..Rewrite::default() }
}

fn back() -> Rewrite {
    Rewrite { src: Some(far()), dst: Some(ip(CLIENT)), dst_port: Some(40000), ttl_decrement: 2, ..Rewrite::default() }
}

fn made(rewrite: &Rewrite, packet: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0xaa; 70_000];
    let length = translate(rewrite, packet, false, &mut out)?;
    Some(out[..length].to_vec())
}

#[test]
fn an_address_is_embedded_and_found_again() {
    assert_eq!(far().to_string(), "64:ff9b::c633:640a");
    assert_eq!(embedded("64:ff9b::c633:640a".parse().unwrap()), Some(SERVER.parse().unwrap()));
    for text in ["64:ff9b:1::c633:640a", "64:ff9b::1:c633:640a", "2001:db8::1", "::"] {
        assert_eq!(embedded(text.parse().unwrap()), None, "{text}");
    }
}

#[test]
fn segments_datagrams_and_echoes_go_out_and_come_back() {
    let there = (ip(CLIENT), far());
    let answers = (ip(SERVER), ip(NAT));
    let pairs = [
        (testing::tcp(there, (40000, 443), TcpInfo::SYN, b"x"), testing::tcp(answers, (443, 5000), 0x12, b"")),
        (testing::udp(there, (40000, 53), b"question"), testing::udp(answers, (53, 5000), b"an answer")),
        (testing::echo(there, false, 40000, b"ping"), testing::echo(answers, true, 5000, b"ping")),
    ];
    for (request, answer) in pairs {
        assert!(changes_family(&out(), &request) && changes_family(&back(), &answer));
        let sent = made(&out(), &request).unwrap();
        assert_eq!(sent.len() + usize::from(GROWTH), request.len());
        testing::assert_checksums(&sent);
        let (before, after) = (PacketHeader::parse(&request, None).unwrap(), PacketHeader::parse(&sent, None).unwrap());
        assert_eq!((after.src, after.dst, after.ttl), (ip(NAT), ip(SERVER), before.ttl - 2));
        assert!(after.dont_fragment);
        match after.transport {
            Transport::Ports { src, dst } => assert!(src == 5000 && (dst == 443 || dst == 53)),
            other => assert_eq!(other, Transport::Icmp { kind: 8, code: 0, id: 5000 }),
        }
        let seen = made(&back(), &answer).unwrap();
        testing::assert_checksums(&seen);
        let seen = PacketHeader::parse(&seen, None).unwrap();
        assert_eq!((seen.src, seen.dst), (far(), ip(CLIENT)));
        match seen.transport {
            Transport::Ports { dst, .. } => assert_eq!(dst, 40000),
            other => assert_eq!(other, Transport::Icmp { kind: 129, code: 0, id: 40000 }),
        }
    }
}

#[test]
fn an_unfinished_checksum_stays_a_sum_of_the_pseudo_header() {
    let mut request = testing::tcp((ip(CLIENT), far()), (40000, 443), TcpInfo::ACK, b"data");
    let sum = checksum::pseudo_header(ip(CLIENT), far(), TCP, 24);
    bytes::set_u16(&mut request, ipv6::HEADER_LEN + tcp::field::CHECKSUM, sum);
    let mut buffer = [0; 200];
    translate(&out(), &request, true, &mut buffer).unwrap();
    let expected = checksum::pseudo_header(ip(NAT), ip(SERVER), TCP, 24);
    assert_eq!(bytes::u16(&buffer, ipv4::HEADER_LEN + tcp::field::CHECKSUM), expected);
}

#[test]
fn a_datagram_without_checksum_gets_one_for_ipv6() {
    let mut answer = testing::udp((ip(SERVER), ip(NAT)), (53, 5000), b"an answer");
    bytes::set_u16(&mut answer, ipv4::HEADER_LEN + udp::field::CHECKSUM, 0);
    let seen = made(&back(), &answer).unwrap();
    assert_ne!(bytes::u16(&seen, ipv6::HEADER_LEN + udp::field::CHECKSUM), 0);
    testing::assert_checksums(&seen);
}

#[test]
fn errors_are_told_in_the_words_of_the_other_family_with_what_their_receiver_sent() {
    let sent = testing::udp((ip(NAT), ip(SERVER)), (5000, 53), b"question");
    for ((kind, code), expected) in [((3, 3), (1, 4)), ((3, 1), (1, 0)), ((3, 13), (1, 1)), ((11, 0), (3, 0)), ((3, 4), (2, 0))] {
        let error = testing::icmp_error((ip("192.0.2.1"), ip(NAT)), kind, code, &sent);
        let rewrite = Rewrite { src: Some(embed("192.0.2.1".parse().unwrap()).into()), ..back() };
        let seen = made(&rewrite, &error).unwrap();
        testing::assert_checksums(&seen);
        let header = PacketHeader::parse(&seen, None).unwrap();
        assert_eq!(header.transport, Transport::Icmp { kind: expected.0, code: expected.1, id: 0 });
        let inner = header.inner.unwrap();
        assert_eq!((inner.src, inner.dst), (ip(CLIENT), far()));
        assert_eq!(inner.transport, Transport::Ports { src: 40000, dst: 53 });
    }
    let got = testing::udp((far(), ip(CLIENT)), (53, 40000), b"answer");
    let refused = testing::icmp_error((ip(CLIENT), far()), 1, 4, &got);
    let seen = made(&out(), &refused).unwrap();
    testing::assert_checksums(&seen);
    let header = PacketHeader::parse(&seen, None).unwrap();
    assert_eq!(header.transport, Transport::Icmp { kind: 3, code: 3, id: 0 });
    let inner = header.inner.unwrap();
    assert_eq!((inner.src, inner.dst, inner.transport), (ip(SERVER), ip(NAT), Transport::Ports { src: 53, dst: 5000 }));
}

#[test]
fn a_limit_of_1480_over_ipv4_is_one_of_1500_over_ipv6() {
    let sent = testing::udp((ip(NAT), ip(SERVER)), (5000, 53), b"question");
    let mut error = testing::icmp_error((ip("192.0.2.1"), ip(NAT)), 3, 4, &sent);
    bytes::set_u16(&mut error, ipv4::HEADER_LEN + icmp::field::NEXT_HOP_MTU, 1480);
    let seen = made(&Rewrite { src: Some(embed("192.0.2.1".parse().unwrap()).into()), ..back() }, &error).unwrap();
    assert_eq!(bytes::u32(&seen, ipv6::HEADER_LEN + icmp::field::MTU), 1500);
}

#[test]
fn fragments_and_other_protocols_are_not_translated() {
    let mut fragment = testing::udp((ip(SERVER), ip(NAT)), (53, 5000), b"part");
    bytes::set_u16(&mut fragment, ipv4::field::FRAGMENT, ipv4::MORE_FRAGMENTS);
    assert_eq!(made(&back(), &fragment), None);
    let mut tunnel = testing::udp((ip(SERVER), ip(NAT)), (53, 5000), b"part");
    tunnel[ipv4::field::PROTOCOL] = 47;
    assert_eq!(made(&back(), &tunnel), None);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(packet in prop::collection::vec(any::<u8>(), 0..400), first in 0x40..0x70_u8, room in 0..500_usize) {
        let mut packet = packet;
        if let Some(byte) = packet.first_mut() {
            *byte = first;
        }
        let mut buffer = vec![0; room];
        for rewrite in [out(), back(), Rewrite::default()] {
            for partial in [false, true] {
                let _ = translate(&rewrite, &packet, partial, &mut buffer);
            }
        }
    }

    #[test]
    fn whatever_was_whole_is_whole_after(payload in prop::collection::vec(any::<u8>(), 0..3000), ports in any::<(u16, u16)>(), what in 0..3, outwards: bool) {
        let ends = if outwards { (ip(CLIENT), far()) } else { (ip(SERVER), ip(NAT)) };
        let packet = match what {
            0 => testing::tcp(ends, ports, TcpInfo::ACK, &payload),
            1 => testing::udp(ends, ports, &payload),
            _ => testing::echo(ends, !outwards, ports.0, &payload),
        };
        let rewrite = if outwards { out() } else { back() };
        let seen = made(&rewrite, &packet).unwrap();
        testing::assert_checksums(&seen);
        let (before, after) = (PacketHeader::parse(&packet, None).unwrap(), PacketHeader::parse(&seen, None).unwrap());
        prop_assert_eq!(before.size.datagram_len.abs_diff(after.size.datagram_len), u32::from(GROWTH));
    }

    #[test]
    fn damage_stays_damage(at in 0..30_usize, bit in 0..8_u32) {
        let mut packet = testing::udp((ip(CLIENT), far()), (40000, 53), b"twenty-two bytes long.");
        let at = ipv6::HEADER_LEN + 8 + at % 22;
        packet[at] ^= 1 << bit;
        let seen = made(&out(), &packet).unwrap();
        let sum = checksum::of_upper(ip(NAT), ip(SERVER), UDP, &seen[ipv4::HEADER_LEN..]);
        prop_assert!(sum != 0 && sum != 0xffff);
    }
}
