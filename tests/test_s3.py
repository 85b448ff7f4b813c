"""The embedded S3 through boto3: what tools that read flow logs, or keep their state here, rely on."""

import itertools
import urllib.error
import urllib.parse
import urllib.request

import botocore.config
import boto3
import pytest

from conftest import REGION, error_code

BUCKETS = itertools.count(1)


@pytest.fixture
def s3(api):
    return api.client("s3", account="404040404040")


@pytest.fixture
def bucket(s3):
    name = f"bucket-{next(BUCKETS)}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def put(s3, bucket, *keys):
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())


def test_an_object_comes_back_as_it_was_put(s3, bucket):
    body = bytes(range(256)) * 1000
    made = s3.put_object(Bucket=bucket, Key="a/b", Body=body, ContentType="text/x-test", Metadata={"who": "me"})
    found = s3.get_object(Bucket=bucket, Key="a/b")
    assert found["Body"].read() == body
    assert (found["ContentLength"], found["ContentType"], found["Metadata"]) == (len(body), "text/x-test", {"who": "me"})
    head = s3.head_object(Bucket=bucket, Key="a/b")
    assert head["ETag"] == made["ETag"] == found["ETag"] and head["ContentLength"] == len(body)
    part = s3.get_object(Bucket=bucket, Key="a/b", Range="bytes=10-19")
    assert part["Body"].read() == body[10:20] and part["ContentRange"] == f"bytes 10-19/{len(body)}"
    assert s3.get_object(Bucket=bucket, Key="a/b", Range="bytes=-3")["Body"].read() == body[-3:]
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"")
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b""
    s3.delete_object(Bucket=bucket, Key="a/b")
    assert error_code(s3.get_object, Bucket=bucket, Key="a/b") == "NoSuchKey"
    s3.delete_object(Bucket=bucket, Key="a/b")


def test_lists_have_prefixes_delimiters_and_pages(s3, bucket):
    put(s3, bucket, "a", "b/1", "b/2", "b/c/3", "d/4", "e")
    found = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [item["Key"] for item in found["Contents"]] == ["a", "e"]
    assert [item["Prefix"] for item in found["CommonPrefixes"]] == ["b/", "d/"]
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="b/")["Contents"]] == ["b/1", "b/2", "b/c/3"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 4})
    assert [[item["Key"] for item in page["Contents"]] for page in pages] == [["a", "b/1", "b/2", "b/c/3"], ["d/4", "e"]]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="b/2")["Contents"]
    assert [item["Key"] for item in after] == ["b/c/3", "d/4", "e"]
    assert [item["Key"] for item in s3.list_objects(Bucket=bucket, Prefix="d")["Contents"]] == ["d/4"]
    assert s3.list_objects_v2(Bucket=bucket, Prefix="nothing")["KeyCount"] == 0


@pytest.mark.parametrize("key", ["with space", "ü/ß.txt", "a+b&c=d?e#f%41", "x" * 255, "y/" * 200 + "z", ".hidden", "quote'\"<>", "...", "a/..b/c.."])
def test_a_key_is_any_text_that_can_be_a_path(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"odd")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"odd"
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("key", ["dots/../../in/./it", "..", "../../state.redb", "double//slash", "/etc/passwd", "a/", "a/b"])
def test_a_key_that_cannot_be_a_path_is_refused_and_nothing_is_written_elsewhere(api, s3, bucket, key):
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    before = (api.data_dir / "state.redb").stat().st_size
    assert error_code(s3.put_object, Bucket=bucket, Key=key, Body=b"odd") == "InvalidArgument"
    assert error_code(s3.get_object, Bucket=bucket, Key=key) in ("InvalidArgument", "NoSuchKey")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]
    assert not list(api.data_dir.glob("**/it")) and (api.data_dir / "state.redb").stat().st_size >= before


def test_large_objects_come_in_parts(s3, bucket):
    parts = [bytes([number]) * (5 << 20) for number in range(2)] + [b"end"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="large", ContentType="text/plain")["UploadId"]
    done = [
        {"PartNumber": number, "ETag": s3.upload_part(Bucket=bucket, Key="large", UploadId=upload, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, 1)
    ]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    s3.complete_multipart_upload(Bucket=bucket, Key="large", UploadId=upload, MultipartUpload={"Parts": done})
    found = s3.get_object(Bucket=bucket, Key="large")
    assert found["Body"].read() == b"".join(parts) and found["ETag"].endswith('-3"') and found["ContentType"] == "text/plain"
    gone = s3.create_multipart_upload(Bucket=bucket, Key="gone")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="gone", UploadId=gone)
    assert error_code(s3.upload_part, Bucket=bucket, Key="gone", UploadId=gone, PartNumber=1, Body=b"x") == "NoSuchUpload"


def test_many_are_deleted_in_one_call_and_one_is_copied(s3, bucket):
    put(s3, bucket, "a", "b", "c")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a"})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"a"
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ("a", "b", "never there")]})
    assert {item["Key"] for item in done["Deleted"]} == {"a", "b", "never there"}
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c", "copy"]


def test_a_condition_that_does_not_hold_changes_nothing(s3, bucket):
    made = s3.put_object(Bucket=bucket, Key="state", Body=b"1")["ETag"]
    assert error_code(s3.put_object, Bucket=bucket, Key="state", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert error_code(s3.put_object, Bucket=bucket, Key="state", Body=b"2", IfMatch='"0"') == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="state", IfMatch=made)["Body"].read() == b"1"
    assert error_code(s3.get_object, Bucket=bucket, Key="state", IfNoneMatch=made) in ("304", "NotModified")
    s3.put_object(Bucket=bucket, Key="state", Body=b"2", IfMatch=made)
    assert s3.get_object(Bucket=bucket, Key="state")["Body"].read() == b"2"


def test_buckets_are_made_listed_and_refused(s3, bucket):
    put(s3, bucket, "x")
    assert bucket in [found["Name"] for found in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=bucket)
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == REGION
    assert error_code(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    assert error_code(s3.create_bucket, Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}) in (
        "BucketAlreadyOwnedByYou", "BucketAlreadyExists",
    )
    assert error_code(s3.list_objects_v2, Bucket="never-made") == "NoSuchBucket"
    assert error_code(s3.put_object, Bucket="never-made", Key="x", Body=b"") == "NoSuchBucket"
    assert error_code(s3.head_bucket, Bucket="never-made") == "404"
    for name in ("Capitals", "a", "under_score", "x" * 64):
        assert error_code(s3.create_bucket, Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}) == "InvalidBucketName"
    s3.delete_object(Bucket=bucket, Key="x")
    s3.delete_bucket(Bucket=bucket)
    assert error_code(s3.head_bucket, Bucket=bucket) == "404"


def test_an_address_that_was_signed_before_is_enough(s3, bucket):
    put(s3, bucket, "shared")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "shared"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"shared"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.split("?")[0])
    assert refused.value.code == 403


def test_the_bucket_may_be_in_the_host_name(api, s3, bucket):
    put(s3, bucket, "by host")
    port = urllib.parse.urlsplit(api.endpoint).port
    config = botocore.config.Config(s3={"addressing_style": "virtual"}, retries={"max_attempts": 0})
    virtual = boto3.client(
        "s3", endpoint_url=f"http://localhost:{port}", region_name=REGION, aws_access_key_id="404040404040", aws_secret_access_key="secret", config=config
    )
    url = urllib.parse.urlsplit(virtual.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "by host"}))
    assert url.netloc == f"{bucket}.localhost:{port}"
    # The name is not for every resolver to know, so the address is dialled.
    request = urllib.request.Request(f"{api.endpoint}{url.path}?{url.query}", headers={"Host": url.netloc})
    with urllib.request.urlopen(request) as answer:
        assert answer.read() == b"by host"
