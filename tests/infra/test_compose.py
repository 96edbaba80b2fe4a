"""The compose file and the image: read carefully, since no container engine runs in the tests."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from contracts.settings import known_names

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

INFRA = Path(__file__).parents[2] / "infra"
CHECKOUT = INFRA.parent


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((INFRA / "compose.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def listeners(text: str) -> dict[str, tuple[str, int]]:
    found = {}
    for item in text.split(","):
        name, _, address = item.partition("://")
        host, _, port = address.rpartition(":")
        found[name] = (host, int(port))
    return found


def test_the_services_start_in_order(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"kafka", "topics", "worker"}
    assert services["topics"]["command"] == ["topics", "apply"]
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert services["worker"]["command"] == ["worker"]
    assert services["worker"]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}
    assert services["kafka"]["healthcheck"]["test"][0] == "CMD"
    for service in services.values():
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"]


def test_kafka_is_one_kraft_node_with_consistent_listeners(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]
    assert re.fullmatch(r"apache/kafka:\d+\.\d+\.\d+", kafka["image"])
    environment = kafka["environment"]
    assert set(environment["KAFKA_PROCESS_ROLES"].split(",")) == {"broker", "controller"}
    bound = listeners(environment["KAFKA_LISTENERS"])
    advertised = listeners(environment["KAFKA_ADVERTISED_LISTENERS"])
    protocols = dict(p.split(":") for p in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    controller = environment["KAFKA_CONTROLLER_LISTENER_NAMES"]
    assert set(bound) == set(protocols)
    # A controller listener may not be advertised by a combined node.
    assert set(advertised) == set(bound) - {controller}
    for name, (_, port) in advertised.items():
        assert bound[name][1] == port
    node, _, voter = environment["KAFKA_CONTROLLER_QUORUM_VOTERS"].partition("@")
    assert node == environment["KAFKA_NODE_ID"]
    assert voter == f"{kafka['hostname']}:{bound[controller][1]}"
    assert environment["KAFKA_INTER_BROKER_LISTENER_NAME"] in advertised
    # KRaft wants a 16-byte id in URL-safe base64 without padding.
    assert len(base64.urlsafe_b64decode(environment["CLUSTER_ID"] + "==")) == 16
    assert all(isinstance(value, str) for value in environment.values())
    assert any(v.endswith(f":{environment['KAFKA_LOG_DIRS']}") for v in kafka["volumes"])


def test_the_worker_reaches_kafka_and_every_setting_exists(compose: dict[str, Any]) -> None:
    services = compose["services"]
    internal = listeners(services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"])["PLAINTEXT"]
    for name in ("topics", "worker"):
        environment = services[name]["environment"]
        assert environment["TAILRACE_KAFKA__BOOTSTRAP_SERVERS"] == f"{internal[0]}:{internal[1]}"
        assert set(environment) <= set(known_names())
        assert services[name]["build"] == {"context": "..", "dockerfile": "infra/Dockerfile"}
    home = services["worker"]["environment"]["TAILRACE_HOME"]
    assert services["worker"]["volumes"] == [f"tailrace-home:{home}"]


def test_nothing_is_published_beyond_loopback(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_image_holds_what_the_wheel_needs_and_runs_as_nobody_special() -> None:
    dockerfile = (INFRA / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    sources = {name for line in copied for name in line.split()}
    assert all((CHECKOUT / name).exists() for name in sources)
    packages = {"contracts", "joiners", "sinks", "curation", "streams", "console", "infra"}
    assert packages | {"pyproject.toml", "README.md", "LICENSE"} == sources
    assert re.search(r"^USER tailrace$", dockerfile, re.MULTILINE)
    assert 'ENTRYPOINT ["tailrace"]' in dockerfile
    allowed = {
        line[1:] for line in (INFRA / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert allowed == sources
