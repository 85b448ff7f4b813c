//! Who uses a route table.

use std::fmt;

use openvpc_model::route::{TableAssociation, TableUser};
use openvpc_model::{
    InternetGateway, InternetGatewayId, NatGatewayId, RouteTable, RouteTableAssociationId, RouteTableId, Subnet, SubnetId, Vpc,
    VpcId, VpnGatewayId,
};

use super::{gateway_tables, other_network};
use crate::{ControlError, Tx, vpn_gateways};

/// Who is to use a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// A subnet.
    Subnet(SubnetId),
    /// An internet gateway, for the packets that come in through it.
    InternetGateway(InternetGatewayId),
    /// A virtual private gateway, for the packets that come in through it.
    VpnGateway(VpnGatewayId),
}

impl User {
    /// The VPC it belongs to or is attached to.
    fn vpc(self, tx: &Tx) -> Result<Option<VpcId>, ControlError> {
        match self {
            Self::Subnet(id) => Ok(Some(tx.find::<Subnet>(&id)?.vpc)),
            Self::InternetGateway(id) => Ok(tx.find::<InternetGateway>(&id)?.vpc),
            Self::VpnGateway(id) => vpn_gateways::find(tx, id)
                .map(|gateway| gateway.vpc)
                .map_err(|_| ControlError::new("InvalidGatewayID.NotFound", format!("The gateway ID '{id}' does not exist"))),
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subnet(id) => write!(f, "subnet {id}"),
            Self::InternetGateway(id) => write!(f, "network gateway {id}"),
            Self::VpnGateway(id) => write!(f, "network gateway {id}"),
        }
    }
}

impl From<User> for TableUser {
    fn from(user: User) -> Self {
        match user {
            User::Subnet(id) => Self::Subnet(id),
            User::InternetGateway(id) => Self::InternetGateway(id),
            User::VpnGateway(id) => Self::VpnGateway(id),
        }
    }
}

/// Associates a table with a subnet or a gateway. A repeated call gives the association there is.
///
/// # Errors
/// `Resource.AlreadyAssociated` when the user has another table, `InvalidParameterValue` for what may not be together.
pub fn associate(tx: &mut Tx, id: RouteTableId, user: User) -> Result<RouteTableAssociationId, ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    if user.vpc(tx)? != Some(table.vpc) {
        return Err(other_network(&table, user));
    }
    let user = TableUser::from(user);
    if let Some((other, association)) = association_of(tx, user) {
        if other == id {
            return Ok(association);
        }
        let message =
            format!("the specified association for route table {id} conflicts with an existing association: {association}");
        return Err(ControlError::new("Resource.AlreadyAssociated", message));
    }
    if let TableUser::InternetGateway(_) | TableUser::VpnGateway(_) = user {
        gateway_tables::check_table(tx, &table)?;
    }
    let association = TableAssociation { id: tx.new_id(), user };
    let association_id = association.id;
    tx.update::<RouteTable, _>(&id, |table| table.associations.push(association))?;
    Ok(association_id)
}

/// Ends the association of a table; a subnet then uses the main one.
///
/// # Errors
/// `InvalidAssociationID.NotFound`; `InvalidParameterValue` for the main association.
pub fn disassociate(tx: &mut Tx, association: RouteTableAssociationId) -> Result<(), ControlError> {
    let (id, user) = find_association(tx, association)?;
    match user {
        TableUser::Main => {
            let message = format!("cannot disassociate the main route table association {association}");
            return Err(ControlError::invalid_value(message));
        }
        TableUser::NatGateway(gateway) => return Err(of_nat_gateway(association, gateway)),
        TableUser::InternetGateway(_) | TableUser::Subnet(_) | TableUser::VpnGateway(_) => {}
    }
    tx.update::<RouteTable, _>(&id, |table| table.associations.retain(|a| a.id != association))
}

/// Gives an association's user another table; the way to change the main one. The table it has already stays as it is.
///
/// # Errors
/// `InvalidAssociationID.NotFound`, `InvalidRouteTableID.NotFound`, `InvalidParameterValue` for a table of another VPC or
/// one that the user may not have.
pub fn replace_association(
    tx: &mut Tx,
    association: RouteTableAssociationId,
    id: RouteTableId,
) -> Result<RouteTableAssociationId, ControlError> {
    let (old, user) = find_association(tx, association)?;
    let table = tx.find::<RouteTable>(&id)?;
    let old_vpc = tx.find::<RouteTable>(&old)?.vpc;
    if table.vpc != old_vpc {
        return Err(ControlError::invalid_value(format!("The route table '{id}' does not belong to {old_vpc}.")));
    }
    if old == id {
        return Ok(association);
    }
    match user {
        TableUser::InternetGateway(_) | TableUser::VpnGateway(_) => gateway_tables::check_table(tx, &table)?,
        TableUser::Main if gateway_tables::is_one(&table) => {
            let message = format!("The route table {id} is associated with a gateway and cannot become the main route table.");
            return Err(ControlError::invalid_value(message));
        }
        TableUser::NatGateway(gateway) => return Err(of_nat_gateway(association, gateway)),
        TableUser::Main | TableUser::Subnet(_) => {}
    }
    tx.update::<RouteTable, _>(&old, |table| table.associations.retain(|a| a.id != association))?;
    let replaced = TableAssociation { id: tx.new_id(), user };
    let replaced_id = replaced.id;
    tx.update::<RouteTable, _>(&id, |table| table.associations.push(replaced))?;
    if user == TableUser::Main {
        tx.update::<Vpc, _>(&table.vpc, |vpc| vpc.main_route_table = id)?;
    }
    Ok(replaced_id)
}

/// The table of a regional NAT gateway comes and goes with it.
fn of_nat_gateway(association: RouteTableAssociationId, gateway: NatGatewayId) -> ControlError {
    ControlError::invalid_value(format!("cannot change the association {association} of the NAT gateway {gateway}"))
}

fn association_of(tx: &Tx, user: TableUser) -> Option<(RouteTableId, RouteTableAssociationId)> {
    tx.owned::<RouteTable>().find_map(|table| table.associations.iter().find(|a| a.user == user).map(|a| (table.id, a.id)))
}

fn find_association(tx: &Tx, id: RouteTableAssociationId) -> Result<(RouteTableId, TableUser), ControlError> {
    let found =
        tx.owned::<RouteTable>().find_map(|table| table.associations.iter().find(|a| a.id == id).map(|a| (table.id, a.user)));
    found.ok_or_else(|| ControlError::new("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist")))
}
