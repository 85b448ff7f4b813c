//! Instances: [`launch`], state changes, [`attributes`], and how they are shown ([`view`]).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openvpc_control::instances::{self, StateChange};
use openvpc_model::{Instance, InstanceId, InstanceState};

use super::prelude::*;

mod attributes;
mod filter;
mod launch;
#[cfg(test)]
mod tests;
mod view;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(DescribeIamInstanceProfileAssociations, attributes::describe_iam_instance_profile_associations),
    action!(DescribeInstanceAttribute, attributes::describe_instance_attribute),
    action!(DescribeInstanceCreditSpecifications, attributes::describe_instance_credit_specifications),
    action!(DescribeInstanceStatus, describe_instance_status),
    action!(DescribeInstances, describe_instances),
    action!(GetConsoleOutput, get_console_output),
    action!(ModifyInstanceAttribute, attributes::modify_instance_attribute),
    action!(ModifyInstanceMetadataOptions, attributes::modify_instance_metadata_options),
    action!(RebootInstances, reboot_instances),
    action!(RunInstances, launch::run_instances),
    action!(StartInstances, start_instances),
    action!(StopInstances, stop_instances),
    action!(TerminateInstances, terminate_instances),
];

/// How much of the console GetConsoleOutput gives, from its end.
const CONSOLE_BYTES: usize = 64 * 1024;

fn describe_instances(
    ctx: &Ctx<'_>,
    request: shapes::DescribeInstancesRequest,
) -> Result<shapes::DescribeInstancesResult, ApiError> {
    let network = ctx.network()?;
    let mut found = pick(ctx, &network, &request.instance_ids)?;
    found.sort_by_key(|instance| view::Place::of(instance));
    let selection = filters::Selection::new(&request.filters, &filter::instance_fields())?;
    let behind = |last: Option<view::Place>| {
        let start = last.map_or(0, |last| found.partition_point(|instance| view::Place::of(instance) <= last));
        found[start..].iter().map(|instance| view::Row::new(&network, instance)).filter(|row| selection.passes(row))
    };
    let explicit = !request.instance_ids.is_empty();
    let (rows, next_token) = page::take(&request, explicit, behind, |row| view::Place::of(row.instance))?;
    Ok(shapes::DescribeInstancesResult { next_token, reservations: view::reservations(rows) })
}

fn describe_instance_status(
    ctx: &Ctx<'_>,
    request: shapes::DescribeInstanceStatusRequest,
) -> Result<shapes::DescribeInstanceStatusResult, ApiError> {
    let network = ctx.network()?;
    let all = request.include_all_instances == Some(true);
    let found = pick(ctx, &network, &request.instance_ids)?;
    let shown = found.iter().filter(|instance| all || instance.state == InstanceState::Running);
    let statuses =
        filters::select(shown.map(|instance| view::status(instance)).collect(), &request.filters, &filter::STATUS_FIELDS)?;
    let (instance_statuses, next_token) =
        page::cut(&request, !request.instance_ids.is_empty(), statuses, |status| status.instance_id.as_deref())?;
    Ok(shapes::DescribeInstanceStatusResult { instance_statuses, next_token })
}

fn start_instances(ctx: &Ctx<'_>, request: shapes::StartInstancesRequest) -> Result<shapes::StartInstancesResult, ApiError> {
    let ids = named(&request.instance_ids)?;
    let changes = ctx.mutate(|tx| instances::start(tx, &ids))?;
    Ok(shapes::StartInstancesResult { starting_instances: changes.iter().map(state_change).collect() })
}

fn stop_instances(ctx: &Ctx<'_>, request: shapes::StopInstancesRequest) -> Result<shapes::StopInstancesResult, ApiError> {
    if request.hibernate == Some(true) {
        return Err(ApiError::new(
            "UnsupportedHibernationConfiguration",
            "Instances of openvpc are sandboxes and can't hibernate; stop them without Hibernate",
        ));
    }
    let ids = named(&request.instance_ids)?;
    let changes = ctx.mutate(|tx| instances::stop(tx, &ids))?;
    Ok(shapes::StopInstancesResult { stopping_instances: changes.iter().map(state_change).collect() })
}

fn terminate_instances(
    ctx: &Ctx<'_>,
    request: shapes::TerminateInstancesRequest,
) -> Result<shapes::TerminateInstancesResult, ApiError> {
    let ids = named(&request.instance_ids)?;
    let changes = ctx.mutate(|tx| instances::terminate(tx, &ids))?;
    Ok(shapes::TerminateInstancesResult { terminating_instances: changes.iter().map(state_change).collect() })
}

fn reboot_instances(ctx: &Ctx<'_>, request: shapes::RebootInstancesRequest) -> Result<Done, ApiError> {
    let ids = named(&request.instance_ids)?;
    ctx.mutate(|tx| instances::check_reboot(tx, &ids))?;
    if !ctx.dry_run {
        ids.into_iter().for_each(|id| ctx.host().reboot(id));
    }
    Ok(Done)
}

fn get_console_output(
    ctx: &Ctx<'_>,
    request: shapes::GetConsoleOutputRequest,
) -> Result<shapes::GetConsoleOutputResult, ApiError> {
    let id: InstanceId = ids::parse_required(&request.instance_id, "InstanceId")?;
    pick(ctx, &*ctx.network()?, &[id.to_string()])?;
    let console = ctx.host().console_output(id);
    Ok(shapes::GetConsoleOutputResult {
        instance_id: Some(id.to_string()),
        timestamp: Some(console.as_ref().map_or_else(|| ctx.control().now(), |(at, _)| *at)),
        output: console.map(|(_, text)| STANDARD.encode(&text[text.len().saturating_sub(CONSOLE_BYTES)..])),
    })
}

/// The caller's instances of those ids, or all; the error names every id that doesn't exist.
fn pick(ctx: &Ctx<'_>, network: &Network, texts: &[String]) -> Result<Vec<std::sync::Arc<Instance>>, ApiError> {
    let ids: Vec<InstanceId> = ids::parse_all(texts)?;
    let exists = |id: &InstanceId| network.get::<Instance>(id).is_some_and(|instance| instance.owner == *ctx.owner());
    let missing: Vec<String> = ids.iter().filter(|id| !exists(id)).map(InstanceId::to_string).collect();
    if missing.len() > 1 {
        let message = format!("The instance IDs '{}' do not exist", missing.join(", "));
        return Err(ApiError::new("InvalidInstanceID.NotFound", message));
    }
    ctx.pick::<Instance>(network, texts)
}

fn named(texts: &[String]) -> Result<Vec<InstanceId>, ApiError> {
    if texts.is_empty() {
        return Err(ApiError::missing("InstanceIds"));
    }
    ids::parse_all(texts)
}

fn state_change(change: &StateChange) -> shapes::InstanceStateChange {
    shapes::InstanceStateChange {
        instance_id: Some(change.instance.to_string()),
        current_state: Some(view::state(change.current)),
        previous_state: Some(view::state(change.previous)),
    }
}
