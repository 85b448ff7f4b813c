//! Interfaces for virtual machines and containers: where their wires are to be made, and the word that they are.

use std::sync::Arc;

use openvpc_control::{Caller, interfaces};
use openvpc_model::{EniAttachmentId, EniId, NetworkInterface};
use serde_json::{Value, json};

use super::admin::{Admin, AdminError};

impl Admin {
    /// Where the wire of an interface is to be made that nobody has.
    ///
    /// # Errors
    /// When there is no such interface, somebody has it, or nothing is forwarded.
    pub fn binding_place(&self, name: &str) -> Result<Value, AdminError> {
        let eni = self.interface(name)?;
        refuse_if_taken(&eni)?;
        // An instance that had it until now may still have the link.
        self.enforcement.reconcile(&self.control.snapshot());
        let place = self.enforcement.machine(|machine| machine.binding_place(eni.id)).flatten();
        let place = place.ok_or_else(|| conflict("this daemon forwards no packets: nothing can be attached".to_owned()))?;
        serde_json::to_value(place).map_err(AdminError::internal)
    }

    /// Connects an interface whose wire was made: packets pass when this returns.
    ///
    /// # Errors
    /// When somebody has it, or its wire isn't there.
    pub fn attach(&self, name: &str) -> Result<Value, AdminError> {
        let eni = self.interface(name)?;
        refuse_if_taken(&eni)?;
        let has_wire = self.enforcement.machine(|machine| machine.has_wire(eni.id));
        if !has_wire.unwrap_or(Ok(false)).map_err(AdminError::internal)? {
            return Err(conflict(format!("the link of {} isn't there: it is made by `openvpc attach`", eni.id)));
        }
        let caller = Caller { owner: eni.owner.clone() };
        let attachment = self.control.transact(&caller, |tx| interfaces::attach_outside(tx, eni.id));
        let attachment = attachment.map_err(|error| conflict(error.to_string()))?;
        self.enforcement.reconcile(&self.control.snapshot());
        if self.enforcement.machine(|machine| machine.is_connected_outside(eni.id)) != Some(true) {
            self.end(&eni, attachment)?;
            return Err(AdminError::internal(format!(
                "the link of {} could not be connected; the daemon's log says why",
                eni.id
            )));
        }
        Ok(json!({ "attachment": attachment.to_string() }))
    }

    /// Takes an interface back from a virtual machine or a container: its link is gone when this returns.
    ///
    /// # Errors
    /// When none has it.
    pub fn detach(&self, name: &str) -> Result<Value, AdminError> {
        let eni = self.interface(name)?;
        let attachment = eni.outside.as_ref().map(|outside| outside.id);
        let attachment = attachment.ok_or_else(|| match eni.user() {
            Some(user) => conflict(format!("{} is in {user}; DetachNetworkInterface takes it out", eni.id)),
            None => conflict(format!("nobody has {}", eni.id)),
        })?;
        self.end(&eni, attachment)?;
        self.enforcement.reconcile(&self.control.snapshot());
        Ok(json!({ "attachment": attachment.to_string() }))
    }

    fn end(&self, eni: &NetworkInterface, attachment: EniAttachmentId) -> Result<(), AdminError> {
        let caller = Caller { owner: eni.owner.clone() };
        let ended = self.control.transact(&caller, |tx| interfaces::detach_outside(tx, eni.id, attachment));
        ended.map_err(AdminError::internal)
    }

    fn interface(&self, name: &str) -> Result<Arc<NetworkInterface>, AdminError> {
        let id: EniId = name.parse().map_err(|error| AdminError::bad(format!("{error}; name a network interface")))?;
        let found = self.control.snapshot().get::<NetworkInterface>(&id).cloned();
        found.ok_or_else(|| AdminError { status: 404, message: format!("the network interface {id} does not exist") })
    }
}

fn refuse_if_taken(eni: &NetworkInterface) -> Result<(), AdminError> {
    if eni.requester_managed {
        return Err(conflict(format!("the network interface {} is managed by a service", eni.id)));
    }
    eni.user().map_or(Ok(()), |user| Err(conflict(format!("the network interface {} is in use by {user}", eni.id))))
}

fn conflict(message: String) -> AdminError {
    AdminError { status: 409, message }
}
