//! Of every operation: DryRun, parameters that it doesn't have, and none at all.

use std::sync::Arc;

use serde_json::json;

use super::script::{BUILD, DEMOLISH, World, lines, served};
use crate::generated::ec2::table::MODEL;
use crate::services::Service;
use crate::table::{Protocol, Shape};
use crate::testing::api;

/// Operations whose every call is checked elsewhere: they need what the scripts' world can't have beside everything else.
const ELSEWHERE: &[&str] = &[
    "AcceptTransitGatewayVpcAttachment",
    "AssignIpv6Addresses",
    "AssociateSubnetCidrBlock",
    "CreateDefaultSubnet",
    "CreateDefaultVpc",
    "DisassociateSubnetCidrBlock",
    "ImportClientVpnClientCertificateRevocationList",
    "ImportKeyPair",
    "ModifyVpcTenancy",
    "ModifyVpnConnection",
    "ModifyVpnTunnelOptions",
    "RejectTransitGatewayPeeringAttachment",
    "RejectTransitGatewayVpcAttachment",
    "ReplaceVpnTunnel",
    "StartInstances",
    "TerminateClientVpnConnections",
    "UnassignIpv6Addresses",
];

#[test]
fn a_dry_run_says_what_the_call_would_and_changes_nothing() {
    let mut world = World::empty();
    let mut faults = Vec::new();
    for line in lines(BUILD).chain(lines(DEMOLISH)) {
        let Some(call) = world.read(line) else { continue };
        world.visit(&call);
        let before = world.api.control.snapshot();
        if !reads(call.action) && has_dry_run(call.action) {
            match world.answer(&call, &[("DryRun", "true")]) {
                Err(error) if error.code == "DryRunOperation" && error.status == 412 => {}
                other => faults.push(format!("{line}: {other:?}")),
            }
        }
        if !call.action.contains(':') {
            let code = world.answer(&call, &[("Nonsense", "1")]).map_err(|error| error.code.into_owned());
            if code != Err("UnknownParameter".to_owned()) {
                faults.push(format!("{line}, with a parameter it doesn't have: {code:?}"));
            }
        }
        if !Arc::ptr_eq(&before, &world.api.control.snapshot()) {
            faults.push(format!("{line}: changed something before it was meant"));
        }
        if let Err(error) = world.run(&call) {
            faults.push(format!("{line}: {error}"));
        }
        let changed = !Arc::ptr_eq(&before, &world.api.control.snapshot());
        if changed && reads(call.action) {
            faults.push(format!("{line}: a question changed something"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_scripts_leave_no_operation_out() {
    let in_scripts = |name: &str| {
        lines(BUILD).chain(lines(DEMOLISH)).any(|line| line.split(' ').find(|word| !word.starts_with('@')) == Some(name))
    };
    let missing: Vec<_> = MODEL.operations.iter().map(|operation| operation.name).collect();
    let missing: Vec<_> = missing.into_iter().filter(|name| served(name) && !reads(name) && !in_scripts(name)).collect();
    let forgotten: Vec<_> = missing.iter().filter(|name| !ELSEWHERE.contains(name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn an_operation_without_parameters_answers_or_says_what_is_missing() {
    let mut faults = Vec::new();
    for line in lines(include_str!("../../model/operations.txt")) {
        let (service, name) = line.split_once(':').unwrap();
        if !served(line) {
            continue;
        }
        let api = api();
        let outcome = match Service::named(service).unwrap().model.protocol {
            Protocol::Json => api.json(service, name, &json!({})),
            Protocol::RestXml => api.rest_without_parameters(service, name),
            Protocol::Ec2 | Protocol::Query => api.call(line, &[]),
        };
        if let Err(error) = outcome {
            let is_plain = (400..500).contains(&error.status) && !error.code.is_empty() && error.code != "InternalError";
            if !is_plain || error.code == "InvalidAction" || error.message.is_empty() {
                faults.push(format!("{line}: {} {error}", error.status));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether an operation only asks.
pub(super) fn reads(action: &str) -> bool {
    ["Describe", "Get", "Search", "Export", "List", "Filter"].iter().any(|verb| action.starts_with(verb))
}

/// Whether an operation of EC2 can be rehearsed.
pub(crate) fn has_dry_run(action: &str) -> bool {
    let Some(operation) = MODEL.operation(action) else { return false };
    let members = operation.request.map(|request| MODEL.shape(request));
    matches!(members, Some(Shape::Structure(members)) if members.iter().any(|member| member.query == "DryRun"))
}
