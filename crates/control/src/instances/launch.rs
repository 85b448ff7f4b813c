//! RunInstances.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use openvpc_model::{
    EniId, Instance, InstanceId, InstanceOptions, InstanceState, NetworkInterface, ReservationId, SecurityGroupId, Subnet,
    SubnetId, Tags, TrackingTimeouts, Vpc, Zone,
};
use serde::Serialize;

use crate::interfaces::{self, CreateNetworkInterface, Prefixes};
use crate::{ControlError, Tx, addresses, idempotency, key_pairs, security_groups};

/// The largest user data, decoded.
const MAX_USER_DATA: usize = 16 * 1024;

/// What RunInstances is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunInstances {
    /// The fewest instances to launch; with less room, none is.
    pub min_count: i32,
    /// The most instances to launch.
    pub max_count: i32,
    /// The image; any `ami-…` will do.
    pub image: String,
    /// The type; empty for `m1.small`.
    pub instance_type: String,
    /// The key pair's name.
    pub key_name: Option<String>,
    /// User data, decoded.
    pub user_data: Option<Vec<u8>>,
    /// The zone, where no subnet says it.
    pub zone: Option<Zone>,
    /// The only interface, in the form of parameters of the call itself; the default when [`Self::interfaces`] is used.
    pub interface: LaunchInterface,
    /// The interfaces, when they are listed.
    pub interfaces: Vec<LaunchInterface>,
    /// Whether termination by API is refused.
    pub disable_api_termination: bool,
    /// Whether stopping by API is refused.
    pub disable_api_stop: bool,
    /// `stop` or `terminate`; empty for `stop`.
    pub shutdown_behavior: String,
    /// What is kept for clients to read back.
    pub options: InstanceOptions,
    /// Tags of the instances.
    pub tags: Tags,
    /// Tags of the interfaces made for them.
    pub interface_tags: Tags,
    /// Client token.
    #[serde(skip)]
    pub client_token: Option<String>,
}

/// One interface of the instances to launch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LaunchInterface {
    /// 0 is the primary interface.
    pub device_index: i32,
    /// An existing interface; then nothing else about it may be said.
    pub eni: Option<EniId>,
    /// The subnet; none for the default subnet of the zone.
    pub subnet: Option<SubnetId>,
    /// Security groups.
    pub groups: Vec<SecurityGroupId>,
    /// Security groups of the default VPC by name.
    pub group_names: Vec<String>,
    /// The user's text.
    pub description: String,
    /// The primary private address.
    pub primary_ipv4: Option<Ipv4Addr>,
    /// Secondary private addresses by number.
    pub secondary_ipv4: Vec<Ipv4Addr>,
    /// How many more secondary private addresses to choose.
    pub secondary_ipv4_count: usize,
    /// IPv6 addresses by number.
    pub ipv6: Vec<Ipv6Addr>,
    /// How many IPv6 addresses to choose; none for what the subnet says.
    pub ipv6_count: Option<usize>,
    /// Delegated prefixes.
    pub prefixes: Prefixes,
    /// Whether the primary interface gets a public address; none for what the subnet says.
    pub associate_public_ip: Option<bool>,
    /// Whether the interface goes with the instance; none for: when it was made for it.
    pub delete_on_termination: Option<bool>,
    /// Connection-tracking timeouts.
    pub tracking: TrackingTimeouts,
}

impl LaunchInterface {
    fn names_addresses(&self) -> bool {
        let prefixes = !self.prefixes.ipv4.is_empty() || !self.prefixes.ipv6.is_empty();
        prefixes || self.primary_ipv4.is_some() || !self.secondary_ipv4.is_empty() || !self.ipv6.is_empty()
    }
}

/// Launches instances in state `pending`; they share a reservation.
///
/// # Errors
/// `MissingParameter`, `InvalidParameterValue`, `InvalidParameterCombination`, `InstanceLimitExceeded`,
/// `InsufficientFreeAddressesInSubnet`, `InsufficientAddressCapacity`, `VPCIdNotSpecified`, `MissingInput`, `InvalidInput`,
/// `InvalidNetworkInterface.InUse`, the not-found errors of what is named, `IdempotentParameterMismatch`.
pub fn run(tx: &mut Tx, request: &RunInstances) -> Result<ReservationId, ControlError> {
    idempotency::once(tx, "RunInstances", request.client_token.as_deref(), request, |tx| launch(tx, request))
}

fn launch(tx: &mut Tx, request: &RunInstances) -> Result<ReservationId, ControlError> {
    if let Some(name) = &request.key_name {
        key_pairs::find(tx, name)?;
    }
    let launch = Launch::prepare(tx, request)?;
    let (min, max) = counts(tx, request)?;
    let names_one = |plan: &Plan| plan.eni.is_some() || plan.wanted.names_addresses();
    if max > 1 && launch.plans.iter().any(names_one) {
        return Err(ControlError::invalid_combination(
            "An interface or an address that is named can go to one instance only: use MinCount and MaxCount 1",
        ));
    }
    for index in 0..max {
        let id = tx.new_id();
        match launch.one(tx, id, index) {
            Ok(()) => {}
            Err(error) if index >= min && is_shortage(&error) => {
                let enis: Vec<_> = tx.network().enis_of(id).into_iter().map(|eni| eni.id).collect();
                enis.into_iter().try_for_each(|eni| interfaces::delete_unchecked(tx, eni))?;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(launch.reservation)
}

/// A checked request with every place found.
struct Launch<'a> {
    request: &'a RunInstances,
    reservation: ReservationId,
    instance_type: String,
    shutdown_behavior: String,
    user_data: Option<Vec<u8>>,
    /// By device index, without gaps at the start: the first is the primary interface.
    plans: Vec<Plan<'a>>,
}

/// An interface of every instance to launch.
struct Plan<'a> {
    wanted: &'a LaunchInterface,
    device_index: u16,
    eni: Option<Arc<NetworkInterface>>,
    subnet: Arc<Subnet>,
    groups: Vec<SecurityGroupId>,
}

impl<'a> Launch<'a> {
    fn prepare(tx: &Tx, request: &'a RunInstances) -> Result<Self, ControlError> {
        if request.image.is_empty() {
            return Err(ControlError::missing_parameter("ImageId"));
        }
        if !request.image.starts_with("ami-") {
            return Err(ControlError::new(
                "InvalidAMIID.Malformed",
                format!("Invalid id: \"{}\" (expecting \"ami-...\")", request.image),
            ));
        }
        let or = |text: &'a str, default: &'a str| if text.is_empty() { default } else { text };
        Ok(Self {
            request,
            reservation: tx.new_id(),
            instance_type: check_type(or(&request.instance_type, "m1.small"))?,
            shutdown_behavior: check_shutdown_behavior(or(&request.shutdown_behavior, "stop"))?,
            user_data: request.user_data.clone().map(check_user_data).transpose()?,
            plans: plans(tx, request)?,
        })
    }

    fn one(&self, tx: &mut Tx, id: InstanceId, launch_index: u32) -> Result<(), ControlError> {
        let [primary, others @ ..] = self.plans.as_slice() else {
            return Err(ControlError::internal("an instance was planned without an interface"));
        };
        let primary_eni = self.interface(tx, id, primary)?;
        if primary.eni.is_none() {
            let public = primary.wanted.associate_public_ip.unwrap_or(primary.subnet.map_public_ip_on_launch);
            interfaces::modify(tx, primary_eni, interfaces::Attribute::AssociatePublicIp(public))?;
        }
        if tx.find::<NetworkInterface>(&primary_eni)?.associate_public_ip {
            addresses::assign_at_launch(tx, primary_eni)?;
        }
        for plan in others {
            self.interface(tx, id, plan)?;
        }
        tx.put(Instance {
            id,
            owner: tx.owner().clone(),
            reservation: self.reservation,
            launch_index,
            state: InstanceState::Pending,
            state_reason: String::new(),
            image: self.request.image.clone(),
            instance_type: self.instance_type.clone(),
            key_name: self.request.key_name.clone(),
            primary_eni,
            vpc: primary.subnet.vpc,
            subnet: primary.subnet.id,
            zone: primary.subnet.zone,
            user_data: self.user_data.clone(),
            user_data_ran: false,
            client_token: self.request.client_token.clone(),
            launched_at: tx.now(),
            terminated_at: None,
            disable_api_termination: self.request.disable_api_termination,
            disable_api_stop: self.request.disable_api_stop,
            shutdown_behavior: self.shutdown_behavior.clone(),
            starts: 1,
            options: self.request.options.clone(),
            tags: self.request.tags.clone(),
        });
        Ok(())
    }

    fn interface(&self, tx: &mut Tx, instance: InstanceId, plan: &Plan) -> Result<EniId, ControlError> {
        let wanted = plan.wanted.clone();
        let eni = match &plan.eni {
            Some(eni) => eni.id,
            None => interfaces::create(
                tx,
                CreateNetworkInterface {
                    subnet: plan.subnet.id,
                    description: wanted.description,
                    groups: plan.groups.clone(),
                    primary_ipv4: wanted.primary_ipv4,
                    secondary_ipv4: wanted.secondary_ipv4,
                    secondary_ipv4_count: wanted.secondary_ipv4_count,
                    ipv6: wanted.ipv6,
                    ipv6_count: wanted.ipv6_count,
                    prefixes: wanted.prefixes,
                    tracking: wanted.tracking,
                    tags: self.request.interface_tags.clone(),
                },
            )?,
        };
        let goes = wanted.delete_on_termination.unwrap_or(plan.eni.is_none());
        interfaces::attach_unchecked(tx, eni, instance, plan.device_index, goes)?;
        Ok(eni)
    }
}

/// The interfaces that the request asks for, sorted by device index.
fn plans<'a>(tx: &Tx, request: &'a RunInstances) -> Result<Vec<Plan<'a>>, ControlError> {
    if request.interfaces.is_empty() {
        return Ok(vec![plan(tx, request, &request.interface, None)?]);
    }
    if request.interface != LaunchInterface::default() {
        return Err(ControlError::invalid_combination(
            "Network interfaces and an instance-level subnet ID, security groups or addresses may not be specified on the same request",
        ));
    }
    let mut wanted: Vec<_> = request.interfaces.iter().collect();
    wanted.sort_by_key(|wanted| wanted.device_index);
    if wanted[0].device_index != 0 {
        return Err(ControlError::invalid_combination("One network interface must have device index 0: the primary one"));
    }
    if wanted.windows(2).any(|pair| pair[0].device_index == pair[1].device_index) {
        return Err(ControlError::invalid_value("Each network interface requires a device index of its own"));
    }
    let public = |wanted: &LaunchInterface| wanted.associate_public_ip.is_some();
    if wanted.iter().any(|wanted| public(wanted) && (wanted.device_index > 0 || wanted.eni.is_some())) {
        return Err(ControlError::invalid_combination(
            "The associatePublicIPAddress parameter can only be specified for a new network interface with device index 0",
        ));
    }
    let primary = plan(tx, request, wanted[0], None)?;
    let mut plans = vec![primary];
    for wanted in &wanted[1..] {
        let next = plan(tx, request, wanted, Some(&plans[0].subnet))?;
        if next.subnet.zone != plans[0].subnet.zone {
            return Err(ControlError::invalid_value(format!(
                "All network interfaces of an instance must be in one Availability Zone; {} and {} are not",
                plans[0].subnet.id, next.subnet.id
            )));
        }
        plans.push(next);
    }
    Ok(plans)
}

fn plan<'a>(
    tx: &Tx,
    request: &RunInstances,
    wanted: &'a LaunchInterface,
    primary: Option<&Arc<Subnet>>,
) -> Result<Plan<'a>, ControlError> {
    let device_index = u16::try_from(wanted.device_index)
        .map_err(|_| ControlError::invalid_value(format!("Invalid device index: {}", wanted.device_index)))?;
    let eni = wanted.eni.map(|id| existing(tx, id, wanted)).transpose()?;
    let subnet = match (&eni, wanted.subnet, primary) {
        (Some(eni), _, _) => tx.find::<Subnet>(&eni.subnet)?,
        (None, Some(subnet), _) => tx.find::<Subnet>(&subnet)?,
        (None, None, Some(primary)) => Arc::clone(primary),
        (None, None, None) => default_subnet(tx, request.zone)?,
    };
    if request.zone.is_some_and(|zone| zone != subnet.zone) {
        let region = &tx.owner().region;
        return Err(ControlError::invalid_value(format!(
            "The subnet {} is in {}, not in the Availability Zone asked for",
            subnet.id,
            subnet.zone.name(region)
        )));
    }
    let mut groups = wanted.groups.clone();
    if !wanted.group_names.is_empty() && wanted.subnet.is_some() {
        return Err(ControlError::invalid_combination("The parameter groupName cannot be used with the parameter subnet"));
    }
    for name in &wanted.group_names {
        groups.push(security_groups::of_default_vpc(tx, name)?);
    }
    Ok(Plan { wanted, device_index, eni, subnet, groups })
}

/// An interface that exists already: free, and everything about it decided.
fn existing(tx: &Tx, id: EniId, wanted: &LaunchInterface) -> Result<Arc<NetworkInterface>, ControlError> {
    let eni = tx.find::<NetworkInterface>(&id)?;
    interfaces::refuse_if_managed(&eni)?;
    interfaces::refuse_if_in_use(&eni)?;
    if wanted.delete_on_termination == Some(true) {
        return Err(ControlError::invalid_combination(format!(
            "DeleteOnTermination can be true only for an interface made by the launch, not for {id}"
        )));
    }
    let plain = LaunchInterface {
        device_index: wanted.device_index,
        eni: wanted.eni,
        delete_on_termination: wanted.delete_on_termination,
        ..LaunchInterface::default()
    };
    if *wanted != plain {
        return Err(ControlError::invalid_combination(format!(
            "A network interface may not specify both an interface ID ({id}) and a subnet, groups, addresses or a description"
        )));
    }
    Ok(eni)
}

fn default_subnet(tx: &Tx, zone: Option<Zone>) -> Result<Arc<Subnet>, ControlError> {
    let vpc = tx.owned::<Vpc>().find(|vpc| vpc.is_default);
    let vpc = vpc.ok_or_else(|| ControlError::new("VPCIdNotSpecified", "No default VPC for this user. Name a subnet."))?;
    let fits = |subnet: &&Arc<Subnet>| subnet.default_for_zone && zone.is_none_or(|zone| zone == subnet.zone);
    let found = tx.network().subnets_of(vpc.id).filter(fits).min_by_key(|subnet| subnet.zone).cloned();
    found.ok_or_else(|| match zone {
        Some(zone) => ControlError::new(
            "InvalidInput",
            format!("No default subnet for availability zone: '{}'.", zone.name(&tx.owner().region)),
        ),
        None => ControlError::new(
            "MissingInput",
            format!("No subnets found for the default VPC '{}'. Please specify a subnet.", vpc.id),
        ),
    })
}

/// How few and how many instances to launch, with the quota taken off the latter.
fn counts(tx: &Tx, request: &RunInstances) -> Result<(u32, u32), ControlError> {
    let count = |name: &str, value: i32| {
        u32::try_from(value)
            .ok()
            .filter(|value| *value > 0)
            .ok_or_else(|| ControlError::invalid_value(format!("Value ({value}) for parameter {name} is invalid: use 1 or more")))
    };
    let (min, max) = (count("minCount", request.min_count)?, count("maxCount", request.max_count)?);
    if min > max {
        return Err(ControlError::invalid_value(format!(
            "Value ({min}) for parameter minCount is invalid: above maxCount ({max})"
        )));
    }
    let live = tx.owned::<Instance>().filter(|instance| instance.state != InstanceState::Terminated).count();
    let limit = tx.quotas().instances;
    let room = u32::try_from(limit.saturating_sub(live)).unwrap_or(u32::MAX);
    if room < min {
        return Err(ControlError::new(
            "InstanceLimitExceeded",
            format!("You have requested more instances ({min}) than your current instance limit of {limit} allows for"),
        ));
    }
    Ok((min, max.min(room)))
}

/// What more of the pool or the subnet would cure.
fn is_shortage(error: &ControlError) -> bool {
    matches!(error.code, "InsufficientFreeAddressesInSubnet" | "InsufficientAddressCapacity" | "NetworkInterfaceLimitExceeded")
}

pub(super) fn check_type(text: &str) -> Result<String, ControlError> {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    match text.split_once('.') {
        Some((family, size)) if word(family) && word(size) => Ok(text.to_owned()),
        _ => Err(ControlError::invalid_value(format!("Invalid value '{text}' for InstanceType."))),
    }
}

pub(super) fn check_shutdown_behavior(text: &str) -> Result<String, ControlError> {
    match text {
        "stop" | "terminate" => Ok(text.to_owned()),
        _ => Err(ControlError::invalid_value(format!(
            "Value ({text}) for parameter instanceInitiatedShutdownBehavior is invalid: use stop or terminate"
        ))),
    }
}

pub(super) fn check_user_data(data: Vec<u8>) -> Result<Vec<u8>, ControlError> {
    if data.len() > MAX_USER_DATA {
        return Err(ControlError::invalid_value(format!("User data is limited to {MAX_USER_DATA} bytes")));
    }
    Ok(data)
}
