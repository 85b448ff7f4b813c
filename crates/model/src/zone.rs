//! Availability zones: every region has three, named and numbered as AWS does.

use serde::{Deserialize, Serialize};

use crate::Region;

/// One availability zone of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Zone(u8);

impl Zone {
    /// The zones of every region, in order.
    pub const ALL: [Self; 3] = [Self(0), Self(1), Self(2)];

    /// The zone's name: the region's with a letter, such as `eu-central-1a`.
    pub fn name(self, region: &Region) -> String {
        format!("{region}{}", char::from(b'a' + self.0))
    }

    /// The zone's id, such as `euc1-az1`. Unlike on AWS the letter and the number always agree.
    pub fn id(self, region: &Region) -> String {
        format!("{}-az{}", short_region(region), self.0 + 1)
    }

    /// The zone of that name (`eu-central-1a`) or id (`euc1-az1`) in `region`.
    pub fn parse(text: &str, region: &Region) -> Option<Self> {
        Self::ALL.into_iter().find(|zone| zone.name(region) == text || zone.id(region) == text)
    }
}

/// The short form that AWS uses in zone ids: `eu-central-1` is `euc1`, `ap-southeast-2` is `apse2`.
fn short_region(region: &Region) -> String {
    region
        .as_str()
        .split('-')
        .enumerate()
        .map(|(position, word)| match word {
            _ if position == 0 => word,
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            "gov" => "g",
            _ if word.bytes().all(|b| b.is_ascii_digit()) => word,
            _ => word.get(..1).unwrap_or(word),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn zones_are_named_and_numbered_as_on_aws() {
        let zone = |region: &str| {
            let region: Region = region.parse().unwrap();
            (Zone::ALL[1].name(&region), Zone::ALL[1].id(&region))
        };
        assert_eq!(zone("eu-central-1"), ("eu-central-1b".into(), "euc1-az2".into()));
        assert_eq!(zone("us-east-1").1, "use1-az2");
        assert_eq!(zone("ap-southeast-2").1, "apse2-az2");
    }
}
