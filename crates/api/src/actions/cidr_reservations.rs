//! Ranges of subnets kept from, or for, automatic assignment: the API side.

use openvpc_control::cidr_reservations::{self, CreateReservation};
use openvpc_model::cidr_reservation::{ReservationKind, SubnetCidrReservation};
use openvpc_model::{Subnet, SubnetCidrReservationId};

use super::prelude::*;

#[cfg(test)]
mod tests;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateSubnetCidrReservation, create_subnet_cidr_reservation),
    action!(DeleteSubnetCidrReservation, delete_subnet_cidr_reservation),
    action!(GetSubnetCidrReservations, get_subnet_cidr_reservations),
];

fn create_subnet_cidr_reservation(
    ctx: &Ctx<'_>,
    request: shapes::CreateSubnetCidrReservationRequest,
) -> Result<shapes::CreateSubnetCidrReservationResult, ApiError> {
    let cidr = ids::required(&request.cidr, "Cidr")?;
    let kind = match ids::required(&request.reservation_type, "ReservationType")? {
        "prefix" => ReservationKind::Prefix,
        "explicit" => ReservationKind::Explicit,
        other => {
            let message = format!("Value ({other}) for parameter ReservationType is invalid. Use prefix or explicit.");
            return Err(ApiError::invalid_value(message));
        }
    };
    let wanted = CreateReservation {
        subnet: ids::parse_required(&request.subnet_id, "SubnetId")?,
        cidr: cidr.parse().map_err(|_| {
            ApiError::invalid_value(format!("Value ({cidr}) for parameter Cidr is invalid. This is not a valid CIDR block."))
        })?,
        kind,
        description: request.description.clone().unwrap_or_default(),
        tags: tagging::on_create(&request.tag_specifications, "subnet-cidr-reservation")?,
    };
    let reservation = ctx.mutate(|tx| {
        let id = cidr_reservations::create(tx, wanted)?;
        tx.find::<SubnetCidrReservation>(&id)
    })?;
    Ok(shapes::CreateSubnetCidrReservationResult { subnet_cidr_reservation: Some(shape(&reservation)) })
}

fn delete_subnet_cidr_reservation(
    ctx: &Ctx<'_>,
    request: shapes::DeleteSubnetCidrReservationRequest,
) -> Result<shapes::DeleteSubnetCidrReservationResult, ApiError> {
    let id: SubnetCidrReservationId = ids::parse_required(&request.subnet_cidr_reservation_id, "SubnetCidrReservationId")?;
    let reservation = ctx.mutate(|tx| {
        let reservation = tx.find::<SubnetCidrReservation>(&id)?;
        cidr_reservations::delete(tx, id)?;
        Ok(reservation)
    })?;
    Ok(shapes::DeleteSubnetCidrReservationResult { deleted_subnet_cidr_reservation: Some(shape(&reservation)) })
}

fn get_subnet_cidr_reservations(
    ctx: &Ctx<'_>,
    request: shapes::GetSubnetCidrReservationsRequest,
) -> Result<shapes::GetSubnetCidrReservationsResult, ApiError> {
    let network = ctx.network()?;
    let subnet = ids::required(&request.subnet_id, "SubnetId")?.to_owned();
    ctx.pick::<Subnet>(&network, std::slice::from_ref(&subnet))?;
    let reservations = network.owned::<SubnetCidrReservation>(ctx.owner());
    let reservations = reservations.filter(|reservation| reservation.subnet.to_string() == subnet);
    let reservations = filters::select(reservations.map(|r| shape(r)).collect(), &request.filters, &FIELDS)?;
    let (reservations, next_token) =
        page::cut(&request, false, reservations, |reservation| reservation.subnet_cidr_reservation_id.as_deref())?;
    let is_ipv6 = |reservation: &shapes::SubnetCidrReservation| reservation.cidr.as_ref().is_some_and(|cidr| cidr.contains(':'));
    let (ipv6, ipv4) = reservations.into_iter().partition(is_ipv6);
    Ok(shapes::GetSubnetCidrReservationsResult {
        subnet_ipv4_cidr_reservations: ipv4,
        subnet_ipv6_cidr_reservations: ipv6,
        next_token,
    })
}

static FIELDS: Fields<shapes::SubnetCidrReservation> = Fields {
    tags: Some(|reservation| &reservation.tags),
    fields: &[
        ("reservationType", |reservation, m| m.offer(&reservation.reservation_type)),
        ("subnet-id", |reservation, m| m.offer(&reservation.subnet_id)),
    ],
};

fn shape(reservation: &SubnetCidrReservation) -> shapes::SubnetCidrReservation {
    shapes::SubnetCidrReservation {
        cidr: Some(reservation.cidr.to_string()),
        description: Some(reservation.description.clone()).filter(|text| !text.is_empty()),
        owner_id: Some(reservation.owner.account.to_string()),
        reservation_type: Some(reservation.kind.as_str().into()),
        subnet_cidr_reservation_id: Some(reservation.id.to_string()),
        subnet_id: Some(reservation.subnet.to_string()),
        tags: tagging::shapes(&reservation.tags),
    }
}
