"""Objects on the control socket: what went out comes in again, and nothing of another shape is built."""

from __future__ import annotations

import json

import pytest

from agent.control.wire import WireError, from_json, to_json
from agent.delivery.uplink_status import UplinkStatus
from agent.health import AgentStatus
from agent.storing.stored import StorageStatus
from drivers.profile import LineSettings
from tests.agent.served_desk import STATUS


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (LineSettings, {"baud": 1.0}),
        (LineSettings, {"parity": "X"}),
        (LineSettings, {"speed": 1}),
        (AgentStatus, {}),
        (StorageStatus, {"last": [1]}),
        (StorageStatus, {"last": [1, 2, 3]}),
        (UplinkStatus, {"kid": "xyz"}),
    ],
)
def test_an_object_of_the_wrong_shape_is_never_built(kind: type, value: object) -> None:
    with pytest.raises(WireError):
        from_json(kind, value)


def test_integers_stay_exact_and_nothing_is_lost_on_the_way() -> None:
    status = StorageStatus(sealed_readings=2**62 + 1)
    assert from_json(StorageStatus, json.loads(json.dumps(to_json(status)))) == status
    assert from_json(AgentStatus, json.loads(json.dumps(to_json(STATUS)))) == STATUS
