//! The part of STS that tools call at their start, and temporary keys.

#[cfg(test)]
mod tests;

use openvpc_control::sessions::{self, AssumeRole};
use openvpc_model::SessionKey;

use openvpc_model::{AccessKey, Owner};

use super::prelude::*;
use crate::generated::sts::shapes;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(sts::AssumeRole, assume_role),
    action!(sts::GetAccessKeyInfo, get_access_key_info),
    action!(sts::GetCallerIdentity, get_caller_identity),
    action!(sts::GetSessionToken, get_session_token),
];

/// Callers are the roots of their accounts, but for those who assumed a role.
fn get_caller_identity(
    ctx: &Ctx<'_>,
    _request: shapes::GetCallerIdentityRequest,
) -> Result<shapes::GetCallerIdentityResponse, ApiError> {
    let Owner { account, region } = ctx.owner();
    let partition = region.partition();
    let network = ctx.control().snapshot();
    let session = network.get::<AccessKey>(&ctx.access_key).and_then(|key| key.session.clone());
    let (arn, user_id) = match session.filter(|session| session.principal != "root") {
        Some(session) => (format!("arn:{partition}:sts::{account}:{}", session.principal), session.user_id),
        None => (format!("arn:{partition}:iam::{account}:root"), account.to_string()),
    };
    Ok(shapes::GetCallerIdentityResponse { arn: Some(arn), user_id: Some(user_id), account: Some(account.to_string()) })
}

fn assume_role(ctx: &Ctx<'_>, request: shapes::AssumeRoleRequest) -> Result<shapes::AssumeRoleResponse, ApiError> {
    let assume = AssumeRole {
        role: request.role_arn.unwrap_or_default(),
        session: request.role_session_name.unwrap_or_default(),
        duration: request.duration_seconds,
    };
    let session = ctx.mutate(|tx| sessions::assume_role(tx, &assume))?;
    Ok(shapes::AssumeRoleResponse {
        assumed_role_user: Some(shapes::AssumedRoleUser {
            assumed_role_id: Some(session.id),
            arn: session.key.assumed_role.clone(),
        }),
        credentials: Some(credentials(session.key)),
        packed_policy_size: None,
        source_identity: request.source_identity,
    })
}

fn get_session_token(
    ctx: &Ctx<'_>,
    request: shapes::GetSessionTokenRequest,
) -> Result<shapes::GetSessionTokenResponse, ApiError> {
    let key = ctx.mutate(|tx| sessions::session_token(tx, request.duration_seconds))?;
    Ok(shapes::GetSessionTokenResponse { credentials: Some(credentials(key)) })
}

/// An access key is an account's number, a temporary one that was made here, or any text that stands for the caller's
/// own account.
fn get_access_key_info(
    ctx: &Ctx<'_>,
    request: shapes::GetAccessKeyInfoRequest,
) -> Result<shapes::GetAccessKeyInfoResponse, ApiError> {
    let key = request.access_key_id.unwrap_or_default();
    let network = ctx.network()?;
    let temporary = network.session_keys.get(&key).map(|known| known.owner.account);
    let account = temporary.or_else(|| key.parse().ok()).unwrap_or(ctx.owner().account);
    Ok(shapes::GetAccessKeyInfoResponse { account: Some(account.to_string()) })
}

/// The token says nothing beside the key: the key is what is looked up.
fn credentials(key: SessionKey) -> shapes::Credentials {
    shapes::Credentials {
        session_token: Some(format!("openvpc/{}/{}", key.access_key, key.expires_at.seconds())),
        access_key_id: Some(key.access_key),
        secret_access_key: Some(key.secret),
        expiration: Some(key.expires_at),
    }
}
