//! Messages to the resolver, from whoever can reach it.

use openvpc_gateways::dns::message::{Received, Transport, read};

/// Reads octets as a message, over UDP (first octet even) or TCP. Whatever is answered can be read again and belongs to what
/// was asked.
pub fn dns(octets: &[u8]) {
    let Some((first, message)) = octets.split_first() else { return };
    let transport = if first % 2 == 0 { Transport::Udp } else { Transport::Tcp };
    let network = openvpc_model::Network::default();
    let reply = match read(message, transport) {
        Received::Drop => return,
        Received::Reject(reply, _) => reply,
        Received::Ask(request) => {
            use openvpc_gateways::dns::answer::{View, answer};
            answer(&network, View::Public, &request.question, u64::from(*first));
            request.empty().expect("an answer without records fits")
        }
    };
    assert_eq!(reply[..2], message[..2], "the answer has the number of the question");
    assert!(reply[2] & 0x80 != 0, "it is an answer");
}
