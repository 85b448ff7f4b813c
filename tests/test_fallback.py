"""Requests for services that openvpc doesn't have go to another endpoint, whole, and their answers come back whole."""

import http.server
import threading
import urllib.error
import urllib.request

import pytest

from conftest import ACCOUNT


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, body))
        self.send_response(418 if self.path.startswith("/teapot") else 200)
        answer = b'{"QueueUrls": ["http://queue/%d"]}' % len(body)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("X-Own", "yes")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def echo():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_other_services_are_passed_on_and_own_ones_are_not(start, echo):
    daemon = start("--datapath", "none", "--fallback-endpoint", f"http://127.0.0.1:{echo.server_port}")
    assert daemon.client("sqs").list_queues()["QueueUrls"][0].startswith("http://queue/")
    method, path, headers, _ = echo.seen.pop()
    assert (method, path) == ("POST", "/") and headers["x-amz-target"] == "AmazonSQS.ListQueues"
    assert "/sqs/aws4_request" in headers["authorization"]
    assert daemon.client().describe_vpcs()["Vpcs"] and daemon.client("s3").list_buckets()["Buckets"] == []
    assert echo.seen == []


def test_method_path_query_status_and_a_large_body_survive(start, echo):
    daemon = start("--datapath", "none", "--fallback-endpoint", f"http://127.0.0.1:{echo.server_port}/")
    scope = f"{ACCOUNT}/20260101/eu-central-1/lambda/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    body = b"\x00\xff" * 10_000_000
    request = urllib.request.Request(
        daemon.endpoint + "/teapot/a%2Fb?x=1&y=%20", data=body, method="PUT", headers={"Authorization": authorization}
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert (error.value.code, error.value.headers["X-Own"]) == (418, "yes")
    method, path, _, seen = echo.seen.pop()
    assert (method, path, seen == body) == ("PUT", "/teapot/a%2Fb?x=1&y=%20", True)


def test_a_fallback_that_doesn_t_answer_is_named(start):
    daemon = start("--datapath", "none", "--fallback-endpoint", "http://127.0.0.1:9")
    request = urllib.request.Request(daemon.endpoint, data=b"{}", headers={"X-Amz-Target": "AmazonSQS.ListQueues"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == 502 and "http://127.0.0.1:9" in error.value.read().decode()


def test_without_a_fallback_the_answer_says_which_service_is_missing(api):
    with pytest.raises(Exception, match="--fallback-endpoint"):
        api.client("sqs").list_queues()
