//! Security groups, network ACLs and prefix lists.

use super::*;

pub fn CreateSecurityGroup(m: &Model, s: &Step) -> Call {
    let (vpc, name) = (m.a_vpc(s), ["web", "db", "WEB", "default"][s.b % 4]);
    let taken = m.groups.values().any(|group| group.vpc == vpc && group.name.eq_ignore_ascii_case(name));
    Call::new("CreateSecurityGroup", vec![("GroupName", name.into()), ("GroupDescription", "d".into()), ("VpcId", vpc.clone())])
        .refused_if(!m.owns_vpc(&vpc, s.who), VPC)
        .refused_if(name == "default", &["InvalidGroup.Reserved"])
        .refused_if(m.owns_vpc(&vpc, s.who) && taken, &["InvalidGroup.Duplicate"])
        .then(move |m, answer, _| {
            m.groups.insert(texts(&answer["GroupId"]), Group { vpc, name: name.to_owned(), rules: BTreeMap::new() });
        })
}

pub fn DeleteSecurityGroup(m: &Model, s: &Step) -> Call {
    let id = m.a_group(s.a, s.who);
    let group = m.group(&id, s.who);
    let named = |(other, x): (&Id, &Group)| {
        *other != id && group.is_some_and(|group| group.vpc == x.vpc) && x.rules.values().any(|(_, peer)| *peer == id)
    };
    let used = m.enis.values().any(|eni| eni.groups.contains(&id)) || m.groups.iter().any(named);
    let is_default = group.is_some_and(|group| m.vpcs[&group.vpc].group == id);
    Call::new("DeleteSecurityGroup", vec![("GroupId", id.clone())])
        .refused_if(group.is_none(), GROUP)
        .refused_if(is_default, &["CannotDelete"])
        .refused_if(group.is_some() && used, DEPENDENCY)
        .then(move |m, _, _| {
            m.groups.remove(&id);
        })
}

pub fn AuthorizeSecurityGroupIngress(m: &Model, s: &Step) -> Call {
    let (id, port) = (m.a_group(s.a, s.who), [80u16, 443][s.c % 2]);
    let group = m.group(&id, s.who);
    let (parameter, peer) = match s.b % 3 {
        0 => ("IpPermissions.1.IpRanges.1.CidrIp", SOURCES[s.b / 3 % SOURCES.len()].to_owned()),
        1 => ("IpPermissions.1.Groups.1.GroupId", m.a_group(s.b / 3, s.who)),
        _ => ("IpPermissions.1.PrefixListIds.1.PrefixListId", m.a_list(s.b / 3, s.who)),
    };
    let other = m.groups.get(&peer);
    let reachable =
        group.zip(other).is_none_or(|(group, other)| group.vpc == other.vpc || m.active_between(&group.vpc, &other.vpc));
    let there = group.is_some_and(|group| group.rules.values().any(|rule| *rule == (port, peer.clone())));
    let mine = m.group(&peer, s.who).is_some();
    let parameters = vec![
        ("GroupId", id.clone()),
        ("IpPermissions.1.IpProtocol", "tcp".to_owned()),
        ("IpPermissions.1.FromPort", port.to_string()),
        ("IpPermissions.1.ToPort", port.to_string()),
        (parameter, peer.clone()),
    ];
    Call::new("AuthorizeSecurityGroupIngress", parameters)
        .refused_if(group.is_none(), GROUP)
        .refused_if(peer.starts_with("sg-") && other.is_none(), GROUP)
        .refused_if(peer.starts_with("sg-") && other.is_some() && !reachable, &["InvalidGroup.NotFound", "InvalidParameterValue"])
        // Over a peering with another account it takes that account's number, which isn't given here.
        .perhaps_refused_if(peer.starts_with("sg-") && !mine, GROUP)
        .refused_if(peer.starts_with("pl-") && m.list(&peer, s.who).is_none(), LIST)
        .refused_if(there, &["InvalidPermission.Duplicate"])
        .then(move |m, answer, _| {
            let rule = texts(&answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]);
            m.groups.get_mut(&id).unwrap().rules.insert(rule, (port, peer));
        })
}

pub fn RevokeSecurityGroupIngress(m: &Model, s: &Step) -> Call {
    let id = pick(&m.groups, s.a, |group| m.owns_vpc(&group.vpc, s.who) && !group.rules.is_empty(), "sg");
    let group = m.group(&id, s.who);
    let known = group.and_then(|group| group.rules.keys().nth(s.b % group.rules.len().max(1))).cloned();
    let rule = known.clone().unwrap_or("sgr-0123456789abcdef0".to_owned());
    Call::new("RevokeSecurityGroupIngress", vec![("GroupId", id.clone()), ("SecurityGroupRuleId.1", rule.clone())])
        .refused_if(group.is_none(), GROUP)
        .refused_if(known.is_none(), &["InvalidSecurityGroupRuleId.NotFound", "InvalidPermission.NotFound"])
        .then(move |m, _, _| {
            m.groups.get_mut(&id).unwrap().rules.remove(&rule);
        })
}

pub fn CreateNetworkAcl(m: &Model, s: &Step) -> Call {
    let vpc = m.a_vpc(s);
    Call::new("CreateNetworkAcl", vec![("VpcId", vpc.clone())]).refused_if(!m.owns_vpc(&vpc, s.who), VPC).then(
        move |m, answer, _| {
            m.acls.insert(texts(&answer["NetworkAcl"]["NetworkAclId"]), Acl { vpc, is_default: false, entries: BTreeMap::new() });
        },
    )
}

pub fn DeleteNetworkAcl(m: &Model, s: &Step) -> Call {
    let id = m.an_acl(s.a, s.who);
    let acl = m.acl(&id, s.who);
    Call::new("DeleteNetworkAcl", vec![("NetworkAclId", id.clone())])
        .refused_if(acl.is_none(), ACL)
        .refused_if(acl.is_some_and(|acl| acl.is_default), &["InvalidParameterValue", "DependencyViolation"])
        .refused_if(acl.is_some() && m.subnets.values().any(|subnet| subnet.acl == id), DEPENDENCY)
        .then(move |m, _, _| {
            m.acls.remove(&id);
        })
}

pub fn CreateNetworkAclEntry(m: &Model, s: &Step) -> Call {
    let (id, number) = (m.an_acl(s.a, s.who), [10u16, 20, 30, 32767][s.b % 4]);
    let (acl, source) = (m.acl(&id, s.who), SOURCES[s.c % SOURCES.len()]);
    let parameters = vec![
        ("NetworkAclId", id.clone()),
        ("RuleNumber", number.to_string()),
        ("Protocol", "-1".into()),
        ("RuleAction", "allow".into()),
        ("Egress", "false".into()),
        ("CidrBlock", source.into()),
    ];
    Call::new("CreateNetworkAclEntry", parameters)
        .refused_if(acl.is_none(), ACL)
        .refused_if(number == 32767, &["InvalidParameterValue"])
        .refused_if(acl.is_some_and(|acl| acl.entries.contains_key(&number)), &["NetworkAclEntryAlreadyExists"])
        .then(move |m, _, _| {
            m.acls.get_mut(&id).unwrap().entries.insert(number, source.to_owned());
        })
}

pub fn DeleteNetworkAclEntry(m: &Model, s: &Step) -> Call {
    let (id, number) = (m.an_acl(s.a, s.who), [10u16, 20, 30][s.b % 3]);
    let acl = m.acl(&id, s.who);
    Call::new(
        "DeleteNetworkAclEntry",
        vec![("NetworkAclId", id.clone()), ("RuleNumber", number.to_string()), ("Egress", "false".into())],
    )
    .refused_if(acl.is_none(), ACL)
    .refused_if(acl.is_some_and(|acl| !acl.entries.contains_key(&number)), &["InvalidNetworkAclEntry.NotFound"])
    .then(move |m, _, _| {
        m.acls.get_mut(&id).unwrap().entries.remove(&number);
    })
}

pub fn ReplaceNetworkAclAssociation(m: &Model, s: &Step) -> Call {
    let (id, subnet) = (m.an_acl(s.a, s.who), m.a_subnet(s.b, s.who));
    let (acl, vpc) = (m.acl(&id, s.who), m.subnet_vpc(&subnet, s.who));
    let association =
        m.subnets.get(&subnet).map_or("aclassoc-0123456789abcdef0".to_owned(), |subnet| subnet.acl_association.clone());
    Call::new("ReplaceNetworkAclAssociation", vec![("AssociationId", association), ("NetworkAclId", id.clone())])
        .refused_if(acl.is_none(), ACL)
        .refused_if(vpc.is_none(), ASSOCIATION)
        .refused_if(acl.zip(vpc).is_some_and(|(acl, vpc)| acl.vpc != *vpc), ELSEWHERE)
        .then(move |m, answer, _| {
            let subnet = m.subnets.get_mut(&subnet).unwrap();
            subnet.acl = id;
            subnet.acl_association = texts(&answer["NewAssociationId"]);
        })
}

pub fn CreateManagedPrefixList(_: &Model, s: &Step) -> Call {
    let owner = s.who;
    let parameters = vec![("PrefixListName", "list".into()), ("AddressFamily", "IPv4".into()), ("MaxEntries", "3".into())];
    Call::new("CreateManagedPrefixList", parameters).then(move |m, answer, _| {
        m.lists.insert(texts(&answer["PrefixList"]["PrefixListId"]), List { owner, version: 1, entries: BTreeSet::new() });
    })
}

pub fn ModifyManagedPrefixList(m: &Model, s: &Step) -> Call {
    let (id, entry) = (m.a_list(s.a, s.who), format!("10.9.{}.0/24", s.b % 5));
    let list = m.list(&id, s.who);
    let version = list.map_or(1, |list| list.version) + u64::from(s.c.is_multiple_of(6));
    let there = list.is_some_and(|list| list.entries.contains(&entry));
    let change = if there { "RemoveEntry.1.Cidr" } else { "AddEntry.1.Cidr" };
    Call::new(
        "ModifyManagedPrefixList",
        vec![("PrefixListId", id.clone()), ("CurrentVersion", version.to_string()), (change, entry.clone())],
    )
    .refused_if(list.is_none(), LIST)
    .refused_if(list.is_some_and(|list| list.version != version), &["PrefixListVersionMismatch"])
    .refused_if(
        list.is_some_and(|list| !there && list.entries.len() == 3),
        &["PrefixListMaxEntriesExceeded", "InvalidPrefixListModification"],
    )
    .then(move |m, _, _| {
        let list = m.lists.get_mut(&id).unwrap();
        list.version += 1;
        if !list.entries.remove(&entry) {
            list.entries.insert(entry);
        }
    })
}

pub fn DeleteManagedPrefixList(m: &Model, s: &Step) -> Call {
    let id = m.a_list(s.a, s.who);
    let list = m.list(&id, s.who);
    let used = m.tables.values().any(|table| table.routes.contains_key(&id))
        || m.groups.values().any(|group| group.rules.values().any(|(_, peer)| *peer == id));
    Call::new("DeleteManagedPrefixList", vec![("PrefixListId", id.clone())])
        .refused_if(list.is_none(), LIST)
        .refused_if(list.is_some() && used, DEPENDENCY)
        .then(move |m, _, _| {
            m.lists.remove(&id);
        })
}
