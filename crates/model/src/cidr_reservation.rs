//! Reservations of ranges in subnets.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Network, Owner, SubnetCidrReservationId, SubnetId, Tags};

/// A range of a subnet that single addresses are never chosen from. See "Subnet CIDR reservations" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetCidrReservation {
    /// The reservation's id.
    pub id: SubnetCidrReservationId,
    /// Owning account and region.
    pub owner: Owner,
    /// The subnet.
    pub subnet: SubnetId,
    /// The range, without host bits.
    pub cidr: IpNet,
    /// What it is kept for.
    pub kind: ReservationKind,
    /// The user's text; empty when none was given.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// What a range is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReservationKind {
    /// Whole prefixes that AWS chooses for interfaces.
    Prefix,
    /// Addresses that users name.
    Explicit,
}

impl ReservationKind {
    /// The kind as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Explicit => "explicit",
        }
    }
}

impl Network {
    /// The reserved ranges of a subnet.
    pub fn reservations_of(&self, subnet: SubnetId) -> impl Iterator<Item = IpNet> + '_ {
        self.cidr_reservations.values().filter(move |reservation| reservation.subnet == subnet).map(|r| r.cidr)
    }

    /// What a prefix of a subnet is kept for; none when no address of it is reserved.
    pub fn reservation_kind_of(&self, subnet: SubnetId, prefix: IpNet) -> Option<ReservationKind> {
        let overlaps = |range: IpNet| range.contains(&prefix) || prefix.contains(&range);
        let mut here = self.cidr_reservations.values().filter(|reservation| reservation.subnet == subnet);
        here.find(|reservation| overlaps(reservation.cidr)).map(|reservation| reservation.kind)
    }

    /// The reserved range of a subnet that an address is in.
    pub fn reservation_of(&self, subnet: SubnetId, address: IpAddr) -> Option<IpNet> {
        self.reservations_of(subnet).find(|range| range.contains(&address))
    }
}
