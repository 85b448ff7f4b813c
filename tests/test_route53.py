"""Route 53 through boto3 and the aws CLI."""

import itertools

import botocore.exceptions
import pytest
from conftest import REGION, error_code

ACCOUNTS = itertools.count(810000000000)


class Zones:
    """Route 53 of an account that nobody else uses."""

    references = itertools.count()

    def __init__(self, daemon):
        self.daemon, self.account = daemon, str(next(ACCOUNTS))
        self.client = daemon.client("route53", region="us-east-1", account=self.account)
        self.ec2 = daemon.client(account=self.account)

    def vpc(self):
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        return {"VPCRegion": REGION, "VPCId": vpc}

    def create(self, name, vpc=None, **options):
        if vpc:
            options["VPC"] = vpc
        made = self.client.create_hosted_zone(Name=name, CallerReference=f"r{next(self.references)}", **options)
        return made["HostedZone"]["Id"]

    def change(self, zone, *changes):
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
        return self.client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)

    def refusal(self, zone, *changes):
        with pytest.raises(botocore.exceptions.ClientError) as failure:
            self.change(zone, *changes)
        error = failure.value.response["Error"]
        assert error["Code"] == "InvalidChangeBatch"
        return error["Message"]

    def records(self, zone):
        pages = self.client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone, PaginationConfig={"PageSize": 2})
        return [record for page in pages for record in page["ResourceRecordSets"]]


def record(name, kind, *values, ttl=300, **more):
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in values], **more}


@pytest.fixture
def zones(api):
    return Zones(api)


def test_a_zone_lives_from_its_creation_to_its_deletion(zones):
    client = zones.client
    made = client.create_hosted_zone(
        Name="Example.org", CallerReference="once", HostedZoneConfig={"Comment": "hello", "PrivateZone": False}
    )
    zone = made["HostedZone"]
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["Location"].endswith(zone["Id"])
    assert (zone["Name"], zone["Config"]) == ("example.org.", {"Comment": "hello", "PrivateZone": False})
    assert zone["ResourceRecordSetCount"] == 2 and len(made["DelegationSet"]["NameServers"]) == 4
    assert made["ChangeInfo"]["Status"] == "PENDING"
    client.get_waiter("resource_record_sets_changed").wait(Id=made["ChangeInfo"]["Id"])
    assert error_code(client.create_hosted_zone, Name="example.org", CallerReference="once") == "HostedZoneAlreadyExists"
    found = client.get_hosted_zone(Id=zone["Id"])
    assert found["HostedZone"] == zone and found["DelegationSet"] == made["DelegationSet"] and "VPCs" not in found
    kinds = {r["Type"]: r for r in zones.records(zone["Id"])}
    assert [r["Value"].rstrip(".") for r in kinds["NS"]["ResourceRecords"]] == made["DelegationSet"]["NameServers"]
    assert (kinds["NS"]["TTL"], kinds["SOA"]["TTL"]) == (172800, 900)
    assert client.update_hosted_zone_comment(Id=zone["Id"], Comment="new")["HostedZone"]["Config"]["Comment"] == "new"
    assert client.get_hosted_zone_count()["HostedZoneCount"] == 1
    assert client.get_dnssec(HostedZoneId=zone["Id"])["Status"]["ServeSignature"] == "NOT_SIGNING"
    zones.change(zone["Id"], ("CREATE", record("a.example.org", "A", "192.0.2.1")))
    assert error_code(client.delete_hosted_zone, Id=zone["Id"]) == "HostedZoneNotEmpty"
    zones.change(zone["Id"], ("DELETE", zones.records(zone["Id"])[-1]))
    client.delete_hosted_zone(Id=zone["Id"])
    assert error_code(client.get_hosted_zone, Id=zone["Id"]) == "NoSuchHostedZone"


def test_every_type_of_record_comes_back_as_it_was_written(zones):
    zone = zones.create("example.org")
    records = [
        record("a.example.org.", "A", "192.0.2.1", "192.0.2.2"),
        record("aaaa.example.org.", "AAAA", "2001:db8::1"),
        record("caa.example.org.", "CAA", '0 issue "ca.example"'),
        record("cname.example.org.", "CNAME", "a.example.org"),
        record("ds.example.org.", "DS", "12345 3 1 " + "0a" * 20),
        record("https.example.org.", "HTTPS", "1 . alpn=h2"),
        record("mx.example.org.", "MX", "10 mail.example.org"),
        record("naptr.example.org.", "NAPTR", '100 50 "u" "sip+E2U" "!^.*$!sip:a@example.org!" .'),
        record("ns.example.org.", "NS", "ns1.example.com"),
        record("ptr.example.org.", "PTR", "a.example.org"),
        record("spf.example.org.", "SPF", '"v=spf1 -all"'),
        record("srv.example.org.", "SRV", "1 10 5060 a.example.org"),
        record("sshfp.example.org.", "SSHFP", "1 1 " + "0a" * 20),
        record("svcb.example.org.", "SVCB", "1 a.example.org port=8443"),
        record("tlsa.example.org.", "TLSA", "3 1 1 " + "0a" * 32),
        record("txt.example.org.", "TXT", '"a b" "c"', '"\\"quoted\\""'),
        record("\\052.example.org.", "A", "192.0.2.9"),
    ]
    zones.change(zone, *[("CREATE", r) for r in records])
    found = zones.records(zone)[2:]
    assert sorted(found, key=lambda r: r["Name"]) == sorted(records, key=lambda r: r["Name"])
    names = [".".join(reversed(r["Name"].split("."))) for r in zones.records(zone)]
    assert names == sorted(names)
    for name, kind, values in (("x.example.org", "A", ["192.0.2.9"]), ("txt.example.org", "TXT", ['"a b" "c"', '"\\"quoted\\""'])):
        tested = zones.client.test_dns_answer(HostedZoneId=zone, RecordName=name, RecordType=kind)
        assert (tested["ResponseCode"], sorted(tested["RecordData"])) == ("NOERROR", sorted(values))
    zones.change(zone, *[("DELETE", r) for r in found])
    assert len(zones.records(zone)) == 2


def test_a_batch_is_made_whole_or_not_at_all(zones):
    zone = zones.create("example.org")
    good = record("a.example.org", "A", "192.0.2.1")
    zones.change(zone, ("CREATE", good))
    already = zones.refusal(zone, ("CREATE", record("b.example.org", "A", "192.0.2.1")), ("CREATE", good))
    assert already == "[Tried to create resource record set [name='a.example.org.', type='A'] but it already exists]"
    assert len(zones.records(zone)) == 3
    missing = zones.refusal(zone, ("DELETE", record("no.example.org", "A", "192.0.2.1")))
    assert missing == "[Tried to delete resource record set [name='no.example.org.', type='A'] but it was not found]"
    other = zones.refusal(zone, ("DELETE", record("a.example.org", "A", "192.0.2.7")))
    assert other.endswith("but the values provided do not match the current values]")
    assert "conflicts with other records" in zones.refusal(zone, ("CREATE", record("a.example.org", "CNAME", "x.example.org")))
    assert "is not permitted in zone" in zones.refusal(zone, ("CREATE", record("a.example.com", "A", "192.0.2.1")))
    assert "Value is not a valid IPv4 address" in zones.refusal(zone, ("CREATE", record("c.example.org", "A", "nonsense")))
    assert "exactly one SOA" in zones.refusal(zone, ("DELETE", next(r for r in zones.records(zone) if r["Type"] == "SOA")))
    zones.change(zone, ("UPSERT", record("a.example.org", "A", "192.0.2.5")), ("UPSERT", record("d.example.org", "A", "192.0.2.6")))
    found = {r["Name"]: r["ResourceRecords"][0]["Value"] for r in zones.records(zone) if r["Type"] == "A"}
    assert found == {"a.example.org.": "192.0.2.5", "d.example.org.": "192.0.2.6"}


def test_routing_policies_and_aliases_are_kept(zones):
    zone = zones.create("example.org")
    check = zones.client.create_health_check(
        CallerReference="one", HealthCheckConfig={"Type": "TCP", "IPAddress": "192.0.2.1", "Port": 80}
    )["HealthCheck"]
    sets = [
        record("w.example.org.", "A", "192.0.2.1", SetIdentifier="1", Weight=10, HealthCheckId=check["Id"]),
        record("l.example.org.", "A", "192.0.2.1", SetIdentifier="1", Region="eu-central-1"),
        record("f.example.org.", "A", "192.0.2.1", SetIdentifier="1", Failover="PRIMARY"),
        record("f.example.org.", "A", "192.0.2.2", SetIdentifier="2", Failover="SECONDARY"),
        record("g.example.org.", "A", "192.0.2.1", SetIdentifier="1", GeoLocation={"CountryCode": "*"}),
        record("m.example.org.", "A", "192.0.2.1", SetIdentifier="1", MultiValueAnswer=True),
    ]
    target = {"HostedZoneId": zone.rsplit("/", 1)[1], "DNSName": "w.example.org.", "EvaluateTargetHealth": False}
    alias = {"Name": "example.org.", "Type": "A", "AliasTarget": target}
    zones.change(zone, *[("CREATE", r) for r in [*sets, alias]])
    found = [r for r in zones.records(zone) if r["Type"] == "A"]
    assert sorted(map(str, found)) == sorted(map(str, found)) and len(found) == 7
    assert all(r in found for r in [*sets, alias])
    assert "other RRSets exist" in zones.refusal(zone, ("CREATE", record("w.example.org", "A", "192.0.2.3")))
    zones.change(zone, *[("DELETE", r) for r in [alias, *sets]])


def test_a_private_zone_and_its_vpcs(zones, api):
    first, second = zones.vpc(), zones.vpc()
    zone = zones.create("corp.internal", first)
    found = zones.client.get_hosted_zone(Id=zone)
    assert found["VPCs"] == [first] and "DelegationSet" not in found and found["HostedZone"]["Config"]["PrivateZone"]
    client = zones.client
    assert error_code(zones.create, name="corp.internal", vpc=first) == "ConflictingDomainExists"
    assert error_code(client.disassociate_vpc_from_hosted_zone, HostedZoneId=zone, VPC=first) == "LastVPCAssociation"
    client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=second)
    assert error_code(client.associate_vpc_with_hosted_zone, HostedZoneId=zone, VPC=second) == "ConflictingDomainExists"
    client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=first)
    assert error_code(client.disassociate_vpc_from_hosted_zone, HostedZoneId=zone, VPC=first) == "VPCAssociationNotFound"
    public = zones.create("example.org")
    assert error_code(client.associate_vpc_with_hosted_zone, HostedZoneId=public, VPC=first) == "PublicZoneVPCAssociation"
    nowhere = {"VPCRegion": REGION, "VPCId": "vpc-0123456789abcdef0"}
    assert error_code(zones.create, name="x.internal", vpc=nowhere) == "InvalidVPCId"

    other = Zones(api)
    theirs = other.vpc()
    assert error_code(other.client.associate_vpc_with_hosted_zone, HostedZoneId=zone, VPC=theirs) == "NotAuthorizedException"
    client.create_vpc_association_authorization(HostedZoneId=zone, VPC=theirs)
    assert client.list_vpc_association_authorizations(HostedZoneId=zone)["VPCs"] == [theirs]
    other.client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=theirs)
    client.delete_vpc_association_authorization(HostedZoneId=zone, VPC=theirs)
    code = error_code(client.delete_vpc_association_authorization, HostedZoneId=zone, VPC=theirs)
    assert code == "VPCAssociationAuthorizationNotFound"
    seen = other.client.list_hosted_zones_by_vpc(VPCId=theirs["VPCId"], VPCRegion=REGION)["HostedZoneSummaries"]
    assert [summary["Owner"]["OwningAccount"] for summary in seen] == [zones.account]


def test_zones_are_listed_in_pages_and_by_name(zones):
    for name in ("b.example", "a.example", "c.test", "example"):
        zones.create(name)
    pages = zones.client.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 3})
    assert len([zone for page in pages for zone in page["HostedZones"]]) == 4
    listed = zones.client.list_hosted_zones_by_name()["HostedZones"]
    assert [zone["Name"] for zone in listed] == ["example.", "a.example.", "b.example.", "c.test."]
    page = zones.client.list_hosted_zones_by_name(DNSName="a.example", MaxItems="1")
    assert [zone["Name"] for zone in page["HostedZones"]] == ["a.example."] and page["NextDNSName"] == "b.example."


def test_tags_health_checks_and_delegation_sets(zones):
    client, zone = zones.client, zones.create("example.org").rsplit("/", 1)[1]
    tag = {"Key": "team", "Value": "net"}
    client.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=[tag, {"Key": "x", "Value": ""}])
    client.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, RemoveTagKeys=["x"])
    assert client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)["ResourceTagSet"]["Tags"] == [tag]
    assert client.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=[zone])["ResourceTagSets"][0]["Tags"] == [tag]

    config = {"Type": "HTTPS", "FullyQualifiedDomainName": "www.example.org", "ResourcePath": "/"}
    check = client.create_health_check(CallerReference="h", HealthCheckConfig=config)["HealthCheck"]
    assert client.create_health_check(CallerReference="h", HealthCheckConfig=config)["HealthCheck"] == check
    other = {**config, "ResourcePath": "/other"}
    assert error_code(client.create_health_check, CallerReference="h", HealthCheckConfig=other) == "HealthCheckAlreadyExists"
    assert check["HealthCheckConfig"]["Port"] == 443 and check["HealthCheckVersion"] == 1
    updated = client.update_health_check(HealthCheckId=check["Id"], HealthCheckVersion=1, Inverted=True)["HealthCheck"]
    assert updated["HealthCheckVersion"] == 2 and updated["HealthCheckConfig"]["Inverted"]
    stale = dict(HealthCheckId=check["Id"], HealthCheckVersion=1, Inverted=False)
    assert error_code(client.update_health_check, **stale) == "HealthCheckVersionMismatch"
    status = client.get_health_check_status(HealthCheckId=check["Id"])["HealthCheckObservations"]
    assert all("Failure" in seen["StatusReport"]["Status"] for seen in status)
    assert client.get_health_check_count()["HealthCheckCount"] == 1
    client.delete_health_check(HealthCheckId=check["Id"])
    assert error_code(client.get_health_check, HealthCheckId=check["Id"]) == "NoSuchHealthCheck"

    made = client.create_reusable_delegation_set(CallerReference="d")["DelegationSet"]
    again = error_code(client.create_reusable_delegation_set, CallerReference="d")
    assert again == "DelegationSetAlreadyCreated"
    used = zones.create("example.net", DelegationSetId=made["Id"])
    assert client.get_hosted_zone(Id=used)["DelegationSet"]["NameServers"] == made["NameServers"]
    assert error_code(client.delete_reusable_delegation_set, Id=made["Id"]) == "DelegationSetInUse"
    client.delete_hosted_zone(Id=used)
    client.delete_reusable_delegation_set(Id=made["Id"])
    assert client.get_account_limit(Type="MAX_HOSTED_ZONES_BY_OWNER")["Limit"]["Value"] == 500


def test_the_aws_cli_makes_a_zone(api):
    zone = api.aws("route53", "create-hosted-zone", "--name", "cli.example", "--caller-reference", "cli", region="us-east-1")
    id = zone["HostedZone"]["Id"].rsplit("/", 1)[1]
    batch = '{"Changes": [{"Action": "UPSERT", "ResourceRecordSet": {"Name": "a.cli.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}}]}'
    api.aws("route53", "change-resource-record-sets", "--hosted-zone-id", id, "--change-batch", batch, region="us-east-1")
    listed = api.aws("route53", "list-resource-record-sets", "--hosted-zone-id", id, region="us-east-1")["ResourceRecordSets"]
    assert [r["Type"] for r in listed] == ["NS", "SOA", "A"]


def test_zones_and_records_outlive_the_daemon(start):
    daemon = start("--datapath", "none")
    zones = Zones(daemon)
    zone = zones.create("example.org")
    zones.change(zone, ("CREATE", record("a.example.org", "A", "192.0.2.1")))
    before = zones.records(zone)
    daemon.stop()
    daemon.start()
    after = daemon.client("route53", region="us-east-1", account=zones.account)
    assert after.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"] == before
