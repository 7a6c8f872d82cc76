"""The result as one page: no script, nothing loaded from anywhere, captures inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from typing import Final

from drivers.transport.ports import PortInfo
from hil.pair.capture import hexdump, pcap
from hil.pair.probe import Capability
from hil.pair.record import Run, Scenario, Verdict

_MOST_EXCHANGES: Final = 200
_STYLE: Final = """
body{font:15px/1.45 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:.5em 0}
td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left;vertical-align:top}
pre{background:#f5f5f5;padding:.6em;overflow:auto;max-height:30em;font-size:12px}
.shown{color:#0a6b2d}.failed{color:#b00020;font-weight:bold}.not-shown{color:#777}
h1.failed,h1.shown{border-left:.5em solid;padding-left:.4em}section{border-top:1px solid #ddd;margin-top:1.5em}
"""


def page(run: Run) -> str:
    """Give the page as HTML."""
    verdict = Verdict.FAILED if run.failed else Verdict.SHOWN
    counts = ", ".join(f"{sum(one.verdict is kind for one in run.scenarios)} {kind.value}" for kind in Verdict)
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            f"<title>Tidegate pair: {escape(counts)}</title><style>{_STYLE}</style>",
            f'<h1 class="{_class(verdict)}">The bus on a pair of adapters: {escape(counts)}</h1>',
            _facts(run),
            "<h2>Scenarios</h2>",
            _table(["verdict", "scenario", "figures"], (_row(one) for one in run.scenarios)),
            *(_section(one, run.utc_offset_ns) for one in run.scenarios),
            "</html>\n",
        ]
    )


def _facts(run: Run) -> str:
    rows = [
        ["seed", f"<code>{escape(run.seed)}</code>, repeat with <code>TIDEGATE_SEED={escape(run.seed)}</code>"],
        ["begun", escape(run.began)],
        ["tidegate", escape(run.version)],
        ["left, ours", _port(run.left)],
        ["right, the simulator", _port(run.right)],
        ["local echo", "yes, the bus is told so" if run.echo else "no"],
    ]
    rows += [[escape(one.value), _has(run, one)] for one in Capability]
    return _table(["pair", ""], rows)


def _has(run: Run, capability: Capability) -> str:
    if capability in run.lacks:
        return "no, as declared"
    return "yes" if capability in run.capabilities else "no"


def _port(port: PortInfo) -> str:
    latency = f", latency timer {port.latency_ms} ms" if port.latency_ms is not None else ""
    adapter = f"{port.adapter or 'pseudo-terminal'} {port.driver}".rstrip()
    return f"<code>{escape(port.stable)}</code> {escape(adapter)}{latency}"


def _row(one: Scenario) -> list[str]:
    figures = "<br>".join(f"{escape(name)}: {escape(value)}" for name, value in one.figures.items())
    if one.verdict is Verdict.NOT_SHOWN:
        figures = escape(one.failure)
    return [_verdict(one), f'<a href="#{escape(one.name)}">{escape(one.about)}</a>', figures]


def _section(one: Scenario, utc_offset_ns: int) -> str:
    if one.verdict is Verdict.NOT_SHOWN:
        return ""
    seed = f", seed {one.seed}" if one.seed is not None else ""
    parts = [f'<section id="{escape(one.name)}"><h3>{_verdict(one)} {escape(one.about)}</h3>']
    parts.append(f"<p><code>{escape(one.name)}</code>{escape(seed)}, {len(one.exchanges)} exchanges</p>")
    if one.failure:
        parts.append(f"<pre>{escape(one.failure)}</pre>")
    if one.exchanges:
        data = base64.b64encode(pcap(one.exchanges, utc_offset_ns)).decode("ascii")
        parts.append(
            f'<p><a download="{escape(one.name)}.pcap" href="data:application/vnd.tcpdump.pcap;base64,{data}">'
            "capture for Wireshark</a> (DLT 147 set to mbrtu)</p>"
        )
        dump = hexdump(one.exchanges, _MOST_EXCHANGES)
        parts.append(f"<details><summary>bytes on the wire</summary><pre>{escape(dump)}</pre></details>")
    parts.append("</section>")
    return "".join(parts)


def _verdict(one: Scenario) -> str:
    return f'<span class="{_class(one.verdict)}">{one.verdict.value}</span>'


def _class(verdict: Verdict) -> str:
    return verdict.value.replace(" ", "-")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Give a table; cells are HTML already."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
