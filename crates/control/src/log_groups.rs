//! Log groups, streams and events of CloudWatch Logs.
//! See "Working with log groups and log streams" in the CloudWatch Logs User Guide.

use std::sync::Arc;

use openvpc_model::{LogBatch, LogEvent, LogGroup, LogKey, LogResourcePolicy, LogStream, Network, Owner, Tags, UnixMillis};

use crate::{ControlError, Tx};

/// What PutRetentionPolicy takes, in days.
const RETENTIONS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// Limits that accounts can't change.
const TAGS: usize = 50;
const POLICIES: usize = 10;
const POLICY_SIZE: usize = 5120;
const BATCH_EVENTS: usize = 10_000;
const BATCH_BYTES: usize = 1_048_576;
/// What each event counts beside its message.
const EVENT_OVERHEAD: usize = 26;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What CreateLogGroup is asked for.
#[derive(Clone, Debug)]
pub struct CreateGroup {
    /// Its name.
    pub name: String,
    /// Its class; none for `STANDARD`.
    pub class: Option<String>,
    /// The ARN of a key.
    pub kms_key: Option<String>,
    /// Whether it can't be deleted.
    pub deletion_protection: bool,
    /// Tags.
    pub tags: Tags,
}

/// Makes a log group.
///
/// # Errors
/// `InvalidParameterException`, `ResourceAlreadyExistsException`, `LimitExceededException`.
pub fn create_group(tx: &mut Tx, request: CreateGroup) -> Result<(), ControlError> {
    check_group_name(&request.name)?;
    check_tags(&request.tags)?;
    let class = request.class.unwrap_or_else(|| "STANDARD".to_owned());
    if !matches!(&*class, "STANDARD" | "INFREQUENT_ACCESS" | "DELIVERY") {
        return Err(invalid("logGroupClass is one of STANDARD, INFREQUENT_ACCESS and DELIVERY"));
    }
    if tx.network().log_groups.contains_key(&LogKey::group(tx.owner(), &request.name)) {
        return Err(ControlError::new("ResourceAlreadyExistsException", "The specified log group already exists"));
    }
    let limit = tx.quotas().log_groups;
    if tx.owned::<LogGroup>().count() >= limit {
        return Err(over());
    }
    tx.put(LogGroup {
        owner: tx.owner().clone(),
        name: request.name,
        class,
        retention_days: None,
        kms_key: request.kms_key,
        deletion_protection: request.deletion_protection,
        created_at: tx.now(),
        tags: request.tags,
    });
    Ok(())
}

/// Makes a log group of that name if there is none, as services do that are told to write into it.
///
/// # Errors
/// `InvalidParameterException`, `LimitExceededException`.
pub fn ensure_group(tx: &mut Tx, name: &str) -> Result<(), ControlError> {
    if tx.network().log_groups.contains_key(&LogKey::group(tx.owner(), name)) {
        return Ok(());
    }
    let request =
        CreateGroup { name: name.to_owned(), class: None, kms_key: None, deletion_protection: false, tags: Tags::new() };
    create_group(tx, request)
}

/// Deletes a log group with all it holds.
///
/// # Errors
/// `ResourceNotFoundException`, `OperationAbortedException` while it is protected.
pub fn delete_group(tx: &mut Tx, name: &str) -> Result<(), ControlError> {
    let found = group(tx.network(), tx.owner(), name)?;
    if found.deletion_protection {
        let message = "The log group is protected from deletion; turn deletion protection off first";
        return Err(ControlError::new("ValidationException", message));
    }
    let streams: Vec<String> = streams(tx.network(), found).map(|stream| stream.name.clone()).collect();
    for stream in streams {
        delete_stream(tx, name, &stream)?;
    }
    let key = LogKey::group(tx.owner(), name);
    tx.remove::<LogGroup>(&key);
    Ok(())
}

/// Sets for how long events are kept; none for ever.
///
/// # Errors
/// `ResourceNotFoundException`, `InvalidParameterException`.
pub fn set_retention(tx: &mut Tx, name: &str, days: Option<i32>) -> Result<(), ControlError> {
    let days = days.map(|days| u32::try_from(days).ok().filter(|days| RETENTIONS.contains(days)).ok_or(days));
    let days =
        days.transpose().map_err(|days| invalid(&format!("retentionInDays can't be {days}: use one of {RETENTIONS:?}")))?;
    change_group(tx, name, |group| group.retention_days = days)
}

/// Adds tags to a log group, or overwrites those with the same keys.
///
/// # Errors
/// `ResourceNotFoundException`, `TooManyTagsException`.
pub fn tag(tx: &mut Tx, name: &str, tags: Tags) -> Result<(), ControlError> {
    change_group(tx, name, |group| group.tags.extend(tags))?;
    let tags = &group(tx.network(), tx.owner(), name)?.tags;
    check_tags(tags)
}

/// Removes tags from a log group.
///
/// # Errors
/// `ResourceNotFoundException`.
pub fn untag(tx: &mut Tx, name: &str, keys: &[String]) -> Result<(), ControlError> {
    change_group(tx, name, |group| group.tags.retain(|key, _| !keys.contains(key)))
}

/// Makes a stream.
///
/// # Errors
/// `ResourceNotFoundException`, `InvalidParameterException`, `ResourceAlreadyExistsException`.
pub fn create_stream(tx: &mut Tx, group_name: &str, name: &str) -> Result<(), ControlError> {
    group(tx.network(), tx.owner(), group_name)?;
    if !(1..=512).contains(&name.chars().count()) || name.contains([':', '*']) {
        return Err(invalid("logStreamName has 1 to 512 characters, neither : nor *"));
    }
    if tx.network().log_streams.contains_key(&LogKey::stream(tx.owner(), group_name, name)) {
        return Err(ControlError::new("ResourceAlreadyExistsException", "The specified log stream already exists"));
    }
    tx.put(LogStream {
        owner: tx.owner().clone(),
        group: group_name.to_owned(),
        name: name.to_owned(),
        created_at: tx.now(),
        span: None,
        last_ingestion: None,
        batches: 0,
    });
    Ok(())
}

/// Deletes a stream with its events.
///
/// # Errors
/// `ResourceNotFoundException`.
pub fn delete_stream(tx: &mut Tx, group_name: &str, name: &str) -> Result<(), ControlError> {
    let found = Arc::clone(stream(tx.network(), tx.owner(), group_name, name)?);
    let key = LogKey::stream(tx.owner(), group_name, name);
    for batch in 1..=found.batches {
        tx.remove::<LogBatch>(&LogKey { batch, ..key.clone() });
    }
    tx.remove::<LogStream>(&key);
    Ok(())
}

/// Which events of a call weren't kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// How many at the beginning are older than the group keeps events.
    pub expired: usize,
    /// How many at the beginning are older than two weeks.
    pub too_old: usize,
    /// The first that is more than two hours in the future.
    pub too_new_from: Option<usize>,
}

/// Takes events in order of their times.
///
/// # Errors
/// `ResourceNotFoundException`, `InvalidParameterException` for none, too many, or a wrong order.
pub fn put_events(tx: &mut Tx, group_name: &str, name: &str, events: Vec<LogEvent>) -> Result<Rejected, ControlError> {
    let retention = group(tx.network(), tx.owner(), group_name)?.retention_days;
    let mut stream = (**stream(tx.network(), tx.owner(), group_name, name)?).clone();
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD).sum();
    if events.is_empty() || events.len() > BATCH_EVENTS || bytes > BATCH_BYTES {
        return Err(invalid("A batch has 1 to 10000 events and at most 1048576 bytes, 26 more than the message for each"));
    }
    if events.iter().any(|event| event.message.is_empty()) {
        return Err(invalid("A message has at least one character"));
    }
    if !events.is_sorted_by_key(|event| event.at) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    let now = tx.now();
    if let (Some(first), Some(last)) = (events.first(), events.last())
        && last.at.0 - first.at.0 > DAY_MS
    {
        return Err(invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours."));
    }
    let before = |limit: u64| events.iter().take_while(|event| event.at.0 + limit < now.0).count();
    let rejected = Rejected {
        expired: retention.map_or(0, |days| before(u64::from(days) * DAY_MS)),
        too_old: before(14 * DAY_MS),
        too_new_from: events.iter().position(|event| event.at.0 > now.0 + DAY_MS / 12),
    };
    let kept = rejected.expired.max(rejected.too_old)..rejected.too_new_from.unwrap_or(events.len());
    let events: Vec<LogEvent> = events.into_iter().skip(kept.start).take(kept.len()).collect();
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(rejected) };
    let span = stream.span.unwrap_or((first.at, last.at));
    stream.span = Some((span.0.min(first.at), span.1.max(last.at)));
    stream.last_ingestion = Some(now);
    stream.batches += 1;
    let owner = tx.owner().clone();
    let (group, number) = (stream.group.clone(), stream.batches);
    tx.put(LogBatch { owner, group, stream: stream.name.clone(), number, ingested_at: now, events });
    tx.put(stream);
    Ok(rejected)
}

/// The events of a stream that are kept, oldest first, each with the time when it came.
pub fn events<'a>(network: &'a Network, stream: &'a LogStream, now: UnixMillis) -> Vec<(UnixMillis, &'a LogEvent)> {
    let retention = group(network, &stream.owner, &stream.group).ok().and_then(|group| group.retention_days);
    let oldest = retention.map_or(0, |days| now.0.saturating_sub(u64::from(days) * DAY_MS));
    let key = LogKey::stream(&stream.owner, &stream.group, &stream.name);
    let batches = (1..=stream.batches).filter_map(|batch| network.log_batches.get(&LogKey { batch, ..key.clone() }));
    let mut events: Vec<_> = batches.flat_map(|batch| batch.events.iter().map(|event| (batch.ingested_at, event))).collect();
    events.retain(|(_, event)| event.at.0 >= oldest);
    // Stable: events of one time stay in the order in which they came.
    events.sort_by_key(|(_, event)| event.at);
    events
}

/// Keeps a policy about who may write, in the place of one of that name.
///
/// # Errors
/// `InvalidParameterException`, `LimitExceededException`.
pub fn put_policy(tx: &mut Tx, name: &str, document: &str) -> Result<LogResourcePolicy, ControlError> {
    let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(document).is_ok();
    if name.is_empty() || document.len() > POLICY_SIZE || !is_object {
        return Err(invalid("A policy has a name and a document, a JSON object of at most 5120 characters"));
    }
    let is_new = !tx.network().log_resource_policies.contains_key(&LogKey::group(tx.owner(), name));
    if is_new && tx.owned::<LogResourcePolicy>().count() >= POLICIES {
        return Err(over());
    }
    let policy = LogResourcePolicy {
        owner: tx.owner().clone(),
        name: name.to_owned(),
        document: document.to_owned(),
        updated_at: tx.now(),
    };
    tx.put(policy.clone());
    Ok(policy)
}

/// Deletes a policy about who may write.
///
/// # Errors
/// `ResourceNotFoundException`.
pub fn delete_policy(tx: &mut Tx, name: &str) -> Result<(), ControlError> {
    let key = LogKey::group(tx.owner(), name);
    if !tx.network().log_resource_policies.contains_key(&key) {
        let message = format!("Policy with name [{name}] does not exist.");
        return Err(ControlError::new("ResourceNotFoundException", message));
    }
    tx.remove::<LogResourcePolicy>(&key);
    Ok(())
}

/// A log group of an account in a region.
///
/// # Errors
/// `ResourceNotFoundException`.
pub fn group<'a>(network: &'a Network, owner: &Owner, name: &str) -> Result<&'a Arc<LogGroup>, ControlError> {
    let missing = || ControlError::new("ResourceNotFoundException", "The specified log group does not exist.");
    network.log_groups.get(&LogKey::group(owner, name)).ok_or_else(missing)
}

/// A stream of a log group.
///
/// # Errors
/// `ResourceNotFoundException`.
pub fn stream<'a>(network: &'a Network, owner: &Owner, group_name: &str, name: &str) -> Result<&'a Arc<LogStream>, ControlError> {
    group(network, owner, group_name)?;
    let missing = || ControlError::new("ResourceNotFoundException", "The specified log stream does not exist.");
    network.log_streams.get(&LogKey::stream(owner, group_name, name)).ok_or_else(missing)
}

/// The streams of a log group, by name.
pub fn streams<'a>(network: &'a Network, group: &'a LogGroup) -> impl Iterator<Item = &'a Arc<LogStream>> {
    network.all::<LogStream>().filter(|stream| stream.owner == group.owner && stream.group == group.name)
}

fn change_group(tx: &mut Tx, name: &str, change: impl FnOnce(&mut LogGroup)) -> Result<(), ControlError> {
    let mut group = (**group(tx.network(), tx.owner(), name)?).clone();
    change(&mut group);
    tx.put(group);
    Ok(())
}

fn check_group_name(name: &str) -> Result<(), ControlError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-/.#".contains(&b);
    if (1..=512).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(invalid(&format!(
        "1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
    )))
}

fn check_tags(tags: &Tags) -> Result<(), ControlError> {
    let is_bad = |(key, value): (&String, &String)| {
        key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:")
    };
    if tags.iter().any(is_bad) {
        return Err(invalid("A tag's key has 1 to 128 characters and doesn't start with aws:, its value at most 256"));
    }
    if tags.len() > TAGS {
        return Err(ControlError::new("TooManyTagsException", format!("A log group has at most {TAGS} tags")));
    }
    Ok(())
}

fn invalid(message: &str) -> ControlError {
    ControlError::new("InvalidParameterException", message)
}

fn over() -> ControlError {
    ControlError::new("LimitExceededException", "Resource limit exceeded.")
}
