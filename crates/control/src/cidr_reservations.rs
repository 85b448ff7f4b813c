//! Ranges of subnets kept from, or for, automatic assignment. See "Subnet CIDR reservations" in the VPC User Guide.

use ipnet::IpNet;
use openvpc_model::cidr_reservation::{ReservationKind, SubnetCidrReservation};
use openvpc_model::{Subnet, SubnetCidrReservationId, SubnetId, Tags};

use crate::{ControlError, Tx};

/// What CreateSubnetCidrReservation is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateReservation {
    /// The subnet.
    pub subnet: SubnetId,
    /// The range; host bits are cleared.
    pub cidr: IpNet,
    /// What it is kept for.
    pub kind: ReservationKind,
    /// The user's text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Reserves a range of a subnet; addresses in it that are in use stay so.
///
/// # Errors
/// `InvalidSubnetID.NotFound`, `InvalidParameterValue` for a range outside the subnet or one that overlaps another.
pub fn create(tx: &mut Tx, request: CreateReservation) -> Result<SubnetCidrReservationId, ControlError> {
    let subnet = tx.find::<Subnet>(&request.subnet)?;
    let cidr = request.cidr.trunc();
    let inside = match cidr {
        IpNet::V4(range) => subnet.ipv4_block.is_some_and(|block| block.contains(&range)),
        IpNet::V6(range) => subnet.ipv6_blocks.iter().any(|block| block.block.contains(&range)),
    };
    if !inside {
        return Err(ControlError::invalid_value(format!("The CIDR '{cidr}' is not within the CIDR blocks of '{}'.", subnet.id)));
    }
    let overlaps = |other: &IpNet| other.contains(&cidr) || cidr.contains(other);
    if let Some(other) = tx.network().reservations_of(subnet.id).find(overlaps) {
        return Err(ControlError::invalid_value(format!("The CIDR '{cidr}' overlaps the reservation {other}.")));
    }
    let reservation = SubnetCidrReservation {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        subnet: subnet.id,
        cidr,
        kind: request.kind,
        description: request.description,
        tags: request.tags,
    };
    let id = reservation.id;
    tx.put(reservation);
    Ok(id)
}

/// Deletes a reservation.
///
/// # Errors
/// `InvalidSubnetCidrReservationID.NotFound`.
pub fn delete(tx: &mut Tx, id: SubnetCidrReservationId) -> Result<(), ControlError> {
    tx.find::<SubnetCidrReservation>(&id)?;
    tx.remove::<SubnetCidrReservation>(&id);
    Ok(())
}

/// Deletes the reservations of a subnet that goes.
pub(crate) fn end_with_subnet(tx: &mut Tx, subnet: SubnetId) {
    let reservations = tx.owned::<SubnetCidrReservation>().filter(|reservation| reservation.subnet == subnet);
    let reservations: Vec<_> = reservations.map(|reservation| reservation.id).collect();
    for id in reservations {
        tx.remove::<SubnetCidrReservation>(&id);
    }
}
