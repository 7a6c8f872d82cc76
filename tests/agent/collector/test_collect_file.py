"""Taking in a file of blocks, and starting a collector with too little."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.collector.run import CollectOptions, run_collect
from agent.errors import ConfigError
from agent.keys import key_line
from tests.agent.block.chains import Gateway


def test_a_file_is_taken_in_to_its_end(tmp_path: Path, gateway: Gateway) -> None:
    trust = tmp_path / "trust.txt"
    trust.write_text(key_line(gateway.identity.spki, "school") + "\n", encoding="utf-8")
    file = tmp_path / "chain.cbseq"
    file.write_bytes(b"".join(gateway.messages[:5]) + b"rubbish" + b"".join(gateway.messages[5:]))
    options = CollectOptions(db=tmp_path / "c.db", trust=trust, input=file)
    collected = run_collect(options)
    assert (collected.messages, collected.blocks, collected.readings) == (40, 40, 400)
    assert collected.bad_stretches == 1
    assert not collected.whole
    file.write_bytes(b"".join(gateway.messages))
    assert run_collect(options).verdicts == (("duplicate", 40),)
    assert run_collect(options).whole
    file.write_bytes(b"".join([*gateway.messages[:3], *gateway.messages[4:]]))
    fresh = run_collect(CollectOptions(db=tmp_path / "d.db", trust=trust, input=file))
    assert fresh.waiting == 1
    assert not fresh.whole


def test_a_collector_that_is_told_nothing_useful_says_so(tmp_path: Path) -> None:
    trust = tmp_path / "trust.txt"
    trust.write_text("# nobody yet\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="nothing to collect from"):
        run_collect(CollectOptions(db=tmp_path / "c.db", trust=trust))
    with pytest.raises(ConfigError, match="no key is in it"):
        run_collect(CollectOptions(db=tmp_path / "c.db", trust=trust, broker="mqtt://127.0.0.1"))
