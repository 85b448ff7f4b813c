//! From `pending` to `terminated`, and back from `stopped`.

use std::sync::Arc;

use openvpc_model::{EniId, Instance, InstanceId, InstanceState, NetworkInterface, UnixMillis};

use super::{find_all, incorrect_state};
use crate::{ControlError, Tx, addresses, interfaces, retention};

/// How long a terminated instance stays visible.
const VISIBLE_AFTER_TERMINATION_MS: u64 = 60 * 60 * 1000;

/// What a call changed about one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The instance.
    pub instance: InstanceId,
    /// Its state before the call.
    pub previous: InstanceState,
    /// Its state now.
    pub current: InstanceState,
}

/// What whoever runs the sandboxes saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// The sandbox runs.
    Running,
    /// There is no sandbox (any more), as was asked for.
    Stopped,
    /// The sandbox couldn't be started, and why.
    Failed(String),
    /// The sandbox ended by itself.
    Exited,
}

/// Starts stopped instances: StartInstances.
///
/// # Errors
/// `InvalidInstanceID.NotFound`, `IncorrectInstanceState`, `InsufficientAddressCapacity`.
pub fn start(tx: &mut Tx, ids: &[InstanceId]) -> Result<Vec<StateChange>, ControlError> {
    each(tx, ids, |tx, instance| match instance.state {
        InstanceState::Pending | InstanceState::Running => Ok(instance.state),
        InstanceState::Stopped => {
            let now = tx.now();
            tx.update::<Instance, _>(&instance.id, |instance| {
                instance.state = InstanceState::Pending;
                instance.state_reason.clear();
                instance.launched_at = now;
                instance.starts += 1;
            })?;
            if tx.find::<NetworkInterface>(&instance.primary_eni)?.associate_public_ip {
                addresses::assign_at_launch(tx, instance.primary_eni)?;
            }
            Ok(InstanceState::Pending)
        }
        _ => Err(incorrect_state(instance, "started")),
    })
}

/// Stops running instances: StopInstances.
///
/// # Errors
/// `InvalidInstanceID.NotFound`, `IncorrectInstanceState`, `OperationNotPermitted` with stop protection.
pub fn stop(tx: &mut Tx, ids: &[InstanceId]) -> Result<Vec<StateChange>, ControlError> {
    each(tx, ids, |tx, instance| match instance.state {
        InstanceState::Stopping | InstanceState::Stopped => Ok(instance.state),
        InstanceState::Running if instance.disable_api_stop => Err(protected(instance.id, "stopped", "disableApiStop")),
        InstanceState::Running => set_state(tx, instance.id, InstanceState::Stopping, USER_INITIATED),
        _ => Err(incorrect_state(instance, "stopped")),
    })
}

/// Terminates instances: TerminateInstances.
///
/// # Errors
/// `InvalidInstanceID.NotFound`, `OperationNotPermitted` with termination protection.
pub fn terminate(tx: &mut Tx, ids: &[InstanceId]) -> Result<Vec<StateChange>, ControlError> {
    each(tx, ids, |tx, instance| match instance.state {
        InstanceState::ShuttingDown | InstanceState::Terminated => Ok(instance.state),
        _ if instance.disable_api_termination => Err(protected(instance.id, "terminated", "disableApiTermination")),
        _ => set_state(tx, instance.id, InstanceState::ShuttingDown, USER_INITIATED),
    })
}

/// All the instances can be rebooted, which changes nothing here: RebootInstances.
///
/// # Errors
/// `InvalidInstanceID.NotFound`, `IncorrectInstanceState`.
pub fn check_reboot(tx: &Tx, ids: &[InstanceId]) -> Result<(), ControlError> {
    for instance in find_all(tx, ids)? {
        if instance.state != InstanceState::Running {
            return Err(incorrect_state(&instance, "rebooted"));
        }
    }
    Ok(())
}

/// Moves the state on to what was observed. An observation that comes too late changes nothing.
///
/// # Errors
/// `InvalidInstanceID.NotFound`.
pub fn report(tx: &mut Tx, id: InstanceId, observed: Observed) -> Result<(), ControlError> {
    let instance = tx.find::<Instance>(&id)?;
    match (instance.state, observed) {
        (InstanceState::Pending, Observed::Running) => tx.update::<Instance, _>(&id, |instance| {
            instance.state = InstanceState::Running;
            instance.user_data_ran = true;
        }),
        (InstanceState::Pending, Observed::Failed(reason)) => {
            let reason = format!("Server.InternalError: {reason}");
            // A failed launch ends the instance; a failed start leaves it as it was.
            if instance.starts > 1 { stopped(tx, &instance, &reason) } else { terminated(tx, &instance, &reason) }
        }
        (InstanceState::Pending | InstanceState::Running, Observed::Exited) => {
            let reason = "Client.InstanceInitiatedShutdown: Instance initiated shutdown";
            if instance.shutdown_behavior == "terminate" {
                terminated(tx, &instance, reason)
            } else {
                stopped(tx, &instance, reason)
            }
        }
        (InstanceState::Stopping, Observed::Stopped | Observed::Exited | Observed::Failed(_)) => {
            stopped(tx, &instance, &instance.state_reason)
        }
        (InstanceState::ShuttingDown, Observed::Stopped | Observed::Exited | Observed::Failed(_)) => {
            terminated(tx, &instance, &instance.state_reason)
        }
        _ => Ok(()),
    }
}

/// Whether an instance was terminated so long ago that it isn't shown any more.
pub fn is_forgotten(instance: &Instance, now: UnixMillis) -> bool {
    retention::is_over(instance.terminated_at, VISIBLE_AFTER_TERMINATION_MS, now)
}

/// Forgets, in all accounts, instances that were terminated long enough ago.
pub fn prune(tx: &mut Tx) {
    let now = tx.now();
    let doomed: Vec<_> = tx.network().all::<Instance>().filter(|i| is_forgotten(i, now)).map(|i| i.id).collect();
    for id in doomed {
        tx.remove::<Instance>(&id);
    }
}

const USER_INITIATED: &str = "Client.UserInitiatedShutdown: User initiated shutdown";

fn each(
    tx: &mut Tx,
    ids: &[InstanceId],
    mut change: impl FnMut(&mut Tx, &Instance) -> Result<InstanceState, ControlError>,
) -> Result<Vec<StateChange>, ControlError> {
    let mut changes = Vec::new();
    for instance in find_all(tx, ids)? {
        let current = change(tx, &instance)?;
        changes.push(StateChange { instance: instance.id, previous: instance.state, current });
    }
    Ok(changes)
}

fn set_state(tx: &mut Tx, id: InstanceId, state: InstanceState, reason: &str) -> Result<InstanceState, ControlError> {
    tx.update::<Instance, _>(&id, |instance| {
        instance.state = state;
        reason.clone_into(&mut instance.state_reason);
        state
    })
}

/// Private and Elastic addresses stay, the public address of the launch goes back.
fn stopped(tx: &mut Tx, instance: &Instance, reason: &str) -> Result<(), ControlError> {
    addresses::release_assigned_at_launch(tx, instance.primary_eni)?;
    set_state(tx, instance.id, InstanceState::Stopped, reason).map(drop)
}

fn terminated(tx: &mut Tx, instance: &Instance, reason: &str) -> Result<(), ControlError> {
    for (eni, goes) in carried(tx, instance.id) {
        if goes {
            interfaces::delete_unchecked(tx, eni)?;
        } else {
            addresses::release_assigned_at_launch(tx, eni)?;
            interfaces::detach_unchecked(tx, eni)?;
        }
    }
    let now = tx.now();
    tx.update::<Instance, _>(&instance.id, |instance| instance.terminated_at = Some(now))?;
    set_state(tx, instance.id, InstanceState::Terminated, reason).map(drop)
}

/// The interfaces of an instance, and whether they go with it.
fn carried(tx: &Tx, id: InstanceId) -> Vec<(EniId, bool)> {
    let goes = |eni: &Arc<NetworkInterface>| eni.attachment.as_ref().is_some_and(|attachment| attachment.delete_on_termination);
    tx.network().enis_of(id).into_iter().map(|eni| (eni.id, goes(eni))).collect()
}

fn protected(id: InstanceId, what: &str, attribute: &str) -> ControlError {
    ControlError::new(
        "OperationNotPermitted",
        format!("The instance '{id}' may not be {what}. Modify its '{attribute}' instance attribute and try again."),
    )
}
