//! Longest-prefix lookup in two steps: a binary search over flattened intervals, then parent links.
//!
//! The prefixes of a family nest or are disjoint, so their edges cut the address space into intervals that each have one
//! innermost prefix. A lookup finds the interval; the enclosing prefixes follow by parent links, longest first. Ten
//! thousand prefixes cost a handful more steps than fifty.

use std::net::IpAddr;

use ipnet::IpNet;

/// A map from address blocks to values, built once.
#[derive(Clone, Debug, PartialEq)]
pub struct PrefixMap<T> {
    /// In the order of addresses, outer prefixes before inner ones.
    prefixes: Vec<IpNet>,
    /// One for each prefix; apart from them, because a lookup needs these alone and they are to be near one another.
    entries: Vec<Entry<T>>,
    ipv4: Intervals<u32>,
    ipv6: Intervals<u128>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry<T> {
    value: T,
    parent: Option<u32>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { prefixes: Vec::new(), entries: Vec::new(), ipv4: Intervals::default(), ipv6: Intervals::default() }
    }
}

impl<T> PrefixMap<T> {
    /// Builds the map. Host bits are cleared; of two equal prefixes the later one counts.
    pub fn new(prefixes: impl IntoIterator<Item = (IpNet, T)>) -> Self {
        let mut given: Vec<(IpNet, T)> = prefixes.into_iter().map(|(prefix, value)| (prefix.trunc(), value)).collect();
        // The sort is stable, so the later of two equal prefixes comes first after the reversal, and stays.
        given.sort_by_key(|(prefix, _)| (prefix.network(), prefix.prefix_len()));
        given.reverse();
        given.dedup_by_key(|(prefix, _)| *prefix);
        given.reverse();
        let mut map = Self::default();
        let mut open: Vec<u32> = Vec::new();
        for (index, (prefix, value)) in (0..).zip(given) {
            while let Some(outer) = open.pop_if(|outer| !map.prefixes[*outer as usize].contains(&prefix)) {
                map.close(outer);
            }
            match prefix {
                IpNet::V4(v4) => map.ipv4.start(u32::from(v4.network()), Some(index)),
                IpNet::V6(v6) => map.ipv6.start(u128::from(v6.network()), Some(index)),
            }
            map.prefixes.push(prefix);
            map.entries.push(Entry { value, parent: open.last().copied() });
            open.push(index);
        }
        while let Some(outer) = open.pop() {
            map.close(outer);
        }
        map
    }

    /// Calls `f` with the value of every prefix and that of the longest prefix around it, from the outside in.
    pub fn inherit(&mut self, mut f: impl FnMut(&mut T, &T)) {
        for index in 0..self.entries.len() {
            // Outer prefixes come before inner ones.
            let (before, after) = self.entries.split_at_mut(index);
            if let Some(entry) = after.first_mut()
                && let Some(outer) = entry.parent.and_then(|parent| before.get(parent as usize))
            {
                f(&mut entry.value, &outer.value);
            }
        }
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
        Chain { map: self, next }
    }

    /// All prefixes and values, in the order of addresses.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &T)> {
        self.prefixes.iter().copied().zip(self.entries.iter().map(|entry| &entry.value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Behind a prefix its parent is innermost again; behind the last address of the family there is nothing.
    fn close(&mut self, index: u32) {
        let parent = self.entries[index as usize].parent;
        match self.prefixes[index as usize] {
            IpNet::V4(v4) => {
                if let Some(next) = u32::from(v4.broadcast()).checked_add(1) {
                    self.ipv4.start(next, parent);
                }
            }
            IpNet::V6(v6) => {
                if let Some(next) = u128::from(v6.broadcast()).checked_add(1) {
                    self.ipv6.start(next, parent);
                }
            }
        }
    }
}

/// The prefixes that hold an address, longest first.
#[derive(Clone, Debug)]
pub struct Chain<'a, T> {
    map: &'a PrefixMap<T>,
    next: Option<u32>,
}

impl<'a, T> Iterator for Chain<'a, T> {
    type Item = (IpNet, &'a T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next? as usize;
        let entry = &self.map.entries[index];
        self.next = entry.parent;
        Some((self.map.prefixes[index], &entry.value))
    }
}

/// Where a new interval begins, and which entry is innermost in it.
#[derive(Clone, Debug, PartialEq)]
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

    #[test]
    fn the_ends_of_the_address_space_hold() {
        let map = map(&["255.255.255.255/32", "0.0.0.0/32", "255.0.0.0/8", "ffff::/16", "::/128", "::/0"]);
        assert_eq!(chain(&map, "255.255.255.255"), ["255.255.255.255/32", "255.0.0.0/8"]);
        assert_eq!(chain(&map, "255.255.255.254"), ["255.0.0.0/8"]);
        assert_eq!(chain(&map, "0.0.0.0"), ["0.0.0.0/32"]);
        assert!(chain(&map, "0.0.0.1").is_empty());
        assert_eq!(chain(&map, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ["ffff::/16", "::/0"]);
        assert_eq!(chain(&map, "::"), ["::/128", "::/0"]);
    }

    #[test]
    fn values_are_inherited_from_the_outside_in() {
        let mut map = map(&["10.0.1.0/24", "10.0.0.0/8", "10.0.0.0/16", "11.0.0.0/8", "::/0"]);
        map.inherit(|inner, outer| *inner += outer);
        let sums: Vec<_> = map.iter().map(|(prefix, sum)| format!("{prefix} {sum}")).collect();
        assert_eq!(sums, ["10.0.0.0/8 1", "10.0.0.0/16 3", "10.0.1.0/24 3", "11.0.0.0/8 3", "::/0 4"]);
    }

    proptest! {
        #[test]
        fn a_lookup_finds_what_a_scan_finds(
            prefixes in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), any::<bool>()), 0..60),
            addresses in prop::collection::vec((any::<u8>(), any::<u8>(), any::<bool>()), 1..30),
        ) {
            // Few distinct bits, so that prefixes nest and touch.
            let address = |a: u8, b: u8, six: bool| match six {
                false => IpAddr::from([a & 0xc3, 0, b & 0x0f, b]),
                true => IpAddr::from([a & 0xc3, 0, 0, 0, 0, 0, 0, a, 0, 0, 0, 0, 0, 0, b & 0x0f, b]),
            };
            let nets: Vec<IpNet> = prefixes.iter().map(|(a, b, length, six)| {
                let longest = if *six { 128 } else { 32 };
                IpNet::new(address(*a, *b, *six), length % (longest + 1)).unwrap().trunc()
            }).collect();
            let map = PrefixMap::new(nets.iter().copied().zip(0..));
            for (a, b, six) in addresses {
                let address = address(a, b, six);
                let mut expected: Vec<IpNet> = nets.iter().copied().filter(|net| net.contains(&address)).collect();
                expected.sort_by_key(|net| std::cmp::Reverse(net.prefix_len()));
                expected.dedup();
                let found: Vec<IpNet> = map.chain(address).map(|(net, _)| net).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
