"""The OpenAPI document against itself, and against a live answer of every route in it."""

from __future__ import annotations

import re
import unittest
from typing import Any
from urllib.parse import quote

import jsonschema
from admin_api import YAML, Answer, Events, ask
from harness import SharedWeirTest
from origins import fixed

Operation = tuple[str, str]  # "get", "/api/v1/status"


class DocumentTest(SharedWeirTest):
    document: dict[str, Any]

    def setUp(self) -> None:
        super().setUp()
        answer = ask(self.weir_.admin_port, "GET", "/api/v1/openapi.json")
        self.assertEqual((answer.status, answer.type), (200, "application/json"))
        self.document = answer.json()

    def operations(self) -> dict[Operation, dict[str, Any]]:
        return {(method, path): operation for path, methods in self.document["paths"].items()
                for method, operation in methods.items()}

    def check(self, schema: dict[str, Any], value: Any) -> None:
        resolver = jsonschema.RefResolver.from_schema(self.document)
        validator = jsonschema.Draft202012Validator(schema, resolver=resolver,
                                                    format_checker=jsonschema.FormatChecker())
        errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(value)]
        self.assertEqual(errors, [])


class Document(DocumentTest):
    def test_it_is_openapi_3_1_and_whole(self) -> None:
        self.assertEqual(self.document["openapi"], "3.1.0")
        self.assertLessEqual({"openapi", "info", "paths", "components"}, self.document.keys())
        self.assertLessEqual({"title", "version", "license"}, self.document["info"].keys())
        ids = [operation["operationId"] for operation in self.operations().values()]
        self.assertEqual(len(ids), len(set(ids)))
        for (method, path), operation in self.operations().items():
            with self.subTest(f"{method} {path}"):
                self.assertIn(method, ("get", "put", "post", "delete"))
                self.assertTrue(operation["summary"])
                self.assertLessEqual({"200", "default"}, operation["responses"].keys())
                for response in operation["responses"].values():
                    self.assertTrue(response["description"])
                    self.assertTrue(response["content"])
                self.assertEqual({p["name"] for p in operation["parameters"] if p["in"] == "path"},
                                 set(re.findall(r"{(\w+)}", path)))
                for parameter in operation["parameters"]:
                    self.assertEqual(parameter["required"] or parameter["in"] == "query", True)
                    self.assertIn("schema", parameter)

    def test_every_schema_is_a_schema_and_closed(self) -> None:
        for name, schema in self.document["components"]["schemas"].items():
            with self.subTest(name):
                jsonschema.Draft202012Validator.check_schema(schema)
                self.assertEqual((schema["type"], schema["additionalProperties"]), ("object", False))
                self.assertLessEqual(set(schema["required"]), schema["properties"].keys())

    def test_every_reference_leads_somewhere(self) -> None:
        known = {f"#/components/schemas/{name}" for name in self.document["components"]["schemas"]}

        def walk(value: Any) -> None:
            if isinstance(value, dict):
                if "$ref" in value:
                    self.assertIn(value["$ref"], known)
                value = list(value.values())
            if isinstance(value, list):
                for item in value:
                    walk(item)

        walk(self.document)

    def test_the_check_is_no_rubber_stamp(self) -> None:
        schema = {"$ref": "#/components/schemas/Override"}
        good = {"state": "open", "since": "2026-11-23T02:07:36.412Z", "until": None, "by": "x", "reason": ""}
        self.check(schema, good)
        for bad in ({**good, "more": 1}, {**good, "state": "ajar"}, {**good, "until": 5},
                    {key: value for key, value in good.items() if key != "by"}):
            with self.assertRaises(AssertionError):
                self.check(schema, bad)


def calls(origin: str, config: str) -> dict[Operation, dict[str, Any]]:
    """How each route is asked so that it answers 200; in this order."""
    endpoint = {"{cluster}": "c", "{address}": quote(origin, safe="")}
    cluster, breaker = {"{cluster}": "c"}, {"{id}": "c"}
    base = "/api/v1/clusters/{cluster}/endpoints/{address}"
    probes = f"probes: {{app/liveness: {{type: tcp, port: {origin.rsplit(':', 1)[1]}}}}}"
    registered = {"{service}": "orders", "{address}": "10.0.0.1:80"}
    return {
        ("get", "/"): {}, ("get", "/healthz"): {}, ("get", "/readyz"): {}, ("get", "/startupz"): {},
        ("get", "/metrics"): {}, ("get", "/api/v1"): {}, ("get", "/api/v1/openapi.json"): {},
        ("post", f"{base}/drain"): {"place": endpoint, "body": {"for": "1h", "reason": "a", "force": True}},
        ("get", "/api/v1/clusters/{cluster}/endpoints"): {"place": cluster},
        ("get", "/api/v1/route"): {"query": "host=a&path=/b&method=GET&header=x:1"},
        ("post", f"{base}/undrain"): {"place": endpoint},
        ("post", f"{base}/eject"): {"place": endpoint, "body": {"force": True}},
        ("post", f"{base}/uneject"): {"place": endpoint},
        ("post", "/api/v1/breakers/{id}/open"): {"place": breaker, "body": {"for": "1h", "reason": "a"}},
        ("get", "/api/v1/breakers"): {},
        ("post", "/api/v1/breakers/{id}/close"): {"place": breaker},
        ("post", "/api/v1/breakers/{id}/auto"): {"place": breaker},
        ("post", "/api/v1/faults"): {"body": {"cluster": "c", "delay": "1ms", "percent": "1%", "for": "1h"}},
        ("get", "/api/v1/faults"): {}, ("delete", "/api/v1/faults/{id}"): {"place": {"{id}": "1"}},
        ("put", "/api/v1/registry/{service}/{address}"): {"place": registered, "body": {"ttl": "1m", "weight": 5, "zone": "z"}},
        ("get", "/api/v1/registry"): {}, ("delete", "/api/v1/registry/{service}/{address}"): {"place": registered},
        ("get", "/api/v1/status"): {}, ("get", "/api/v1/listeners"): {}, ("get", "/api/v1/routes"): {},
        ("get", "/api/v1/clusters"): {}, ("get", "/api/v1/clusters/{cluster}"): {"place": cluster},
        ("get", "/api/v1/certs"): {}, ("get", "/api/v1/ratelimits"): {}, ("get", "/api/v1/discovery"): {}, ("get", "/api/v1/events"): {"query": "n=50"},
        ("get", "/api/v1/failures"): {}, ("get", "/api/v1/trace-export"): {"query": "for=100ms"},
        ("get", "/api/v1/stream"): {"is_stream": True}, ("get", "/api/v1/memory"): {},
        ("get", "/api/v1/config"): {"query": "format=json&origin=1&defaults=1"},
        ("get", "/api/v1/config/explain"): {"query": "path=threads"},
        ("post", "/api/v1/config/validate"): {"text": config + "nonsense: 1\n"},
        ("put", "/api/v1/config"): {"text": config.replace("telemetry: {", f"telemetry: {{{probes}, ")
                                    + "\ndefaults: {timeout: 9s}\n"},
        ("get", "/probe/{container}/{kind}"): {"place": {"{container}": "app", "{kind}": "liveness"}},
        ("post", "/api/v1/config/reload"): {},
        ("put", "/api/v1/log"): {"body": {"level": "info", "modules": {"http": "debug"}, "for": "1h"}},
        ("get", "/api/v1/log"): {}, ("post", "/api/v1/log/reopen"): {},
        ("post", "/api/v1/drain"): {}, ("post", "/api/v1/shutdown"): {},
    }


class Answers(DocumentTest):
    """Every route of the table is asked, and its answer is what the document says, no field more."""

    rest = """
        threads: 1
        rate_limits: {here: {rate: 1/s}, there: {rate: 1/s, store: {redis: cache}}}
        redis: {cache: {address: "127.0.0.1:1"}}
        """

    def assert_fits(self, operation: dict[str, Any], answer: Answer) -> None:
        responses = operation["responses"]
        response = responses.get(str(answer.status), responses["default"])
        self.assertIn(answer.type, response["content"], answer)
        schema = response["content"][answer.type]["schema"]
        is_json = answer.type == "application/json"
        self.check(schema, answer.json() if is_json else answer.text())

    def ask_one(self, operation: Operation, place: dict[str, str] | None = None, query: str = "", body: object = None,
                text: str | None = None, is_stream: bool = False) -> Answer | None:
        method, path = operation
        for name, value in (place or {}).items():
            path = path.replace(name, value)
        path += f"?{query}" if query else ""
        port = self.weir_.admin_port
        if is_stream:
            stream = Events(port, path)
            self.assertTrue(stream.next()["data"])
            self.assertEqual(stream.answer.headers["Content-Type"], "text/event-stream")
            self.assertIn("text/event-stream", self.operations()[operation]["responses"]["200"]["content"])
            stream.close()
            return None
        if text is not None:
            return ask(port, method.upper(), path, text, kind=YAML)
        return ask(port, method.upper(), path, body)

    def test_every_route_has_a_live_answer_that_fits(self) -> None:
        for _ in range(3):
            self.weir_.ask()
        self.weir_.ask("/", "GET", {"Host": "x"})
        self.origin_.answer = fixed(500)
        self.weir_.ask("/fails")
        operations = self.operations()
        todo = calls(self.origin_.address, self.weir_.file.read_text())
        self.assertEqual(set(todo), set(operations), "the document has a route this test does not know, or lacks one")
        for operation, how in todo.items():
            with self.subTest(" ".join(operation)):
                answer = self.ask_one(operation, **how)
                if answer is None:
                    continue
                self.assertEqual(answer.status, 200, answer)
                self.assert_fits(operations[operation], answer)
                self.assertTrue(answer.body)
        self.assertEqual(self.weir_.process.wait(15), 0)


class Errors(DocumentTest):
    def test_failures_have_the_one_form_whatever_fails(self) -> None:
        error = {"$ref": "#/components/schemas/Error"}
        port = self.weir_.admin_port
        bad_config = "version: 1\nlistners: []\n"
        for method, path, body, kind, status in (
                ("GET", "/nothing", None, "", 404), ("PUT", "/api/v1/status", None, "", 405),
                ("POST", "/api/v1/breakers/none/open", None, "", 404),
                ("POST", "/api/v1/breakers/c/open", "{", "application/json", 400),
                ("POST", "/api/v1/breakers/c/open", "{}", "text/plain", 415),
                ("POST", f"/api/v1/clusters/c/endpoints/{self.origin_.address}/drain", None, "", 409),
                ("GET", "/api/v1/clusters/none", None, "", 404), ("GET", "/api/v1/config?format=x", None, "", 400),
                ("GET", "/api/v1/config/explain?path=x.y", None, "", 404), ("GET", "/api/v1/stream?every=x", None, "", 400),
                ("PUT", "/api/v1/config", bad_config, YAML, 422),
                ("PUT", "/api/v1/log", '{"level":"loud"}', "application/json", 400)):
            with self.subTest(f"{method} {path}"):
                answer = ask(port, method, path, body, kind=kind)
                self.assertEqual((answer.status, answer.type), (status, "application/json"), answer)
                self.check(error, answer.json())

    def test_not_ready_has_its_shape(self) -> None:
        ask(self.weir_.admin_port, "POST", "/api/v1/drain")
        answer = ask(self.weir_.admin_port, "GET", "/readyz")
        self.assertEqual(answer.status, 503)
        self.check({"$ref": "#/components/schemas/Waiting"}, answer.json())


if __name__ == "__main__":
    unittest.main()
