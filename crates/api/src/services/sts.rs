//! The part of STS that tools call at their start, and temporary keys.

#[cfg(test)]
mod tests;

use openvpc_control::sessions::{self, AssumeRole};
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
    let key = ctx.mutate(|tx| sessions::assume_role(tx, &assume))?;
    let partition = ctx.owner().region.partition();
    let user = key.session.as_ref().map(|session| shapes::AssumedRoleUser {
        assumed_role_id: Some(session.user_id.clone()),
        arn: Some(format!("arn:{partition}:sts::{}:{}", key.owner.account, session.principal)),
    });
    Ok(shapes::AssumeRoleResponse {
        assumed_role_user: user,
        credentials: Some(credentials(&key)),
        packed_policy_size: None,
        source_identity: request.source_identity,
    })
}

fn get_session_token(
    ctx: &Ctx<'_>,
    request: shapes::GetSessionTokenRequest,
) -> Result<shapes::GetSessionTokenResponse, ApiError> {
    let key = ctx.mutate(|tx| sessions::session_token(tx, request.duration_seconds))?;
    Ok(shapes::GetSessionTokenResponse { credentials: Some(credentials(&key)) })
}

/// A key is a registered or temporary one, an account's number, or any text that stands for the caller's own account.
fn get_access_key_info(
    ctx: &Ctx<'_>,
    request: shapes::GetAccessKeyInfoRequest,
) -> Result<shapes::GetAccessKeyInfoResponse, ApiError> {
    let id = request.access_key_id.unwrap_or_default();
    let network = ctx.control().snapshot();
    let known = network.get::<AccessKey>(&id).map(|key| key.owner.account);
    let account = known.or_else(|| id.parse().ok()).unwrap_or(ctx.owner().account);
    Ok(shapes::GetAccessKeyInfoResponse { account: Some(account.to_string()) })
}

fn credentials(key: &AccessKey) -> shapes::Credentials {
    shapes::Credentials {
        access_key_id: Some(key.id.clone()),
        secret_access_key: Some(key.secret.reveal().to_owned()),
        session_token: key.session.as_ref().map(|session| session.token.reveal().to_owned()),
        expiration: key.session.as_ref().map(|session| session.expires_at),
    }
}
