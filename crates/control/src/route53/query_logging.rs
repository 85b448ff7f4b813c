//! That questions to public zones are to be logged: kept for clients.

use std::sync::Arc;

use openvpc_model::{Network, Owner, QueryLoggingConfig};

use super::{find as find_zone, invalid, new_uuid, owner};
use crate::{ControlError, Tx};

/// Keeps where a zone's questions are to be logged.
///
/// # Errors
/// `NoSuchHostedZone`, `InvalidInput`, `NoSuchCloudWatchLogsLogGroup`, `QueryLoggingConfigAlreadyExists`.
pub fn create(tx: &mut Tx, zone: &str, log_group: &str) -> Result<QueryLoggingConfig, ControlError> {
    let owner = owner(tx);
    let zone = find_zone(tx.network(), &owner, zone)?;
    if zone.is_private() {
        return Err(invalid("Questions to private hosted zones can't be logged this way"));
    }
    // arn:aws:logs:us-east-1:123456789012:log-group:NAME, perhaps with `:*` behind it.
    let name = log_group.splitn(7, ':').nth(6).map(|name| name.trim_end_matches(":*")).unwrap_or_default();
    if !tx.network().log_groups.values().any(|group| group.owner.account == owner.account && group.name == name) {
        let message = format!("There is no CloudWatch Logs log group with the ARN {log_group}.");
        return Err(ControlError::new("NoSuchCloudWatchLogsLogGroup", message));
    }
    if tx.network().query_logging_configs.values().any(|config| config.zone == zone.id) {
        let message = format!("A query logging configuration already exists for the hosted zone {}.", zone.id);
        return Err(ControlError::new("QueryLoggingConfigAlreadyExists", message));
    }
    let config = QueryLoggingConfig { id: new_uuid(tx), owner, zone: zone.id.clone(), log_group: log_group.to_owned() };
    tx.put(config.clone());
    Ok(config)
}

/// Forgets a configuration.
///
/// # Errors
/// `NoSuchQueryLoggingConfig`.
pub fn delete(tx: &mut Tx, id: &str) -> Result<(), ControlError> {
    let config = find(tx.network(), &owner(tx), id)?;
    tx.remove::<QueryLoggingConfig>(&config.id);
    Ok(())
}

/// A configuration of an account.
///
/// # Errors
/// `NoSuchQueryLoggingConfig`.
pub fn find(network: &Network, owner: &Owner, id: &str) -> Result<Arc<QueryLoggingConfig>, ControlError> {
    let found = network.query_logging_configs.get(id).filter(|config| config.owner == *owner);
    let missing = || ControlError::new("NoSuchQueryLoggingConfig", format!("There is no query logging configuration {id}."));
    found.cloned().ok_or_else(missing)
}

pub(super) fn forget_zone(tx: &mut Tx, zone: &str) {
    let of_zone = tx.network().query_logging_configs.values().filter(|config| config.zone == zone);
    let ids: Vec<String> = of_zone.map(|config| config.id.clone()).collect();
    ids.iter().for_each(|id| tx.remove::<QueryLoggingConfig>(id));
}
