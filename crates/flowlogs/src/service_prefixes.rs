//! Which addresses belong to AWS services, for the fields `pkt-src-aws-service` and `pkt-dst-aws-service`.

use std::net::IpAddr;

use ipnet::IpNet;

/// The address blocks of services, as AWS publishes them in `ip-ranges.json`. Empty unless someone registers blocks.
#[derive(Clone, Debug, Default)]
pub struct ServicePrefixes(Vec<(IpNet, String)>);

impl ServicePrefixes {
    /// Of overlapping blocks the longest one names the service.
    pub fn new(mut blocks: Vec<(IpNet, String)>) -> Self {
        blocks.sort_by_key(|(block, _)| std::cmp::Reverse(block.prefix_len()));
        Self(blocks)
    }

    /// The service that owns an address.
    pub fn service_of(&self, address: IpAddr) -> Option<&str> {
        self.0.iter().find(|(block, _)| block.contains(&address)).map(|(_, service)| &**service)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_longest_block_names_the_service() {
        let block = |text: &str, service: &str| (text.parse().unwrap(), service.to_owned());
        let prefixes = ServicePrefixes::new(vec![block("192.0.2.0/24", "AMAZON"), block("192.0.2.128/25", "S3")]);
        assert_eq!(prefixes.service_of("192.0.2.130".parse().unwrap()), Some("S3"));
        assert_eq!(prefixes.service_of("192.0.2.1".parse().unwrap()), Some("AMAZON"));
        assert_eq!(prefixes.service_of("10.0.0.1".parse().unwrap()), None);
        assert_eq!(prefixes.service_of("2001:db8::1".parse().unwrap()), None);
    }
}
