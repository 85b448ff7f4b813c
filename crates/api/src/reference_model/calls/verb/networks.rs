//! VPCs, their subnets and route tables.

use super::*;

pub fn CreateVpc(_: &Model, s: &Step) -> Call {
    let (block, who) = (BLOCKS[s.a % BLOCKS.len()], s.who);
    let size = net(block).prefix_len();
    Call::new("CreateVpc", vec![("CidrBlock", block.to_owned())])
        .refused_if(!(16..=28).contains(&size), &["InvalidVpc.Range"])
        .then(move |m, answer, api| {
            let vpc = &answer["Vpc"];
            let id = texts(&vpc["VpcId"]);
            let parts = |action, list| described(api, who, action, list, "vpc-id", &id)[0].clone();
            let table = parts("DescribeRouteTables", "RouteTables");
            let acl = texts(&parts("DescribeNetworkAcls", "NetworkAcls")["NetworkAclId"]);
            let group = texts(&parts("DescribeSecurityGroups", "SecurityGroups")["GroupId"]);
            let main = Some(texts(&table["Associations"][0]["RouteTableAssociationId"]));
            m.tables.insert(
                texts(&table["RouteTableId"]),
                Table { vpc: id.clone(), main, subnets: BTreeMap::new(), routes: BTreeMap::new() },
            );
            m.acls.insert(acl.clone(), Acl { vpc: id.clone(), is_default: true, entries: BTreeMap::new() });
            m.groups.insert(group.clone(), Group { vpc: id.clone(), name: "default".into(), rules: BTreeMap::new() });
            let association = texts(&vpc["CidrBlockAssociationSet"][0]["AssociationId"]);
            m.vpcs.insert(id, Vpc { owner: who, blocks: vec![(association, net(block))], group, acl });
        })
}

pub fn DeleteVpc(m: &Model, s: &Step) -> Call {
    let id = m.a_vpc(s);
    let has = m.subnets.values().any(|x| x.vpc == id)
        || m.gateway_of(&id).is_some()
        || m.eigws.values().any(|vpc| *vpc == id)
        || m.groups.iter().any(|(group, x)| x.vpc == id && m.vpcs[&id].group != *group)
        || m.acls.values().any(|x| x.vpc == id && !x.is_default)
        || m.tables.values().any(|x| x.vpc == id && x.main.is_none())
        || m.endpoints.values().any(|x| x.vpc == id);
    // The rules don't say what becomes of another's request that still waits for an answer.
    let asked = m.peerings.values().any(|p| p.state == PeeringState::Pending && p.accepter.1 == id);
    let own = m.owns_vpc(&id, s.who);
    Call::new("DeleteVpc", vec![("VpcId", id.clone())])
        .refused_if(!own, VPC)
        .refused_if(own && has, DEPENDENCY)
        .perhaps_refused_if(own && asked, DEPENDENCY)
        .then(move |m, _, _| {
            m.vpcs.remove(&id);
            m.tables.retain(|_, x| x.vpc != id);
            m.acls.retain(|_, x| x.vpc != id);
            m.groups.retain(|_, x| x.vpc != id);
            for peering in m.peerings.values_mut().filter(|p| p.requester.1 == id || p.accepter.1 == id) {
                peering.state = PeeringState::Ended;
            }
        })
}

pub fn AssociateVpcCidrBlock(m: &Model, s: &Step) -> Call {
    let (id, block) = (m.a_vpc(s), net(MORE_BLOCKS[s.b % MORE_BLOCKS.len()]).trunc());
    let own = m.owns_vpc(&id, s.who);
    let present: Vec<Ipv4Net> = m.vpcs.get(&id).map(|vpc| vpc.blocks.iter().map(|b| b.1).collect()).unwrap_or_default();
    let overlaps = |other: &Ipv4Net| other.contains(&block) || block.contains(other);
    let bent = m.tables.values().filter(|x| x.vpc == id).flat_map(|x| x.routes.keys());
    let bent = bent.filter_map(|to| to.parse::<Ipv4Net>().ok()).any(|to| block.contains(&to));
    let listed = m.tables.values().any(|x| x.vpc == id && x.routes.keys().any(|to| to.starts_with("pl-")));
    let of_peer = |p: &Peering| {
        let peer = if p.requester.1 == id { &p.accepter.1 } else { &p.requester.1 };
        (p.requester.1 == id || p.accepter.1 == id)
            && match p.state {
                PeeringState::Pending => p.requester.1 == id,
                PeeringState::Active => m.vpcs[peer].blocks.iter().any(|b| overlaps(&b.1)),
                PeeringState::Ended => false,
            }
    };
    Call::new("AssociateVpcCidrBlock", vec![("VpcId", id.clone()), ("CidrBlock", block.to_string())])
        .refused_if(!own, VPC)
        .refused_if(!(16..=28).contains(&block.prefix_len()) || own && restricted(&present, block), &["InvalidVpc.Range"])
        .refused_if(own && (present.iter().any(overlaps) || bent || m.peerings.values().any(of_peer)), CONFLICT)
        .refused_if(own && present.len() >= 5, &["CidrLimitExceeded"])
        .perhaps_refused_if(listed, CONFLICT)
        .then(move |m, answer, _| {
            let association = texts(&answer["CidrBlockAssociation"]["AssociationId"]);
            m.vpcs.get_mut(&id).unwrap().blocks.push((association, block));
        })
}

pub fn DisassociateVpcCidrBlock(m: &Model, s: &Step) -> Call {
    let vpc = m.a_vpc(s);
    let blocks = m.vpcs.get(&vpc).map(|vpc| &vpc.blocks[..]).unwrap_or_default();
    // The last one, mostly: the first can't go.
    let at = if s.b.is_multiple_of(4) { 0 } else { blocks.len().saturating_sub(1) };
    let found = blocks.get(at).cloned();
    let association = found.as_ref().map_or("vpc-cidr-assoc-0123456789abcdef0".to_owned(), |b| b.0.clone());
    let own = m.owns_vpc(&vpc, s.who);
    let used = found.is_some_and(|(_, block)| m.subnets.values().any(|x| x.vpc == vpc && block.contains(&x.block)));
    Call::new("DisassociateVpcCidrBlock", vec![("AssociationId", association.clone())])
        .refused_if(!own, &["InvalidVpcCidrBlockAssociationID.NotFound"])
        .refused_if(own && at == 0, &["OperationNotPermitted"])
        .refused_if(own && used, DEPENDENCY)
        .then(move |m, _, _| m.vpcs.get_mut(&vpc).unwrap().blocks.retain(|b| b.0 != association))
}

pub fn CreateSubnet(m: &Model, s: &Step) -> Call {
    let (id, who) = (m.a_vpc(s), s.who);
    let blocks: Vec<Ipv4Net> = m.vpcs.get(&id).map(|vpc| vpc.blocks.iter().map(|b| b.1).collect()).unwrap_or_default();
    let base = blocks.get(s.c % blocks.len().max(1)).map_or(net("10.0.0.0/16"), |block| *block);
    let block = match s.b % 8 {
        6 => net("192.168.7.0/24"),
        7 => Ipv4Net::new(base.network(), 29).unwrap(),
        // Few addresses, so that they run out.
        n if s.b >= 32 => Ipv4Net::new((u32::from(base.network()) + 16 * n as u32).into(), 28).unwrap(),
        n => Ipv4Net::new((u32::from(base.network()) + 256 * n as u32).into(), 24).unwrap(),
    };
    let own = m.owns_vpc(&id, s.who);
    let inside = blocks.iter().any(|b| b.contains(&block));
    let overlaps = |x: &Subnet| x.vpc == id && (x.block.contains(&block) || block.contains(&x.block));
    Call::new("CreateSubnet", vec![("VpcId", id.clone()), ("CidrBlock", block.to_string())])
        .refused_if(!own, VPC)
        .refused_if(block.prefix_len() > 28 || own && !inside, &["InvalidSubnet.Range"])
        .refused_if(own && m.subnets.values().any(overlaps), &["InvalidSubnet.Conflict"])
        .then(move |m, answer, api| {
            let subnet = texts(&answer["Subnet"]["SubnetId"]);
            let acl = described(api, who, "DescribeNetworkAcls", "NetworkAcls", "association.subnet-id", &subnet)[0].clone();
            let is_its = |a: &&Value| a["SubnetId"] == subnet.as_str();
            let acl_association = acl["Associations"].as_array().unwrap().iter().find(is_its).unwrap();
            let acl_association = texts(&acl_association["NetworkAclAssociationId"]);
            let acl = m.vpcs[&id].acl.clone();
            m.subnets.insert(subnet, Subnet { vpc: id, block, acl, acl_association });
        })
}

pub fn DeleteSubnet(m: &Model, s: &Step) -> Call {
    let id = m.a_subnet(s.a, s.who);
    let own = m.subnet_vpc(&id, s.who).is_some();
    Call::new("DeleteSubnet", vec![("SubnetId", id.clone())])
        .refused_if(!own, SUBNET)
        .refused_if(own && m.enis.values().any(|eni| eni.subnet == id), DEPENDENCY)
        .then(move |m, _, _| {
            m.subnets.remove(&id);
            m.tables.values_mut().for_each(|table| table.subnets.retain(|_, subnet| *subnet != id));
        })
}

pub fn CreateRouteTable(m: &Model, s: &Step) -> Call {
    let id = m.a_vpc(s);
    Call::new("CreateRouteTable", vec![("VpcId", id.clone())]).refused_if(!m.owns_vpc(&id, s.who), VPC).then(
        move |m, answer, _| {
            let table = Table { vpc: id, main: None, subnets: BTreeMap::new(), routes: BTreeMap::new() };
            m.tables.insert(texts(&answer["RouteTable"]["RouteTableId"]), table);
        },
    )
}

pub fn DeleteRouteTable(m: &Model, s: &Step) -> Call {
    let id = m.a_table(s.a, s.who);
    let table = m.table(&id, s.who);
    Call::new("DeleteRouteTable", vec![("RouteTableId", id.clone())])
        .refused_if(table.is_none(), TABLE)
        .refused_if(table.is_some_and(|table| table.main.is_some() || !table.subnets.is_empty()), DEPENDENCY)
        .perhaps_refused_if(m.endpoints.values().any(|endpoint| endpoint.tables.contains(&id)), DEPENDENCY)
        .then(move |m, _, _| {
            m.tables.remove(&id);
            m.endpoints.values_mut().for_each(|endpoint| {
                endpoint.tables.remove(&id);
            });
        })
}

pub fn AssociateRouteTable(m: &Model, s: &Step) -> Call {
    let (id, subnet) = (m.a_table(s.a, s.who), m.a_subnet(s.b, s.who));
    let (table, vpc) = (m.table(&id, s.who), m.subnet_vpc(&subnet, s.who));
    let apart = table.zip(vpc).is_some_and(|(table, vpc)| table.vpc != *vpc);
    let other = m.tables.iter().any(|(other, x)| *other != id && x.subnets.values().any(|used| *used == subnet));
    Call::new("AssociateRouteTable", vec![("RouteTableId", id.clone()), ("SubnetId", subnet.clone())])
        .refused_if(table.is_none(), TABLE)
        .refused_if(vpc.is_none(), SUBNET)
        .refused_if(apart, ELSEWHERE)
        .refused_if(vpc.is_some() && other, &["Resource.AlreadyAssociated"])
        .then(move |m, answer, _| {
            // To associate the same again changes nothing and gives the same association.
            m.tables.get_mut(&id).unwrap().subnets.insert(texts(&answer["AssociationId"]), subnet);
        })
}

/// An association of a table, and which table that is.
pub fn association(m: &Model, s: &Step) -> (Id, Id, bool) {
    let of = |table: &Table, who: Who| m.owns_vpc(&table.vpc, who) && (!table.subnets.is_empty() || s.a % 5 == 4);
    let id = pick(&m.tables, s.a, |table| of(table, s.who), "rtb");
    let found = m.tables.get(&id).and_then(|table| {
        let subnet = table.subnets.keys().nth(s.c % table.subnets.len().max(1));
        subnet.map(|a| (a.clone(), false)).or_else(|| table.main.clone().map(|a| (a, true)))
    });
    let (association, main) = found.unwrap_or(("rtbassoc-0123456789abcdef0".to_owned(), false));
    (id, association, main)
}

pub fn DisassociateRouteTable(m: &Model, s: &Step) -> Call {
    let (id, association, main) = association(m, s);
    let known = m.table(&id, s.who).is_some() && !association.ends_with("-0123456789abcdef0");
    Call::new("DisassociateRouteTable", vec![("AssociationId", association.clone())])
        .refused_if(!known, ASSOCIATION)
        .refused_if(known && main, &["InvalidParameterValue"])
        .then(move |m, _, _| {
            m.tables.get_mut(&id).unwrap().subnets.remove(&association);
        })
}

pub fn ReplaceRouteTableAssociation(m: &Model, s: &Step) -> Call {
    let (old, association, main) = association(m, s);
    let new = m.a_table(s.b, s.who);
    let known = m.table(&old, s.who).is_some() && !association.ends_with("-0123456789abcdef0");
    let (was, is) = (m.table(&old, s.who), m.table(&new, s.who));
    Call::new("ReplaceRouteTableAssociation", vec![("AssociationId", association.clone()), ("RouteTableId", new.clone())])
        .refused_if(!known, ASSOCIATION)
        .refused_if(is.is_none(), TABLE)
        .refused_if(was.zip(is).is_some_and(|(was, is)| was.vpc != is.vpc), ELSEWHERE)
        .perhaps_refused_if(old == new, ELSEWHERE)
        .then(move |m, answer, _| {
            let made = texts(&answer["NewAssociationId"]);
            let was = m.tables.get_mut(&old).unwrap();
            let subnet = was.subnets.remove(&association);
            if main {
                was.main = None;
            }
            let is = m.tables.get_mut(&new).unwrap();
            match subnet {
                Some(subnet) => drop(is.subnets.insert(made, subnet)),
                None => is.main = Some(made),
            }
        })
}

pub fn CreateRoute(m: &Model, s: &Step) -> Call {
    let id = m.a_table(s.a, s.who);
    let (call, to, target) = m.route(s, &id, "CreateRoute");
    let there = m.table(&id, s.who).is_some_and(|table| table.routes.contains_key(&to) || m.is_local(table, &to));
    call.refused_if(there, &["RouteAlreadyExists"]).then(move |m, _, _| {
        m.tables.get_mut(&id).unwrap().routes.insert(to, target);
    })
}

pub fn ReplaceRoute(m: &Model, s: &Step) -> Call {
    let id = m.a_table(s.a, s.who);
    let (call, to, target) = m.route(s, &id, "ReplaceRoute");
    // What may stand in for a local route has rules of its own, which aren't here.
    if m.tables.get(&id).is_some_and(|table| m.is_local(table, &to)) {
        return DeleteRoute(m, s);
    }
    let missing = m.table(&id, s.who).is_some_and(|table| !table.routes.contains_key(&to));
    call.refused_if(missing, &["InvalidParameterValue", "InvalidRoute.NotFound"]).then(move |m, _, _| {
        m.tables.get_mut(&id).unwrap().routes.insert(to, target);
    })
}

pub fn DeleteRoute(m: &Model, s: &Step) -> Call {
    let id = pick(&m.tables, s.a, |table| m.owns_vpc(&table.vpc, s.who) && !table.routes.is_empty(), "rtb");
    let table = m.table(&id, s.who);
    let known = table.and_then(|table| table.routes.keys().nth(s.b % table.routes.len().max(1))).cloned();
    let to = known.clone().unwrap_or("0.0.0.0/0".to_owned());
    let parameter = match &to {
        to if to.starts_with("pl-") => "DestinationPrefixListId",
        to if to.contains(':') => "DestinationIpv6CidrBlock",
        _ => "DestinationCidrBlock",
    };
    Call::new("DeleteRoute", vec![("RouteTableId", id.clone()), (parameter, to.clone())])
        .refused_if(table.is_none(), TABLE)
        .refused_if(table.is_some() && known.is_none(), &["InvalidRoute.NotFound"])
        .then(move |m, _, _| {
            m.tables.get_mut(&id).unwrap().routes.remove(&to);
        })
}
