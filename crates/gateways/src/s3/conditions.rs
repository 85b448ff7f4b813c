//! Conditional requests. See RFC 9110, section 13.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Error, S3Result, s3_error};

use super::Object;

/// Whether an object may be written over `existing`, or anew.
pub(super) fn write(
    existing: Option<&Object>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    match (if_match, existing) {
        (Some(_), None) => return Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
        (Some(condition), Some(object)) if !holds(condition, object) => return Err(failed()),
        _ => {}
    }
    match (if_none_match, existing) {
        (Some(condition), Some(object)) if holds(condition, object) => Err(failed()),
        _ => Ok(()),
    }
}

/// Whether an object may be read, or has to be. Conditions on ETags go before those on dates (section 13.2.2).
pub(super) fn read(
    object: &Object,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
) -> S3Result<()> {
    let modified = Timestamp::from(whole_seconds(object.modified));
    let unmet = match (if_match, if_unmodified_since) {
        (Some(condition), _) => !holds(condition, object),
        (None, Some(since)) => modified > since,
        (None, None) => false,
    };
    if unmet {
        return Err(failed());
    }
    let unmodified = match (if_none_match, if_modified_since) {
        (Some(condition), _) => holds(condition, object),
        (None, Some(since)) => modified <= since,
        (None, None) => false,
    };
    if unmodified { Err(s3_error!(NotModified)) } else { Ok(()) }
}

fn holds(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => ETag::Strong(object.etag.clone()).weak_cmp(etag),
    }
}

fn failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

/// HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
