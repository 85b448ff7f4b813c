//! Permissions on network interfaces: the API side.

use openvpc_control::interface_permissions;
use openvpc_model::interface_permission::{InterfacePermission, InterfacePermissionKind};
use openvpc_model::{AccountId, EniId, InterfacePermissionId};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateNetworkInterfacePermission, create_network_interface_permission),
    action!(DeleteNetworkInterfacePermission, delete_network_interface_permission),
    action!(DescribeNetworkInterfacePermissions, describe_network_interface_permissions),
];

fn create_network_interface_permission(
    ctx: &Ctx<'_>,
    request: shapes::CreateNetworkInterfacePermissionRequest,
) -> Result<shapes::CreateNetworkInterfacePermissionResult, ApiError> {
    let eni: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let kind = match ids::required(&request.permission, "Permission")? {
        "INSTANCE-ATTACH" => InterfacePermissionKind::InstanceAttach,
        "EIP-ASSOCIATE" => InterfacePermissionKind::EipAssociate,
        other => {
            return Err(ApiError::invalid_value(format!(
                "Value ({other}) for parameter Permission is invalid. Use INSTANCE-ATTACH or EIP-ASSOCIATE."
            )));
        }
    };
    if request.aws_service.is_some() {
        return Err(ApiError::unsupported("The parameter AwsService is currently not supported"));
    }
    let account = ids::required(&request.aws_account_id, "AwsAccountId")?;
    let account: AccountId =
        account.parse().map_err(|_| ApiError::invalid_value(format!("Invalid account ID '{account}': use twelve digits")))?;
    let permission = ctx.mutate(|tx| {
        let id = interface_permissions::grant(tx, eni, account, kind)?;
        tx.find::<InterfacePermission>(&id)
    })?;
    Ok(shapes::CreateNetworkInterfacePermissionResult { interface_permission: Some(shape(&permission)) })
}

/// Nobody has attached an interface of another account, so that `Force` changes nothing.
fn delete_network_interface_permission(
    ctx: &Ctx<'_>,
    request: shapes::DeleteNetworkInterfacePermissionRequest,
) -> Result<shapes::DeleteNetworkInterfacePermissionResult, ApiError> {
    let id: InterfacePermissionId =
        ids::parse_required(&request.network_interface_permission_id, "NetworkInterfacePermissionId")?;
    ctx.mutate(|tx| interface_permissions::revoke(tx, id))?;
    Ok(shapes::DeleteNetworkInterfacePermissionResult { r#return: Some(true) })
}

fn describe_network_interface_permissions(
    ctx: &Ctx<'_>,
    request: shapes::DescribeNetworkInterfacePermissionsRequest,
) -> Result<shapes::DescribeNetworkInterfacePermissionsResult, ApiError> {
    let network = ctx.network()?;
    let ids = &request.network_interface_permission_ids;
    let permissions = ctx.pick::<InterfacePermission>(&network, ids)?.iter().map(|permission| shape(permission)).collect();
    let permissions = filters::select(permissions, &request.filters, &FIELDS)?;
    let (network_interface_permissions, next_token) =
        page::cut(&request, !ids.is_empty(), permissions, |permission| permission.network_interface_permission_id.as_deref())?;
    Ok(shapes::DescribeNetworkInterfacePermissionsResult { network_interface_permissions, next_token })
}

static FIELDS: Fields<shapes::NetworkInterfacePermission> = Fields {
    tags: None,
    fields: &[
        ("network-interface-permission.aws-account-id", |permission, m| m.offer(&permission.aws_account_id)),
        ("network-interface-permission.aws-service", |permission, m| m.offer(&permission.aws_service)),
        ("network-interface-permission.network-interface-id", |permission, m| m.offer(&permission.network_interface_id)),
        ("network-interface-permission.network-interface-permission-id", |permission, m| {
            m.offer(&permission.network_interface_permission_id);
        }),
        ("network-interface-permission.permission", |permission, m| m.offer(&permission.permission)),
    ],
};

fn shape(permission: &InterfacePermission) -> shapes::NetworkInterfacePermission {
    shapes::NetworkInterfacePermission {
        aws_account_id: Some(permission.account.to_string()),
        network_interface_id: Some(permission.eni.to_string()),
        network_interface_permission_id: Some(permission.id.to_string()),
        permission: Some(permission.kind.as_str().to_owned()),
        permission_state: Some(shapes::NetworkInterfacePermissionState {
            state: Some("granted".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use crate::testing::api;

    #[test]
    fn a_permission_is_granted_listed_and_taken_back() {
        let api = api();
        let subnets = api.call("DescribeSubnets", &[]).unwrap();
        let subnet = subnets["Subnets"][0]["SubnetId"].as_str().unwrap();
        let eni = api.call("CreateNetworkInterface", &[("SubnetId", subnet)]).unwrap();
        let eni = eni["NetworkInterface"]["NetworkInterfaceId"].as_str().unwrap();
        let grant = [("NetworkInterfaceId", eni), ("AwsAccountId", "210987654321"), ("Permission", "INSTANCE-ATTACH")];
        let made = api.call("CreateNetworkInterfacePermission", &grant).unwrap()["InterfacePermission"].clone();
        assert_eq!((&made["AwsAccountId"], &made["PermissionState"]["State"]), (&json!("210987654321"), &json!("granted")));
        let again = api.call("CreateNetworkInterfacePermission", &grant).unwrap()["InterfacePermission"].clone();
        assert_eq!(again, made);
        let id = made["NetworkInterfacePermissionId"].as_str().unwrap();
        let count = |parameters: &[(&str, &str)]| {
            let answer = api.call("DescribeNetworkInterfacePermissions", parameters).unwrap();
            answer["NetworkInterfacePermissions"].as_array().unwrap().len()
        };
        assert_eq!((count(&[]), count(&[("NetworkInterfacePermissionId.1", id)])), (1, 1));
        for (name, value) in
            [("network-interface-id", eni), ("aws-account-id", "210987654321"), ("permission", "INSTANCE-ATTACH")]
        {
            let name = format!("network-interface-permission.{name}");
            assert_eq!(count(&[("Filter.1.Name", &name), ("Filter.1.Value.1", value)]), 1, "{name}");
            assert_eq!(count(&[("Filter.1.Name", &name), ("Filter.1.Value.1", "other")]), 0, "{name}");
        }
        assert_eq!(
            api.call("DeleteNetworkInterfacePermission", &[("NetworkInterfacePermissionId", id)]).unwrap()["Return"],
            true
        );
        let code = |id: &str| api.code("DeleteNetworkInterfacePermission", &[("NetworkInterfacePermissionId", id)]);
        assert_eq!(code(id), "InvalidNetworkInterfacePermissionID.NotFound");
        assert_eq!(code("eni-perm-x"), "InvalidNetworkInterfacePermissionID.Malformed");
        api.call("CreateNetworkInterfacePermission", &grant).unwrap();
        api.call("DeleteNetworkInterface", &[("NetworkInterfaceId", eni)]).unwrap();
        assert_eq!(count(&[]), 0, "it goes with its interface");
        assert_eq!(api.code("CreateNetworkInterfacePermission", &grant), "InvalidNetworkInterfaceID.NotFound");
        let with = |change: (&str, &str)| {
            let mut parameters = grant.to_vec();
            parameters.retain(|(name, _)| *name != change.0);
            parameters.push(change);
            api.code("CreateNetworkInterfacePermission", &parameters)
        };
        assert_eq!(with(("Permission", "ALL")), "InvalidParameterValue");
        assert_eq!(with(("AwsAccountId", "me")), "InvalidParameterValue");
        assert_eq!(with(("AwsService", "s3")), "UnsupportedOperation");
    }
}
