//! The names that AWS gives to addresses and instances. See "Amazon EC2 instance hostname types" and "DNS attributes for
//! your VPC" in the user guides.

use std::net::Ipv4Addr;

use crate::{InstanceId, Region, Subnet};

/// The domain of private names: `ec2.internal` in us-east-1, `<region>.compute.internal` elsewhere.
pub fn private_domain(region: &Region) -> String {
    match region.as_str() {
        "us-east-1" => "ec2.internal".to_owned(),
        other => format!("{other}.compute.internal"),
    }
}

/// The name made of a private address: `ip-10-0-0-5.ec2.internal`.
pub fn private_ipv4_name(address: Ipv4Addr, region: &Region) -> String {
    format!("ip-{}.{}", dashed(address), private_domain(region))
}

/// The name made of an instance's id: `i-0123456789abcdef0.ec2.internal`.
pub fn resource_name(instance: InstanceId, region: &Region) -> String {
    format!("{instance}.{}", private_domain(region))
}

/// The name made of a public address: `ec2-203-0-113-25.eu-central-1.compute.amazonaws.com`.
pub fn public_ipv4_name(address: Ipv4Addr, region: &Region) -> String {
    let domain = match region.as_str() {
        "us-east-1" => "compute-1".to_owned(),
        other => format!("{other}.compute"),
    };
    let suffix = if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("ec2-{}.{domain}.{suffix}", dashed(address))
}

/// What an instance calls itself: `ip-10-0-0-5`, or its id where the subnet says so or there is no IPv4 address. See "EC2
/// instance hostnames and domains" in the EC2 User Guide.
pub fn hostname(instance: InstanceId, address: Option<Ipv4Addr>, subnet: &Subnet) -> String {
    match address {
        Some(address) if subnet.hostname_type != "resource-name" => ip_hostname(address),
        _ => instance.to_string(),
    }
}

/// The host part of a name made of a private address: `ip-10-0-0-5`.
pub fn ip_hostname(address: Ipv4Addr) -> String {
    format!("ip-{}", dashed(address))
}

fn dashed(address: Ipv4Addr) -> String {
    address.to_string().replace('.', "-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_have_the_shapes_that_aws_gives_them() {
        let (virginia, frankfurt): (Region, Region) = ("us-east-1".parse().unwrap(), "eu-central-1".parse().unwrap());
        let (private, public) = (Ipv4Addr::new(10, 24, 34, 0), Ipv4Addr::new(203, 0, 113, 25));
        assert_eq!(private_ipv4_name(private, &virginia), "ip-10-24-34-0.ec2.internal");
        assert_eq!(private_ipv4_name(private, &frankfurt), "ip-10-24-34-0.eu-central-1.compute.internal");
        assert_eq!(resource_name("i-1a2b3c4d".parse().unwrap(), &frankfurt), "i-1a2b3c4d.eu-central-1.compute.internal");
        assert_eq!(public_ipv4_name(public, &virginia), "ec2-203-0-113-25.compute-1.amazonaws.com");
        assert_eq!(public_ipv4_name(public, &frankfurt), "ec2-203-0-113-25.eu-central-1.compute.amazonaws.com");
    }
}
