//! All that there is to say about an instance: a tree of names and texts. See "Instance metadata categories" and "Dynamic
//! data categories".
//!
//! Of the documented categories those are here that an instance without volumes, accelerators, Auto Scaling and spot
//! market can have. A category without a value is left out, and so not found, as in AWS.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use openvpc_model::{
    EniId, IamName, Instance, InstanceOptions, InstanceProfile, KeyPair, Network, NetworkInterface, Subnet, UnixMillis, Vpc, dns,
};
use serde_json::json;

/// What there is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A text, as it is.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// What is below, as it is listed.
    Listing(String),
    /// The keys of a role.
    Credentials(IamName),
}

/// An instance, or what has an interface in its place, and its surroundings.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    network: &'a Network,
    /// None for a virtual machine or a container that an interface was bound to.
    pub instance: Option<&'a Instance>,
    /// The primary interface.
    primary: &'a NetworkInterface,
    subnet: &'a Subnet,
    vpc: &'a Vpc,
}

impl<'a> Subject<'a> {
    /// Whoever has that interface.
    pub fn of(network: &'a Network, eni: EniId) -> Option<Self> {
        let asked = network.enis.get(&eni)?;
        let instance = asked.attachment.as_ref().and_then(|attachment| network.instances.get(&attachment.instance));
        let primary = instance.and_then(|instance| network.enis.get(&instance.primary_eni)).unwrap_or(asked);
        Some(Self {
            network,
            instance: instance.map(|instance| &**instance),
            primary,
            subnet: network.subnets.get(&primary.subnet)?,
            vpc: network.vpcs.get(&primary.vpc)?,
        })
    }

    /// The options of its metadata.
    pub fn options(&self) -> InstanceOptions {
        self.instance.map(|instance| instance.options.clone()).unwrap_or_default()
    }

    /// What is at a path, given by its parts: the version first.
    pub fn find(&self, path: &[&str]) -> Option<Found> {
        let Some((version, rest)) = path.split_first() else {
            return Some(Found::Listing(VERSIONS.join("\n")));
        };
        if !VERSIONS.contains(version) {
            return None;
        }
        self.root().find(rest)
    }

    fn root(&self) -> Node {
        let mut root = Dir::default();
        root.put("meta-data", self.meta_data());
        let mut dynamic = Dir::default();
        let mut monitoring = Dir::default();
        monitoring.text("instance-monitoring", if self.options().monitoring { "enabled" } else { "disabled" });
        dynamic.put("fws", monitoring);
        if let Some(document) = self.document() {
            dynamic.put("instance-identity", Dir::of([("document", document)]));
        }
        root.put("dynamic", dynamic);
        if let Some(data) = self.instance.and_then(|instance| instance.user_data.clone()).filter(|data| !data.is_empty()) {
            root.leaf("user-data", Found::Bytes(data));
        }
        Node::Dir(root)
    }

    fn meta_data(&self) -> Dir {
        let mut dir = Dir::default();
        if let Some(instance) = self.instance {
            dir.text("ami-id", &instance.image);
            dir.text("ami-launch-index", instance.launch_index.to_string());
            dir.text("ami-manifest-path", "(unknown)");
            dir.text("instance-id", instance.id.to_string());
            dir.text("instance-type", &instance.instance_type);
            dir.text("reservation-id", instance.reservation.to_string());
            dir.put("block-device-mapping", Dir::of([("ami", ROOT_DEVICE), ("root", ROOT_DEVICE)]));
            let mut events = Dir::default();
            events.put("maintenance", Dir::of([("history", "[]"), ("scheduled", "[]")]));
            dir.put("events", events);
            self.put_keys(&mut dir, instance);
            self.put_role(&mut dir, instance);
            self.put_tags(&mut dir, instance);
        }
        let name = self.private_name();
        dir.text("hostname", &name);
        dir.text("local-hostname", name);
        dir.text("instance-action", "none");
        dir.text("instance-life-cycle", "on-demand");
        dir.text("profile", "default-hvm");
        dir.text("system", "nitro");
        dir.text("mac", self.primary.mac.to_string());
        dir.text("security-groups", self.group_names(self.primary));
        dir.maybe("local-ipv4", self.primary.primary_ipv4().map(|address| address.to_string()));
        dir.maybe("ipv6", self.primary.ipv6_addresses.first().map(ToString::to_string));
        let public = self.primary.private_addresses.first().and_then(|own| own.public.as_ref()).map(|public| public.address);
        dir.maybe("public-ipv4", public.map(|public| public.to_string()));
        dir.maybe("public-hostname", public.and_then(|public| self.public_name(public)));

        let (zone, region) = (self.primary.zone, &self.primary.owner.region);
        let placement =
            [("availability-zone", zone.name(region)), ("availability-zone-id", zone.id(region)), ("region", region.to_string())];
        dir.put("placement", Dir::of(placement));
        let domain = if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        dir.put("services", Dir::of([("domain", domain), ("partition", region.partition())]));
        dir.put("metrics", Dir::of([("vhostmd", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")]));

        let mut macs = Dir::default();
        for eni in self.interfaces() {
            macs.put(&eni.mac.to_string(), self.interface(eni));
        }
        let mut interfaces = Dir::default();
        interfaces.put("macs", macs);
        let mut network = Dir::default();
        network.put("interfaces", interfaces);
        dir.put("network", network);
        dir
    }

    fn interfaces(&self) -> Vec<&'a NetworkInterface> {
        match self.instance {
            Some(instance) => self.network.enis_of(instance.id).into_iter().map(|eni| &**eni).collect(),
            None => vec![self.primary],
        }
    }

    /// `network/interfaces/macs/MAC/`.
    fn interface(&self, eni: &NetworkInterface) -> Dir {
        let lines = |values: Vec<String>| (!values.is_empty()).then(|| values.join("\n"));
        let mut dir = Dir::default();
        let number = eni.attachment.as_ref().map_or(0, |attachment| attachment.device_index);
        dir.text("device-number", number.to_string());
        dir.text("interface-id", eni.id.to_string());
        dir.text("mac", eni.mac.to_string());
        dir.text("owner-id", eni.owner.account.to_string());
        dir.text("subnet-id", eni.subnet.to_string());
        dir.text("vpc-id", eni.vpc.to_string());
        dir.text("security-groups", self.group_names(eni));
        dir.maybe("security-group-ids", lines(eni.groups.iter().map(ToString::to_string).collect()));
        let private = eni.private_addresses.iter().map(|own| own.address.to_string());
        dir.maybe("local-ipv4s", lines(private.collect()));
        dir.maybe("local-hostname", eni.primary_ipv4().map(|own| dns::private_ipv4_name(own, &eni.owner.region)));
        dir.maybe("ipv6s", lines(eni.ipv6_addresses.iter().map(ToString::to_string).collect()));
        dir.maybe("ipv4-prefix", lines(eni.ipv4_prefixes.iter().map(ToString::to_string).collect()));
        dir.maybe("ipv6-prefix", lines(eni.ipv6_prefixes.iter().map(ToString::to_string).collect()));
        let mut associations = Dir::default();
        let mut public = Vec::new();
        for (own, mapping) in eni.private_addresses.iter().filter_map(|own| Some((own, own.public.as_ref()?))) {
            associations.text(&mapping.address.to_string(), own.address.to_string());
            public.push(mapping.address);
        }
        if let Some(first) = public.first() {
            dir.put("ipv4-associations", associations);
            dir.maybe("public-hostname", self.public_name(*first));
            dir.maybe("public-ipv4s", lines(public.iter().map(ToString::to_string).collect()));
        }
        if let Some(subnet) = self.network.subnets.get(&eni.subnet) {
            dir.maybe("subnet-ipv4-cidr-block", subnet.ipv4_block.map(|block| block.to_string()));
            let blocks = subnet.ipv6_blocks.iter().map(|block| block.block.to_string());
            dir.maybe("subnet-ipv6-cidr-blocks", lines(blocks.collect()));
        }
        if let Some(vpc) = self.network.vpcs.get(&eni.vpc) {
            dir.text("vpc-ipv4-cidr-block", vpc.primary_block().to_string());
            dir.maybe("vpc-ipv4-cidr-blocks", lines(vpc.ipv4_blocks.iter().map(|block| block.block.to_string()).collect()));
            dir.maybe("vpc-ipv6-cidr-blocks", lines(vpc.ipv6_blocks.iter().map(|block| block.block.to_string()).collect()));
        }
        dir
    }

    fn put_keys(&self, dir: &mut Dir, instance: &Instance) {
        let Some(name) = &instance.key_name else { return };
        let pair = self.network.owned::<KeyPair>(&instance.owner).find(|pair| pair.name == *name);
        let Some(pair) = pair else { return };
        let mut key = Dir::default();
        key.text("openssh-key", format!("{} {name}", pair.public_key));
        let mut keys = Dir::default();
        // Listed in a form of its own.
        keys.entries.insert("0".to_owned(), (Some(format!("0={name}")), Node::Dir(key)));
        dir.put("public-keys", keys);
    }

    fn put_role(&self, dir: &mut Dir, instance: &Instance) {
        let Some(arn) = &instance.options.iam_instance_profile else { return };
        let name = arn.rsplit('/').next().unwrap_or_default();
        let key = IamName::new(instance.owner.account, name);
        let profile = self.network.get::<InstanceProfile>(&key);
        let info = json!({
            "Code": "Success",
            "LastUpdated": seconds(instance.launched_at),
            "InstanceProfileArn": arn,
            "InstanceProfileId": profile.map_or("", |profile| &profile.id),
        });
        let mut iam = Dir::default();
        iam.text("info", pretty(&info));
        if let Some(role) = profile.and_then(|profile| profile.role.as_ref()) {
            let mut credentials = Dir::default();
            credentials.leaf(role, Found::Credentials(IamName::new(instance.owner.account, role)));
            iam.put("security-credentials", credentials);
        }
        dir.put("iam", iam);
    }

    fn put_tags(&self, dir: &mut Dir, instance: &Instance) {
        if instance.options.instance_metadata_tags != "enabled" || instance.tags.is_empty() {
            return;
        }
        let mut tags = Dir::default();
        tags.put("instance", Dir::of(instance.tags.iter()));
        dir.put("tags", tags);
    }

    /// The name by which the instance is known in its VPC.
    fn private_name(&self) -> String {
        let region = &self.primary.owner.region;
        match (self.primary.primary_ipv4(), self.instance) {
            (Some(address), None) => dns::private_ipv4_name(address, region),
            (Some(address), Some(_)) if self.subnet.hostname_type != "resource-name" => dns::private_ipv4_name(address, region),
            (_, Some(instance)) => dns::resource_name(instance.id, region),
            (None, None) => format!("{}.{}", self.primary.id, dns::private_domain(region)),
        }
    }

    fn public_name(&self, public: Ipv4Addr) -> Option<String> {
        let named = self.vpc.enable_dns_hostnames && self.vpc.enable_dns_support;
        named.then(|| dns::public_ipv4_name(public, &self.primary.owner.region))
    }

    fn group_names(&self, eni: &NetworkInterface) -> String {
        let names = eni.groups.iter().filter_map(|id| Some(self.network.security_groups.get(id)?.name.as_str()));
        names.collect::<Vec<_>>().join("\n")
    }

    /// The identity document.
    fn document(&self) -> Option<String> {
        let instance = self.instance?;
        let region = &instance.owner.region;
        Some(pretty(&json!({
            "accountId": instance.owner.account,
            "architecture": "x86_64",
            "availabilityZone": instance.zone.name(region),
            "billingProducts": null,
            "devpayProductCodes": null,
            "marketplaceProductCodes": null,
            "imageId": instance.image,
            "instanceId": instance.id.to_string(),
            "instanceType": instance.instance_type,
            "kernelId": null,
            "pendingTime": seconds(instance.launched_at),
            "privateIp": self.primary.primary_ipv4().map(|address| address.to_string()),
            "ramdiskId": null,
            "region": region,
            "version": "2017-09-30",
        })))
    }
}

/// A time as metadata writes it: without fractions of a second.
pub(super) fn seconds(time: UnixMillis) -> String {
    let text = UnixMillis(time.seconds() * 1000).to_string();
    text.replace(".000Z", "Z")
}

/// JSON in lines, as AWS writes it here.
pub(super) fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

enum Node {
    Leaf(Found),
    Dir(Dir),
}

/// Names, how they are listed where that differs, and what is there.
#[derive(Default)]
struct Dir {
    entries: BTreeMap<String, (Option<String>, Node)>,
}

impl Dir {
    fn of<K: ToString, V: ToString>(texts: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut dir = Self::default();
        for (name, text) in texts {
            dir.text(&name.to_string(), text.to_string());
        }
        dir
    }

    fn text(&mut self, name: &str, text: impl Into<String>) {
        self.leaf(name, Found::Text(text.into()));
    }

    fn maybe(&mut self, name: &str, text: Option<String>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn leaf(&mut self, name: &str, found: Found) {
        self.entries.insert(name.to_owned(), (None, Node::Leaf(found)));
    }

    fn put(&mut self, name: &str, dir: Self) {
        self.entries.insert(name.to_owned(), (None, Node::Dir(dir)));
    }

    fn listing(&self) -> String {
        let lines = self.entries.iter().map(|(name, (shown, node))| match (shown, node) {
            (Some(shown), _) => shown.clone(),
            (None, Node::Dir(_)) => format!("{name}/"),
            (None, Node::Leaf(_)) => name.clone(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Node {
    fn find(mut self, path: &[&str]) -> Option<Found> {
        for part in path {
            let Self::Dir(mut dir) = self else { return None };
            self = dir.entries.remove(*part)?.1;
        }
        Some(match self {
            Self::Leaf(found) => found,
            Self::Dir(dir) => Found::Listing(dir.listing()),
        })
    }
}

const ROOT_DEVICE: &str = "/dev/xvda";

/// The versions that AWS lists; all have the same categories here.
pub(super) const VERSIONS: [&str; 29] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-09-24",
    "2024-04-11",
    "latest",
];
