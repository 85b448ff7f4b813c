//! What the machine should look like for a network: pure, and the whole of the decisions.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::dhcp::DhcpSettings;
use openvpc_model::interface::MacAddress;
use openvpc_model::link_local::IPV6_ONLY_ADDRESS;
use openvpc_model::{EniId, Instance, InstanceState, Network, NetworkInterface, dns};
use openvpc_pipeline::{EniIndex, Tables};
use serde::{Deserialize, Serialize};

/// An instance that should run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct InstancePlan {
    pub(super) hostname: String,
    pub(super) resolv_conf: String,
    pub(super) hosts: String,
    pub(super) links: Vec<LinkPlan>,
}

/// A link of a sandbox and what it is addressed with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LinkPlan {
    pub(super) eni: EniId,
    /// The interface's number in the tables; it does not change while the daemon runs.
    pub(super) index: EniIndex,
    pub(super) setup: LinkSetup,
}

/// How a host's end of a link is set up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct LinkSetup {
    /// The name inside: `eth` and the device index.
    pub(super) name: String,
    pub(super) mac: MacAddress,
    pub(super) mtu: u32,
    /// Primary first: the kernel takes the first address of a prefix as the source of what it sends.
    pub(super) addresses: Vec<IpNet>,
    /// The blocks that the addresses come from.
    pub(super) blocks: Vec<IpNet>,
    /// The next hops of the default routes.
    pub(super) gateways: Vec<IpAddr>,
    /// The place among the links of the host; that of the primary one is 0.
    pub(super) device_index: u16,
}

impl LinkSetup {
    /// Whether its default routes are for everything, and not only for what is sent from its addresses.
    pub(super) fn is_primary(&self) -> bool {
        self.device_index == 0
    }

    /// The routing table of a secondary link: from 100 on, which no distribution uses, up to the kernel's own at 253.
    pub(super) fn table(&self) -> u8 {
        100 + (self.device_index % 150) as u8
    }
}

/// Whether an instance in this state has a sandbox.
pub(super) fn should_run(state: InstanceState) -> bool {
    matches!(state, InstanceState::Pending | InstanceState::Running)
}

/// What an instance should look like; none when its surroundings are missing in the network or the tables.
pub(super) fn instance(network: &Network, tables: &Tables, instance: &Instance) -> Option<InstancePlan> {
    let vpc = network.vpcs.get(&instance.vpc)?;
    let primary = network.enis.get(&instance.primary_eni)?;
    let subnet = network.subnets.get(&primary.subnet)?;
    let hostname = dns::hostname(instance.id, primary.primary_ipv4(), subnet);
    let links = network.enis_of(instance.id).into_iter().filter_map(|eni| link(network, tables, eni)).collect();
    Some(InstancePlan {
        resolv_conf: resolv_conf(DhcpSettings::of(network, vpc), subnet.ipv4_block.is_none()),
        hosts: hosts(&hostname, &dns::private_domain(&vpc.owner.region), primary),
        hostname,
        links,
    })
}

fn link(network: &Network, tables: &Tables, eni: &NetworkInterface) -> Option<LinkPlan> {
    let device_index = eni.attachment.as_ref()?.device_index;
    let index = tables.eni_index(eni.id)?;
    Some(LinkPlan { eni: eni.id, index, setup: setup(network, tables, eni, device_index)? })
}

/// How the host's end of an interface's link is set up.
pub(super) fn setup(network: &Network, tables: &Tables, eni: &NetworkInterface, device_index: u16) -> Option<LinkSetup> {
    let subnet = network.subnets.get(&eni.subnet)?;
    let index = tables.eni_index(eni.id)?;
    let mut addresses = Vec::new();
    let mut blocks = Vec::new();
    let mut gateways = Vec::new();
    if let Some(block) = subnet.ipv4_block {
        blocks.push(IpNet::V4(block));
        // Secondary addresses have the subnet's prefix as well, as Amazon Linux gives it to them; the kernel keeps the
        // one route to the subnet, from the primary address.
        let with_prefix = |address| Ipv4Net::new(address, block.prefix_len()).ok().map(IpNet::V4);
        addresses.extend(eni.private_addresses.iter().filter_map(|private| with_prefix(private.address)));
        gateways.extend(subnet.ipv4_router().map(IpAddr::V4));
    }
    if subnet.ipv4_block.is_none() {
        addresses.push(IpNet::new_assert(IPV6_ONLY_ADDRESS.into(), 16));
    }
    for block in &subnet.ipv6_blocks {
        blocks.push(IpNet::V6(block.block));
        let own = eni.ipv6_addresses.iter().filter(|address| block.block.contains(*address));
        addresses.extend(own.filter_map(|address| Ipv6Net::new(*address, block.block.prefix_len()).ok().map(IpNet::V6)));
    }
    if !eni.ipv6_addresses.is_empty() {
        gateways.push(IpAddr::V6(tables.router_mac(index).link_local()));
    }
    let (name, mac) = (format!("eth{device_index}"), eni.mac);
    Some(LinkSetup { name, mac, mtu: MTU, addresses, blocks, gateways, device_index })
}

/// What DHCP would have said.
pub(super) fn resolv_conf(settings: DhcpSettings<'_>, is_ipv6_only: bool) -> String {
    let mut text = String::from("# From the VPC's DHCP option set.\n");
    if !settings.domains().is_empty() {
        text.push_str(&format!("search {}\n", settings.domains().join(" ")));
    }
    for server in settings.resolvers(is_ipv6_only) {
        text.push_str(&format!("nameserver {server}\n"));
    }
    text
}

fn hosts(hostname: &str, domain: &str, primary: &NetworkInterface) -> String {
    let mut text = String::from(
        "127.0.0.1 localhost localhost.localdomain localhost4 localhost4.localdomain4\n\
         ::1 localhost localhost.localdomain localhost6 localhost6.localdomain6\n",
    );
    if let Some(address) = primary.addresses().next() {
        text.push_str(&format!("{address} {hostname}.{domain} {hostname}\n"));
    }
    text
}

/// See "Network maximum transmission unit (MTU) for your EC2 instance": jumbo frames inside a VPC.
const MTU: u32 = 9001;
