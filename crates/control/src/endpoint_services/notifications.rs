//! Connection notifications: kept for those who read them back; there is no SNS here to send them.

use std::collections::BTreeSet;

use openvpc_model::{ConnectionNotification, ConnectionNotificationId, EndpointService, EndpointType, NotificationSubject};
use serde::Serialize;

use super::invalid;
use crate::endpoints::{self, Unsuccessful};
use crate::{ControlError, Tx, idempotency};

/// What there is to be told.
const EVENTS: &[&str] = &["Accept", "Connect", "Delete", "Reject"];

/// What CreateVpcEndpointConnectionNotification takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateNotification {
    /// What it is about.
    pub subject: NotificationSubject,
    /// The ARN of the SNS topic.
    pub topic: String,
    /// `Accept`, `Connect`, `Delete`, `Reject`.
    pub events: Vec<String>,
}

/// Makes a notification. The same call with the same client token gives the same one.
///
/// # Errors
/// `InvalidVpcEndpointServiceId.NotFound`, `InvalidVpcEndpointId.NotFound`, `InvalidParameter`, `IdempotentParameterMismatch`.
pub fn create(tx: &mut Tx, token: Option<&str>, request: &CreateNotification) -> Result<ConnectionNotificationId, ControlError> {
    idempotency::once(tx, "CreateVpcEndpointConnectionNotification", token, request, |tx| {
        match request.subject {
            NotificationSubject::Service(id) => drop(tx.find::<EndpointService>(&id)?),
            NotificationSubject::Endpoint(id) => {
                if endpoints::find(tx, id)?.endpoint_type == EndpointType::Gateway {
                    return Err(invalid("Connection notifications are only supported for Interface type VPC Endpoint."));
                }
            }
        }
        let notification = ConnectionNotification {
            id: tx.new_id(),
            owner: tx.owner().clone(),
            subject: request.subject,
            topic: checked_topic(&request.topic)?,
            events: checked_events(&request.events)?,
        };
        let id = notification.id;
        tx.put(notification);
        Ok(id)
    })
}

/// Changes topic and events, where given.
///
/// # Errors
/// `InvalidConnectionNotification`, `InvalidParameter`.
pub fn modify(tx: &mut Tx, id: ConnectionNotificationId, topic: Option<&str>, events: &[String]) -> Result<(), ControlError> {
    let mut notification = (*tx.find::<ConnectionNotification>(&id)?).clone();
    if let Some(topic) = topic {
        notification.topic = checked_topic(topic)?;
    }
    if !events.is_empty() {
        notification.events = checked_events(events)?;
    }
    tx.put(notification);
    Ok(())
}

/// Deletes notifications, and tells which couldn't be.
pub fn delete(tx: &mut Tx, ids: &[ConnectionNotificationId]) -> Vec<Unsuccessful> {
    let mut failed = Vec::new();
    for id in ids {
        match tx.find::<ConnectionNotification>(id) {
            Ok(_) => tx.remove::<ConnectionNotification>(id),
            Err(error) => failed.push(Unsuccessful { id: id.to_string(), error }),
        }
    }
    failed
}

fn checked_topic(topic: &str) -> Result<String, ControlError> {
    let parts: Vec<&str> = topic.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "sns", region, account, name]
            if partition.starts_with("aws") && !region.is_empty() && account.len() == 12 && !name.is_empty() =>
        {
            Ok(topic.to_owned())
        }
        _ => Err(invalid(format!("The ConnectionNotificationArn {topic} is not the ARN of an SNS topic"))),
    }
}

fn checked_events(events: &[String]) -> Result<BTreeSet<String>, ControlError> {
    if events.is_empty() {
        return Err(ControlError::missing_parameter("ConnectionEvents"));
    }
    if let Some(unknown) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        return Err(invalid(format!("The connection event {unknown} is not one of {}", EVENTS.join(", "))));
    }
    Ok(events.iter().cloned().collect())
}
