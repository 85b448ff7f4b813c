//! Proposals to associate a gateway with another account's Direct Connect gateway.

use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::direct_connect::AssociableGateway;
use openvpc_model::{
    AccountId, DirectConnectAssociation, DirectConnectAssociationId, DirectConnectGatewayId, DirectConnectProposal,
    DirectConnectProposalId, Network,
};

use super::{associations, gateway_of, refused};
use crate::{ControlError, Tx};

/// Proposes that a gateway of the caller be associated with the Direct Connect gateway of an account.
///
/// # Errors
/// `DirectConnectClientException` when one of the two doesn't exist, or the same was proposed already.
pub fn create(
    tx: &mut Tx,
    gateway: DirectConnectGatewayId,
    gateway_account: AccountId,
    with: AssociableGateway,
    prefixes: Vec<IpNet>,
) -> Result<DirectConnectProposalId, ControlError> {
    gateway_of(tx.network(), gateway_account, gateway)?;
    let owner = associations::owner_of(tx.network(), tx.owner().account, with)?;
    let same = |other: &&Arc<DirectConnectProposal>| other.ended_at.is_none() && (other.gateway, other.with) == (gateway, with);
    if let Some(other) = tx.network().all::<DirectConnectProposal>().find(same) {
        return Err(refused(format!("The proposal {} for {with} and {gateway} is open.", other.id)));
    }
    let id = DirectConnectProposalId::from_random([tx.random(), tx.random()]);
    tx.put(DirectConnectProposal {
        id,
        owner,
        gateway,
        gateway_account,
        with,
        requested_prefixes: prefixes,
        accepted: false,
        created_at: tx.now(),
        ended_at: None,
    });
    Ok(id)
}

/// Accepts a proposal, as the owner of the Direct Connect gateway; `prefixes` stand for those that were asked for.
/// A gateway that is associated already gets the prefixes.
///
/// # Errors
/// `DirectConnectClientException` as for an association.
pub fn accept(
    tx: &mut Tx,
    id: DirectConnectProposalId,
    gateway: DirectConnectGatewayId,
    account: AccountId,
    prefixes: Vec<IpNet>,
) -> Result<DirectConnectAssociationId, ControlError> {
    let owned = gateway_of(tx.network(), tx.owner().account, gateway)?;
    let mut proposal = (*open(tx, id)?).clone();
    if (proposal.gateway, proposal.owner.account) != (gateway, account) {
        return Err(missing(id));
    }
    let allowed = if prefixes.is_empty() { proposal.requested_prefixes.clone() } else { prefixes };
    let association = match existing(tx.network(), &proposal).cloned() {
        Some(present) => {
            let gone: Vec<_> = present.allowed_prefixes.iter().filter(|prefix| !allowed.contains(prefix)).copied().collect();
            associations::update(tx, present.id, &allowed, &gone)?;
            present.id
        }
        None => associations::make(tx, &owned, account, proposal.with, allowed)?,
    };
    (proposal.accepted, proposal.ended_at) = (true, Some(tx.now()));
    tx.put(proposal);
    Ok(association)
}

/// Takes a proposal back, or declines it.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn delete(tx: &mut Tx, id: DirectConnectProposalId) -> Result<Arc<DirectConnectProposal>, ControlError> {
    let proposal = open(tx, id)?;
    let ended = DirectConnectProposal { ended_at: Some(tx.now()), ..(*proposal).clone() };
    tx.put(ended);
    Ok(proposal)
}

/// The proposals that an account made or got.
pub fn visible(network: &Network, account: AccountId) -> impl Iterator<Item = &Arc<DirectConnectProposal>> {
    network.all::<DirectConnectProposal>().filter(move |proposal| is_visible(proposal, account))
}

/// The association that there is between what a proposal names.
pub fn existing<'a>(network: &'a Network, proposal: &DirectConnectProposal) -> Option<&'a Arc<DirectConnectAssociation>> {
    let (gateway, with) = (proposal.gateway, proposal.with);
    network.all::<DirectConnectAssociation>().find(move |a| a.gateway == gateway && AssociableGateway::from(a.with) == with)
}

fn open(tx: &Tx, id: DirectConnectProposalId) -> Result<Arc<DirectConnectProposal>, ControlError> {
    let found = tx.network().get::<DirectConnectProposal>(&id);
    let found = found.filter(|proposal| proposal.ended_at.is_none() && is_visible(proposal, tx.owner().account));
    found.cloned().ok_or_else(|| missing(id))
}

fn is_visible(proposal: &DirectConnectProposal, account: AccountId) -> bool {
    proposal.owner.account == account || proposal.gateway_account == account
}

fn missing(id: DirectConnectProposalId) -> ControlError {
    refused(format!("Direct Connect Gateway Association Proposal {id} does not exist."))
}
