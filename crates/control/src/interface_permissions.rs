//! Permissions on network interfaces. See CreateNetworkInterfacePermission in the EC2 API reference.
//!
//! They are kept and shown; attaching across accounts isn't possible yet.

use openvpc_model::interface_permission::{InterfacePermission, InterfacePermissionKind};
use openvpc_model::{AccountId, EniId, InterfacePermissionId, NetworkInterface};

use crate::{ControlError, Tx, interfaces};

/// Gives an account a permission on an interface; what it has already stays as it is.
///
/// # Errors
/// `InvalidNetworkInterfaceID.NotFound`, `OperationNotPermitted` for an interface that a service manages.
pub fn grant(
    tx: &mut Tx,
    eni: EniId,
    account: AccountId,
    kind: InterfacePermissionKind,
) -> Result<InterfacePermissionId, ControlError> {
    interfaces::refuse_if_managed(&*tx.find::<NetworkInterface>(&eni)?)?;
    let same = |p: &&std::sync::Arc<InterfacePermission>| (p.eni, p.account, p.kind) == (eni, account, kind);
    if let Some(present) = tx.owned::<InterfacePermission>().find(same) {
        return Ok(present.id);
    }
    let permission = InterfacePermission { id: tx.new_id(), owner: tx.owner().clone(), eni, account, kind };
    let id = permission.id;
    tx.put(permission);
    Ok(id)
}

/// Takes a permission back.
///
/// # Errors
/// `InvalidNetworkInterfacePermissionID.NotFound`.
pub fn revoke(tx: &mut Tx, id: InterfacePermissionId) -> Result<(), ControlError> {
    tx.find::<InterfacePermission>(&id)?;
    tx.remove::<InterfacePermission>(&id);
    Ok(())
}

/// Takes all permissions on an interface that goes.
pub(crate) fn end_with_interface(tx: &mut Tx, eni: EniId) {
    let permissions = tx.network().all::<InterfacePermission>().filter(|permission| permission.eni == eni);
    let permissions: Vec<_> = permissions.map(|permission| permission.id).collect();
    for id in permissions {
        tx.remove::<InterfacePermission>(&id);
    }
}
