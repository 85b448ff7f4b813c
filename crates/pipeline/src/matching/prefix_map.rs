//! Longest-prefix lookup in two steps: a binary search over flattened intervals, then parent links.
//!
//! The prefixes of a family nest or are disjoint, so their edges cut the address space into intervals that each have one
//! innermost prefix. A lookup finds the interval; the enclosing prefixes follow by parent links, longest first. Ten
//! thousand prefixes cost a handful more steps than fifty.

use std::net::IpAddr;

use ipnet::IpNet;

/// A map from address blocks to values, built once.
#[derive(Clone, Debug)]
pub struct PrefixMap<T> {
    entries: Vec<Entry<T>>,
    ipv4: Intervals<u32>,
    ipv6: Intervals<u128>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    prefix: IpNet,
    value: T,
    parent: Option<u32>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), ipv4: Intervals::default(), ipv6: Intervals::default() }
    }
}

impl<T> PrefixMap<T> {
    /// Builds the map. Host bits are cleared; of two equal prefixes the later one counts.
    pub fn new(prefixes: impl IntoIterator<Item = (IpNet, T)>) -> Self {
        let mut entries: Vec<_> =
            prefixes.into_iter().map(|(prefix, value)| Entry { prefix: prefix.trunc(), value, parent: None }).collect();
        // Outer prefixes come before the inner ones that start at the same address. The sort is stable, so the later of
        // two equal prefixes stays behind the earlier one and replaces it below.
        entries.sort_by_key(|entry| (entry.prefix.network(), entry.prefix.prefix_len()));
        entries.reverse();
        entries.dedup_by(|later_in_order, kept| later_in_order.prefix == kept.prefix);
        entries.reverse();
        let mut ipv4 = Intervals::default();
        let mut ipv6 = Intervals::default();
        let mut open: Vec<u32> = Vec::new();
        for index in 0..entries.len() {
            let prefix = entries[index].prefix;
            while let Some(&outer) = open.last() {
                let outer_prefix = entries[outer as usize].prefix;
                if outer_prefix.contains(&prefix) {
                    break;
                }
                open.pop();
                let parent = entries[outer as usize].parent;
                close(&mut ipv4, &mut ipv6, outer_prefix, parent);
            }
            entries[index].parent = open.last().copied();
            match prefix {
                IpNet::V4(v4) => ipv4.start(u32::from(v4.network()), Some(index as u32)),
                IpNet::V6(v6) => ipv6.start(u128::from(v6.network()), Some(index as u32)),
            }
            open.push(index as u32);
        }
        while let Some(outer) = open.pop() {
            close(&mut ipv4, &mut ipv6, entries[outer as usize].prefix, entries[outer as usize].parent);
        }
        Self { entries, ipv4, ipv6 }
    }

    /// The longest prefix that holds the address, and its value.
    #[inline]
    pub fn lookup(&self, address: IpAddr) -> Option<(IpNet, &T)> {
        self.chain(address).next()
    }

    /// All prefixes that hold the address, longest first.
    #[inline]
    pub fn chain(&self, address: IpAddr) -> Chain<'_, T> {
        let next = match address {
            IpAddr::V4(v4) => self.ipv4.find(u32::from(v4)),
            IpAddr::V6(v6) => self.ipv6.find(u128::from(v6)),
        };
        Chain { entries: &self.entries, next }
    }

    /// All prefixes and values, in the order of addresses.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &T)> {
        self.entries.iter().map(|entry| (entry.prefix, &entry.value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The prefixes that hold an address, longest first.
#[derive(Clone, Debug)]
pub struct Chain<'a, T> {
    entries: &'a [Entry<T>],
    next: Option<u32>,
}

impl<'a, T> Iterator for Chain<'a, T> {
    type Item = (IpNet, &'a T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = &self.entries[self.next? as usize];
        self.next = entry.parent;
        Some((entry.prefix, &entry.value))
    }
}

/// Where a new interval begins, and which entry is innermost in it.
#[derive(Clone, Debug)]
struct Intervals<A> {
    starts: Vec<A>,
    innermost: Vec<Option<u32>>,
}

impl<A> Default for Intervals<A> {
    fn default() -> Self {
        Self { starts: Vec::new(), innermost: Vec::new() }
    }
}

impl<A: Ord + Copy> Intervals<A> {
    fn start(&mut self, at: A, entry: Option<u32>) {
        if self.starts.last() == Some(&at) {
            // An inner prefix that starts where its outer one does, or a gap of no width.
            if let Some(last) = self.innermost.last_mut() {
                *last = entry;
            }
        } else {
            self.starts.push(at);
            self.innermost.push(entry);
        }
    }

    #[inline]
    fn find(&self, address: A) -> Option<u32> {
        let after = self.starts.partition_point(|start| *start <= address);
        self.innermost[after.checked_sub(1)?]
    }
}

/// Behind a prefix its parent is innermost again; behind the last address of the family there is nothing.
fn close(ipv4: &mut Intervals<u32>, ipv6: &mut Intervals<u128>, prefix: IpNet, parent: Option<u32>) {
    match prefix {
        IpNet::V4(v4) => {
            if let Some(next) = u32::from(v4.broadcast()).checked_add(1) {
                ipv4.start(next, parent);
            }
        }
        IpNet::V6(v6) => {
            if let Some(next) = u128::from(v6.broadcast()).checked_add(1) {
                ipv6.start(next, parent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn map(prefixes: &[&str]) -> PrefixMap<usize> {
        PrefixMap::new(prefixes.iter().enumerate().map(|(index, text)| (text.parse().unwrap(), index)))
    }

    fn chain(map: &PrefixMap<usize>, address: &str) -> Vec<String> {
        map.chain(address.parse().unwrap()).map(|(prefix, _)| prefix.to_string()).collect()
    }

    #[test]
    fn the_longest_prefix_comes_first_and_the_default_route_last() {
        let map = map(&["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "::/0", "2001:db8::/32"]);
        assert_eq!(chain(&map, "10.0.1.7"), ["10.0.1.0/24", "10.0.0.0/16", "10.0.0.0/8", "0.0.0.0/0"]);
        assert_eq!(chain(&map, "10.0.2.7"), ["10.0.0.0/16", "10.0.0.0/8", "0.0.0.0/0"]);
        assert_eq!(chain(&map, "255.255.255.255"), ["0.0.0.0/0"]);
        assert_eq!(chain(&map, "2001:db8::1"), ["2001:db8::/32", "::/0"]);
        assert_eq!(chain(&map, "fe80::1"), ["::/0"]);
    }

    #[test]
    fn of_two_equal_prefixes_the_later_counts() {
        let map = map(&["10.0.0.0/8", "10.1.2.3/8"]);
        assert_eq!(map.lookup("10.0.0.1".parse().unwrap()).unwrap().1, &1);
    }

    #[test]
    fn an_address_outside_all_prefixes_has_none() {
        let map = map(&["10.0.0.0/24", "10.0.2.0/24", "255.255.255.0/24"]);
        for address in ["9.255.255.255", "10.0.1.0", "10.0.3.0", "::1"] {
            assert!(map.lookup(address.parse().unwrap()).is_none(), "{address}");
        }
        assert!(map.lookup("255.255.255.255".parse().unwrap()).is_some());
    }

    proptest! {
        #[test]
        fn a_lookup_finds_what_a_scan_finds(
            prefixes in prop::collection::vec((any::<u8>(), any::<u8>(), 0..=32u8), 0..60),
            addresses in prop::collection::vec((any::<u8>(), any::<u8>()), 1..30),
        ) {
            // Few distinct bits, so that prefixes nest and touch.
            let address = |a: u8, b: u8| std::net::Ipv4Addr::new(a & 0xc3, 0, b & 0x0f, b);
            let nets: Vec<IpNet> = prefixes.iter()
                .map(|(a, b, length)| IpNet::new(address(*a, *b).into(), *length).unwrap().trunc()).collect();
            let map = PrefixMap::new(nets.iter().copied().zip(0..));
            for (a, b) in addresses {
                let address: IpAddr = address(a, b).into();
                let mut expected: Vec<IpNet> = nets.iter().copied().filter(|net| net.contains(&address)).collect();
                expected.sort_by_key(|net| std::cmp::Reverse(net.prefix_len()));
                expected.dedup();
                let found: Vec<IpNet> = map.chain(address).map(|(net, _)| net).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
