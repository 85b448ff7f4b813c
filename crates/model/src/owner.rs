//! Who a resource belongs to and where it lives.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

/// A twelve-digit AWS account number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(u64);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

impl FromStr for AccountId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse().map(Self).map_err(|e| e.to_string())
        } else {
            Err(format!("an account number has twelve digits, not \"{text}\""))
        }
    }
}

impl TryFrom<String> for AccountId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<AccountId> for String {
    fn from(account: AccountId) -> String {
        account.to_string()
    }
}

/// A region's name, such as `eu-central-1`. Any name of letters, digits and dashes is a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(Arc<str>);

/// The names that were read, so that a hundred thousand resources of a region share one text: comparing their owners then
/// looks at no text at all. Callers can ask for any name, so that only the first ones are shared.
static NAMES: RwLock<Vec<Arc<str>>> = RwLock::new(Vec::new());
const MOST_NAMES: usize = 64;

impl Region {
    fn shared(name: &str) -> Self {
        let find = |names: &[Arc<str>]| names.iter().find(|known| ***known == *name).map(Arc::clone);
        let known = find(&NAMES.read().unwrap_or_else(PoisonError::into_inner));
        Self(known.unwrap_or_else(|| {
            let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
            find(&names).unwrap_or_else(|| {
                let new: Arc<str> = name.into();
                if names.len() < MOST_NAMES {
                    names.push(Arc::clone(&new));
                }
                new
            })
        }))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that ARNs of this region start with: `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        match &*self.0 {
            r if r.starts_with("cn-") => "aws-cn",
            r if r.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self::shared(text))
        } else {
            Err(format!("a region's name is made of lower-case letters, digits and dashes, not \"{text}\""))
        }
    }
}

impl TryFrom<String> for Region {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> String {
        region.0.as_ref().to_owned()
    }
}

/// The account and region that a resource belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The owning account.
    pub account: AccountId,
    /// The region the resource lives in.
    pub region: Region,
}

impl Owner {
    /// The region of callers who name none.
    pub fn in_default_region(account: AccountId) -> Self {
        Self { account, region: Region::shared("us-east-1") }
    }

    /// What an account has in no particular region: access keys, roles, Direct Connect gateways.
    pub fn global(account: AccountId) -> Self {
        Self { account, region: Region::shared("aws-global") }
    }

    /// The ARN of a resource of service `ec2`, for example `arn:aws:ec2:eu-central-1:123456789012:vpc/vpc-…`.
    pub fn ec2_arn(&self, kind: &str, id: impl fmt::Display) -> String {
        format!("arn:{}:ec2:{}:{}:{kind}/{id}", self.region.partition(), self.region, self.account)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn regions_are_the_same_by_name_however_many_there_are() {
        let all = || (0..2 * MOST_NAMES).map(|n| format!("region-{n}").parse::<Region>().unwrap()).collect::<Vec<_>>();
        assert_eq!(all(), all());
        assert_eq!(all().iter().map(Region::to_string).collect::<std::collections::BTreeSet<_>>().len(), 2 * MOST_NAMES);
        assert!(NAMES.read().unwrap().len() <= MOST_NAMES);
    }
}
