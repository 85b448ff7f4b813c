//! What the Describes show, in the model's words. What a region holds from the start is left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::described;
use super::model::{Model, Who};
use crate::Api;

pub(super) fn lines(api: &Api, who: Who, model: &Model) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let all = |action: &str, list: &str| described(api, who, action, list, "", "");
    let ours: BTreeSet<String> =
        all("DescribeVpcs", "Vpcs").iter().filter(|vpc| vpc["IsDefault"] == false).map(|vpc| text(&vpc["VpcId"])).collect();
    let in_ours = |item: &&Value| ours.contains(&text(&item["VpcId"]));
    for vpc in all("DescribeVpcs", "Vpcs").iter().filter(in_ours) {
        let blocks: BTreeSet<String> = items(&vpc["CidrBlockAssociationSet"]).map(|b| text(&b["CidrBlock"])).collect();
        lines.insert(format!("{} {blocks:?} tags {}", text(&vpc["VpcId"]), tags(vpc)));
    }
    for subnet in all("DescribeSubnets", "Subnets").iter().filter(in_ours) {
        let [id, vpc, block] = ["SubnetId", "VpcId", "CidrBlock"].map(|name| text(&subnet[name]));
        lines.insert(format!("{id} {vpc} {block} free {} tags {}", subnet["AvailableIpAddressCount"], tags(subnet)));
    }
    for table in all("DescribeRouteTables", "RouteTables").iter().filter(in_ours) {
        let routes: BTreeSet<String> = items(&table["Routes"]).map(route).collect();
        let subnets: BTreeSet<String> =
            items(&table["Associations"]).filter_map(|a| a["SubnetId"].as_str()).map(str::to_owned).collect();
        let main = items(&table["Associations"]).any(|a| a["Main"] == true);
        let [id, vpc] = ["RouteTableId", "VpcId"].map(|name| text(&table[name]));
        lines.insert(format!("{id} {vpc} main {main} subnets {subnets:?} routes {routes:?} tags {}", tags(table)));
    }
    for gateway in all("DescribeInternetGateways", "InternetGateways") {
        let id = text(&gateway["InternetGatewayId"]);
        let vpc = gateway["Attachments"][0]["VpcId"].as_str();
        // That of the default VPC.
        if model.igws.contains_key(&id) {
            lines.insert(format!("{id} at {vpc:?} tags {}", tags(&gateway)));
        }
    }
    for gateway in all("DescribeEgressOnlyInternetGateways", "EgressOnlyInternetGateways") {
        let id = text(&gateway["EgressOnlyInternetGatewayId"]);
        lines.insert(format!("{id} at {}", text(&gateway["Attachments"][0]["VpcId"])));
    }
    for address in all("DescribeAddresses", "Addresses") {
        let on = address["AssociationId"].as_str().zip(address["NetworkInterfaceId"].as_str());
        lines.insert(format!("{} on {on:?}", text(&address["AllocationId"])));
    }
    for eni in all("DescribeNetworkInterfaces", "NetworkInterfaces").iter().filter(in_ours) {
        let groups: BTreeSet<String> = items(&eni["Groups"]).map(|group| text(&group["GroupId"])).collect();
        let addresses = items(&eni["PrivateIpAddresses"]).count();
        let [id, subnet] = ["NetworkInterfaceId", "SubnetId"].map(|name| text(&eni[name]));
        lines.insert(format!("{id} in {subnet} addresses {addresses} groups {groups:?} managed {}", eni["RequesterManaged"]));
    }
    for nat in all("DescribeNatGateways", "NatGateways") {
        let [id, vpc, subnet, state] = ["NatGatewayId", "VpcId", "SubnetId", "State"].map(|name| text(&nat[name]));
        lines.insert(format!("{id} in {vpc} {subnet} {state}"));
    }
    for group in all("DescribeSecurityGroups", "SecurityGroups").iter().filter(in_ours) {
        let ported = items(&group["IpPermissions"]).filter(|permission| permission["IpProtocol"] == "tcp");
        let rules: BTreeSet<String> = ported.flat_map(rules).collect();
        let [id, vpc, name] = ["GroupId", "VpcId", "GroupName"].map(|name| text(&group[name]));
        lines.insert(format!("{id} {vpc} '{name}' rules {rules:?} tags {}", tags(group)));
    }
    for acl in all("DescribeNetworkAcls", "NetworkAcls").iter().filter(in_ours) {
        let inward = items(&acl["Entries"]).filter(|entry| entry["Egress"] == false);
        let entries: BTreeMap<u16, String> = inward
            .map(|entry| (entry["RuleNumber"].as_u64().unwrap(), entry))
            // The fixed entries, and the one that a default ACL begins with.
            .filter(|(number, _)| *number < 32767 && *number != 100)
            .map(|(number, entry)| (u16::try_from(number).unwrap(), text(&entry["CidrBlock"])))
            .collect();
        let subnets: BTreeSet<String> = items(&acl["Associations"]).map(|a| text(&a["SubnetId"])).collect();
        let [id, vpc] = ["NetworkAclId", "VpcId"].map(|name| text(&acl[name]));
        lines.insert(format!("{id} {vpc} default {} entries {entries:?} subnets {subnets:?}", acl["IsDefault"]));
    }
    for list in all("DescribeManagedPrefixLists", "PrefixLists") {
        let id = text(&list["PrefixListId"]);
        if list["OwnerId"] != "AWS" {
            let answer = api.call_as(super::CALLERS[who], "GetManagedPrefixListEntries", &[("PrefixListId", &id)]).unwrap();
            let entries: BTreeSet<String> = items(&answer["Entries"]).map(|entry| text(&entry["Cidr"])).collect();
            lines.insert(format!("{id} version {} {entries:?}", list["Version"]));
        }
    }
    for peering in all("DescribeVpcPeeringConnections", "VpcPeeringConnections") {
        let state = text(&peering["Status"]["Code"]);
        if state == "active" || state == "pending-acceptance" {
            let [requester, accepter] = ["RequesterVpcInfo", "AccepterVpcInfo"].map(|side| text(&peering[side]["VpcId"]));
            lines.insert(format!("{} {requester} {accepter} {state}", text(&peering["VpcPeeringConnectionId"])));
        }
    }
    for endpoint in all("DescribeVpcEndpoints", "VpcEndpoints").iter().filter(|endpoint| endpoint["State"] != "deleted") {
        let tables: BTreeSet<String> = items(&endpoint["RouteTableIds"]).map(text).collect();
        lines.insert(format!("{} in {} tables {tables:?}", text(&endpoint["VpcEndpointId"]), text(&endpoint["VpcId"])));
    }
    lines
}

fn route(route: &Value) -> String {
    const TO: [&str; 3] = ["DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"];
    const BY: [&str; 5] =
        ["GatewayId", "NatGatewayId", "NetworkInterfaceId", "VpcPeeringConnectionId", "EgressOnlyInternetGatewayId"];
    let first = |names: &[&str]| names.iter().find_map(|name| route[*name].as_str()).unwrap_or("nothing").to_owned();
    let (to, by) = (first(&TO), first(&BY));
    let to = if by.starts_with("vpce-") { "aws".to_owned() } else { to };
    format!("{to} {by} {}", text(&route["State"]))
}

fn rules(permission: &Value) -> Vec<String> {
    let peers = [("IpRanges", "CidrIp"), ("UserIdGroupPairs", "GroupId"), ("PrefixListIds", "PrefixListId")];
    let rule = |peer: &Value| format!("{} {}", permission["FromPort"], text(peer));
    peers.iter().flat_map(|(list, name)| items(&permission[*list]).map(|item| rule(&item[*name])).collect::<Vec<_>>()).collect()
}

fn tags(item: &Value) -> String {
    let tags: BTreeMap<String, String> = items(&item["Tags"]).map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect();
    format!("{tags:?}")
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
