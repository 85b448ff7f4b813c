//! Instance types: those that tutorials and modules name, with the figures that matter to a network.

use openvpc_model::Zone;

use crate::actions::prelude::*;

/// DescribeInstanceTypes.
pub fn describe_instance_types(
    _ctx: &Ctx<'_>,
    request: shapes::DescribeInstanceTypesRequest,
) -> Result<shapes::DescribeInstanceTypesResult, ApiError> {
    let named = !request.instance_types.is_empty();
    let unknown: Vec<&str> =
        request.instance_types.iter().map(String::as_str).filter(|name| !TYPES.iter().any(|known| known.name == *name)).collect();
    if !unknown.is_empty() {
        let message = format!("The following supplied instance types do not exist: [{}]", unknown.join(", "));
        return Err(ApiError::new("InvalidInstanceType", message));
    }
    let wanted = |known: &&InstanceType| !named || request.instance_types.iter().any(|name| name == known.name);
    let types = TYPES.iter().filter(wanted).map(InstanceType::shape).collect();
    let types = filters::select(types, &request.filters, &FIELDS)?;
    let (instance_types, next_token) = page::cut(&request, named, types, |info| info.instance_type.as_deref())?;
    Ok(shapes::DescribeInstanceTypesResult { instance_types, next_token })
}

/// DescribeInstanceTypeOfferings: every type is offered everywhere.
pub fn describe_instance_type_offerings(
    ctx: &Ctx<'_>,
    request: shapes::DescribeInstanceTypeOfferingsRequest,
) -> Result<shapes::DescribeInstanceTypeOfferingsResult, ApiError> {
    let region = &ctx.owner().region;
    let zones = || Zone::ALL.into_iter();
    let kind = request.location_type.clone().filter(|kind| !kind.is_empty()).unwrap_or_else(|| "region".to_owned());
    let places: Vec<String> = match &*kind {
        "region" => vec![region.to_string()],
        "availability-zone" => zones().map(|zone| zone.name(region)).collect(),
        "availability-zone-id" => zones().map(|zone| zone.id(region)).collect(),
        other => {
            let message = format!("Value ({other}) for parameter locationType is invalid.");
            return Err(ApiError::invalid_value(message));
        }
    };
    let offering = |known: &InstanceType, place: &String| shapes::InstanceTypeOffering {
        instance_type: Some(known.name.to_owned()),
        location: Some(place.clone()),
        location_type: Some(kind.clone()),
    };
    let offerings = TYPES.iter().flat_map(|known| places.iter().map(move |place| offering(known, place))).collect();
    let offerings = filters::select(offerings, &request.filters, &OFFERING_FIELDS)?;
    // A type is offered at several places, so that neither alone names a row; the place in the list does.
    let (instance_type_offerings, next_token) = page::cut(&request, false, offerings, |_| None)?;
    Ok(shapes::DescribeInstanceTypeOfferingsResult { instance_type_offerings, next_token })
}

static OFFERING_FIELDS: Fields<shapes::InstanceTypeOffering> = Fields {
    tags: None,
    fields: &[
        ("instance-type", |offering, m| m.offer(&offering.instance_type)),
        ("location", |offering, m| m.offer(&offering.location)),
    ],
};

/// One row of "Instance type specifications".
struct InstanceType {
    name: &'static str,
    vcpus: i32,
    memory_mib: i64,
    /// The most interfaces.
    enis: i32,
    /// The most IPv4 addresses per interface, and as many IPv6 addresses.
    addresses: i32,
    network: &'static str,
}

const fn row(name: &'static str, vcpus: i32, memory_mib: i64, enis: i32, addresses: i32, network: &'static str) -> InstanceType {
    InstanceType { name, vcpus, memory_mib, enis, addresses, network }
}

/// See "Maximum IP addresses per network interface" in the EC2 instance types guide.
const TYPES: &[InstanceType] = &[
    row("c5.large", 2, 4_096, 3, 10, "Up to 10 Gigabit"),
    row("c5.xlarge", 4, 8_192, 4, 15, "Up to 10 Gigabit"),
    row("c5.2xlarge", 8, 16_384, 4, 15, "Up to 10 Gigabit"),
    row("c6i.large", 2, 4_096, 3, 10, "Up to 12.5 Gigabit"),
    row("c6i.xlarge", 4, 8_192, 4, 15, "Up to 12.5 Gigabit"),
    row("m5.large", 2, 8_192, 3, 10, "Up to 10 Gigabit"),
    row("m5.xlarge", 4, 16_384, 4, 15, "Up to 10 Gigabit"),
    row("m5.2xlarge", 8, 32_768, 4, 15, "Up to 10 Gigabit"),
    row("m5.4xlarge", 16, 65_536, 8, 30, "Up to 10 Gigabit"),
    row("m6i.large", 2, 8_192, 3, 10, "Up to 12.5 Gigabit"),
    row("m6i.xlarge", 4, 16_384, 4, 15, "Up to 12.5 Gigabit"),
    row("r5.large", 2, 16_384, 3, 10, "Up to 10 Gigabit"),
    row("r5.xlarge", 4, 32_768, 4, 15, "Up to 10 Gigabit"),
    row("t2.nano", 1, 512, 2, 2, "Low to Moderate"),
    row("t2.micro", 1, 1_024, 2, 2, "Low to Moderate"),
    row("t2.small", 1, 2_048, 3, 4, "Low to Moderate"),
    row("t2.medium", 2, 4_096, 3, 6, "Low to Moderate"),
    row("t2.large", 2, 8_192, 3, 12, "Low to Moderate"),
    row("t3.nano", 2, 512, 2, 2, "Up to 5 Gigabit"),
    row("t3.micro", 2, 1_024, 2, 2, "Up to 5 Gigabit"),
    row("t3.small", 2, 2_048, 3, 4, "Up to 5 Gigabit"),
    row("t3.medium", 2, 4_096, 3, 6, "Up to 5 Gigabit"),
    row("t3.large", 2, 8_192, 3, 12, "Up to 5 Gigabit"),
    row("t3.xlarge", 4, 16_384, 4, 15, "Up to 5 Gigabit"),
    row("t3.2xlarge", 8, 32_768, 4, 15, "Up to 5 Gigabit"),
    row("t3a.micro", 2, 1_024, 2, 2, "Up to 5 Gigabit"),
    row("t3a.small", 2, 2_048, 2, 4, "Up to 5 Gigabit"),
    row("t3a.medium", 2, 4_096, 3, 6, "Up to 5 Gigabit"),
    row("t4g.nano", 2, 512, 2, 2, "Up to 5 Gigabit"),
    row("t4g.micro", 2, 1_024, 2, 2, "Up to 5 Gigabit"),
    row("t4g.small", 2, 2_048, 3, 4, "Up to 5 Gigabit"),
    row("t4g.medium", 2, 4_096, 3, 6, "Up to 5 Gigabit"),
];

impl InstanceType {
    fn shape(&self) -> shapes::InstanceTypeInfo {
        let text = |text: &str| Some(text.to_owned());
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let nitro = !self.name.starts_with("t2.");
        let graviton = self.name.starts_with("t4g.");
        let threads = if graviton || self.vcpus == 1 || !nitro { 1 } else { 2 };
        // Storage is what the family has at AWS; sandboxes neither hibernate nor hold enclaves or TPMs.
        let ebs = shapes::EbsInfo {
            ebs_optimized_support: text(if nitro { "default" } else { "unsupported" }),
            encryption_support: text("supported"),
            nvme_support: text(if nitro { "required" } else { "unsupported" }),
            ..Default::default()
        };
        shapes::InstanceTypeInfo {
            instance_type: text(self.name),
            ebs_info: Some(ebs),
            hibernation_supported: Some(false),
            nitro_enclaves_support: text("unsupported"),
            nitro_tpm_support: text("unsupported"),
            reboot_migration_support: text("unsupported"),
            auto_recovery_supported: Some(true),
            bare_metal: Some(false),
            burstable_performance_supported: Some(self.name.starts_with('t')),
            current_generation: Some(true),
            dedicated_hosts_supported: Some(nitro),
            free_tier_eligible: Some(matches!(self.name, "t2.micro" | "t3.micro")),
            hypervisor: text(if nitro { "nitro" } else { "xen" }),
            instance_storage_supported: Some(false),
            memory_info: Some(shapes::MemoryInfo { size_in_mib: Some(self.memory_mib) }),
            network_info: Some(shapes::NetworkInfo {
                network_performance: text(self.network),
                maximum_network_interfaces: Some(self.enis),
                maximum_network_cards: Some(1),
                default_network_card_index: Some(0),
                network_cards: vec![shapes::NetworkCardInfo {
                    network_card_index: Some(0),
                    network_performance: text(self.network),
                    maximum_network_interfaces: Some(self.enis),
                    ..Default::default()
                }],
                ipv4_addresses_per_interface: Some(self.addresses),
                ipv6_addresses_per_interface: Some(self.addresses),
                ipv6_supported: Some(true),
                ena_support: text(if nitro { "required" } else { "unsupported" }),
                efa_supported: Some(false),
                encryption_in_transit_supported: Some(false),
                ..Default::default()
            }),
            placement_group_info: Some(shapes::PlacementGroupInfo { supported_strategies: texts(&["partition", "spread"]) }),
            processor_info: Some(shapes::ProcessorInfo {
                supported_architectures: texts(if graviton { &["arm64"] } else { &["x86_64"] }),
                ..Default::default()
            }),
            supported_boot_modes: texts(if graviton { &["uefi"] } else { &["legacy-bios", "uefi"] }),
            supported_root_device_types: texts(&["ebs"]),
            supported_usage_classes: texts(&["on-demand"]),
            supported_virtualization_types: texts(&["hvm"]),
            v_cpu_info: Some(shapes::VCpuInfo {
                default_v_cpus: Some(self.vcpus),
                default_cores: Some(self.vcpus / threads),
                default_threads_per_core: Some(threads),
                valid_cores: self.valid_cores(threads),
                valid_threads_per_core: (1..=threads).collect(),
            }),
            ..Default::default()
        }
    }

    /// The numbers of cores that may be asked for: with two threads each, pairs of cores.
    fn valid_cores(&self, threads: i32) -> Vec<i32> {
        let most = self.vcpus / threads;
        let step = if threads == 1 || most == 1 { 1 } else { 2 };
        (step..=most).filter(|cores| cores % step == 0).collect()
    }
}

static FIELDS: Fields<shapes::InstanceTypeInfo> = Fields {
    tags: None,
    fields: &[
        ("auto-recovery-supported", |info, m| m.offer(&info.auto_recovery_supported)),
        ("bare-metal", |info, m| m.offer(&info.bare_metal)),
        ("burstable-performance-supported", |info, m| m.offer(&info.burstable_performance_supported)),
        ("current-generation", |info, m| m.offer(&info.current_generation)),
        ("dedicated-hosts-supported", |info, m| m.offer(&info.dedicated_hosts_supported)),
        ("ebs-info.attachment-limit-type", |info, m| info.ebs_info.iter().for_each(|of| m.offer(&of.attachment_limit_type))),
        ("ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps", |info, m| {
            optimized(info).for_each(|disk| m.offer(&disk.baseline_bandwidth_in_mbps))
        }),
        ("ebs-info.ebs-optimized-info.baseline-iops", |info, m| optimized(info).for_each(|disk| m.offer(&disk.baseline_iops))),
        ("ebs-info.ebs-optimized-info.baseline-throughput-in-mbps", |info, m| {
            optimized(info).for_each(|disk| m.offer(&disk.baseline_throughput_in_m_bps))
        }),
        ("ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps", |info, m| {
            optimized(info).for_each(|disk| m.offer(&disk.maximum_bandwidth_in_mbps))
        }),
        ("ebs-info.ebs-optimized-info.maximum-iops", |info, m| optimized(info).for_each(|disk| m.offer(&disk.maximum_iops))),
        ("ebs-info.ebs-optimized-info.maximum-throughput-in-mbps", |info, m| {
            optimized(info).for_each(|disk| m.offer(&disk.maximum_throughput_in_m_bps))
        }),
        ("ebs-info.ebs-optimized-support", |info, m| info.ebs_info.iter().for_each(|of| m.offer(&of.ebs_optimized_support))),
        ("ebs-info.encryption-support", |info, m| info.ebs_info.iter().for_each(|of| m.offer(&of.encryption_support))),
        ("ebs-info.maximum-ebs-attachments", |info, m| info.ebs_info.iter().for_each(|of| m.offer(&of.maximum_ebs_attachments))),
        ("ebs-info.nvme-support", |info, m| info.ebs_info.iter().for_each(|of| m.offer(&of.nvme_support))),
        ("free-tier-eligible", |info, m| m.offer(&info.free_tier_eligible)),
        ("hibernation-supported", |info, m| m.offer(&info.hibernation_supported)),
        ("hypervisor", |info, m| m.offer(&info.hypervisor)),
        ("instance-storage-info.disk.count", |info, m| disks(info).for_each(|disk| m.offer(&disk.count))),
        ("instance-storage-info.disk.size-in-gb", |info, m| disks(info).for_each(|disk| m.offer(&disk.size_in_gb))),
        ("instance-storage-info.disk.type", |_, _| {}),
        ("instance-storage-info.encryption-support", |info, m| {
            info.instance_storage_info.iter().for_each(|of| m.offer(&of.encryption_support))
        }),
        ("instance-storage-info.nvme-support", |info, m| {
            info.instance_storage_info.iter().for_each(|of| m.offer(&of.nvme_support))
        }),
        ("instance-storage-info.total-size-in-gb", |info, m| {
            info.instance_storage_info.iter().for_each(|of| m.offer(&of.total_size_in_gb))
        }),
        ("instance-storage-supported", |info, m| m.offer(&info.instance_storage_supported)),
        ("instance-type", |info, m| m.offer(&info.instance_type)),
        ("memory-info.size-in-mib", |info, m| m.offer(&info.memory_info.as_ref().and_then(|memory| memory.size_in_mib))),
        ("network-info.bandwidth-weightings", |info, m| network(info).for_each(|n| m.offer(&n.bandwidth_weightings))),
        ("network-info.efa-info.maximum-efa-interfaces", |info, m| {
            network(info).filter_map(|n| n.efa_info.as_ref()).for_each(|efa| m.offer(&efa.maximum_efa_interfaces));
        }),
        ("network-info.efa-supported", |info, m| network(info).for_each(|n| m.offer(&n.efa_supported))),
        ("network-info.ena-support", |info, m| network(info).for_each(|n| m.offer(&n.ena_support))),
        ("network-info.encryption-in-transit-supported", |info, m| {
            network(info).for_each(|n| m.offer(&n.encryption_in_transit_supported))
        }),
        ("network-info.flexible-ena-queues-support", |info, m| {
            network(info).for_each(|n| m.offer(&n.flexible_ena_queues_support))
        }),
        ("network-info.ipv4-addresses-per-interface", |info, m| {
            network(info).for_each(|n| m.offer(&n.ipv4_addresses_per_interface))
        }),
        ("network-info.ipv6-addresses-per-interface", |info, m| {
            network(info).for_each(|n| m.offer(&n.ipv6_addresses_per_interface))
        }),
        ("network-info.ipv6-supported", |info, m| network(info).for_each(|n| m.offer(&n.ipv6_supported))),
        ("network-info.maximum-network-cards", |info, m| network(info).for_each(|n| m.offer(&n.maximum_network_cards))),
        ("network-info.maximum-network-interfaces", |info, m| network(info).for_each(|n| m.offer(&n.maximum_network_interfaces))),
        ("network-info.network-performance", |info, m| network(info).for_each(|n| m.offer(&n.network_performance))),
        ("nitro-enclaves-support", |info, m| m.offer(&info.nitro_enclaves_support)),
        ("nitro-tpm-info.supported-versions", |info, m| {
            info.nitro_tpm_info.iter().for_each(|of| m.offer(&of.supported_versions))
        }),
        ("nitro-tpm-support", |info, m| m.offer(&info.nitro_tpm_support)),
        ("processor-info.supported-architecture", |info, m| {
            info.processor_info.iter().for_each(|processor| m.offer(&processor.supported_architectures));
        }),
        ("processor-info.supported-features", |info, m| {
            info.processor_info.iter().for_each(|of| m.offer(&of.supported_features))
        }),
        ("processor-info.sustained-clock-speed-in-ghz", |info, m| {
            info.processor_info.iter().for_each(|of| m.offer(&of.sustained_clock_speed_in_ghz))
        }),
        ("reboot-migration-support", |info, m| m.offer(&info.reboot_migration_support)),
        ("supported-boot-mode", |info, m| m.offer(&info.supported_boot_modes)),
        ("supported-root-device-type", |info, m| m.offer(&info.supported_root_device_types)),
        ("supported-usage-class", |info, m| m.offer(&info.supported_usage_classes)),
        ("supported-virtualization-type", |info, m| m.offer(&info.supported_virtualization_types)),
        ("vcpu-info.default-cores", |info, m| info.v_cpu_info.iter().for_each(|cpu| m.offer(&cpu.default_cores))),
        ("vcpu-info.default-threads-per-core", |info, m| {
            info.v_cpu_info.iter().for_each(|cpu| m.offer(&cpu.default_threads_per_core))
        }),
        ("vcpu-info.default-vcpus", |info, m| info.v_cpu_info.iter().for_each(|cpu| m.offer(&cpu.default_v_cpus))),
        ("vcpu-info.valid-cores", |info, m| info.v_cpu_info.iter().for_each(|of| m.offer(&of.valid_cores))),
        ("vcpu-info.valid-threads-per-core", |info, m| info.v_cpu_info.iter().for_each(|of| m.offer(&of.valid_threads_per_core))),
    ],
};

fn network(info: &shapes::InstanceTypeInfo) -> impl Iterator<Item = &shapes::NetworkInfo> {
    info.network_info.iter()
}

fn optimized(info: &shapes::InstanceTypeInfo) -> impl Iterator<Item = &shapes::EbsOptimizedInfo> {
    info.ebs_info.iter().filter_map(|ebs| ebs.ebs_optimized_info.as_ref())
}

fn disks(info: &shapes::InstanceTypeInfo) -> impl Iterator<Item = &shapes::DiskInfo> {
    info.instance_storage_info.iter().flat_map(|storage| &storage.disks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::testing::api;

    #[test]
    fn a_type_says_how_many_interfaces_and_addresses_it_takes() {
        let answer = api().call_json("DescribeInstanceTypes", &serde_json::json!({"InstanceTypes": ["t3.micro"]})).unwrap();
        let info = &answer["InstanceTypes"][0]["NetworkInfo"];
        assert_eq!((&info["MaximumNetworkInterfaces"], &info["Ipv4AddressesPerInterface"]), (&2.into(), &2.into()));
        assert_eq!(answer["InstanceTypes"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn an_unknown_type_is_refused_by_name() {
        let error =
            api().call("DescribeInstanceTypes", &[("InstanceType.1", "t3.micro"), ("InstanceType.2", "z9.big")]).unwrap_err();
        assert_eq!(
            (&*error.code, &*error.message),
            ("InvalidInstanceType", "The following supplied instance types do not exist: [z9.big]")
        );
    }

    #[test]
    fn types_come_in_pages_and_through_filters() {
        let api = api();
        let first = api.call("DescribeInstanceTypes", &[("MaxResults", "5")]).unwrap();
        assert_eq!(first["InstanceTypes"].as_array().unwrap().len(), 5);
        assert!(first["NextToken"].is_string());
        let arm = api.call(
            "DescribeInstanceTypes",
            &[("Filter.1.Name", "processor-info.supported-architecture"), ("Filter.1.Value.1", "arm64")],
        );
        assert_eq!(arm.unwrap()["InstanceTypes"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn types_are_found_by_what_they_can_do() {
        let found = |name: &str, value: &str| {
            let ask = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
            let answer = api().call("DescribeInstanceTypes", &ask).unwrap();
            let names = answer["InstanceTypes"].as_array().unwrap().iter().map(|info| info["InstanceType"].as_str().unwrap());
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(found("vcpu-info.valid-cores", "8"), ["m5.4xlarge"]);
        assert_eq!(found("ebs-info.nvme-support", "unsupported").len(), 5);
        assert!(found("vcpu-info.valid-threads-per-core", "1").len() > found("vcpu-info.valid-threads-per-core", "2").len());
        assert!(found("hibernation-supported", "true").is_empty());
        assert!(found("instance-storage-info.disk.type", "*").is_empty());
    }
}
