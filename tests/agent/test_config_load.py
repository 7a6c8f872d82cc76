"""site.toml: what it gives, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import BlockRules, OutboxLimits, Site
from agent.configuration.load import SiteCheck, check_site, load_folders, load_site
from agent.errors import ConfigError
from agent.language import Language
from drivers.profile import LineSettings, Parity
from drivers.profile_load import builtin_roots

ROOTS = builtin_roots()
KEY = "ed25519 MCowBQYDK2VwAyEAcRVVb+gRS5sNLo8rX+8YxcDaHDn1E7gIka2zPzh7cgs= city"
FULL = f"""\
schema = 1
[site]
name     = "haimen-07"
label    = "海门实验小学 7 号箱"
timezone = "Asia/Shanghai"
language = "zh-CN"

[uplink]
url         = "mqtts://mqtt.example.org:8883"
receipt_key = "{KEY}"
ca_file     = "ca.pem"
cert_file   = "/etc/tidegate/cert.pem"
key_file    = "key.pem"
protocol    = 4
keepalive   = "1 min"

[outbox]
keep         = "500 MB"
archive      = "1.5 GB"
archive_days = 7

[block]
max_readings = 100
max_age      = "500 ms"
epoch_max    = "12 h"

[state]
dir = "state"

[[bus]]
name   = "rs485-a"
port   = "/dev/ttyS9"
baud   = 2400
parity = "even"
echo   = true

[[device]]
name    = "main-meter"
bus     = "rs485-a"
unit    = 1
profile = "eastron/sdm120"

[[bus]]
name = "hall"
port = "tcp://192.168.1.20:502"

[[device]]
name    = "soil"
bus     = "rs485-a"
unit    = 2
profile = "renke/soil-4in1"
every   = "15 min"
line    = {{ baud = 4800 }}
"""
SMALL = '[site]\nname = "a"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def load(file: Path, text: str) -> Site:
    file.write_text(text, encoding="utf-8")
    return load_site(file, ROOTS)


def check(file: Path, text: str) -> SiteCheck:
    file.write_text(text, encoding="utf-8")
    return check_site(file, ROOTS)


def test_a_whole_site_is_read(file: Path) -> None:
    site = load(file, FULL)
    assert (site.identity.name, site.identity.label) == ("haimen-07", "海门实验小学 7 号箱")
    assert site.identity.language is Language.ZH
    assert site.identity.timezone == "Asia/Shanghai"
    (uplink,) = site.uplinks
    assert (uplink.url, uplink.receipt_key, uplink.protocol) == ("mqtts://mqtt.example.org:8883", KEY, 4)
    assert uplink.keepalive_s == 60
    assert uplink.ca_file == file.parent / "ca.pem"
    assert uplink.cert_file == Path("/etc/tidegate/cert.pem")
    assert site.outbox == OutboxLimits(keep_bytes=500_000_000, archive_days=7, archive_bytes=1_500_000_000)
    assert site.block == BlockRules(max_readings=100, max_age_s=0.5, epoch_max_days=0.5)
    assert (site.state_dir, site.run_dir) == (file.parent / "state", file.parent / "state" / "run")
    assert [bus.name for bus in site.buses] == ["rs485-a", "hall"]
    assert site.buses[0].line == LineSettings(baud=2400, parity=Parity.EVEN)
    assert site.buses[0].echo
    meter, soil = site.devices
    assert (meter.profile.id, meter.unit, meter.every_s, meter.line) == ("eastron/sdm120", 1, None, None)
    assert soil.every_s == 900
    assert soil.line == LineSettings(baud=4800, parity=Parity.EVEN)  # what it does not say is the bus's


def test_the_least_site_gets_the_defaults(file: Path) -> None:
    site = load(file, SMALL)
    assert site.outbox == OutboxLimits()
    assert site.block == BlockRules()
    assert (site.state_dir, site.run_dir) == (Path("/var/lib/tidegate"), Path("/run/tidegate"))
    assert (site.uplinks, site.buses, site.devices) == ((), (), ())


def test_a_meter_s_clock_is_in_the_zone_of_the_site_unless_the_file_says_where(file: Path) -> None:
    site = 'schema = 1\n[site]\nname = "a"\ntimezone = "+08:00"\n'
    other = DEVICE.replace('"d"', '"e"').replace("unit = 1", "unit = 2").partition("[[device]]")[2]
    devices = load(file, f'{site}{DEVICE}[[device]]{other}clock_zone = "Europe/Berlin"\n').devices
    assert [device.clock_zone for device in devices] == ["+08:00", "Europe/Berlin"]


def test_several_uplinks_are_an_array(file: Path) -> None:
    one = f'url = "mqtt://a"\nreceipt_key = "{KEY}"\n'
    assert len(load(file, SMALL + f"[[uplink]]\n{one}[[uplink]]\n{one}").uplinks) == 2


def test_the_digest_is_that_of_the_bytes(file: Path) -> None:
    digests = {load(file, text).digest for text in (SMALL, SMALL + "\n", SMALL)}
    assert len(digests) == 2
    assert all(len(digest) == 16 for digest in digests)


RECEIPT = f'receipt_key = "{KEY}"\n'
DEVICE = (
    '[[bus]]\nname = "b"\nport = "/dev/x"\n[[device]]\nname = "d"\nbus = "b"\nunit = 1\nprofile = "eastron/sdm120"\n'
)
FAULTS = [
    # text after SMALL (two lines), code, line, column, what the sentence names, the nearest name
    ('[sit]\nname = "x"\n', "unknown-key", 3, 1, "sit", "site"),
    ("[block]\nmax_agee = 1\n", "unknown-key", 4, 1, "max_agee", "max_age"),
    ('[block]\nmax_age = "2 h"\n', "out-of-range", 4, 11, "max_age", ""),
    ('[block]\nmax_age = "2 seconds"\n', "bad-duration", 4, 11, "2 seconds", ""),
    ("[block]\nmax_age = 2\n", "wrong-type", 4, 11, "max_age", ""),
    ("[block]\nmax_readings = 0\n", "out-of-range", 4, 16, "max_readings", ""),
    ("[block]\nmax_readings = true\n", "wrong-type", 4, 16, "boolean", ""),
    ('[outbox]\nkeep = "2 GiB"\n', "bad-size", 4, 8, "2 GiB", ""),
    ('[outbox]\nkeep = "2 gb"\n', "bad-size", 4, 8, "2 gb", ""),
    ("schema = 2\n", "unknown-key", 3, 1, "schema", ""),  # it stands in [site] there
    ('[[bus]]\nname = "b"\n', "missing-key", 3, 1, "port", ""),
    ('[[bus]]\nname = "b b"\nport = "/x"\n', "bad-name", 4, 8, "b b", ""),
    ('[[bus]]\nname = "b"\nport = "/x"\nparity = "eve"\n', "unknown-value", 6, 10, "eve", "even"),
    ('[[bus]]\nname = "b"\nport = "tcp://host"\n', "bad-url", 5, 8, "tcp://host", ""),
    ('[[bus]]\nname="b"\nport="/x"\n[[bus]]\nname="b"\nport="/y"\n', "name-twice", 7, 6, "b", ""),
    ('[[bus]]\nname="b"\nport="/x"\n[[bus]]\nname="c"\nport="/x"\n', "port-twice", 8, 6, "/x", ""),
    ("bus = 3\n", "unknown-key", 3, 1, "bus", ""),
    (DEVICE.replace('bus = "b"', 'bus = "bb"'), "unknown-bus", 8, 7, "bb", "b"),
    (DEVICE.replace("sdm120", "sdm12"), "no-profile", 10, 11, "eastron/sdm12", "eastron/sdm120"),
    (DEVICE.replace("unit = 1", "unit = 248"), "out-of-range", 9, 8, "248", ""),
    (DEVICE.replace("unit = 1", 'unit = "1"'), "wrong-type", 9, 8, "unit", ""),
    (DEVICE.replace("unit = 1\n", ""), "missing-key", 6, 1, "unit", ""),
    (DEVICE + 'every = "0 s"\n', "out-of-range", 11, 9, "0 s", ""),
    (DEVICE + 'line = { parity = "odds" }\n', "unknown-value", 11, 19, "odds", "odd"),
    (DEVICE + "baud = 2400\n", "key-elsewhere", 11, 1, "line = { baud = 2400 }", ""),
    (DEVICE + 'line = { baud = 2400 }\nparity = "even"\n', "key-elsewhere", 12, 1, '2400, parity = "even"', ""),
    (DEVICE + "line = { bauds = 9600 }\n", "unknown-key", 11, 10, "bauds", "baud"),
    ('[uplink]\nurl = "http://x"\n' + RECEIPT, "bad-url", 4, 7, "http://x", ""),
    ('[uplink]\nurl = "mqtt://user:pw@x"\n' + RECEIPT, "bad-url", 4, 7, "", ""),
    ('[uplink]\nurl = "mqtt://x"\nreceipt_key = "ed25519 AAAA"\n', "bad-key-line", 5, 15, "receipt_key", ""),
    ('[uplink]\nurl = "mqtt://x"\n', "missing-key", 3, 1, "receipt_key", ""),
    ('[uplink]\nurl="mqtt://x"\n' + RECEIPT + 'cert_file="c"\n', "half-certificate", 6, 11, "key_file", ""),
    ('timezone = "Mars/Base"\n', "unknown-timezone", 3, 12, "Mars/Base", ""),
    ('timezone = "/etc/passwd"\n', "unknown-timezone", 3, 12, "passwd", ""),
    ('timezone = "+8:00"\n', "unknown-timezone", 3, 12, "+8:00", ""),
    (DEVICE + 'clock_zone = "Mars/Base"\n', "unknown-timezone", 11, 14, "Mars/Base", ""),
    ('language = "fr"\n', "unknown-value", 3, 12, "fr", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "line", "column", "named", "nearest"), FAULTS, ids=lambda x: str(x)[:24])
def test_a_fault_is_named_where_it_stands(
    file: Path, text: str, code: str, line: int, column: int, named: str, nearest: str
) -> None:
    found = check(file, SMALL + text)
    assert found.site is None
    (finding,) = found.findings
    assert (finding.code, finding.where) == (code, f"{file}:{line}:{column}")
    assert named in finding.sentence(Language.EN) + finding.act(Language.EN)
    assert finding.nearest == nearest
    shown, mark = finding.excerpt.split("\n")
    assert shown.endswith((SMALL + text).split("\n")[line - 1])
    assert mark.index("^") == shown.index("|") + 1 + column


def test_a_later_schema_is_refused(file: Path) -> None:
    (finding,) = check(file, "schema = 2\n" + SMALL).findings
    assert (finding.code, finding.where) == ("newer-schema", f"{file}:1:10")


def test_all_faults_are_told_in_the_order_of_the_file(file: Path) -> None:
    text = SMALL + DEVICE.replace("unit = 1", "unit = 0") + '[block]\nmax_age = "x"\n[site2]\n'
    assert [finding.code for finding in check(file, text).findings] == ["out-of-range", "bad-duration", "unknown-key"]


def test_two_devices_with_one_address_are_a_warning(file: Path) -> None:
    twin = DEVICE[DEVICE.index("[[device]]") :].replace('"d"', '"e"')
    found = check(file, SMALL + DEVICE + twin)
    assert found.site is not None
    (finding,) = found.findings
    assert finding.warning
    assert finding.code == "unit-twice"
    assert "also by d" in finding.sentence(Language.EN)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[site\n", 1, 6),
        ('[site]\nname = "a\n', 2, 10),
        ("[site]\nname = \n", 2, 8),
        ('[site]\nname="a"\nname="b"\n', 3, 9),
    ],
)
def test_bad_toml_is_named_where_it_stands(file: Path, text: str, line: int, column: int) -> None:
    (finding,) = check(file, text).findings
    assert (finding.code, finding.where) == ("bad-toml", f"{file}:{line}:{column}")


def test_a_file_that_is_no_utf8_is_named_where_it_stands(file: Path) -> None:
    file.write_bytes(b'[site]\nname = "\xff"\n')
    (finding,) = check_site(file, ROOTS).findings
    assert (finding.code, finding.where) == ("bad-toml", f"{file}:2:1")


def test_a_missing_file_says_how_to_make_one(file: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load_site(file, ROOTS)
    assert "tidegate init" in str(raised.value)
    assert raised.value.findings[0].code == "no-site"
    assert check_site(file.parent, ROOTS).findings[0].code == "file-failed"


def test_the_error_holds_every_finding(file: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(file, SMALL + "[block]\na = 1\nb = 2\n")
    assert len(raised.value.findings) == 2
    assert raised.value.where == f"{file}:4:1"


def test_values_of_several_lines_and_odd_keys_are_found(file: Path) -> None:
    text = '[site]\nname = "a"\nlabel = """\n[[bus]]\nname = \n"""\n"langu\\u0061ge" = "xx"\n'
    (finding,) = check(file, text).findings
    assert finding.code == "unknown-value"
    assert finding.where.split(":")[-2] == "7"


def test_folders_are_read_from_a_site_that_is_being_edited(file: Path) -> None:
    file.write_text(SMALL + '[state]\ndir = "here"\n[nonsense]\n', encoding="utf-8")
    assert load_folders(file).state_dir == file.parent / "here"
    file.write_text("[state\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load_folders(file)
