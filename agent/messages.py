"""The one table of codes: fixed TG number, kebab-case key, sentence with named fields, and what to do.

A key or a number never changes its meaning and is never used again; rows are only added. English stands here, Chinese
in ``locale/zh``. TG-1xxx this machine, 3xxx lines and devices, 4xxx uplink, 5xxx storage and keys, 6xxx profiles and
frames, 7xxx site file and command line, 8xxx proof, 9xxx this program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.language import N_


@dataclass(frozen=True, slots=True)
class Message:
    """One row.

    Attributes:
        number: the N of ``TG-N``.
        key: kebab-case and stable; counters, logs and JSON carry it.
        text: what is the matter, English, fields as ``{name}``.
        act: what to do about it, English; may use the same fields.
    """

    number: int
    key: str
    text: str
    act: str

    @property
    def tag(self) -> str:
        """The code as people read and search it."""
        return f"TG-{self.number}"


def find(code: str) -> Message | None:
    """Look up ``TG-7802``, ``tg7802``, ``7802`` or ``unknown-value``; None if there is no such row."""
    name = code.strip().lower()
    number = name.removeprefix("tg").lstrip("-")
    if number.isdecimal():
        return next((m for m in MESSAGES.values() if m.number == int(number)), None)
    return MESSAGES.get(name)


_ROWS: Final = (
    # --- 1xxx this machine
    (1001, "file-missing", N_("{path} is not there."), N_("Check the name and the folder.")),
    (1002, "file-denied",
     N_("{path} may not be opened by this user."),
     N_("Ask with the rights of its owner: sudo tidegate ..., or name another place with --site or --state-dir.")),
    (1003, "file-failed",
     N_("{path} cannot be used: {detail}."),
     N_("Look at the disk: is it full, read-only or gone?")),
    (1201, "port-denied",
     N_("The port may not be opened by this user: {detail}."),
     N_("Join the group dialout and log in again: sudo usermod -aG dialout $USER")),
    (1202, "port-busy",
     N_("Another program holds the port: {detail}."),
     N_("Close the other program, or let the agent ask for you: tidegate read works while it runs.")),
    (1204, "link-down",
     N_("The port or connection is gone: {detail}."),
     N_("Check the plug, the cable and the name in site.toml. The agent opens it again by itself.")),
    # --- 3xxx lines and devices
    (3101, "driver-error", N_("The device cannot be read: {detail}."), N_("Read it alone: tidegate read BUS/DEVICE")),
    (3104, "no-reply",
     N_("No answer: {detail}."),
     N_("Check power, address and the wires A and B. Does any other device of the line answer?")),
    (3105, "bad-frame",
     N_("Bytes came that are no valid frame: {detail}."),
     N_("Check speed and parity of the line, and whether a second client talks on it.")),
    (3106, "bad-checksum",
     N_("A reply came with a wrong checksum: {detail}."),
     N_("Check for two devices with one address, a long line without termination, and strong machines near it.")),
    (3107, "refused",
     N_("The device refuses the request: {detail}. The line is fine."),
     N_("Does the profile fit this model and firmware? tidegate profile check tells what it asks for.")),
    (3108, "device-silent",
     N_("{device} does not answer."),
     N_("Check its power and address. The agent goes on asking in growing pauses; the others are not slowed.")),
    (3109, "device-failed",
     N_("The device lives and cannot do it now: {detail}."),
     N_("It may be busy or broken; it is asked again at the usual time. Look at its display for an error.")),
    # --- 4xxx uplink
    (4101, "uplink-refused",
     N_("The platform refuses us: {detail}."),
     N_("Nothing is lost: the blocks stay on the gateway. Ask the operator of the broker.")),
    (4102, "uplink-down",
     N_("{destination} is not connected: {detail}."),
     N_("Nothing is lost: the blocks stay on the gateway and are sent when the connection is back.")),
    # --- 5xxx storage and keys
    (5101, "key-unavailable",
     N_("A key cannot be used: {detail}."),
     N_("Nothing is signed without it. Check the folder keys of the state directory: its owner, and mode 0600.")),
    (5201, "storage-failed",
     N_("The disk refuses: {detail}."),
     N_("Is it full, read-only or worn out? Polling goes on, nothing stored is deleted.")),
    (5204, "disk-full",
     N_("No room on the disk: {detail}."),
     N_("Make room, or lower keep and archive in [outbox]. Receipted blocks go by themselves.")),
    (5202, "chain-damaged",
     N_("What is stored does not fit together: {detail}."),
     N_("Was a backup restored or a card copied? Keep the file and ask the office; nothing is signed over it.")),
    (5203, "no-state", N_("There is no gateway in {path}."), N_("Make one: tidegate init")),
    # --- 6xxx profiles and frames
    (6501, "bad-profile", N_("The profile cannot be used: {detail}."), N_("Mend the file.")),
    (6502, "no-profile",
     N_('There is no profile "{profile}".'),
     N_("Profiles are files VENDOR/MODEL.toml; own ones go to /etc/tidegate/profiles.")),
    (6503, "example-differs",
     N_("Example {number} of {profile} gives {found} for {point}, and should give {expected}."),
     N_("Mend scale, type, address or word order of the point, or the example.")),
    (6504, "example-unreadable",
     N_("Example {number} of {profile} cannot be decoded: {detail}."),
     N_("Mend the bytes of the example, or the profile.")),
    (6505, "no-example",
     N_("{profile} has no example: nothing proves it."),
     N_("Add an [[example]] with the bytes of a real device and what they mean.")),
    (6601, "bad-hex", N_("This is not hexadecimal: {detail}."), N_("Type bytes as 01 03 04 43 66.")),
    (6602, "unknown-protocol", N_('The protocol "{protocol}" is not known.'), N_("Known: {known}.")),
    (6603, "bad-line", N_("This line is not a request: {detail}."), N_("See tidegate decode --help.")),
    (6604, "reply-mismatch",
     N_("This is no answer to the request: {detail}."),
     N_("Give the request and the reply of one exchange.")),
    (6605, "request-needed", N_("The request is needed too: {detail}."), N_("Add --request HEX.")),
    (6606, "unsupported-function", N_("Nothing to read here: {detail}."), N_("Functions 1 to 4 are read.")),
    (6607, "bad-context",
     N_("The description of the points does not fit: {detail}."),
     N_("Mend the points of the context.")),
    # --- 7xxx site file and command line
    (7001, "usage", N_("The command was not understood: {detail}"), N_("See tidegate --help.")),
    (7800, "bad-config", N_("The site file is wrong: {detail}"), N_("Mend it; the old one stays in force.")),
    (7801, "bad-toml", N_("This is not TOML: {detail}."), N_("Mend this line.")),
    (7802, "unknown-value", N_('{key} "{value}" is not known.'), N_("One of: {known}.")),
    (7803, "unknown-key", N_('The key "{key}" is not known here.'), N_("Known here: {known}.")),
    (7804, "missing-key", N_('The key "{key}" is missing in {table}.'), N_("Add it.")),
    (7805, "wrong-type",
     N_("{key} has to be {expected}, not {found}."),
     N_("Texts stand in quotes, numbers and true or false do not.")),
    (7806, "out-of-range", N_("{key} = {value} is out of range."), N_("From {low} to {high}.")),
    (7807, "bad-name",
     N_('The name "{value}" cannot be used.'),
     N_("Letters, digits, dash, dot and underscore, beginning with a letter or digit, at most 64.")),
    (7808, "name-twice", N_('The name "{value}" is used twice.'), N_("Give one of them another name.")),
    (7809, "unknown-bus", N_('There is no bus "{value}".'), N_("Known: {known}.")),
    (7810, "bad-url",
     N_('{key} "{value}" is no address.'),
     N_("It looks like {example}; no user and no password in it.")),
    (7811, "unit-twice",
     N_("Unit {unit} is used twice on bus {bus} (also by {other})."),
     N_("Two devices with one address answer at once. Right only if both are the same device.")),
    (7812, "bad-duration",
     N_('{key} "{value}" is no time.'),
     N_('It looks like "10 s", "500 ms", "15 min", "1 h" or "30 d".')),
    (7813, "bad-size", N_('{key} "{value}" is no size.'), N_('It looks like "500 MB" or "2 GB".')),
    (7814, "bad-key-line",
     N_("{key} is no key line."),
     N_("Copy the line that tidegate collect prints: ed25519 BASE64 NAME")),
    (7815, "unknown-timezone", N_('The time zone "{value}" is not known.'), N_("It looks like Asia/Shanghai.")),
    (7816, "port-twice",
     N_("Port {port} is used by two buses (also by {other})."),
     N_("A line has one bus; devices of different speed stand on it with their own line = { ... }.")),
    (7817, "half-certificate", N_("cert_file and key_file belong together."), N_("Add the missing one.")),
    (7818, "no-site",
     N_("There is no site file {path}."),
     N_("Make one: tidegate init, or name it: tidegate --site FILE")),
    (7819, "newer-schema",
     N_("The site file is of schema {value}; this program reads schema 1."),
     N_("Install a newer tidegate.")),
    (7901, "unknown-code", N_('There is no code "{value}".'), N_("Codes look like TG-7802 or unknown-key.")),
    (7902, "agent-unreachable",
     N_("The agent does not answer: {detail}."),
     N_("Start it: tidegate run, or systemctl start tidegate")),
    (7903, "agent-error", N_("It could not be done: {detail}."), ""),
    # --- 8xxx proof
    (8001, "no-trust",
     N_("No identity key was given to judge by."),
     N_("Give the line that tidegate init printed: --trust FILE")),
    (8002, "nothing-to-judge",
     N_("There is no sealed block in {path}."),
     N_("A .cbseq file, the outbox.db of a gateway or the database of a collector is expected.")),
    (8003, "start-missing",
     N_("Blocks before epoch {epoch} are not here: they were receipted and pruned, and are not judged."),
     N_("The platform that receipted them has them.")),
    (8004, "start-unknown",
     N_("The records do not reach back to the start of an epoch that is whole."),
     N_("Verify the database of the platform, which has them all.")),
    (8101, "bad-signature",
     N_("The signature is wrong: altered, or not from this gateway. {detail}"),
     N_("Nothing in it counts.")),
    (8102, "wrong-signer",
     N_("Signed by a key that may not sign it. {detail}"),
     N_("Nothing in it counts. Is a key missing in the trust file?")),
    (8103, "bad-form", N_("Not a block of format version 1: {reason}. {detail}"), N_("Nothing in it counts.")),
    (8104, "unreadable-block",
     N_("Signed and in its place, but its content breaks the format: {reason}. {detail}"),
     N_("None of its readings counts. Report it: the software that wrote it is at fault.")),
    (8105, "fork",
     N_("Two different blocks claim one place in the chain: {reason}. {detail}"),
     N_("Was a card copied, a backup restored or a key stolen? Keep both; an operator has to decide.")),
    (8106, "misplaced",
     N_("It has no place in the chain: {reason}. {detail}"),
     N_("Nothing in it counts. An old session key may be in wrong hands.")),
    (8107, "unknown-gateway",
     N_("Gateway {gateway} is not in the trust file: nothing of it was verified."),
     N_("Add the line that tidegate init printed on it.")),
    (8108, "bad-stretch", N_("Bytes that are no block: {detail}."), N_("Is the file damaged? Fetch it anew.")),
    (8109, "parked",
     N_("Blocks whose session key cannot be checked: {count}. The first block of their epoch is missing."),
     N_("Add the file that holds it.")),
    (8110, "undeclared-loss",
     N_("Blocks {first} to {last} are missing, and the gateway did not declare it."),
     N_("Look for them on the gateway: tidegate export. If nobody has them, this stays unproven for ever.")),
    (8111, "declared-loss",
     N_("Blocks {first} to {last} are missing; the gateway declared it: {reason}. Readings lost: {readings}."),
     N_("They are known to be lost, and no others are.")),
    (8112, "detached", N_("Blocks that are not linked to the chain: {count}."), N_("What lies between is missing.")),
    (8201, "utc-backwards",
     N_("UTC ran backwards by {seconds} s."),
     N_("The clock was set. The order of the readings stands.")),
    (8202, "mono-backwards",
     N_("The running time ran backwards by {seconds} s."),
     N_("Report it: that should not happen.")),
    (8203, "boot-changed-without-event",
     N_("The gateway restarted without saying so."),
     N_("Report it: that should not happen.")),
    (8204, "silence", N_("No records for {seconds} s, {from_utc} to {to_utc}."), N_("Was the power off?")),
    (8205, "clock-step",
     N_("UTC jumped by {seconds} s."),
     N_("The clock was set. The order of the readings stands.")),
    (8206, "unclean-restart",
     N_("The gateway restarted without an ordered stop: no records for {seconds} s, {from_utc} to {to_utc}."),
     N_("Was the power off?")),
    (8207, "missed-polls", N_("Polls were left out."), N_("Was a line or the storage overloaded?")),
    (8208, "identity-changed",
     N_("The gateway changed its identity key, signed with the old one."),
     N_("Was that planned?")),
    # --- 9xxx this program
    (9001, "internal-error",
     N_("A fault of this program: {detail}"),
     N_("Please report it with the output of the same command under TIDEGATE_DEBUG=1.")),
)  # fmt: skip
MESSAGES: Final[Mapping[str, Message]] = {row[1]: Message(*row) for row in _ROWS}


def knows(key: str) -> bool:
    """Tell whether the table has a row with this kebab-case key."""
    return key in MESSAGES
