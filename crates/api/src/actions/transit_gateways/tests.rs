#![allow(clippy::unwrap_used, reason = "tests")]

mod gateways;
mod peering_attachments;
mod routes;
mod tables;
mod vpc_attachments;

use serde_json::Value;

use crate::Api;
use crate::testing::api;

const ALICE: Caller = ("111111111111", "us-east-1");
const ALICE_WEST: Caller = ("111111111111", "us-west-2");
const BOB: Caller = ("222222222222", "us-east-1");
const BOB_WEST: Caller = ("222222222222", "us-west-2");

const UNKNOWN_GATEWAY: &str = "tgw-0123456789abcdef0";
const UNKNOWN_ATTACHMENT: &str = "tgw-attach-0123456789abcdef0";
const UNKNOWN_TABLE: &str = "tgw-rtb-0123456789abcdef0";

type Caller = (&'static str, &'static str);

/// Two VPCs of Alice's, 10.1.0.0/16 and 10.2.0.0/16, and her gateway.
struct Lab {
    api: Api,
    gateway: String,
    one: Site,
    two: Site,
}

/// A VPC with a subnet in each of two zones.
#[derive(Clone)]
struct Site {
    vpc: String,
    a: String,
    b: String,
}

impl Lab {
    fn new() -> Self {
        Self::with(&[])
    }

    /// With a gateway of these options.
    fn with(options: &[(&str, &str)]) -> Self {
        let api = api();
        let gateway = gateway(&api, ALICE, options);
        let (one, two) = (site(&api, ALICE, 1), site(&api, ALICE, 2));
        Self { api, gateway, one, two }
    }

    fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Value {
        self.api.call_as(ALICE, action, parameters).unwrap()
    }

    fn code(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.api.code_as(ALICE, action, parameters)
    }

    /// The gateway's table for new attachments.
    fn table(&self) -> String {
        let found = self.call("DescribeTransitGateways", &[("TransitGatewayIds.1", &self.gateway)]);
        text(&found["TransitGateways"][0]["Options"]["AssociationDefaultRouteTableId"])
    }

    fn new_table(&self) -> String {
        let made = self.call("CreateTransitGatewayRouteTable", &[("TransitGatewayId", &self.gateway)]);
        text(&made["TransitGatewayRouteTable"]["TransitGatewayRouteTableId"])
    }

    /// Attaches a site by its first subnet.
    fn attach(&self, site: &Site) -> String {
        attach(&self.api, ALICE, &self.gateway, site)
    }

    /// What a search finds: destination, attachments and `type state` of each route.
    fn search(&self, table: &str, filter: &str, value: &str) -> Vec<(String, Vec<String>, String)> {
        let filter = [("TransitGatewayRouteTableId", table), ("Filter.1.Name", filter), ("Filter.1.Value.1", value)];
        let found = self.call("SearchTransitGatewayRoutes", &filter);
        let route = |route: &Value| {
            let attachments = route["TransitGatewayAttachments"].as_array().unwrap();
            let attachments = attachments.iter().map(|a| text(&a["TransitGatewayAttachmentId"])).collect();
            let kind = format!("{} {}", text(&route["Type"]), text(&route["State"]));
            (text(&route["DestinationCidrBlock"]), attachments, kind)
        };
        found["Routes"].as_array().unwrap().iter().map(route).collect()
    }

    fn all_routes(&self, table: &str) -> Vec<(String, Vec<String>, String)> {
        self.search(table, "type", "*")
    }

    fn attachment(&self, id: &str) -> Value {
        let found = self.call("DescribeTransitGatewayAttachments", &[("TransitGatewayAttachmentIds.1", id)]);
        found["TransitGatewayAttachments"][0].clone()
    }
}

fn gateway(api: &Api, caller: Caller, options: &[(&str, &str)]) -> String {
    let names: Vec<String> = options.iter().map(|(name, _)| format!("Options.{name}")).collect();
    let parameters: Vec<(&str, &str)> = names.iter().zip(options).map(|(name, (_, value))| (name.as_str(), *value)).collect();
    let made = api.call_as(caller, "CreateTransitGateway", &parameters).unwrap();
    text(&made["TransitGateway"]["TransitGatewayId"])
}

fn site(api: &Api, caller: Caller, n: usize) -> Site {
    let made = api.call_as(caller, "CreateVpc", &[("CidrBlock", &format!("10.{n}.0.0/16"))]).unwrap();
    let vpc = text(&made["Vpc"]["VpcId"]);
    let subnet = |third: u8, zone: &str| {
        let zone = format!("{}{zone}", caller.1);
        let block = format!("10.{n}.{third}.0/24");
        let parameters = [("VpcId", &*vpc), ("CidrBlock", &*block), ("AvailabilityZone", &*zone)];
        text(&api.call_as(caller, "CreateSubnet", &parameters).unwrap()["Subnet"]["SubnetId"])
    };
    let (a, b) = (subnet(0, "a"), subnet(1, "b"));
    Site { vpc, a, b }
}

fn attach(api: &Api, caller: Caller, gateway: &str, site: &Site) -> String {
    let parameters = [("TransitGatewayId", gateway), ("VpcId", &*site.vpc), ("SubnetIds.1", &*site.a)];
    let made = api.call_as(caller, "CreateTransitGatewayVpcAttachment", &parameters).unwrap();
    text(&made["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

/// The ids under `key` of a list of items.
fn ids(items: &Value, key: &str) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| text(&item[key])).collect()
}
