//! What clients see of instances, through the whole wire; a test plays the part of the machine.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use openvpc_control::instances::{self, Observed};
use openvpc_control::{Caller, Control};
use openvpc_model::{FlowLogId, InstanceId, Owner, UnixMillis};
use serde_json::Value;

use crate::host::Host;
use crate::testing::control;
use crate::{Api, ApiError};

type Parameters<'a> = &'a [(&'a str, &'a str)];

/// The default VPC, and a machine that does what it is told.
struct Fixture {
    api: Api,
    control: Arc<Control>,
    machine: Arc<Machine>,
}

#[derive(Default)]
struct Machine {
    rebooted: Mutex<Vec<InstanceId>>,
}

impl Host for Machine {
    fn console_output(&self, _instance: InstanceId) -> Option<(UnixMillis, Vec<u8>)> {
        Some((UnixMillis(1_790_000_042_000), b"booted\n".to_vec()))
    }

    fn reboot(&self, instance: InstanceId) {
        self.rebooted.lock().unwrap().push(instance);
    }

    fn bucket_exists(&self, _bucket: &str) -> bool {
        false
    }

    fn put_object(&self, _bucket: &str, _key: &str, _body: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn delivery_failure(&self, _flow_log: FlowLogId) -> Option<&'static str> {
        None
    }
}

impl Fixture {
    fn new() -> Self {
        let (control, machine) = (Arc::new(control()), Arc::new(Machine::default()));
        let host = Arc::clone(&machine) as Arc<dyn Host>;
        let api = Api::new(Arc::clone(&control), host, crate::testing::gate());
        Self { api, control, machine }
    }

    /// Imports a key pair.
    fn key_pair(&self, name: &str) {
        // "ssh-ed25519 …" in base64: a key of nobody.
        let material =
            "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUFBQkFnTUVCUVlIQ0FrS0N3d05EZzhRRVJJVEZCVVdGeGdaR2hzY0hSNGY=";
        self.api.call("ImportKeyPair", &[("KeyName", name), ("PublicKeyMaterial", material)]).unwrap();
    }

    fn try_run(&self, parameters: Parameters<'_>) -> Result<Value, ApiError> {
        let mut all = parameters.to_vec();
        for (key, value) in [("ImageId", "ami-0123456789abcdef0"), ("MinCount", "1"), ("MaxCount", "1")] {
            if !parameters.iter().any(|(given, _)| *given == key) {
                all.push((key, value));
            }
        }
        self.api.call("RunInstances", &all)
    }

    fn refused(&self, parameters: Parameters<'_>) -> String {
        self.try_run(parameters).expect_err("the call must fail").code.into_owned()
    }

    /// Launches one instance and lets it run.
    fn run(&self, parameters: Parameters<'_>) -> String {
        let id = text(&self.try_run(parameters).unwrap()["Instances"][0]["InstanceId"]);
        self.report(&id, Observed::Running);
        id
    }

    fn report(&self, id: &str, observed: Observed) {
        let id = id.parse().unwrap();
        self.control.transact(&self.caller(), |tx| instances::report(tx, id, observed)).unwrap();
    }

    fn caller(&self) -> Caller {
        Caller { owner: Owner { account: "123456789012".parse().unwrap(), region: "us-east-1".parse().unwrap() } }
    }

    fn describe(&self, id: &str) -> Value {
        self.api.call("DescribeInstances", &[("InstanceId.1", id)]).unwrap()["Reservations"][0]["Instances"][0].clone()
    }

    fn state(&self, id: &str) -> String {
        text(&self.describe(id)["State"]["Name"])
    }

    fn on(&self, action: &str, id: &str) -> Result<Value, String> {
        self.api.call(action, &[("InstanceId.1", id)]).map_err(|error| error.code.into_owned())
    }

    /// A subnet without public addresses, in a VPC of its own.
    fn private_subnet(&self, size: &str) -> String {
        let vpc = text(&self.api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
        let subnet = self.api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", &format!("10.0.1.0/{size}"))]).unwrap();
        text(&subnet["Subnet"]["SubnetId"])
    }

    fn eni(&self, subnet: &str) -> String {
        let eni = self.api.call("CreateNetworkInterface", &[("SubnetId", subnet)]).unwrap();
        text(&eni["NetworkInterface"]["NetworkInterfaceId"])
    }

    fn interfaces(&self) -> Vec<Value> {
        self.api.call("DescribeNetworkInterfaces", &[]).unwrap()["NetworkInterfaces"].as_array().unwrap().clone()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text was expected, not {value}")).to_owned()
}

#[test]
fn a_launch_without_a_place_goes_to_the_default_vpc_with_a_public_address() {
    let lab = Fixture::new();
    let answer = lab.try_run(&[]).unwrap();
    assert!(text(&answer["ReservationId"]).starts_with("r-"));
    assert_eq!(answer["OwnerId"], "123456789012");
    let instance = &answer["Instances"][0];
    assert_eq!((&instance["State"]["Name"], &instance["State"]["Code"]), (&"pending".into(), &0.into()));
    assert_eq!((&instance["InstanceType"], &instance["ImageId"]), (&"m1.small".into(), &"ami-0123456789abcdef0".into()));
    assert_eq!((&instance["AmiLaunchIndex"], &instance["Placement"]["AvailabilityZone"]), (&0.into(), &"us-east-1a".into()));
    let private = text(&instance["PrivateIpAddress"]);
    let public = text(&instance["PublicIpAddress"]);
    assert!(private.starts_with("172.31.") && public.starts_with("203.0.113."), "{instance}");
    assert_eq!(instance["PrivateDnsName"], format!("ip-{}.ec2.internal", private.replace('.', "-")));
    assert_eq!(instance["PublicDnsName"], format!("ec2-{}.compute-1.amazonaws.com", public.replace('.', "-")));
    assert_eq!(instance["SecurityGroups"][0]["GroupName"], "default");
    let eni = &instance["NetworkInterfaces"][0];
    assert_eq!((&eni["Association"]["IpOwnerId"], &eni["Association"]["PublicIp"]), (&"amazon".into(), &public.into()));
    assert_eq!((&eni["Attachment"]["DeviceIndex"], &eni["Attachment"]["DeleteOnTermination"]), (&0.into(), &true.into()));
    for member in
        ["Architecture", "Hypervisor", "RootDeviceName", "VirtualizationType", "MetadataOptions", "CpuOptions", "LaunchTime"]
    {
        assert!(instance.get(member).is_some(), "{member}");
    }
    assert_eq!(
        (&instance["Monitoring"]["State"], &instance["BlockDeviceMappings"]),
        (&"disabled".into(), &serde_json::json!([]))
    );
}

#[test]
fn a_private_subnet_gives_a_public_address_only_when_asked() {
    let lab = Fixture::new();
    let subnet = lab.private_subnet("24");
    let plain = lab.run(&[("SubnetId", &subnet)]);
    assert!(lab.describe(&plain).get("PublicIpAddress").is_none());
    assert_eq!(lab.describe(&plain)["PublicDnsName"], "");
    let asked = [
        ("NetworkInterface.1.DeviceIndex", "0"),
        ("NetworkInterface.1.SubnetId", &subnet),
        ("NetworkInterface.1.AssociatePublicIpAddress", "true"),
    ];
    assert!(lab.describe(&lab.run(&asked)).get("PublicIpAddress").is_some());
}

#[test]
fn a_zone_chooses_its_default_subnet() {
    let lab = Fixture::new();
    let id = lab.run(&[("Placement.AvailabilityZone", "us-east-1c")]);
    assert_eq!(lab.describe(&id)["Placement"]["AvailabilityZone"], "us-east-1c");
    assert_eq!(lab.refused(&[("Placement.AvailabilityZone", "us-east-1z")]), "InvalidParameterValue");
    let subnet = lab.describe(&id)["SubnetId"].clone();
    let contradiction = [("SubnetId", subnet.as_str().unwrap()), ("Placement.AvailabilityZone", "us-east-1a")];
    assert_eq!(lab.refused(&contradiction), "InvalidParameterValue");
}

#[test]
fn several_instances_share_a_reservation() {
    let lab = Fixture::new();
    let answer = lab.try_run(&[("MinCount", "2"), ("MaxCount", "3")]).unwrap();
    let launched = answer["Instances"].as_array().unwrap();
    let indexes: Vec<_> = launched.iter().map(|instance| instance["AmiLaunchIndex"].as_i64().unwrap()).collect();
    assert_eq!(indexes, [0, 1, 2]);
    lab.run(&[]);
    let all = lab.api.call("DescribeInstances", &[]).unwrap();
    let mut sizes: Vec<_> =
        all["Reservations"].as_array().unwrap().iter().map(|r| r["Instances"].as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 3]);
}

#[test]
fn as_many_are_launched_as_there_is_room_for_and_never_fewer_than_the_least() {
    let lab = Fixture::new();
    let subnet = lab.private_subnet("28");
    let many = |min, max| lab.try_run(&[("SubnetId", &subnet), ("MinCount", min), ("MaxCount", max)]);
    assert_eq!(many("12", "12").unwrap_err().code, "InsufficientFreeAddressesInSubnet");
    assert!(lab.interfaces().is_empty(), "nothing was launched");
    assert_eq!(many("2", "12").unwrap()["Instances"].as_array().unwrap().len(), 11);
    assert_eq!(lab.interfaces().len(), 11);
    assert_eq!(many("1", "1").unwrap_err().code, "InsufficientFreeAddressesInSubnet");
}

#[test]
fn stopped_instances_keep_their_addresses_so_that_a_subnet_is_full_with_nothing_running() {
    let lab = Fixture::new();
    let subnet = lab.private_subnet("28");
    let all = lab.try_run(&[("SubnetId", &subnet), ("MinCount", "11"), ("MaxCount", "11")]).unwrap();
    for instance in all["Instances"].as_array().unwrap() {
        let id = text(&instance["InstanceId"]);
        lab.report(&id, Observed::Running);
        lab.on("StopInstances", &id).unwrap();
        lab.report(&id, Observed::Stopped);
    }
    let shown = lab.api.call("DescribeSubnets", &[("SubnetId.1", &subnet)]).unwrap();
    assert_eq!(shown["Subnets"][0]["AvailableIpAddressCount"], 0);
    assert_eq!(lab.refused(&[("SubnetId", &subnet)]), "InsufficientFreeAddressesInSubnet");
}

#[test]
fn an_instance_may_have_several_interfaces() {
    let lab = Fixture::new();
    let subnet = lab.private_subnet("24");
    let eni = lab.eni(&subnet);
    let id = lab.run(&[
        ("NetworkInterface.1.DeviceIndex", "1"),
        ("NetworkInterface.1.NetworkInterfaceId", &eni),
        ("NetworkInterface.2.DeviceIndex", "0"),
        ("NetworkInterface.2.SubnetId", &subnet),
        ("NetworkInterface.2.PrivateIpAddresses.1.PrivateIpAddress", "10.0.1.20"),
        ("NetworkInterface.2.PrivateIpAddresses.1.Primary", "true"),
        ("NetworkInterface.2.PrivateIpAddresses.2.PrivateIpAddress", "10.0.1.21"),
        ("NetworkInterface.2.Description", "front"),
    ]);
    let instance = lab.describe(&id);
    assert_eq!(instance["PrivateIpAddress"], "10.0.1.20");
    let enis = instance["NetworkInterfaces"].as_array().unwrap();
    assert_eq!((&enis[0]["Description"], &enis[1]["NetworkInterfaceId"]), (&"front".into(), &eni.as_str().into()));
    assert_eq!(
        (&enis[0]["Attachment"]["DeleteOnTermination"], &enis[1]["Attachment"]["DeleteOnTermination"]),
        (&true.into(), &false.into())
    );
    // What is meant for the only interface needs to say which when there are two.
    let attribute = [("InstanceId", id.as_str()), ("SourceDestCheck.Value", "false")];
    assert_eq!(lab.api.code("ModifyInstanceAttribute", &attribute), "InvalidInstanceID");
}

#[test]
fn contradicting_networks_are_refused() {
    let lab = Fixture::new();
    let subnet = lab.private_subnet("24");
    let eni = lab.eni(&subnet);
    let (index, id) = ("NetworkInterface.1.DeviceIndex", "NetworkInterface.1.NetworkInterfaceId");
    assert_eq!(lab.refused(&[(index, "0"), (id, &eni), ("SubnetId", &subnet)]), "InvalidParameterCombination");
    assert_eq!(lab.refused(&[(index, "1"), (id, &eni)]), "InvalidParameterCombination", "no primary interface");
    assert_eq!(lab.refused(&[(index, "0"), (id, &eni), ("NetworkInterface.1.Description", "x")]), "InvalidParameterCombination");
    assert_eq!(lab.refused(&[(index, "0"), (id, &eni), ("MaxCount", "2")]), "InvalidParameterCombination");
    assert_eq!(lab.refused(&[("PrivateIpAddress", "172.31.0.9"), ("MaxCount", "2")]), "InvalidParameterCombination");
    assert_eq!(lab.refused(&[(id, &eni)]), "MissingParameter", "no device index");
    assert_eq!(lab.refused(&[("SubnetId", &subnet), ("SecurityGroup.1", "default")]), "InvalidParameterCombination");
    lab.run(&[(index, "0"), (id, &eni)]);
    assert_eq!(lab.refused(&[(index, "0"), (id, &eni)]), "InvalidNetworkInterface.InUse");
}

#[test]
fn what_can_t_be_launched_is_refused() {
    let lab = Fixture::new();
    let long = "eA".repeat(16 * 1024 * 2 / 3 + 10);
    for (parameters, code) in [
        (&[("ImageId", "")][..], "MissingParameter"),
        (&[("ImageId", "img-1")], "InvalidAMIID.Malformed"),
        (&[("InstanceType", "huge")], "InvalidParameterValue"),
        (&[("MinCount", "2")], "InvalidParameterValue"),
        (&[("MinCount", "0")], "InvalidParameterValue"),
        (&[("UserData", "%%%")], "InvalidParameterValue"),
        (&[("UserData", &long)], "InvalidParameterValue"),
        (&[("InstanceInitiatedShutdownBehavior", "reboot")], "InvalidParameterValue"),
        (&[("MaxCount", "1001"), ("MinCount", "1001")], "InstanceLimitExceeded"),
        (&[("SubnetId", "subnet-0123456789abcdef0")], "InvalidSubnetID.NotFound"),
        (&[("SecurityGroupId.1", "sg-0123456789abcdef0")], "InvalidGroup.NotFound"),
        (&[("SecurityGroup.1", "nobody")], "InvalidGroup.NotFound"),
        (&[("LaunchTemplate.LaunchTemplateId", "lt-1")], "InvalidLaunchTemplateId.NotFound"),
        (&[("MetadataOptions.HttpTokens", "maybe")], "InvalidParameterValue"),
        (&[("MetadataOptions.HttpPutResponseHopLimit", "65")], "InvalidParameterValue"),
    ] {
        assert_eq!(lab.refused(parameters), code, "{parameters:?}");
    }
    assert!(lab.interfaces().is_empty());
}

#[test]
fn parameters_without_meaning_here_are_accepted_and_read_back_where_aws_shows_them() {
    let lab = Fixture::new();
    lab.key_pair("mine");
    let id = lab.run(&[
        ("InstanceType", "t3.micro"),
        ("KeyName", "mine"),
        ("EbsOptimized", "true"),
        ("Monitoring.Enabled", "true"),
        ("IamInstanceProfile.Name", "web"),
        ("MetadataOptions.HttpTokens", "required"),
        ("MetadataOptions.HttpPutResponseHopLimit", "2"),
        ("CreditSpecification.CpuCredits", "standard"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "8"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "web"),
        ("TagSpecification.2.ResourceType", "network-interface"),
        ("TagSpecification.2.Tag.1.Key", "of"),
        ("TagSpecification.2.Tag.1.Value", "web"),
        ("TagSpecification.3.ResourceType", "volume"),
        ("TagSpecification.3.Tag.1.Key", "of"),
        ("TagSpecification.3.Tag.1.Value", "web"),
    ]);
    let instance = lab.describe(&id);
    assert_eq!((&instance["KeyName"], &instance["EbsOptimized"]), (&"mine".into(), &true.into()));
    assert_eq!(instance["Monitoring"]["State"], "enabled");
    assert_eq!(instance["IamInstanceProfile"]["Arn"], "arn:aws:iam::123456789012:instance-profile/web");
    assert_eq!(instance["MetadataOptions"]["HttpTokens"], "required");
    assert_eq!(instance["MetadataOptions"]["HttpPutResponseHopLimit"], 2);
    assert_eq!(instance["Tags"][0]["Value"], "web");
    assert_eq!(lab.interfaces()[0]["TagSet"][0]["Key"], "of");
}

#[test]
fn the_same_client_token_launches_once() {
    let lab = Fixture::new();
    let run = |kind| lab.try_run(&[("ClientToken", "a"), ("InstanceType", kind)]);
    let first = run("t3.micro").unwrap();
    assert_eq!(run("t3.micro").unwrap()["ReservationId"], first["ReservationId"]);
    assert_eq!(first["Instances"][0]["ClientToken"], "a");
    assert_eq!(run("t3.small").unwrap_err().code, "IdempotentParameterMismatch");
}

#[test]
fn an_instance_goes_through_its_states() {
    let lab = Fixture::new();
    let id = lab.run(&[]);
    assert_eq!(lab.state(&id), "running");
    let before = lab.describe(&id);
    let answer = lab.on("StopInstances", &id).unwrap();
    let change = &answer["StoppingInstances"][0];
    assert_eq!((&change["PreviousState"]["Name"], &change["CurrentState"]["Code"]), (&"running".into(), &64.into()));
    assert_eq!(lab.on("StartInstances", &id).unwrap_err(), "IncorrectInstanceState");
    lab.report(&id, Observed::Stopped);
    let stopped = lab.describe(&id);
    assert_eq!(stopped["State"]["Name"], "stopped");
    assert_eq!(stopped["PrivateIpAddress"], before["PrivateIpAddress"], "private addresses stay");
    assert!(stopped.get("PublicIpAddress").is_none(), "the public one of the launch goes");
    assert_eq!(stopped["StateReason"]["Code"], "Client.UserInitiatedShutdown");
    lab.on("StopInstances", &id).unwrap();

    lab.on("StartInstances", &id).unwrap();
    assert_eq!(lab.state(&id), "pending");
    lab.report(&id, Observed::Running);
    assert!(lab.describe(&id).get("PublicIpAddress").is_some(), "another public address comes with the start");
    assert!(lab.describe(&id).get("StateReason").is_none());

    let answer = lab.on("TerminateInstances", &id).unwrap();
    assert_eq!(answer["TerminatingInstances"][0]["CurrentState"]["Name"], "shutting-down");
    lab.report(&id, Observed::Stopped);
    let gone = lab.describe(&id);
    assert_eq!((&gone["State"]["Name"], &gone["State"]["Code"]), (&"terminated".into(), &48.into()));
    assert!(gone.get("VpcId").is_none() && gone.get("PrivateIpAddress").is_none());
    assert!(lab.interfaces().is_empty(), "its interface went with it");
    lab.on("TerminateInstances", &id).unwrap();
    assert_eq!(lab.on("StartInstances", &id).unwrap_err(), "IncorrectInstanceState");
    assert_eq!(lab.on("StopInstances", &id).unwrap_err(), "IncorrectInstanceState");
    assert_eq!(lab.on("RebootInstances", &id).unwrap_err(), "IncorrectInstanceState");
}

#[test]
fn an_observation_that_comes_too_late_changes_nothing() {
    let lab = Fixture::new();
    let id = lab.run(&[]);
    lab.on("StopInstances", &id).unwrap();
    lab.report(&id, Observed::Running);
    assert_eq!(lab.state(&id), "stopping");
    lab.report(&id, Observed::Stopped);
    lab.report(&id, Observed::Exited);
    assert_eq!(lab.state(&id), "stopped");
}

#[test]
fn a_launch_that_fails_ends_and_a_start_that_fails_stops() {
    let lab = Fixture::new();
    let id = text(&lab.try_run(&[]).unwrap()["Instances"][0]["InstanceId"]);
    lab.report(&id, Observed::Failed("no namespaces".into()));
    assert_eq!(lab.state(&id), "terminated");
    assert_eq!(lab.describe(&id)["StateReason"]["Message"], "Server.InternalError: no namespaces");
    let id = lab.run(&[]);
    lab.on("StopInstances", &id).unwrap();
    lab.report(&id, Observed::Stopped);
    lab.on("StartInstances", &id).unwrap();
    lab.report(&id, Observed::Failed("no namespaces".into()));
    assert_eq!(lab.state(&id), "stopped");
}

#[test]
fn an_instance_that_shuts_itself_down_does_what_was_said() {
    let lab = Fixture::new();
    for (behavior, state) in [("stop", "stopped"), ("terminate", "terminated")] {
        let id = lab.run(&[("InstanceInitiatedShutdownBehavior", behavior)]);
        lab.report(&id, Observed::Exited);
        assert_eq!(lab.state(&id), state);
        assert_eq!(lab.describe(&id)["StateReason"]["Code"], "Client.InstanceInitiatedShutdown");
    }
}

#[test]
fn protection_holds_until_it_is_taken_away() {
    let lab = Fixture::new();
    let id = lab.run(&[("DisableApiTermination", "true"), ("DisableApiStop", "true")]);
    let other = lab.run(&[]);
    let both = [("InstanceId.1", other.as_str()), ("InstanceId.2", &id)];
    assert_eq!(lab.api.code("TerminateInstances", &both), "OperationNotPermitted");
    assert_eq!(lab.state(&other), "running", "all or none");
    assert_eq!(lab.on("StopInstances", &id).unwrap_err(), "OperationNotPermitted");
    lab.api.call("ModifyInstanceAttribute", &[("InstanceId", &id), ("DisableApiTermination.Value", "false")]).unwrap();
    lab.on("TerminateInstances", &id).unwrap();
}

#[test]
fn interfaces_that_shall_stay_are_detached_at_the_end() {
    let lab = Fixture::new();
    let subnet = lab.private_subnet("24");
    let eni = lab.eni(&subnet);
    let id = lab.run(&[("NetworkInterface.1.DeviceIndex", "0"), ("NetworkInterface.1.NetworkInterfaceId", &eni)]);
    lab.on("TerminateInstances", &id).unwrap();
    lab.report(&id, Observed::Stopped);
    assert_eq!((&lab.interfaces()[0]["Status"], lab.interfaces()[0].get("Attachment")), (&"available".into(), None));
}

#[test]
fn an_elastic_ip_takes_the_place_of_the_launch_s_address_and_stays_over_a_stop() {
    let lab = Fixture::new();
    let id = lab.run(&[]);
    let launch = text(&lab.describe(&id)["PublicIpAddress"]);
    let eip = lab.api.call("AllocateAddress", &[]).unwrap();
    let associate = [("AllocationId", eip["AllocationId"].as_str().unwrap()), ("InstanceId", &id)];
    let association = text(&lab.api.call("AssociateAddress", &associate).unwrap()["AssociationId"]);
    assert_eq!(lab.describe(&id)["PublicIpAddress"], eip["PublicIp"]);
    assert_eq!(lab.describe(&id)["NetworkInterfaces"][0]["Association"]["IpOwnerId"], "123456789012");
    let again = lab.api.call("AllocateAddress", &[("Address", &launch)]).unwrap();
    assert_eq!(again["PublicIp"], launch.as_str(), "the launch's address is free again");
    let shown = lab.api.call("DescribeAddresses", &[("AllocationId.1", associate[0].1)]).unwrap();
    assert_eq!(shown["Addresses"][0]["InstanceId"], id.as_str());

    lab.on("StopInstances", &id).unwrap();
    lab.report(&id, Observed::Stopped);
    assert_eq!(lab.describe(&id)["PublicIpAddress"], eip["PublicIp"]);
    lab.on("StartInstances", &id).unwrap();
    lab.report(&id, Observed::Running);
    assert_eq!(lab.describe(&id)["PublicIpAddress"], eip["PublicIp"]);
    lab.api.call("DisassociateAddress", &[("AssociationId", &association)]).unwrap();
    assert!(lab.describe(&id).get("PublicIpAddress").is_none());
    lab.api.call("AssociateAddress", &associate).unwrap();
    lab.on("TerminateInstances", &id).unwrap();
    assert_eq!(lab.api.code("AssociateAddress", &associate), "IncorrectInstanceState");
    lab.report(&id, Observed::Stopped);
    let shown = lab.api.call("DescribeAddresses", &[("AllocationId.1", associate[0].1)]).unwrap();
    assert!(shown["Addresses"][0].get("AssociationId").is_none(), "it stays allocated");
}

#[test]
fn attributes_are_read_and_modified_one_at_a_time() {
    let lab = Fixture::new();
    let id = lab.run(&[("UserData", "IyEvYmluL3NoCg=="), ("InstanceType", "t3.micro")]);
    let read =
        |attribute: &str| lab.api.call("DescribeInstanceAttribute", &[("InstanceId", &id), ("Attribute", attribute)]).unwrap();
    let modify = |parameters: Parameters<'_>| {
        let mut all = vec![("InstanceId", id.as_str())];
        all.extend_from_slice(parameters);
        lab.api.call("ModifyInstanceAttribute", &all).map(drop).map_err(|error| error.code.into_owned())
    };
    assert_eq!(read("userData")["UserData"]["Value"], "IyEvYmluL3NoCg==");
    assert_eq!(read("instanceType")["InstanceType"]["Value"], "t3.micro");
    assert_eq!(read("disableApiTermination")["DisableApiTermination"]["Value"], false);
    assert_eq!(read("instanceInitiatedShutdownBehavior")["InstanceInitiatedShutdownBehavior"]["Value"], "stop");
    assert_eq!(read("groupSet")["Groups"][0]["GroupName"], "default");
    modify(&[("SourceDestCheck.Value", "false")]).unwrap();
    assert_eq!(read("sourceDestCheck")["SourceDestCheck"]["Value"], false);
    assert_eq!(lab.describe(&id)["SourceDestCheck"], false);
    modify(&[("Attribute", "disableApiTermination"), ("Value", "true")]).unwrap();
    assert_eq!(read("disableApiTermination")["DisableApiTermination"]["Value"], true);
    let group =
        text(&lab.api.call("CreateSecurityGroup", &[("GroupName", "web"), ("GroupDescription", "d")]).unwrap()["GroupId"]);
    modify(&[("GroupId.1", &group)]).unwrap();
    assert_eq!(lab.describe(&id)["SecurityGroups"][0]["GroupName"], "web");
    assert_eq!(modify(&[("InstanceType.Value", "t3.small")]).unwrap_err(), "IncorrectInstanceState");
    assert_eq!(modify(&[("UserData.Value", "IyEvYmluL3NoCg==")]).unwrap_err(), "IncorrectInstanceState");
    assert_eq!(modify(&[]).unwrap_err(), "InvalidParameterCombination");
    let two = [("SourceDestCheck.Value", "true"), ("DisableApiStop.Value", "true")];
    assert_eq!(modify(&two).unwrap_err(), "InvalidParameterCombination");
    lab.on("StopInstances", &id).unwrap();
    lab.report(&id, Observed::Stopped);
    modify(&[("InstanceType.Value", "t3.small")]).unwrap();
    modify(&[("UserData.Value", "IyEvYmluL3NoCmVjaG8K")]).unwrap();
    assert_eq!(read("userData")["UserData"]["Value"], "IyEvYmluL3NoCmVjaG8K");
    assert_eq!(
        lab.api.code("DescribeInstanceAttribute", &[("InstanceId", &id), ("Attribute", "colour")]),
        "InvalidParameterValue"
    );
}

#[test]
fn metadata_options_change_one_by_one() {
    let lab = Fixture::new();
    let id = lab.run(&[("MetadataOptions.HttpTokens", "required")]);
    let change = [("InstanceId", id.as_str()), ("HttpPutResponseHopLimit", "2")];
    let answer = lab.api.call("ModifyInstanceMetadataOptions", &change).unwrap();
    assert_eq!(answer["InstanceMetadataOptions"]["HttpPutResponseHopLimit"], 2);
    assert_eq!(lab.describe(&id)["MetadataOptions"]["HttpTokens"], "required");
    let wrong = [("InstanceId", id.as_str()), ("HttpEndpoint", "on")];
    assert_eq!(lab.api.code("ModifyInstanceMetadataOptions", &wrong), "InvalidParameterValue");
}

#[test]
fn what_terraform_reads_after_a_launch_is_answered() {
    let lab = Fixture::new();
    let credits = |id: &str| {
        let answer = lab.api.call("DescribeInstanceCreditSpecifications", &[("InstanceId.1", id)])?;
        Ok::<_, ApiError>(text(&answer["InstanceCreditSpecifications"][0]["CpuCredits"]))
    };
    let burstable = lab.run(&[("InstanceType", "t3.micro"), ("IamInstanceProfile.Name", "web")]);
    assert_eq!(credits(&burstable).unwrap(), "unlimited");
    assert_eq!(credits(&lab.run(&[("InstanceType", "t2.micro")])).unwrap(), "standard");
    let asked = lab.run(&[("InstanceType", "t3.micro"), ("CreditSpecification.CpuCredits", "standard")]);
    assert_eq!(credits(&asked).unwrap(), "standard");
    let fixed = lab.run(&[("InstanceType", "m5.large")]);
    assert_eq!(credits(&fixed).unwrap_err().code, "InstanceCreditSpecification.NotSupported");
    let profiles = lab.api.call("DescribeIamInstanceProfileAssociations", &[]).unwrap();
    let profiles = profiles["IamInstanceProfileAssociations"].as_array().unwrap();
    assert_eq!((profiles.len(), &profiles[0]["InstanceId"]), (1, &burstable.as_str().into()));
}

#[test]
fn status_shows_running_instances_and_all_when_asked() {
    let lab = Fixture::new();
    let id = lab.run(&[]);
    let pending = text(&lab.try_run(&[]).unwrap()["Instances"][0]["InstanceId"]);
    let running = lab.api.call("DescribeInstanceStatus", &[]).unwrap();
    let statuses = running["InstanceStatuses"].as_array().unwrap();
    assert_eq!(statuses.len(), 1);
    assert_eq!((&statuses[0]["InstanceId"], &statuses[0]["InstanceStatus"]["Status"]), (&id.as_str().into(), &"ok".into()));
    assert_eq!(statuses[0]["SystemStatus"]["Details"][0]["Status"], "passed");
    let all = lab.api.call("DescribeInstanceStatus", &[("IncludeAllInstances", "true"), ("InstanceId.1", &pending)]).unwrap();
    assert_eq!(all["InstanceStatuses"][0]["InstanceStatus"]["Status"], "not-applicable");
}

#[test]
fn the_console_is_read_from_the_machine_and_a_reboot_goes_to_it() {
    let lab = Fixture::new();
    let id = lab.run(&[]);
    let answer = lab.api.call("GetConsoleOutput", &[("InstanceId", &id)]).unwrap();
    assert_eq!((&answer["InstanceId"], &answer["Output"]), (&id.as_str().into(), &"Ym9vdGVkCg==".into()));
    lab.api.call("RebootInstances", &[("InstanceId.1", &id), ("DryRun", "true")]).unwrap_err();
    assert!(lab.machine.rebooted.lock().unwrap().is_empty());
    lab.on("RebootInstances", &id).unwrap();
    assert_eq!(*lab.machine.rebooted.lock().unwrap(), [id.parse().unwrap()]);
    assert_eq!(lab.state(&id), "running");
}

#[test]
fn ids_that_are_malformed_or_unknown_have_their_codes() {
    let lab = Fixture::new();
    for action in ["DescribeInstances", "StartInstances", "StopInstances", "RebootInstances", "TerminateInstances"] {
        assert_eq!(lab.on(action, "i-zz").unwrap_err(), "InvalidInstanceID.Malformed", "{action}");
        assert_eq!(lab.on(action, "i-0123456789abcdef0").unwrap_err(), "InvalidInstanceID.NotFound", "{action}");
    }
    let two = [("InstanceId.1", "i-0123456789abcdef0"), ("InstanceId.2", "i-0123456789abcdef1")];
    let error = lab.api.call("DescribeInstances", &two).unwrap_err();
    assert_eq!(error.message, "The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist");
    assert_eq!(lab.api.code("GetConsoleOutput", &[("InstanceId", "i-0123456789abcdef0")]), "InvalidInstanceID.NotFound");
}

#[test]
fn terminated_instances_are_forgotten_only_after_an_hour() {
    let lab = Fixture::new();
    let id = lab.run(&[]);
    lab.on("TerminateInstances", &id).unwrap();
    lab.report(&id, Observed::Stopped);
    let prune = || {
        lab.control.transact(&lab.caller(), |tx| {
            instances::prune(tx);
            Ok(())
        })
    };
    prune().unwrap();
    assert_eq!(lab.state(&id), "terminated");
    let parsed: InstanceId = id.parse().unwrap();
    let age = |instance: &mut openvpc_model::Instance| instance.terminated_at = Some(UnixMillis(1_790_000_042_000 - 3_600_000));
    lab.control.transact(&lab.caller(), |tx| tx.update::<openvpc_model::Instance, _>(&parsed, age)).unwrap();
    prune().unwrap();
    assert_eq!(lab.on("DescribeInstances", &id).unwrap_err(), "InvalidInstanceID.NotFound");
}

#[test]
fn filters_find_instances() {
    let lab = Fixture::new();
    lab.key_pair("mine");
    let id = lab.run(&[("KeyName", "mine"), ("InstanceType", "t3.micro"), ("ClientToken", "a")]);
    lab.try_run(&[]).unwrap();
    let instance = lab.describe(&id);
    let (vpc, subnet, private) = (text(&instance["VpcId"]), text(&instance["SubnetId"]), text(&instance["PrivateIpAddress"]));
    let (public, eni) = (text(&instance["PublicIpAddress"]), text(&instance["NetworkInterfaces"][0]["NetworkInterfaceId"]));
    let tag = [("ResourceId.1", &*eni), ("Tag.1.Key", "of-the-eni"), ("Tag.1.Value", "yes")];
    lab.api.call("CreateTags", &tag).unwrap();
    for (name, value, found) in [
        ("instance-state-name", "running", true),
        ("instance-state-name", "pending", false),
        ("instance-state-code", "16", true),
        ("instance-type", "t3.*", true),
        ("key-name", "mine", true),
        ("client-token", "a", true),
        ("image-id", "ami-*", true),
        ("vpc-id", &vpc, true),
        ("subnet-id", &subnet, true),
        ("private-ip-address", &private, true),
        ("ip-address", &public, true),
        ("network-interface.network-interface-id", &eni, true),
        ("network-interface.addresses.private-ip-address", &private, true),
        ("network-interface.association.public-ip", &public, true),
        ("network-interface.subnet-id", "subnet-0", false),
        ("instance.group-name", "default", true),
        ("availability-zone", "us-east-1a", true),
        ("dns-name", "ec2-203-*", true),
        ("owner-id", "123456789012", true),
        ("tenancy", "dedicated", false),
        ("block-device-mapping.volume-id", "*", false),
        ("boot-mode", "uefi*", true),
        ("ebs-optimized", "false", true),
        ("hibernation-options.configured", "true", false),
        ("host-id", "*", false),
        ("metadata-options.http-protocol-ipv4", "enabled", true),
        ("metadata-options.http-protocol-ipv6", "disabled", true),
        ("metadata-options.state", "applied", true),
        ("network-interface.addresses.association.public-dns-name", "ec2-203-*", true),
        ("network-interface.attachment.instance-id", &id, true),
        ("network-interface.attachment.network-card-index", "0", true),
        ("network-interface.ipv6-native", "false", true),
        ("network-interface.outpost-arn", "*", false),
        ("network-interface.requester-id", "*", false),
        ("network-interface.tag-key", "of-the-eni", true),
        ("network-interface.tag-value", "yes", true),
        ("network-interface.tag-value", "no", false),
        ("operator.managed", "false", true),
        ("private-dns-name-options.hostname-type", "ip-name", true),
        ("product-code.type", "*", false),
        ("tag:Name", "no", false),
        ("usage-operation-update-time", "20*", true),
    ] {
        let answer = lab.api.call("DescribeInstances", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        let reservations = answer["Reservations"].as_array().unwrap();
        let mut ids = reservations.iter().flat_map(|r| r["Instances"].as_array().unwrap()).map(|i| text(&i["InstanceId"]));
        assert_eq!(ids.any(|seen| seen == id), found, "{name}={value}");
    }
    assert_eq!(
        lab.api.code("DescribeInstances", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]),
        "InvalidParameterValue"
    );
}

#[test]
fn pages_of_filtered_instances_together_are_all_that_pass() {
    let lab = Fixture::new();
    let launch = |tag: &str| {
        let tags = [
            ("MinCount", "4"),
            ("MaxCount", "4"),
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "team"),
            ("TagSpecification.1.Tag.1.Value", tag),
        ];
        let made = lab.try_run(&tags).unwrap();
        made["Instances"].as_array().unwrap().iter().map(|one| text(&one["InstanceId"])).collect::<Vec<_>>()
    };
    let (one, _, other) = (launch("red"), launch("blue"), launch("red"));
    let mut wanted: Vec<String> = one.into_iter().chain(other).collect();
    let (mut seen, mut token, mut sizes) = (Vec::new(), None::<String>, Vec::new());
    loop {
        let mut ask = vec![("Filter.1.Name", "tag:team"), ("Filter.1.Value.1", "r?d"), ("MaxResults", "5")];
        ask.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page = lab.api.call("DescribeInstances", &ask).unwrap();
        let reservations = page["Reservations"].as_array().unwrap();
        let ids = reservations.iter().flat_map(|reservation| reservation["Instances"].as_array().unwrap());
        let before = seen.len();
        seen.extend(ids.map(|instance| text(&instance["InstanceId"])));
        sizes.push(seen.len() - before);
        token = page.get("NextToken").map(text);
        if token.is_none() {
            break;
        }
        // The last one of a page may be gone when the next is asked for.
        lab.on("TerminateInstances", seen.last().unwrap()).unwrap();
    }
    assert_eq!(sizes, [5, 3]);
    seen.sort();
    wanted.sort();
    assert_eq!(seen, wanted);
    let both = [("InstanceId.1", &*wanted[0]), ("MaxResults", "5")];
    assert_eq!(lab.api.code("DescribeInstances", &both), "InvalidParameterCombination");
}

#[test]
fn an_elastic_ip_is_found_by_the_address_that_it_stands_for() {
    let lab = Fixture::new();
    let id = lab.run(&[]);
    let eni = text(&lab.describe(&id)["NetworkInterfaces"][0]["NetworkInterfaceId"]);
    let second =
        lab.api.call("AssignPrivateIpAddresses", &[("NetworkInterfaceId", &eni), ("SecondaryPrivateIpAddressCount", "1")]);
    let second = text(&second.unwrap()["AssignedPrivateIpAddresses"][0]["PrivateIpAddress"]);
    let allocation = text(&lab.api.call("AllocateAddress", &[]).unwrap()["AllocationId"]);
    let associate = [("AllocationId", &*allocation), ("NetworkInterfaceId", &eni), ("PrivateIpAddress", &second)];
    let association = text(&lab.api.call("AssociateAddress", &associate).unwrap()["AssociationId"]);
    for (name, value, found) in [
        ("network-interface.addresses.association.allocation-id", &allocation, 1),
        ("network-interface.addresses.association.association-id", &association, 1),
        // These look at primary addresses only.
        ("network-interface.association.allocation-id", &allocation, 0),
        ("network-interface.association.association-id", &association, 0),
    ] {
        let answer = lab.api.call("DescribeInstances", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        assert_eq!(answer["Reservations"].as_array().unwrap().len(), found, "{name}");
    }
    let public = lab.api.call("DescribeAddresses", &[("AllocationId.1", &allocation)]).unwrap();
    let public = text(&public["Addresses"][0]["PublicIp"]);
    for (name, found) in [("addresses.association.public-ip", 1), ("association.public-ip", 0)] {
        let ask = [("Filter.1.Name", name), ("Filter.1.Value.1", &*public)];
        let answer = lab.api.call("DescribeNetworkInterfaces", &ask).unwrap();
        assert_eq!(answer["NetworkInterfaces"].as_array().unwrap().len(), found, "{name}");
    }
}
