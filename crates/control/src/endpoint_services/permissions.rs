//! Who may make endpoints to a service. See "Manage permissions" in the AWS PrivateLink Guide.

use openvpc_model::{EndpointPermission, EndpointPermissionId, EndpointService, EndpointServiceId, Tags};

use crate::{ControlError, Tx};

/// Adds and removes principals; returns the permissions that were made. A principal that has one already keeps it.
///
/// # Errors
/// `InvalidVpcEndpointServiceId.NotFound`, `InvalidPrincipal`.
pub fn modify(
    tx: &mut Tx,
    id: EndpointServiceId,
    add: &[String],
    remove: &[String],
) -> Result<Vec<EndpointPermissionId>, ControlError> {
    tx.find::<EndpointService>(&id)?;
    for principal in add.iter().chain(remove) {
        if kind_of(principal).is_none() {
            return Err(ControlError::new("InvalidPrincipal", format!("The principal {principal} is not valid")));
        }
    }
    let of_service: Vec<_> = tx.owned::<EndpointPermission>().filter(|permission| permission.service == id).cloned().collect();
    for doomed in of_service.iter().filter(|permission| remove.contains(&permission.principal)) {
        tx.remove::<EndpointPermission>(&doomed.id);
    }
    let mut added = Vec::new();
    for (at, principal) in add.iter().enumerate() {
        let is_there = of_service.iter().any(|permission| permission.principal == *principal && !remove.contains(principal));
        if is_there || add[..at].contains(principal) {
            continue;
        }
        let permission = EndpointPermission {
            id: tx.new_id(),
            owner: tx.owner().clone(),
            service: id,
            principal: principal.clone(),
            tags: Tags::new(),
        };
        added.push(permission.id);
        tx.put(permission);
    }
    Ok(added)
}

/// The kind of a principal in AWS's words; none for what is no principal.
pub fn kind_of(principal: &str) -> Option<&'static str> {
    if principal == "*" {
        return Some("All");
    }
    let mut parts = principal.splitn(6, ':');
    let arn = parts.next()? == "arn" && parts.next()?.starts_with("aws");
    let service = parts.next().filter(|_| arn);
    let Some(service) = service else {
        // A service of AWS goes by its domain.
        return principal.ends_with(".amazonaws.com").then_some("Service");
    };
    let (_region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    match (service, resource.split('/').next()?) {
        ("organizations", "ou") => Some("OrganizationUnit"),
        ("iam", "root") if is_account && resource == "root" => Some("Account"),
        ("iam", "user") if is_account => Some("User"),
        ("iam" | "sts", "role" | "assumed-role" | "federated-user") if is_account => Some("Role"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_told_apart_by_their_arns() {
        for (principal, expected) in [
            ("*", Some("All")),
            ("arn:aws:iam::123456789012:root", Some("Account")),
            ("arn:aws:iam::123456789012:user/alice", Some("User")),
            ("arn:aws:iam::123456789012:role/admin", Some("Role")),
            ("arn:aws-cn:sts::123456789012:assumed-role/admin/session", Some("Role")),
            ("arn:aws:organizations::123456789012:ou/o-1/ou-2", Some("OrganizationUnit")),
            ("lambda.amazonaws.com", Some("Service")),
            ("arn:aws:iam::12345:root", None),
            ("arn:aws:s3:::bucket", None),
            ("arn:aws:iam", None),
            ("alice", None),
            ("", None),
        ] {
            assert_eq!(kind_of(principal), expected, "{principal}");
        }
    }
}
