"""Reads answers with botocore's parsers and writes requests with its serializers, on the project's trimmed models.

Standard input: one JSON object per line {operation, service, full, empty}. `full` is the answer with every member set
to the values below, `empty` one with none set. Standard output: a JSON object {operation: form body of a full request}.
Exits with 1 when an answer reads differently. Started by the unit test in src/round_trip.rs.
"""

import json
import pathlib
import sys
from datetime import datetime, timezone
from urllib.parse import urlencode

from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

MODELS = pathlib.Path(__file__).parent.parent / "model"
PROTOCOLS = {
    "acm": "json",
    "directconnect": "json",
    "ec2": "ec2",
    "elbv2": "query",
    "iam": "query",
    "logs": "json",
    "route53": "rest-xml",
    "ssm": "json",
    "sts": "query",
}
SCALARS = {
    "blob": b"\x00blob\xff",
    "boolean": True,
    "double": 1.5,
    "float": 1.5,
    "integer": -7,
    "long": 1 << 40,
    "string": "a <b> & \"c\" 'd' +%41 é\r\n\t\U0001f310",
    "timestamp": datetime.fromtimestamp(1767323045, timezone.utc),
}


def full(shape):
    if shape.type_name == "structure":
        return {name: full(member) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [full(shape.member), full(shape.member)]
    if shape.type_name == "map":
        return {"key": full(shape.value)}
    return SCALARS[shape.type_name]


def empty(shape, protocol):
    kinds = {"list": [], "map": {}}
    written = shape.required_members if protocol == "rest-xml" else shape.members
    return {name: kinds[shape.members[name].type_name] for name in written if shape.members[name].type_name in kinds}


def as_text(request, protocol):
    body = request["body"]
    body = body.decode() if isinstance(body, bytes) else urlencode(body)
    if protocol != "rest-xml":
        return body
    query = urlencode(request["query_string"])
    return json.dumps({"method": request["method"], "path": request["url_path"], "query": query, "body": body})


def load(service):
    model = json.loads((MODELS / f"{service}.json").read_text())
    model["metadata"].update(protocol=PROTOCOLS[service], signatureVersion="v4", jsonVersion="1.1")
    for name, operation in model["operations"].items():
        operation.setdefault("http", {"method": "POST", "requestUri": "/"})
        operation.update(name=name)
    return ServiceModel(model, service)


def main():
    models = {service: load(service) for service in PROTOCOLS}
    requests, failures = {}, 0
    for line in sys.stdin:
        case = json.loads(line)
        operation = models[case["service"]].operation_model(case["operation"])
        protocol = PROTOCOLS[case["service"]]
        for kind, expected in (("full", full), ("empty", lambda shape: empty(shape, protocol))):
            headers = {"Location": SCALARS["string"]} if kind == "full" else {}
            response = {"body": case[kind].encode(), "headers": headers, "status_code": 200}
            parsed = create_parser(protocol).parse(response, operation.output_shape)
            parsed.pop("ResponseMetadata", None)
            wanted = expected(operation.output_shape) if operation.output_shape else {}
            if parsed != wanted:
                failures += 1
                print(f"{operation.name}, {kind}: expected {wanted}\n  got {parsed}", file=sys.stderr)
        parameters = full(operation.input_shape) if operation.input_shape else {}
        request = create_serializer(protocol, include_validation=False).serialize_to_request(parameters, operation)
        requests[f"{case['service']}:{operation.name}"] = as_text(request, protocol)
    json.dump(requests, sys.stdout)
    sys.exit(1 if failures else 0)


main()
