//! A daemon and what is made in it through its API: VPCs of two subnets with rules, instances, flow logs.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::place::{Cpu, Pair, Place};
use super::undo::Undo;
use crate::bench::load::{Answer, Client};
use crate::bench::servers::Server;
use crate::bench::signature;

/// Rules per call.
const PER_CALL: usize = 500;
const BUCKET: &str = "bench-flow-logs";
const QUOTAS: [&str; 7] = [
    "vpcs=1000",
    "interfaces=10000000",
    "rules-per-group=1000000",
    "entries-per-nacl=1000",
    "subnets-per-vpc=1000",
    "security-groups=100000",
    "addresses=1000",
];

/// A daemon that this benchmark started.
pub struct Estate {
    /// Its process.
    pub server: Server,
    client: Client,
    binary: PathBuf,
    vpcs: usize,
}

/// What a VPC is made with.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Rules of the security group, each way; the last one matches.
    pub rules: usize,
    /// Entries of the network access control list, each way; the last one matches.
    pub entries: usize,
    /// Whether its flows are logged to a bucket.
    pub flow_logs: bool,
}

/// The bars' own: groups and lists of 50 rules each, flow logs on.
pub const WHOLE: Plan = Plan { rules: 50, entries: 50, flow_logs: true };

/// A VPC with a subnet for clients and one for servers.
#[derive(Clone, Debug)]
pub struct Vpc {
    /// Its id.
    pub id: String,
    /// Of the clients and of the servers.
    pub subnets: [String; 2],
    /// What all interfaces are in.
    pub group: String,
}

/// A VPC with nothing in it.
#[derive(Clone, Debug)]
pub struct PlainVpc {
    /// Its id.
    pub id: String,
    number: usize,
}

impl PlainVpc {
    /// A block in it, by its last two numbers and its length.
    pub fn block(&self, rest: &str) -> String {
        format!("10.{}.{rest}", self.number)
    }
}

/// An instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// How to run something there.
    pub place: Place,
    /// Its id.
    pub id: String,
    /// Its interface.
    pub eni: String,
    /// Its private address.
    pub address: String,
}

impl Estate {
    /// Starts a daemon.
    pub fn start(undo: &mut Undo, binary: &Path, datapath: &str, directory: &Path) -> Result<Self, String> {
        undo.directory(directory)?;
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let server = Server::openvpc_forwarding(binary, directory, datapath, &QUOTAS)?;
        undo.daemon(server.pid(), binary, &directory.join("data"))?;
        let client = Client::new(server.address);
        let mut estate = Self { server, client, binary: binary.into(), vpcs: 0 };
        let request = signature::make_bucket(&estate.client.host(), BUCKET);
        match estate.client.ask(&request)? {
            // A data directory that was used before has it.
            Answer { status: 200 | 409, .. } => Ok(estate),
            Answer { body, .. } => Err(format!("the bucket can't be made: {}", String::from_utf8_lossy(body))),
        }
    }

    /// Where packets go, in the daemon's own words.
    pub fn path(&self) -> String {
        let endpoint = self.endpoint();
        let status = std::process::Command::new(&self.binary).args(["--endpoint", &endpoint, "status"]).output();
        let text = status.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("datapath")).unwrap_or("unknown").trim();
        line.to_owned()
    }

    /// How many connections the kernel carries; 0 where all packets take the way through user space.
    pub fn connections(&self) -> u64 {
        let output = self.command().args(["status", "datapath", "--json"]).output();
        let status = output.ok().and_then(|output| serde_json::from_slice::<Value>(&output.stdout).ok()).unwrap_or_default();
        let details = status["details"].as_array().into_iter().flatten();
        details.filter(|detail| detail["name"] == "connections").find_map(|detail| detail["value"].as_u64()).unwrap_or_default()
    }

    /// A command of openvpc's for this daemon.
    pub fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.binary);
        command.args(["--endpoint", &self.endpoint()]);
        command
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Calls the API; gives the answer.
    pub fn call(&mut self, action: &str, parameters: &str) -> Result<String, String> {
        let body = format!("Action={action}&Version=2016-11-15{parameters}");
        let request = signature::post(&self.client.host(), &body);
        let answer = self.client.ask(&request)?;
        let text = String::from_utf8_lossy(answer.body).into_owned();
        if answer.status == 200 { Ok(text) } else { Err(format!("{action}{parameters:.200}: {text}")) }
    }

    /// Calls the API; gives an element of the answer.
    pub fn made(&mut self, action: &str, parameters: &str, element: &str) -> Result<String, String> {
        let answer = self.call(action, parameters)?;
        first(&answer, element).ok_or_else(|| format!("{action}{parameters}: no {element} in {answer}"))
    }

    /// A VPC with rules.
    pub fn vpc(&mut self, plan: Plan) -> Result<Vpc, String> {
        let PlainVpc { id, number } = self.plain_vpc()?;
        let group = self.group(&id, plan.rules)?;
        let nacl = self.made("CreateNetworkAcl", &format!("&VpcId={id}"), "networkAclId")?;
        for (egress, index) in [("false", 0..plan.entries), ("true", 0..plan.entries)] {
            for rule in index {
                let what = if rule + 1 == plan.entries {
                    "&Protocol=-1&RuleAction=allow&CidrBlock=0.0.0.0%2F0".to_owned()
                } else {
                    format!("&Protocol=6&PortRange.From=443&PortRange.To=443&RuleAction=deny&CidrBlock=198.18.{rule}.0%2F24")
                };
                let rule = rule + 1;
                let entry = format!("&NetworkAclId={nacl}&RuleNumber={rule}&Egress={egress}{what}");
                self.call("CreateNetworkAclEntry", &entry)?;
            }
        }
        let mut subnets = Vec::new();
        for third in 1..=2 {
            let parameters = format!("&VpcId={id}&CidrBlock=10.{number}.{}.0%2F20&AvailabilityZone=us-east-1a", 16 * third);
            let subnet = self.made("CreateSubnet", &parameters, "subnetId")?;
            let acls =
                self.call("DescribeNetworkAcls", &format!("&Filter.1.Name=association.subnet-id&Filter.1.Value.1={subnet}"))?;
            let association = acls.split("<item>").find(|item| item.contains(&subnet));
            let association =
                association.and_then(|item| first(item, "networkAclAssociationId")).ok_or("a subnet without list")?;
            self.call("ReplaceNetworkAclAssociation", &format!("&AssociationId={association}&NetworkAclId={nacl}"))?;
            subnets.push(subnet);
        }
        if plan.flow_logs {
            let parameters = format!(
                "&ResourceId.1={id}&ResourceType=VPC&TrafficType=ALL&LogDestinationType=s3&LogDestination=arn%3Aaws%3As3%3A%3A%3A{BUCKET}"
            );
            self.call("CreateFlowLogs", &parameters)?;
        }
        let subnets = <[String; 2]>::try_from(subnets).map_err(|_| "two subnets were made")?;
        Ok(Vpc { id, subnets, group })
    }

    /// A security group with so many rules each way, the last of which allows everything.
    pub fn group(&mut self, vpc: &str, rules: usize) -> Result<String, String> {
        let name = format!("&GroupName=bench-{rules}&GroupDescription=bench&VpcId={vpc}");
        let group = self.made("CreateSecurityGroup", &name, "groupId")?;
        let everything = "&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0%2F0";
        self.call("RevokeSecurityGroupEgress", &format!("&GroupId={group}{everything}"))?;
        for direction in ["Ingress", "Egress"] {
            for begin in (1..rules).step_by(PER_CALL) {
                let mut permissions = String::new();
                for (rule, n) in (begin..rules.min(begin + PER_CALL)).zip(1..) {
                    let [_, second, third, fourth] = u32::try_from(rule).unwrap_or(u32::MAX).to_be_bytes();
                    let port = 1 + rule % 1000;
                    // Writing to a string can't fail.
                    let _ = write!(
                        permissions,
                        "&IpPermissions.{n}.IpProtocol=tcp&IpPermissions.{n}.FromPort={port}&IpPermissions.{n}.ToPort={port}\
                         &IpPermissions.{n}.IpRanges.1.CidrIp=198.{}.{third}.{fourth}%2F32",
                        18 + second
                    );
                }
                self.call(&format!("AuthorizeSecurityGroup{direction}"), &format!("&GroupId={group}{permissions}"))?;
            }
            self.call(&format!("AuthorizeSecurityGroup{direction}"), &format!("&GroupId={group}{everything}"))?;
        }
        Ok(group)
    }

    /// A VPC without rules of its own, for what only has to be there.
    pub fn plain_vpc(&mut self) -> Result<PlainVpc, String> {
        let number = self.vpcs;
        self.vpcs += 1;
        let id = self.made("CreateVpc", &format!("&CidrBlock=10.{number}.0.0%2F16"), "vpcId")?;
        Ok(PlainVpc { id, number })
    }

    /// An interface that nothing has, by its id and address.
    pub fn interface(&mut self, subnet: &str, group: &str) -> Result<(String, String), String> {
        let answer = self.call("CreateNetworkInterface", &format!("&SubnetId={subnet}&SecurityGroupId.1={group}"))?;
        let find = |element| first(&answer, element).ok_or_else(|| format!("CreateNetworkInterface: no {element}"));
        Ok((find("networkInterfaceId")?, find("privateIpAddress")?))
    }

    /// An instance that runs.
    pub fn instance(&mut self, subnet: &str, group: &str) -> Result<Instance, String> {
        self.instance_of(subnet, group, "m5.large")
    }

    /// An instance of a type that runs.
    pub fn instance_of(&mut self, subnet: &str, group: &str, kind: &str) -> Result<Instance, String> {
        let parameters = format!(
            "&ImageId=ami-00000000&MinCount=1&MaxCount=1&InstanceType={kind}&SubnetId={subnet}&SecurityGroupId.1={group}"
        );
        let answer = self.call("RunInstances", &parameters)?;
        let find = |element| first(&answer, element).ok_or_else(|| format!("RunInstances: no {element}"));
        let id = find("instanceId")?;
        let (eni, address) = (find("networkInterfaceId")?, find("privateIpAddress")?);
        let place = Place::Instance { binary: self.binary.clone(), endpoint: self.endpoint(), id: id.clone() };
        let begin = Instant::now();
        while let Err(error) = place.run(Cpu::Any, 10.0, &["true"]) {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Instance { place, id, eni, address })
    }

    /// A client in a VPC's first subnet and a server in its second.
    pub fn pair(&mut self, vpc: &Vpc) -> Result<Pair, String> {
        let client = self.instance(&vpc.subnets[0], &vpc.group)?;
        let server = self.instance(&vpc.subnets[1], &vpc.group)?;
        Ok(Pair { client: client.place, server: server.place, address: server.address })
    }

    /// The same, and the client reaches the server by its public address, from its own.
    pub fn public_pair(&mut self, vpc: &Vpc) -> Result<Pair, String> {
        let gateway = self.made("CreateInternetGateway", "", "internetGatewayId")?;
        self.call("AttachInternetGateway", &format!("&InternetGatewayId={gateway}&VpcId={}", vpc.id))?;
        let filter = format!("&Filter.1.Name=vpc-id&Filter.1.Value.1={}", vpc.id);
        let table = self.made("DescribeRouteTables", &filter, "routeTableId")?;
        let route = format!("&RouteTableId={table}&DestinationCidrBlock=0.0.0.0%2F0&GatewayId={gateway}");
        self.call("CreateRoute", &route)?;
        let client = self.instance(&vpc.subnets[0], &vpc.group)?;
        let server = self.instance(&vpc.subnets[1], &vpc.group)?;
        self.elastic(&client)?;
        let address = self.elastic(&server)?;
        Ok(Pair { client: client.place, server: server.place, address })
    }

    fn elastic(&mut self, instance: &Instance) -> Result<String, String> {
        let answer = self.call("AllocateAddress", "&Domain=vpc")?;
        let allocation = first(&answer, "allocationId").ok_or("an address without allocation")?;
        let associate = format!("&AllocationId={allocation}&NetworkInterfaceId={}", instance.eni);
        self.call("AssociateAddress", &associate)?;
        first(&answer, "publicIp").ok_or_else(|| "an allocation without address".to_owned())
    }
}

/// The first element of that name.
pub fn first(text: &str, name: &str) -> Option<String> {
    Answer { status: 200, body: text.as_bytes() }.element(name)
}
