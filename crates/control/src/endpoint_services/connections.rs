//! Endpoints as the owner of their service sees them: in whatever account and region they are.

use openvpc_model::{Acceptance, EndpointService, EndpointServiceId, VpcEndpoint, VpcEndpointId};

use crate::endpoints::Unsuccessful;
use crate::{ControlError, Missing, Tx};

/// Lets endpoints in, and tells which couldn't be.
///
/// # Errors
/// `InvalidVpcEndpointServiceId.NotFound`.
pub fn accept(tx: &mut Tx, id: EndpointServiceId, endpoints: &[VpcEndpointId]) -> Result<Vec<Unsuccessful>, ControlError> {
    change(tx, id, endpoints, Acceptance::Accepted)
}

/// Keeps endpoints out, also those that were let in before, and tells which couldn't be.
///
/// # Errors
/// `InvalidVpcEndpointServiceId.NotFound`.
pub fn reject(tx: &mut Tx, id: EndpointServiceId, endpoints: &[VpcEndpointId]) -> Result<Vec<Unsuccessful>, ControlError> {
    change(tx, id, endpoints, Acceptance::Rejected)
}

fn change(
    tx: &mut Tx,
    id: EndpointServiceId,
    endpoints: &[VpcEndpointId],
    to: Acceptance,
) -> Result<Vec<Unsuccessful>, ControlError> {
    tx.find::<EndpointService>(&id)?;
    let mut failed = Vec::new();
    for endpoint in endpoints {
        if let Err(error) = change_one(tx, id, *endpoint, to) {
            failed.push(Unsuccessful { id: endpoint.to_string(), error });
        }
    }
    Ok(failed)
}

fn change_one(tx: &mut Tx, service: EndpointServiceId, id: VpcEndpointId, to: Acceptance) -> Result<(), ControlError> {
    let of_service = |endpoint: &&std::sync::Arc<VpcEndpoint>| endpoint.service.id == Some(service) && endpoint.exists();
    let found = tx.network().get::<VpcEndpoint>(&id).filter(of_service).ok_or_else(|| VpcEndpoint::missing(&id))?;
    if found.acceptance == to {
        let message = format!("The VPC endpoint {id} is in the state {}", found.state());
        return Err(ControlError::new("InvalidState", message));
    }
    let mut endpoint = (**found).clone();
    endpoint.acceptance = to;
    if to == Acceptance::Rejected {
        endpoint.private_dns = false;
    }
    tx.put(endpoint);
    Ok(())
}
