"""`openvpc explain` and the actions of Network Insights: what is said, in which shape, with which exit status."""

import json

import pytest

from conftest import error_code, until
from network import EVERYTHING, INTERNET4, INTERNET6, Network, rule
from topology import explain

HOP = {"component", "resource_id", "rule", "action", "code"}
BLOCKER = {"component", "resource_id", "rule", "code", "message"}


@pytest.fixture(scope="module")
def net(world):
    """A web server with an Elastic IP that may talk to a database; HTTP is open to all, and nothing else is."""
    net = Network(world)
    net.web_group = net.group(rule("tcp", 80))
    net.db_group = net.group(rule("tcp", 5432, net.web_group))
    net.web = net.instance(net.subnet(1, public=True), net.web_group)
    net.db = net.instance(net.subnet(2), net.db_group)
    net.elastic_ip(net.web)
    yield net
    net.delete()


def ask(net, source, to, protocol="tcp", port=80, **more):
    question = {"from": source, "to": to, "protocol": protocol, "port": port, **more}
    return explain(net.daemon, net.account, {key: value for key, value in question.items() if value is not None})


def codes(explanation):
    return [blocker["code"] for way in ("forward", "return") for blocker in explanation[way]["blockers"]]


def test_the_shape_is_the_one_that_is_promised(net):
    for answer in (ask(net, net.web.id, net.db.id, port=5432), ask(net, net.web.id, net.db.id, port=22)):
        assert set(answer) == {"reachable", "forward", "return"}
        for way in (answer["forward"], answer["return"]):
            assert set(way) == {"reachable", "hops", "blockers"}
            assert all(HOP <= set(hop) for hop in way["hops"])
            assert all(BLOCKER <= set(blocker) and blocker["message"] for blocker in way["blockers"])


def test_a_path_names_every_component_in_order_with_its_rule(net):
    answer = ask(net, net.web.id, net.db.id, port=5432)
    assert answer["reachable"]
    forward = [(hop["component"], hop["action"]) for hop in answer["forward"]["hops"]]
    assert [component for component, _ in forward] == [
        "network interface", "security group", "network ACL", "route table", "network ACL", "security group", "network interface",
    ]
    rules = {hop["resource_id"]: hop["rule"] for hop in answer["forward"]["hops"]}
    of_group = [{"Name": "group-id", "Values": [net.db_group]}]
    rows = net.ec2.describe_security_group_rules(Filters=of_group)["SecurityGroupRules"]
    assert [rules[net.db_group]] == [row["SecurityGroupRuleId"] for row in rows if not row["IsEgress"]]
    assert rules[net.public_table] == "10.0.0.0/16"
    back = [hop["rule"] for hop in answer["return"]["hops"] if hop["component"] == "security group"]
    assert back == ["tracked connection", "tracked connection"]


@pytest.mark.parametrize(
    ("source", "to", "options", "status"),
    [
        ("web", "db", {"port": 5432}, 0),
        ("web-eni", "db-eni", {"port": 5432}, 0),
        ("web", "db-address", {"port": 5432}, 0),
        ("web", "db-address6", {"port": 5432}, 0),
        ("web", INTERNET4, {"port": 80}, 0),
        ("web", INTERNET6, {"port": 443, "protocol": "udp"}, 0),
        (INTERNET4, "web-public", {"port": 80}, 0),
        (INTERNET6, "web-address6", {"port": 80}, 0),
        (INTERNET4, "web", {"port": 80}, 0),
        ("web", INTERNET4, {"protocol": "icmp"}, 0),
        ("web", INTERNET6, {"protocol": "icmpv6"}, 0),
        ("web", INTERNET4, {"protocol": "47"}, 0),
        ("web", "db", {"port": 22}, 1),
        ("db", INTERNET4, {"port": 80}, 1),
        (INTERNET4, "web", {"port": 22}, 1),
        (INTERNET4, "db-address", {"port": 5432}, 1),
        ("web", "db", {"protocol": "tcp"}, 2),
        ("web", "db", {"protocol": "nonsense", "port": 1}, 2),
        ("nonsense", "db", {"port": 1}, 2),
        ("i-00000000000000000", "db", {"port": 1}, 2),
        (INTERNET4, "web-address6", {"port": 80}, 2),
    ],
)
def test_the_exit_status_says_reachable_not_reachable_or_wrong(net, source, to, options, status):
    names = {}
    for name, host in (("web", net.web), ("db", net.db)):
        names |= {name: host.id, f"{name}-eni": host.eni, f"{name}-address": host.address, f"{name}-address6": host.address6}
        names[f"{name}-public"] = host.public
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = net.daemon.run("explain", "--from", names.get(source, source), "--to", names.get(to, to), "--json", *flags, account=net.account)
    assert done.returncode == status, done
    if status == 2:
        assert done.stdout == "" and done.stderr.startswith("openvpc: ") and len(done.stderr.splitlines()) == 1
    else:
        assert json.loads(done.stdout)["reachable"] is (status == 0)


def test_people_get_words_and_no_colour_without_a_terminal(net):
    done = net.daemon.run("explain", "--from", INTERNET4, "--to", net.web.id, "--port", "22", account=net.account)
    assert done.returncode == 1
    assert "not reachable" in done.stdout and "ENI_SG_RULES_MISMATCH" in done.stdout and net.web_group in done.stdout
    assert "\x1b[" not in done.stdout


def test_every_reason_has_its_code(net, world):
    def only(*wanted, **question):
        assert codes(ask(net, **question)) == list(wanted), question

    only("ENI_SG_RULES_MISMATCH", source=net.web.id, to=net.db.id, port=22)
    only("NO_ROUTE_TO_DESTINATION", source=net.db.id, to=INTERNET4)
    silent = net.instance(net.subnets[0], net.group(egress=[]))
    only("SG_HAS_NO_RULES", source=silent.id, to=net.web.address)
    poor = net.instance(net.subnets[0], net.group(EVERYTHING))
    only("IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS", source=poor.id, to=INTERNET4)
    only("IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS", source=net.web.id, to="192.168.7.7")
    only("IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS", source=net.web.id, to="100.64.7.7")
    only("UNKNOWN_DESTINATION", source=net.web.id, to=net.unused(net.db.subnet))
    only("IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS", source=INTERNET4, to="203.0.113.0")
    other = Network(world, block="10.7.0.0/16", account=net.account)
    far = other.instance(other.subnet(1), other.group(EVERYTHING))
    assert "DISCONNECTED_VPCS" in codes(ask(net, net.web.id, far.id))
    net.ec2.stop_instances(InstanceIds=[poor.id])
    net.wait([poor.id], "stopped")
    assert not ask(net, net.web.id, poor.address)["reachable"]
    other.delete()


def test_a_network_acl_and_a_group_that_both_deny_are_both_named(net):
    subnet = net.subnet(3)
    host = net.instance(subnet, net.group())
    net.acl(subnet)
    answer = ask(net, net.web.id, host.id)
    assert codes(answer) == ["SUBNET_ACL_RESTRICTION", "SG_HAS_NO_RULES"]
    [acl, _] = answer["forward"]["blockers"]
    assert acl["rule"] == "*" and acl["component"] == "network ACL"


def test_an_acl_that_stops_the_answer_is_found_on_the_way_back(net):
    subnet = net.subnet(4)
    host = net.instance(subnet, net.group(EVERYTHING))
    net.acl(subnet, {"RuleNumber": 1, "RuleAction": "allow", "Protocol": "-1", "Egress": False, "CidrBlock": "0.0.0.0/0"})
    answer = ask(net, net.web.id, host.id)
    assert answer["forward"]["reachable"] and not answer["return"]["reachable"] and not answer["reachable"]
    assert codes(answer) == ["SUBNET_ACL_RESTRICTION"]


def test_a_public_address_that_nobody_holds_is_not_reachable(net):
    for address in ("203.0.113.254", "2001:db8:1:1::1"):
        assert not ask(net, net.web.id, address)["reachable"], address


def test_an_explanation_is_of_the_callers_account_and_region(net):
    question = {"from": net.web.id, "to": net.db.id, "protocol": "tcp", "port": 5432}
    for account, region in (("111122223333", "eu-central-1"), (net.account, "us-east-1")):
        with pytest.raises(AssertionError, match="does not exist"):
            explain(net.daemon, account, question, region=region)


# Network Insights.


def analyse(net, source, destination, port=80, protocol="tcp", **options):
    made = net.ec2.create_network_insights_path(Source=source, Destination=destination, Protocol=protocol, DestinationPort=port, **options)
    path = made["NetworkInsightsPath"]["NetworkInsightsPathId"]
    started = net.ec2.start_network_insights_analysis(NetworkInsightsPathId=path)["NetworkInsightsAnalysis"]
    analysis = started["NetworkInsightsAnalysisId"]

    def done():
        [found] = net.ec2.describe_network_insights_analyses(NetworkInsightsAnalysisIds=[analysis])["NetworkInsightsAnalyses"]
        return found["Status"] != "running" and found

    return path, until(done, what="the analysis")


def test_an_analysis_of_a_reachable_path_lists_its_components(net):
    path, found = analyse(net, net.web.id, net.db.id, 5432)
    assert (found["Status"], found["NetworkPathFound"]) == ("succeeded", True)
    components = found["ForwardPathComponents"]
    assert [component["SequenceNumber"] for component in components] == list(range(1, len(components) + 1))
    ids = [component["Component"]["Id"] for component in components]
    for wanted in (net.web.id, net.web.eni, net.web_group, net.public_table, net.db_group, net.db.eni, net.db.id):
        assert wanted in ids, f"{wanted} is not in {ids}"
    [rule_found] = [c["SecurityGroupRule"] for c in components if c["Component"]["Id"] == net.db_group]
    assert (rule_found["SecurityGroupId"], rule_found["Direction"], rule_found["PortRange"]) == (net.web_group, "ingress", {"From": 5432, "To": 5432})
    assert found["ReturnPathComponents"] and found.get("Explanations", []) == []
    assert found["NetworkInsightsAnalysisArn"].endswith(found["NetworkInsightsAnalysisId"])
    assert error_code(net.ec2.delete_network_insights_path, NetworkInsightsPathId=path) == "AnalysisExistsForNetworkInsightsPath"
    net.ec2.delete_network_insights_analysis(NetworkInsightsAnalysisId=found["NetworkInsightsAnalysisId"])
    net.ec2.delete_network_insights_path(NetworkInsightsPathId=path)
    assert error_code(net.ec2.describe_network_insights_paths, NetworkInsightsPathIds=[path]) == "InvalidNetworkInsightsPathId.NotFound"


def test_an_analysis_from_the_internet_gateway_explains_a_closed_port(net):
    _, found = analyse(net, net.gateway, net.web.id, 22)
    assert (found["Status"], found["NetworkPathFound"]) == ("succeeded", False)
    [explanation] = found["Explanations"]
    assert (explanation["ExplanationCode"], explanation["Direction"]) == ("ENI_SG_RULES_MISMATCH", "ingress")


def test_an_analysis_of_two_vpcs_says_that_nothing_connects_them(net, world):
    other = Network(world, block="10.8.0.0/16", account=net.account)
    far = other.instance(other.subnet(1), other.group(EVERYTHING))
    _, found = analyse(net, net.web.id, far.id)
    assert not found["NetworkPathFound"]
    assert "DISCONNECTED_VPCS" in {explanation["ExplanationCode"] for explanation in found["Explanations"]}
    other.delete()


def test_analyses_and_paths_are_listed_filtered_and_tagged(net):
    path, found = analyse(net, net.web.id, net.db.id, 5432, TagSpecifications=[
        {"ResourceType": "network-insights-path", "Tags": [{"Key": "Name", "Value": "to the database"}]}
    ])
    filters = [{"Name": "tag:Name", "Values": ["to the*"]}]
    [listed] = net.ec2.describe_network_insights_paths(Filters=filters)["NetworkInsightsPaths"]
    assert listed["NetworkInsightsPathId"] == path and listed["Source"] == net.web.id and listed["DestinationPort"] == 5432
    of_path = net.ec2.describe_network_insights_analyses(NetworkInsightsPathId=path)["NetworkInsightsAnalyses"]
    assert [analysis["NetworkInsightsAnalysisId"] for analysis in of_path] == [found["NetworkInsightsAnalysisId"]]
    unknown = "nip-00000000000000000"
    assert error_code(net.ec2.start_network_insights_analysis, NetworkInsightsPathId=unknown) == "InvalidNetworkInsightsPathId.NotFound"
