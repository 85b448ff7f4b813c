"""Whose signatures count: registered keys, and what becomes of everything else."""

import json
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest

BODY = b"Action=DescribeVpcs&Version=2016-11-15"


class Key:
    def __init__(self, daemon, account, *options):
        answer = daemon.run("keys", "add", "--json", *options, account=account)
        assert answer.returncode == 0, answer.stderr
        key = json.loads(answer.stdout)
        self.daemon, self.id, self.secret = daemon, key["id"], key["secret"]

    def client(self, service, secret=None, token=None):
        return boto3.client(
            service,
            endpoint_url=self.daemon.endpoint,
            region_name="eu-central-1",
            aws_access_key_id=self.id,
            aws_secret_access_key=secret or self.secret,
            aws_session_token=token,
            config=botocore.config.Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
        )

    def signed(self, body=BODY, service="ec2", clock_off=timedelta()):
        """A request as botocore signs it, with a clock that may be wrong."""
        request = botocore.awsrequest.AWSRequest("POST", self.daemon.endpoint + "/", data=body)
        request.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(self.id, self.secret), service, "eu-central-1")
        wrong = datetime.now(timezone.utc) + clock_off
        right = botocore.auth.get_current_datetime
        botocore.auth.get_current_datetime = lambda *_, **__: wrong.replace(tzinfo=None)
        try:
            signer.add_auth(request)
        finally:
            botocore.auth.get_current_datetime = right
        return request.prepare()


def send(request, body=None):
    """Status and text of the answer to a prepared request."""
    sent = urllib.request.Request(request.url, data=body or request.body, headers=dict(request.headers), method=request.method)
    try:
        with urllib.request.urlopen(sent) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def code(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"]


@pytest.fixture
def daemon(start):
    return start("--datapath", "none")


def test_without_a_registered_key_any_signature_will_do(daemon):
    assert daemon.client(account="111111111111").describe_vpcs()["Vpcs"]
    assert "no key is registered" in daemon.run("keys", "list").stdout


def test_a_registered_key_acts_for_its_account_and_others_are_refused(daemon):
    key = Key(daemon, "111122223333")
    assert key.client("sts").get_caller_identity()["Account"] == "111122223333"
    assert key.client("ec2").describe_vpcs()["Vpcs"][0]["OwnerId"] == "111122223333"
    stranger = daemon.client(account="111122223333")
    assert code(stranger.describe_vpcs) == "AuthFailure"
    assert code(daemon.client("sts").get_caller_identity) == "InvalidClientTokenId"
    assert code(daemon.client("directconnect").describe_connections) == "UnrecognizedClientException"
    assert code(key.client("ec2", secret="wrong secret").describe_vpcs) == "SignatureDoesNotMatch"
    assert code(key.client("sts", secret="wrong secret").get_caller_identity) == "SignatureDoesNotMatch"


def test_skewed_replayed_changed_and_unsigned_requests_are_refused(daemon):
    key = Key(daemon, "111122223333")
    status, text = send(key.signed())
    assert status == 200, text
    for minutes in (-16, 16):
        status, text = send(key.signed(clock_off=timedelta(minutes=minutes)))
        assert (status, "<Code>RequestExpired</Code>" in text) == (400, True), text
    for minutes in (-14, 14):
        assert send(key.signed(clock_off=timedelta(minutes=minutes)))[0] == 200
    once = key.signed(BODY + b"&MaxResults=7")
    assert send(once)[0] == 200
    status, text = send(once)
    assert (status, "<Code>RequestExpired</Code>" in text) == (400, True), text
    status, text = send(key.signed(BODY + b"&MaxResults=8"), body=BODY + b"&MaxResults=9")
    assert (status, "<Code>SignatureDoesNotMatch</Code>" in text) == (403, True), text
    bare = key.signed()
    del bare.headers["Authorization"]
    status, text = send(bare)
    assert (status, "<Code>MissingAuthenticationToken</Code>" in text) == (403, True), text


def test_two_equal_calls_of_a_client_in_one_second_are_no_replay(daemon):
    ec2 = Key(daemon, "111122223333").client("ec2")
    made = {ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(10)}
    assert len(made) == 10


def test_objects_need_the_key_too(daemon):
    key = Key(daemon, "111122223333")
    s3 = key.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket="mine", Key="a", Body=b"x" * 100_000)
    assert s3.get_object(Bucket="mine", Key="a")["Body"].read() == b"x" * 100_000
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "mine", "Key": "a"})
    with urllib.request.urlopen(url) as answer:
        assert len(answer.read()) == 100_000
    assert code(key.client("s3", secret="wrong secret").get_object, Bucket="mine", Key="a") == "SignatureDoesNotMatch"
    assert code(daemon.client("s3").get_object, Bucket="mine", Key="a") == "InvalidAccessKeyId"


def test_keys_are_listed_without_secrets_and_end_when_revoked(daemon):
    one, two = Key(daemon, "111122223333"), Key(daemon, "444455556666", "--id", "AKIDTWO", "--secret", "a chosen secret")
    listed = json.loads(daemon.run("keys", "list", "--json").stdout)
    assert {(key["id"], key["account"]) for key in listed} == {(one.id, "111122223333"), ("AKIDTWO", "444455556666")}
    assert one.secret not in daemon.run("keys", "list", "--json").stdout
    assert daemon.run("keys", "revoke", one.id).returncode == 0
    assert code(one.client("ec2").describe_vpcs) == "AuthFailure"
    assert two.client("ec2").describe_vpcs()["Vpcs"]
    again = daemon.run("keys", "revoke", one.id)
    assert again.returncode != 0 and "is not registered" in again.stderr
    twice = daemon.run("keys", "add", "--id", "AKIDTWO")
    assert twice.returncode != 0 and "is registered already" in twice.stderr


def test_keys_outlive_a_crash_and_a_reset(start):
    daemon = start("--datapath", "none", "--allow-reset")
    key = Key(daemon, "111122223333")
    daemon.kill()
    daemon.start()
    assert key.client("ec2").describe_vpcs()["Vpcs"]
    urllib.request.urlopen(urllib.request.Request(daemon.endpoint + "/_openvpc/reset", method="POST")).close()
    assert code(daemon.client().describe_vpcs) == "AuthFailure"
    assert key.client("ec2").describe_vpcs()["Vpcs"]
