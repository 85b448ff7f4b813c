//! Streams of a log group, and their events.

use openvpc_control::log_groups;
use openvpc_model::{LogEvent, LogGroup, LogStream, Network, UnixMillis};

use super::super::prelude::*;
use super::{cut, invalid, list, wire_time};
use crate::generated::logs::shapes;

/// The most events of a page.
const EVENTS: usize = 10_000;

pub(super) fn create(ctx: &Ctx<'_>, request: shapes::CreateLogStreamRequest) -> Result<json::Empty, ApiError> {
    let (group, name) = (request.log_group_name.unwrap_or_default(), request.log_stream_name.unwrap_or_default());
    ctx.mutate(|tx| log_groups::create_stream(tx, &group, &name))?;
    Ok(json::Empty {})
}

pub(super) fn delete(ctx: &Ctx<'_>, request: shapes::DeleteLogStreamRequest) -> Result<json::Empty, ApiError> {
    let (group, name) = (request.log_group_name.unwrap_or_default(), request.log_stream_name.unwrap_or_default());
    ctx.mutate(|tx| log_groups::delete_stream(tx, &group, &name))?;
    Ok(json::Empty {})
}

pub(super) fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeLogStreamsRequest,
) -> Result<shapes::DescribeLogStreamsResponse, ApiError> {
    let network = ctx.network()?;
    let group = group(ctx, &network, &request.log_group_name, &request.log_group_identifier)?;
    let prefix = request.log_stream_name_prefix.as_deref().unwrap_or_default();
    let mut found: Vec<&LogStream> = log_groups::streams(&network, group).map(|stream| &**stream).collect();
    found.retain(|stream| stream.name.starts_with(prefix));
    match request.order_by.as_deref() {
        None | Some("LogStreamName") => {}
        Some("LastEventTime") if !prefix.is_empty() => {
            return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        Some("LastEventTime") => found.sort_by_key(|stream| stream.span.map(|(_, last)| last)),
        Some(_) => return Err(invalid("orderBy is LogStreamName or LastEventTime")),
    }
    if request.descending == Some(true) {
        found.reverse();
    }
    let streams = found.into_iter().map(|stream| shape(group, stream)).collect();
    let (log_streams, next_token) = cut(streams, request.limit, &request.next_token)?;
    Ok(shapes::DescribeLogStreamsResponse { log_streams, next_token })
}

/// Sequence tokens are taken and not looked at, as AWS does since 2023.
pub(super) fn put_events(ctx: &Ctx<'_>, request: shapes::PutLogEventsRequest) -> Result<shapes::PutLogEventsResponse, ApiError> {
    let (group, name) = (request.log_group_name.unwrap_or_default(), request.log_stream_name.unwrap_or_default());
    let event = |event: shapes::InputLogEvent| {
        let at = event.timestamp.and_then(|time| u64::try_from(time).ok()).map(UnixMillis);
        let at = at.ok_or_else(|| invalid("An event has a timestamp, in milliseconds since 1970"))?;
        Ok(LogEvent { at, message: event.message.unwrap_or_default() })
    };
    let events = request.log_events.into_iter().map(event).collect::<Result<_, ApiError>>()?;
    let rejected = ctx.mutate(|tx| log_groups::put_events(tx, &group, &name, events))?;
    let number = |count: usize| i32::try_from(count).ok();
    let info = shapes::RejectedLogEventsInfo {
        too_new_log_event_start_index: rejected.too_new_from.and_then(number),
        too_old_log_event_end_index: Some(rejected.too_old).filter(|count| *count > 0).and_then(number),
        expired_log_event_end_index: Some(rejected.expired).filter(|count| *count > 0).and_then(number),
    };
    Ok(shapes::PutLogEventsResponse {
        next_sequence_token: Some("0".to_owned()),
        rejected_log_events_info: (rejected != log_groups::Rejected::default()).then_some(info),
        rejected_entity_info: None,
    })
}

/// The newest events first a page at a time, or from the head; the token of a direction stays the same at its end.
pub(super) fn get_events(ctx: &Ctx<'_>, request: shapes::GetLogEventsRequest) -> Result<shapes::GetLogEventsResponse, ApiError> {
    let network = ctx.network()?;
    let group = group(ctx, &network, &request.log_group_name, &request.log_group_identifier)?;
    let name = request.log_stream_name.unwrap_or_default();
    let stream = log_groups::stream(&network, ctx.owner(), &group.name, &name)?;
    let mut events = log_groups::events(&network, stream, ctx.control().now());
    events.retain(|(_, event)| is_between(event, request.start_time, request.end_time));
    let size = size(request.limit)?;
    let (start, end) = match request.next_token.as_deref().filter(|token| !token.is_empty()) {
        None if request.start_from_head == Some(true) => (0, size.min(events.len())),
        None => (events.len().saturating_sub(size), events.len()),
        Some(token) => {
            let place = |digits: &str| digits.parse::<usize>().ok().map(|place| place.min(events.len()));
            let bad = || invalid("The specified nextToken is invalid.");
            match token.split_once('/') {
                Some(("f", digits)) => place(digits).map(|start| (start, start.saturating_add(size).min(events.len()))),
                Some(("b", digits)) => place(digits).map(|end| (end.saturating_sub(size), end)),
                _ => None,
            }
            .ok_or_else(bad)?
        }
    };
    let shape = |(ingested, event): &(UnixMillis, &LogEvent)| shapes::OutputLogEvent {
        timestamp: Some(wire_time(event.at)),
        message: Some(event.message.clone()),
        ingestion_time: Some(wire_time(*ingested)),
    };
    Ok(shapes::GetLogEventsResponse {
        events: events[start..end].iter().map(shape).collect(),
        next_forward_token: Some(format!("f/{end:020}")),
        next_backward_token: Some(format!("b/{start:020}")),
    })
}

pub(super) fn filter_events(
    ctx: &Ctx<'_>,
    request: shapes::FilterLogEventsRequest,
) -> Result<shapes::FilterLogEventsResponse, ApiError> {
    let network = ctx.network()?;
    let group = group(ctx, &network, &request.log_group_name, &request.log_group_identifier)?;
    let names = &request.log_stream_names;
    if !names.is_empty() && request.log_stream_name_prefix.is_some() {
        return Err(invalid("logStreamNames and logStreamNamePrefix can't be used together"));
    }
    for name in names {
        log_groups::stream(&network, ctx.owner(), &group.name, name)?;
    }
    let prefix = request.log_stream_name_prefix.as_deref().unwrap_or_default();
    let pattern = Pattern::parse(request.filter_pattern.as_deref().unwrap_or_default())?;
    let mut events = Vec::new();
    for stream in log_groups::streams(&network, group) {
        if !stream.name.starts_with(prefix) || !(names.is_empty() || names.contains(&stream.name)) {
            continue;
        }
        for (place, (ingested, event)) in log_groups::events(&network, stream, ctx.control().now()).into_iter().enumerate() {
            if is_between(event, request.start_time, request.end_time) && pattern.matches(&event.message) {
                events.push(shapes::FilteredLogEvent {
                    log_stream_name: Some(stream.name.clone()),
                    timestamp: Some(wire_time(event.at)),
                    message: Some(event.message.clone()),
                    ingestion_time: Some(wire_time(ingested)),
                    event_id: Some(format!("{:020}{:016}{place:020}", event.at.0, stream.created_at.0)),
                });
            }
        }
    }
    events.sort_by_key(|event| event.timestamp);
    let codes = ("InvalidParameterException", "InvalidParameterException");
    let (events, next_token) = list::cut(events, request.limit, EVENTS, request.next_token.as_deref(), codes)?;
    Ok(shapes::FilterLogEventsResponse { events, searched_log_streams: Vec::new(), next_token })
}

/// A filter of unstructured events: words that must be there, with a `-` those that must not, with a `?` of which one
/// must. See "Filter pattern syntax for metric filters" in the CloudWatch Logs User Guide.
struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let text = text.trim();
        if text.starts_with(['{', '[', '%']) {
            return Err(invalid("Filters of structured events and regular expressions are not available here; use words"));
        }
        let mut pattern = Self { all: Vec::new(), any: Vec::new(), none: Vec::new() };
        let mut rest = text;
        while !rest.is_empty() {
            let (list, word) = match rest.as_bytes()[0] {
                b'-' => (&mut pattern.none, &rest[1..]),
                b'?' => (&mut pattern.any, &rest[1..]),
                _ => (&mut pattern.all, rest),
            };
            let (word, behind) = match word.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or_else(|| invalid("Invalid filter pattern: a quote isn't closed"))?,
                None => word.split_once(char::is_whitespace).unwrap_or((word, "")),
            };
            list.push(word.to_owned());
            rest = behind.trim_start();
        }
        Ok(pattern)
    }

    fn matches(&self, message: &str) -> bool {
        let has = |word: &String| message.contains(word.as_str());
        self.all.iter().all(has) && !self.none.iter().any(has) && (self.any.is_empty() || self.any.iter().any(has))
    }
}

fn group<'a>(
    ctx: &Ctx<'_>,
    network: &'a Network,
    name: &Option<String>,
    identifier: &Option<String>,
) -> Result<&'a LogGroup, ApiError> {
    let name = match (name, identifier) {
        (Some(_), Some(_)) => return Err(invalid("logGroupName and logGroupIdentifier can't be used together")),
        (None, Some(arn)) if arn.starts_with("arn:") => super::named(ctx, identifier)?,
        (Some(name), None) | (None, Some(name)) => name.clone(),
        (None, None) => return Err(invalid("Either logGroupName or logGroupIdentifier must be given")),
    };
    Ok(log_groups::group(network, ctx.owner(), &name)?)
}

fn shape(group: &LogGroup, stream: &LogStream) -> shapes::LogStream {
    shapes::LogStream {
        log_stream_name: Some(stream.name.clone()),
        creation_time: Some(wire_time(stream.created_at)),
        first_event_timestamp: stream.span.map(|(first, _)| wire_time(first)),
        last_event_timestamp: stream.span.map(|(_, last)| wire_time(last)),
        last_ingestion_time: stream.last_ingestion.map(wire_time),
        upload_sequence_token: stream.last_ingestion.map(|_| "0".to_owned()),
        arn: Some(format!("{}:log-stream:{}", group.arn(), stream.name)),
        stored_bytes: Some(0),
    }
}

/// From the first time, until before the second.
fn is_between(event: &LogEvent, start: Option<i64>, end: Option<i64>) -> bool {
    let at = wire_time(event.at);
    start.is_none_or(|start| at >= start) && end.is_none_or(|end| at < end)
}

fn size(limit: Option<i32>) -> Result<usize, ApiError> {
    match limit {
        None => Ok(EVENTS),
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=EVENTS).contains(limit))
            .ok_or_else(|| invalid("limit is a number from 1 to 10000")),
    }
}
