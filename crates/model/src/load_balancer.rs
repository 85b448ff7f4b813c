//! Network and Gateway Load Balancers with their target groups and listeners: what endpoint services stand on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AddressType, AllocationId, EniId, Owner, SecurityGroupId, SubnetId, Tags, UnixMillis, VpcId, Zone};

/// A load balancer. See the User Guides for Network Load Balancers and for Gateway Load Balancers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Its ARN, by which it is found.
    pub arn: String,
    /// Owning account and region.
    pub owner: Owner,
    /// Its name, which no other of the account and region has.
    pub name: String,
    /// Its kind.
    pub kind: LoadBalancerKind,
    /// Whether it has private addresses only.
    pub internal: bool,
    /// The VPC of its subnets.
    pub vpc: VpcId,
    /// Where it has nodes, one per zone.
    pub nodes: Vec<LoadBalancerNode>,
    /// Its security groups; none at all for a load balancer that was made without.
    pub groups: Vec<SecurityGroupId>,
    /// The families that clients may use.
    pub address_type: AddressType,
    /// Attributes that were set, by name.
    pub attributes: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

impl LoadBalancer {
    /// The DNS name that a Network Load Balancer has.
    pub fn dns_name(&self) -> String {
        let region = &self.owner.region;
        format!("{}-{}.elb.{region}.{}", self.name, self.digits(), crate::aws_services::domain(region)).to_lowercase()
    }

    /// The sixteen digits that end its ARN.
    pub fn digits(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }
}

/// The kind of a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LoadBalancerKind {
    /// Layer 3, for appliances.
    Gateway,
    /// Layer 4.
    Network,
}

impl LoadBalancerKind {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Network => "network",
        }
    }

    /// How ARNs name it.
    pub fn in_arn(self) -> &'static str {
        match self {
            Self::Gateway => "gwy",
            Self::Network => "net",
        }
    }
}

/// A load balancer in one subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancerNode {
    /// The subnet.
    pub subnet: SubnetId,
    /// The subnet's zone.
    pub zone: Zone,
    /// The node's interface, which the service manages.
    pub eni: EniId,
    /// The Elastic IP that was given for it.
    pub allocation: Option<AllocationId>,
}

/// Where a load balancer sends what it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its ARN, by which it is found.
    pub arn: String,
    /// Owning account and region.
    pub owner: Owner,
    /// Its name, which no other of the account and region has.
    pub name: String,
    /// `TCP`, `UDP`, `GENEVE`, …
    pub protocol: String,
    /// The port of targets that name none.
    pub port: u16,
    /// The VPC of the targets.
    pub vpc: VpcId,
    /// `instance`, `ip` or `alb`.
    pub target_type: String,
    /// The family of the targets' addresses.
    pub address_type: AddressType,
    /// How targets are tried.
    pub health_check: HealthCheck,
    /// Attributes that were set, by name.
    pub attributes: BTreeMap<String, String>,
    /// Its targets.
    pub targets: Vec<Target>,
    /// Tags.
    pub tags: Tags,
}

/// How targets are tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Whether they are tried at all.
    pub enabled: bool,
    /// `TCP`, `HTTP` or `HTTPS`.
    pub protocol: String,
    /// A port, or `traffic-port`.
    pub port: String,
    /// The path of HTTP and HTTPS.
    pub path: Option<String>,
    /// Seconds between tries, 5 to 300.
    pub interval: u32,
    /// Seconds that an answer may take, 2 to 120.
    pub timeout: u32,
    /// Successes that make a target healthy, 2 to 10.
    pub healthy_threshold: u32,
    /// Failures that make it unhealthy, 2 to 10.
    pub unhealthy_threshold: u32,
    /// HTTP codes that are successes, such as `200-399`.
    pub matcher: Option<String>,
}

/// One target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// An instance's id, an address or an ARN.
    pub id: String,
    /// The port.
    pub port: u16,
    /// `all` or a zone, for addresses outside the VPC.
    pub zone: Option<String>,
}

/// What a load balancer listens for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its ARN, by which it is found.
    pub arn: String,
    /// Owning account and region.
    pub owner: Owner,
    /// The ARN of its load balancer.
    pub load_balancer: String,
    /// `TCP`, `UDP`, …; none for a Gateway Load Balancer.
    pub protocol: Option<String>,
    /// The port; none for a Gateway Load Balancer.
    pub port: Option<u16>,
    /// The target groups that packets are forwarded to, with their weights.
    pub forward: Vec<WeightedTargetGroup>,
    /// The ARN of the certificate of a TLS listener.
    pub certificate: Option<String>,
    /// The TLS policy.
    pub ssl_policy: Option<String>,
    /// The ALPN policy.
    pub alpn_policy: Option<String>,
    /// Attributes that were set, by name.
    pub attributes: BTreeMap<String, String>,
    /// Tags.
    pub tags: Tags,
}

/// A target group in a listener's action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedTargetGroup {
    /// The target group's ARN.
    pub arn: String,
    /// Its share of the traffic; none when it is the only one and no weight was given.
    pub weight: Option<u32>,
}
