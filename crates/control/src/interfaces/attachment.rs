//! Interfaces in instances.

use openvpc_model::interface::OutsideAttachment;
use openvpc_model::{Attachment, EniAttachmentId, EniId, Instance, InstanceId, InstanceState, NetworkInterface};

use super::refuse_if_managed;
use crate::{ControlError, Tx};

/// Puts an interface into a running or stopped instance of its zone: AttachNetworkInterface.
///
/// # Errors
/// `InvalidNetworkInterface.InUse`, `IncorrectInstanceState`, `InvalidParameterValue` for another zone or a taken index.
pub fn attach(tx: &mut Tx, eni: EniId, instance: InstanceId, device_index: u16) -> Result<EniAttachmentId, ControlError> {
    let instance = tx.find::<Instance>(&instance)?;
    let found = tx.find::<NetworkInterface>(&eni)?;
    refuse_if_managed(&found)?;
    refuse_if_in_use(&found)?;
    if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
        return Err(ControlError::new(
            "IncorrectInstanceState",
            format!("The instance '{}' is {}; attach to a running or stopped one", instance.id, instance.state.as_str()),
        ));
    }
    if instance.zone != found.zone {
        let region = &tx.owner().region;
        return Err(ControlError::invalid_value(format!(
            "Network interface '{eni}' is in {}, but instance '{}' is in {}",
            found.zone.name(region),
            instance.id,
            instance.zone.name(region)
        )));
    }
    attach_unchecked(tx, eni, instance.id, device_index, false)
}

/// Takes an interface out of its instance: DetachNetworkInterface.
///
/// # Errors
/// `InvalidAttachmentID.NotFound`, `OperationNotPermitted` for the primary interface.
pub fn detach(tx: &mut Tx, attachment: EniAttachmentId) -> Result<(), ControlError> {
    let is_it = |eni: &NetworkInterface| {
        let outside = eni.outside.as_ref().map(|present| present.id);
        eni.attachment.as_ref().map(|present| present.id).or(outside) == Some(attachment)
    };
    let eni = tx.owned::<NetworkInterface>().find(|eni| is_it(eni)).cloned().ok_or_else(|| no_such_attachment(attachment))?;
    refuse_if_managed(&eni)?;
    if eni.attachment.as_ref().is_some_and(|present| present.device_index == 0) {
        return Err(ControlError::new("OperationNotPermitted", "The network interface at device index 0 cannot be detached."));
    }
    if eni.outside.is_some() {
        return detach_outside(tx, eni.id, attachment);
    }
    detach_unchecked(tx, eni.id)
}

/// Gives an interface to a virtual machine or a container, which is no instance of ours: `openvpc attach`.
///
/// # Errors
/// `InvalidNetworkInterface.InUse`, `OperationNotPermitted` for one that a service manages.
pub fn attach_outside(tx: &mut Tx, eni: EniId) -> Result<EniAttachmentId, ControlError> {
    let found = tx.find::<NetworkInterface>(&eni)?;
    refuse_if_managed(&found)?;
    refuse_if_in_use(&found)?;
    let (id, attached_at) = (tx.new_id(), tx.now());
    tx.update::<NetworkInterface, _>(&eni, |eni| {
        eni.detached = None;
        eni.outside = Some(OutsideAttachment { id, attached_at });
    })?;
    Ok(id)
}

/// Takes it back; nothing happens if that attachment has ended already.
///
/// # Errors
/// `InvalidNetworkInterfaceID.NotFound`.
pub fn detach_outside(tx: &mut Tx, eni: EniId, attachment: EniAttachmentId) -> Result<(), ControlError> {
    tx.update::<NetworkInterface, _>(&eni, |eni| {
        eni.outside.take_if(|present| present.id == attachment);
    })
}

/// Refuses to give an interface to a second one.
pub(crate) fn refuse_if_in_use(eni: &NetworkInterface) -> Result<(), ControlError> {
    let message = |user| format!("Interface: [{}] in use by {user}", eni.id);
    eni.user().map_or(Ok(()), |user| Err(ControlError::new("InvalidNetworkInterface.InUse", message(user))))
}

/// Attaches at launch, when the instance is pending.
pub(crate) fn attach_unchecked(
    tx: &mut Tx,
    eni: EniId,
    instance: InstanceId,
    device_index: u16,
    delete_on_termination: bool,
) -> Result<EniAttachmentId, ControlError> {
    let index = |eni: &NetworkInterface| eni.attachment.as_ref().map(|present| present.device_index);
    if tx.network().enis_of(instance).into_iter().any(|eni| index(eni) == Some(device_index)) {
        return Err(ControlError::invalid_value(format!(
            "Instance '{instance}' already has an interface attached at device index '{device_index}'."
        )));
    }
    let id = tx.new_id();
    let attached_at = tx.now();
    tx.update::<NetworkInterface, _>(&eni, |eni| {
        eni.detached = None;
        eni.attachment = Some(Attachment { id, instance, device_index, delete_on_termination, attached_at });
    })?;
    Ok(id)
}

/// Detaches whatever the device index.
pub(crate) fn detach_unchecked(tx: &mut Tx, eni: EniId) -> Result<(), ControlError> {
    let now = tx.now();
    tx.update::<NetworkInterface, _>(&eni, |eni| eni.detached = eni.attachment.take().map(|attachment| (attachment, now)))
}

pub(super) fn no_such_attachment(id: EniAttachmentId) -> ControlError {
    ControlError::new("InvalidAttachmentID.NotFound", format!("The interface attachment '{id}' does not exist"))
}
