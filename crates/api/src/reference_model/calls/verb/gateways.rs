//! Gateways, addresses and interfaces.

use super::*;

pub fn CreateInternetGateway(_: &Model, s: &Step) -> Call {
    let owner = s.who;
    Call::new("CreateInternetGateway", Vec::new()).then(move |m, answer, _| {
        let id = texts(&answer["InternetGateway"]["InternetGatewayId"]);
        m.igws.insert(id, InternetGateway { owner, vpc: None });
    })
}

pub fn DeleteInternetGateway(m: &Model, s: &Step) -> Call {
    let id = m.an_igw(s.a, s.who);
    let gateway = m.igws.get(&id).filter(|gateway| gateway.owner == s.who);
    Call::new("DeleteInternetGateway", vec![("InternetGatewayId", id.clone())])
        .refused_if(gateway.is_none(), IGW)
        .refused_if(gateway.is_some_and(|gateway| gateway.vpc.is_some()), DEPENDENCY)
        .then(move |m, _, _| {
            m.igws.remove(&id);
        })
}

pub fn AttachInternetGateway(m: &Model, s: &Step) -> Call {
    let (id, vpc) = (m.an_igw(s.b, s.who), m.a_vpc(s));
    let gateway = m.igws.get(&id).filter(|gateway| gateway.owner == s.who);
    let own = m.owns_vpc(&vpc, s.who);
    Call::new("AttachInternetGateway", vec![("InternetGatewayId", id.clone()), ("VpcId", vpc.clone())])
        .refused_if(gateway.is_none(), IGW)
        .refused_if(!own, VPC)
        .refused_if(gateway.is_some_and(|gateway| gateway.vpc.is_some()), &["Resource.AlreadyAssociated"])
        .refused_if(own && m.gateway_of(&vpc).is_some(), &["InvalidParameterValue"])
        .then(move |m, _, _| m.igws.get_mut(&id).unwrap().vpc = Some(vpc))
}

pub fn DetachInternetGateway(m: &Model, s: &Step) -> Call {
    let id = m.an_igw(s.b, s.who);
    let gateway = m.igws.get(&id).filter(|gateway| gateway.owner == s.who);
    let attached = gateway.and_then(|gateway| gateway.vpc.clone());
    let vpc = attached.clone().filter(|_| !s.c.is_multiple_of(4)).unwrap_or_else(|| m.a_vpc(s));
    let public = m.eips.values().filter_map(|eip| eip.on.as_ref()).any(|(_, eni)| m.enis[eni].vpc == vpc);
    Call::new("DetachInternetGateway", vec![("InternetGatewayId", id.clone()), ("VpcId", vpc.clone())])
        .refused_if(gateway.is_none(), IGW)
        .refused_if(!m.owns_vpc(&vpc, s.who), VPC)
        .refused_if(gateway.is_some() && attached.as_ref() != Some(&vpc), &["Gateway.NotAttached"])
        .perhaps_refused_if(public, DEPENDENCY)
        .then(move |m, _, _| m.igws.get_mut(&id).unwrap().vpc = None)
}

pub fn CreateEgressOnlyInternetGateway(m: &Model, s: &Step) -> Call {
    let vpc = m.a_vpc(s);
    Call::new("CreateEgressOnlyInternetGateway", vec![("VpcId", vpc.clone())])
        .refused_if(!m.owns_vpc(&vpc, s.who), VPC)
        .refused_if(
            m.eigws.values().any(|other| *other == vpc),
            &["InvalidParameterValue", "Resource.AlreadyAssociated", "EgressOnlyInternetGatewayLimitExceeded"],
        )
        .then(move |m, answer, _| {
            m.eigws.insert(texts(&answer["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]), vpc);
        })
}

pub fn DeleteEgressOnlyInternetGateway(m: &Model, s: &Step) -> Call {
    let id = pick(&m.eigws, s.a, |vpc| m.owns_vpc(vpc, s.who), "eigw");
    let own = m.eigws.get(&id).is_some_and(|vpc| m.owns_vpc(vpc, s.who));
    Call::new("DeleteEgressOnlyInternetGateway", vec![("EgressOnlyInternetGatewayId", id.clone())])
        .refused_if(!own, &["InvalidEgressOnlyInternetGatewayId.NotFound"])
        .then(move |m, _, _| {
            m.eigws.remove(&id);
        })
}

pub fn AllocateAddress(_: &Model, s: &Step) -> Call {
    let owner = s.who;
    Call::new("AllocateAddress", Vec::new()).then(move |m, answer, _| {
        m.eips.insert(texts(&answer["AllocationId"]), Address { owner, on: None });
    })
}

pub fn ReleaseAddress(m: &Model, s: &Step) -> Call {
    let id = m.an_eip(s.a, s.who);
    let eip = m.eips.get(&id).filter(|eip| eip.owner == s.who);
    Call::new("ReleaseAddress", vec![("AllocationId", id.clone())])
        .refused_if(eip.is_none(), EIP)
        .refused_if(eip.is_some_and(|eip| eip.on.is_some()), &["InvalidIPAddress.InUse"])
        .then(move |m, _, _| {
            m.eips.remove(&id);
        })
}

pub fn AssociateAddress(m: &Model, s: &Step) -> Call {
    let (id, eni_id, force) = (m.an_eip(s.a, s.who), m.an_eni(s.b, s.who), !s.c.is_multiple_of(3));
    let (eip, eni) = (m.eips.get(&id).filter(|eip| eip.owner == s.who), m.eni(&eni_id, s.who));
    let on = eip.and_then(|eip| eip.on.as_ref()).map(|(_, eni)| eni.clone());
    let of_nat = on.as_ref().is_some_and(|eni| m.enis[eni].managed) || eni.is_some_and(|eni| eni.managed);
    let elsewhere = on.as_ref().is_some_and(|on| *on != eni_id);
    let displaces = m.eips.iter().any(|(other, x)| *other != id && x.on.as_ref().is_some_and(|(_, on)| *on == eni_id));
    Call::new(
        "AssociateAddress",
        vec![("AllocationId", id.clone()), ("NetworkInterfaceId", eni_id.clone()), ("AllowReassociation", force.to_string())],
    )
    .refused_if(eip.is_none(), EIP)
    .refused_if(eni.is_none(), ENI)
    .refused_if(eni.is_some_and(|eni| m.gateway_of(&eni.vpc).is_none()), &["Gateway.NotAttached"])
    .refused_if(of_nat, MANAGED)
    .perhaps_refused_if(of_nat, &["Resource.AlreadyAssociated"])
    .refused_if(elsewhere && !force, &["Resource.AlreadyAssociated"])
    .perhaps_refused_if(displaces, &["Resource.AlreadyAssociated"])
    .then(move |m, answer, _| {
        for other in m.eips.values_mut().filter(|x| x.on.as_ref().is_some_and(|(_, on)| *on == eni_id)) {
            other.on = None;
        }
        m.eips.get_mut(&id).unwrap().on = Some((texts(&answer["AssociationId"]), eni_id));
    })
}

pub fn DisassociateAddress(m: &Model, s: &Step) -> Call {
    let id = pick(&m.eips, s.a, |eip| eip.owner == s.who && eip.on.is_some(), "eipalloc");
    let eip = m.eips.get(&id).filter(|eip| eip.owner == s.who);
    let association = m.eips.get(&id).and_then(|eip| eip.on.clone()).map_or("eipassoc-0123456789abcdef0".to_owned(), |on| on.0);
    let on = eip.and_then(|eip| eip.on.as_ref());
    Call::new("DisassociateAddress", vec![("AssociationId", association)])
        .refused_if(on.is_none(), ASSOCIATION)
        .refused_if(on.is_some_and(|(_, eni)| m.enis[eni].managed), MANAGED)
        .then(move |m, _, _| m.eips.get_mut(&id).unwrap().on = None)
}

pub fn CreateNetworkInterface(m: &Model, s: &Step) -> Call {
    let subnet = m.a_subnet(s.a, s.who);
    let vpc = m.subnet_vpc(&subnet, s.who).cloned();
    let group = (s.b.is_multiple_of(2)).then(|| m.a_group(s.b / 2, s.who));
    let more = s.c % 8;
    let mut parameters = vec![("SubnetId", subnet.clone())];
    parameters.extend(group.iter().map(|group| ("SecurityGroupId.1", group.clone())));
    if more > 0 {
        parameters.push(("SecondaryPrivateIpAddressCount", more.to_string()));
    }
    let its = group.as_ref().map(|group| m.group(group, s.who).map(|group| &group.vpc));
    Call::new("CreateNetworkInterface", parameters)
        .refused_if(vpc.is_none(), SUBNET)
        .refused_if(its.is_some_and(|its| its.is_none()), GROUP)
        .refused_if(vpc.is_some() && its.flatten().is_some_and(|its| Some(its) != vpc.as_ref()), ELSEWHERE)
        .perhaps_refused_if(vpc.is_some() && its.flatten().is_some_and(|its| Some(its) != vpc.as_ref()), GROUP)
        .refused_if(vpc.is_some() && m.free(&subnet) < more + 1, &["InsufficientFreeAddressesInSubnet"])
        .then(move |m, answer, _| {
            let vpc = vpc.unwrap();
            let groups = BTreeSet::from([group.unwrap_or_else(|| m.vpcs[&vpc].group.clone())]);
            let id = texts(&answer["NetworkInterface"]["NetworkInterfaceId"]);
            m.enis.insert(id, Eni { vpc, subnet, addresses: more + 1, groups, managed: false });
        })
}

pub fn DeleteNetworkInterface(m: &Model, s: &Step) -> Call {
    let id = m.an_eni(s.a, s.who);
    let eni = m.eni(&id, s.who);
    Call::new("DeleteNetworkInterface", vec![("NetworkInterfaceId", id.clone())])
        .refused_if(eni.is_none(), ENI)
        .refused_if(eni.is_some_and(|eni| eni.managed), MANAGED)
        .then(move |m, _, _| remove_eni(m, &id))
}

pub fn remove_eni(m: &mut Model, id: &Id) {
    m.enis.remove(id);
    for eip in m.eips.values_mut().filter(|eip| eip.on.as_ref().is_some_and(|(_, on)| on == id)) {
        eip.on = None;
    }
}

pub fn AssignPrivateIpAddresses(m: &Model, s: &Step) -> Call {
    let (id, more) = (m.an_eni(s.a, s.who), s.b % 6 + 1);
    let eni = m.eni(&id, s.who);
    Call::new(
        "AssignPrivateIpAddresses",
        vec![("NetworkInterfaceId", id.clone()), ("SecondaryPrivateIpAddressCount", more.to_string())],
    )
    .refused_if(eni.is_none(), ENI)
    .refused_if(eni.is_some_and(|eni| eni.managed), MANAGED)
    .refused_if(eni.is_some_and(|eni| m.free(&eni.subnet) < more), &["InsufficientFreeAddressesInSubnet"])
    .perhaps_refused_if(eni.is_some_and(|eni| eni.addresses + more > 50), &["PrivateIpAddressLimitExceeded"])
    .then(move |m, _, _| m.enis.get_mut(&id).unwrap().addresses += more)
}

pub fn CreateNatGateway(m: &Model, s: &Step) -> Call {
    let (subnet, owner) = (m.a_subnet(s.a, s.who), s.who);
    let address = (!s.c.is_multiple_of(3)).then(|| m.an_eip(s.b, s.who));
    let mut parameters = vec![("SubnetId", subnet.clone())];
    match &address {
        Some(address) => parameters.push(("AllocationId", address.clone())),
        None => parameters.push(("ConnectivityType", "private".to_owned())),
    }
    let vpc = m.subnet_vpc(&subnet, s.who).cloned();
    let eip = address.as_ref().map(|address| m.eips.get(address).filter(|eip| eip.owner == s.who));
    // What is wrong with the place shows only afterwards, as a gateway that has failed.
    let fails = vpc.as_ref().is_some_and(|vpc| {
        m.free(&subnet) == 0
            || eip.flatten().is_some_and(|eip| eip.on.is_some())
            || address.is_some() && m.gateway_of(vpc).is_none()
    });
    Call::new("CreateNatGateway", parameters)
        .refused_if(vpc.is_none(), SUBNET)
        .refused_if(eip.is_some_and(|eip| eip.is_none()), &["InvalidAllocationID.NotFound", "InvalidElasticIpID.NotFound"])
        .perhaps_refused_if(
            m.nats.values().filter(|nat| nat.owner == s.who && nat.state == "available").count() >= 5,
            &["NatGatewayLimitExceeded"],
        )
        .then(move |m, answer, api| {
            let (nat, vpc) = (&answer["NatGateway"], vpc.unwrap());
            let id = texts(&nat["NatGatewayId"]);
            let eni = (!fails).then(|| texts(&nat["NatGatewayAddresses"][0]["NetworkInterfaceId"]));
            if let Some(eni) = &eni {
                let made = Eni { vpc: vpc.clone(), subnet: subnet.clone(), addresses: 1, groups: BTreeSet::new(), managed: true };
                m.enis.insert(eni.clone(), made);
                if let Some(address) = address {
                    let shown = api.call_as(CALLERS[owner], "DescribeAddresses", &[("AllocationId.1", &address)]).unwrap();
                    let association = texts(&shown["Addresses"][0]["AssociationId"]);
                    m.eips.get_mut(&address).unwrap().on = Some((association, eni.clone()));
                }
            }
            let state = if fails { "failed" } else { "available" };
            m.nats.insert(id, Nat { owner, vpc, subnet, state, eni });
        })
}

pub fn DeleteNatGateway(m: &Model, s: &Step) -> Call {
    let id = pick(&m.nats, s.a, |nat| nat.owner == s.who && nat.state != "deleted", "nat");
    let nat = m.nats.get(&id).filter(|nat| nat.owner == s.who);
    Call::new("DeleteNatGateway", vec![("NatGatewayId", id.clone())])
        .refused_if(nat.is_none(), NAT)
        .perhaps_refused_if(nat.is_some_and(|nat| nat.state == "deleted"), NAT)
        .then(move |m, _, _| {
            let nat = m.nats.get_mut(&id).unwrap();
            nat.state = "deleted";
            if let Some(eni) = nat.eni.take() {
                remove_eni(m, &eni);
            }
        })
}
