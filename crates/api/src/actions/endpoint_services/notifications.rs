//! Connection notifications.

use openvpc_control::endpoint_services::notifications::{self, CreateNotification};
use openvpc_model::{ConnectionNotification, ConnectionNotificationId, NotificationSubject, VpcEndpoint};

use super::super::endpoints::unsuccessful;
use super::super::prelude::*;

/// CreateVpcEndpointConnectionNotification.
pub fn create_vpc_endpoint_connection_notification(
    ctx: &Ctx<'_>,
    request: shapes::CreateVpcEndpointConnectionNotificationRequest,
) -> Result<shapes::CreateVpcEndpointConnectionNotificationResult, ApiError> {
    let subject = match (&request.service_id, &request.vpc_endpoint_id) {
        (Some(service), None) => NotificationSubject::Service(ids::parse(service)?),
        (None, Some(endpoint)) => NotificationSubject::Endpoint(ids::parse(endpoint)?),
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid_combination("ServiceId and VpcEndpointId can't be specified together"));
        }
        (None, None) => return Err(ApiError::missing("ServiceId")),
    };
    let create = CreateNotification {
        subject,
        topic: ids::required(&request.connection_notification_arn, "ConnectionNotificationArn")?.to_owned(),
        events: request.connection_events,
    };
    let token = request.client_token.filter(|token| !token.is_empty());
    let notification = ctx.mutate(|tx| {
        let id = notifications::create(tx, token.as_deref(), &create)?;
        let notification = tx.find::<ConnectionNotification>(&id)?;
        Ok(shape(tx.network(), &notification))
    })?;
    Ok(shapes::CreateVpcEndpointConnectionNotificationResult { connection_notification: Some(notification), client_token: token })
}

/// ModifyVpcEndpointConnectionNotification.
pub fn modify_vpc_endpoint_connection_notification(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpcEndpointConnectionNotificationRequest,
) -> Result<shapes::ModifyVpcEndpointConnectionNotificationResult, ApiError> {
    let id: ConnectionNotificationId = ids::parse_required(&request.connection_notification_id, "ConnectionNotificationId")?;
    let topic = request.connection_notification_arn.as_deref();
    ctx.mutate(|tx| notifications::modify(tx, id, topic, &request.connection_events))?;
    Ok(shapes::ModifyVpcEndpointConnectionNotificationResult { return_value: Some(true) })
}

/// DeleteVpcEndpointConnectionNotifications.
pub fn delete_vpc_endpoint_connection_notifications(
    ctx: &Ctx<'_>,
    request: shapes::DeleteVpcEndpointConnectionNotificationsRequest,
) -> Result<shapes::DeleteVpcEndpointConnectionNotificationsResult, ApiError> {
    if request.connection_notification_ids.is_empty() {
        return Err(ApiError::missing("ConnectionNotificationId"));
    }
    let ids: Vec<ConnectionNotificationId> = ids::parse_all(&request.connection_notification_ids)?;
    let failed = ctx.mutate(|tx| Ok(notifications::delete(tx, &ids)))?;
    Ok(shapes::DeleteVpcEndpointConnectionNotificationsResult { unsuccessful: unsuccessful(failed) })
}

/// DescribeVpcEndpointConnectionNotifications.
pub fn describe_vpc_endpoint_connection_notifications(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcEndpointConnectionNotificationsRequest,
) -> Result<shapes::DescribeVpcEndpointConnectionNotificationsResult, ApiError> {
    let network = ctx.network()?;
    let named: Vec<String> = request.connection_notification_id.iter().filter(|id| !id.is_empty()).cloned().collect();
    let found = ctx.pick::<ConnectionNotification>(&network, &named)?;
    let found = found.iter().map(|notification| shape(&network, notification)).collect();
    let found = filters::select(found, &request.filters, &FIELDS)?;
    let (connection_notification_set, next_token) =
        page::cut(&request, !named.is_empty(), found, |notification| notification.connection_notification_id.as_deref())?;
    Ok(shapes::DescribeVpcEndpointConnectionNotificationsResult { connection_notification_set, next_token })
}

static FIELDS: Fields<shapes::ConnectionNotification> = Fields {
    tags: None,
    fields: &[
        ("connection-notification-arn", |item, m| m.offer(&item.connection_notification_arn)),
        ("connection-notification-id", |item, m| m.offer(&item.connection_notification_id)),
        ("connection-notification-state", |item, m| m.offer(&item.connection_notification_state)),
        ("connection-notification-type", |item, m| m.offer(&item.connection_notification_type)),
        ("service-id", |item, m| m.offer(&item.service_id)),
        ("vpc-endpoint-id", |item, m| m.offer(&item.vpc_endpoint_id)),
    ],
};

fn shape(network: &Network, notification: &ConnectionNotification) -> shapes::ConnectionNotification {
    let (service, endpoint) = match notification.subject {
        NotificationSubject::Service(id) => (Some(id), None),
        NotificationSubject::Endpoint(id) => (None, Some(id)),
    };
    let remote = endpoint.and_then(|id| network.get::<VpcEndpoint>(&id)).map(|endpoint| endpoint.service.region.to_string());
    shapes::ConnectionNotification {
        connection_notification_id: Some(notification.id.to_string()),
        service_id: service.map(|id| id.to_string()),
        vpc_endpoint_id: endpoint.map(|id| id.to_string()),
        connection_notification_type: Some("Topic".to_owned()),
        connection_notification_arn: Some(notification.topic.clone()),
        connection_events: notification.events.iter().cloned().collect(),
        connection_notification_state: Some("Enabled".to_owned()),
        service_region: Some(remote.unwrap_or_else(|| notification.owner.region.to_string())),
    }
}
