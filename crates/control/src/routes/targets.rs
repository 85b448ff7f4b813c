//! What a route may lead to: one arm per kind of target.

use std::fmt::Display;

use openvpc_model::{
    CarrierGatewayId, EgressOnlyGatewayId, EniId, Instance, InstanceId, InternetGateway, InternetGatewayId, NatGatewayId,
    NetworkInterface, PeeringId, RouteDestination, RouteTable, RouteTarget, TransitGatewayId, VpcEndpointId, VpnGatewayId,
};

use crate::vpn_gateways;
use crate::{
    ControlError, Tx, carrier_gateways, egress_only_gateways, endpoints, instances, nat_gateways, peerings, transit_gateways,
};

/// The target that a caller names for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A carrier gateway.
    CarrierGateway(CarrierGatewayId),
    /// An egress-only internet gateway.
    EgressOnlyGateway(EgressOnlyGatewayId),
    /// A Gateway Load Balancer endpoint.
    Endpoint(VpcEndpointId),
    /// An instance with one interface.
    Instance(InstanceId),
    /// An internet gateway.
    InternetGateway(InternetGatewayId),
    /// `local`: only to take a replaced local route back.
    Local,
    /// A NAT gateway.
    NatGateway(NatGatewayId),
    /// An interface.
    NetworkInterface(EniId),
    /// A VPC peering connection.
    Peering(PeeringId),
    /// A transit gateway.
    TransitGateway(TransitGatewayId),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId),
}

/// The target as a route of the table keeps it. The head of [`super`] says what an arm must do.
pub(super) fn resolve(
    tx: &Tx,
    table: &RouteTable,
    destination: RouteDestination,
    target: Target,
) -> Result<RouteTarget, ControlError> {
    match target {
        Target::CarrierGateway(id) => carrier_gateways::route_target(tx, table, id),
        Target::EgressOnlyGateway(id) => egress_only_gateways::route_target(tx, table, destination, id),
        Target::Endpoint(id) => endpoints::route_target(tx, table, id),
        Target::Instance(id) => instance(tx, table, id),
        Target::InternetGateway(id) => internet_gateway(tx, table, id),
        Target::Local => {
            Err(ControlError::invalid_value("The target local may only be given to ReplaceRoute, to restore a local route."))
        }
        Target::NatGateway(id) => nat_gateways::route_target(tx, table, destination, id),
        Target::NetworkInterface(id) => interface(tx, table, id),
        Target::Peering(id) => peerings::route_target(tx, table, id),
        Target::TransitGateway(id) => transit_gateways::route_target(tx, table, id),
        Target::VpnGateway(id) => vpn_gateway(tx, table, id),
    }
}

/// The error for a target of another VPC than the table's: `what` names it with its kind, `network gateway igw-…`.
pub(crate) fn other_network(table: &RouteTable, what: impl Display) -> ControlError {
    ControlError::invalid_value(format!("route table {} and {what} belong to different networks", table.id))
}

fn internet_gateway(tx: &Tx, table: &RouteTable, id: InternetGatewayId) -> Result<RouteTarget, ControlError> {
    let gateway = tx.find::<InternetGateway>(&id).map_err(|_| unknown("InvalidGatewayID.NotFound", "gateway", id))?;
    if gateway.vpc != Some(table.vpc) {
        return Err(other_network(table, format_args!("network gateway {id}")));
    }
    Ok(RouteTarget::InternetGateway(id))
}

/// Of either family: a VPN of such a gateway carries no IPv6, but Direct Connect does.
fn vpn_gateway(tx: &Tx, table: &RouteTable, id: VpnGatewayId) -> Result<RouteTarget, ControlError> {
    let gateway = vpn_gateways::find(tx, id).map_err(|_| unknown("InvalidGatewayID.NotFound", "gateway", id))?;
    if gateway.vpc != Some(table.vpc) {
        return Err(other_network(table, format_args!("network gateway {id}")));
    }
    Ok(RouteTarget::VpnGateway(id))
}

fn instance(tx: &Tx, table: &RouteTable, id: InstanceId) -> Result<RouteTarget, ControlError> {
    tx.find::<Instance>(&id)?;
    interface(tx, table, instances::only_interface(tx, id)?.id)
}

fn interface(tx: &Tx, table: &RouteTable, id: EniId) -> Result<RouteTarget, ControlError> {
    if tx.find::<NetworkInterface>(&id)?.vpc != table.vpc {
        return Err(other_network(table, format_args!("interface {id}")));
    }
    Ok(RouteTarget::NetworkInterface(id))
}

fn unknown(code: &'static str, kind: &str, id: impl Display) -> ControlError {
    ControlError::new(code, format!("The {kind} ID '{id}' does not exist"))
}

/// Whether packets inside the VPC may be bent to such a target.
pub(super) fn is_middlebox(target: RouteTarget) -> bool {
    matches!(target, RouteTarget::Endpoint(_) | RouteTarget::NatGateway(_) | RouteTarget::NetworkInterface(_))
}
