"""Rows of the table of codes, ``agent.messages``, for outputs: an environment bureau that is told."""

from __future__ import annotations

from typing import Final

from agent.language import N_

OUTPUT_ROWS: Final = (
    (4201, "output-unreachable",
     N_("{output} ({where}) cannot be reached: {detail}."),
     N_("Check host and port in [[output]], network and SIM card. Minutes, hours and days are kept and told later.")),
    (4202, "output-silent",
     N_("{output} ({where}) does not acknowledge: {detail}."),
     N_("Check mn, password and st with the bureau. Minutes, hours and days are kept and told later.")),
    (4203, "output-secret-unreadable",
     N_("A secret of {output} cannot be used: {detail}."),
     N_("Put it alone into its file and let nobody else read it: chmod 600.")),
    (4204, "output-store-failed",
     N_("What is to be told is not on disk: {detail}."),
     N_("It is told all the same; a restart now would lose it. Is the disk full, read-only or gone?")),
    (4205, "output-reports-lost",
     N_("{output} was not told of {count} periods: too many waited."),
     N_("The readings are in the chain: tidegate export. Ask the bureau to let this station in.")),
    (7840, "unknown-device", N_('There is no device "{value}".'), N_("Known: {known}.")),
    (7841, "unknown-point", N_('{device} has no point "{value}".'), N_("Known: {known}.")),
    (7842, "output-unit",
     N_("{point} is in {unit} and cannot be told in {wanted}."),
     N_("Name the unit that the bureau wants: unit = ..., of the same kind.")),
    (7843, "output-odd-period",
     N_('{key} = "{value}" is none of the standard.'),
     N_("minute: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20 or 30 min, always a part of an hour. realtime: 30 s to 1 h.")),
    (7844, "output-odd-identity",
     N_('mn "{value}" is not of 24 digits 0-9, A-F, as the standard wants it.'),
     N_("Right only if the bureau gave it so.")),
    (7845, "output-bad-identity",
     N_('{key} "{value}" cannot be used.'),
     N_("Letters and digits, as the bureau gave it.")),
    (7846, "output-total-needs-flow",
     N_("An amount of {code} is known only with the flow that carries it: {flow}."),
     N_("Add a [[output.factor]] for the flow, or leave total out.")),
    (7847, "output-not-enciphered",
     N_("key_file enciphers data areas, which the edition of 2017 does not know."),
     N_('Set version = "2025", or leave key_file out.')),
    (7848, "output-edition-2025",
     N_("HJ 212-2025 is told as far as its text is public: packet, CRC and version number are confirmed"
        " by its examples."),
     N_("RF=1, heartbeat and enciphering follow quotations alone, keys are not exchanged (1014)."
        " Test it with the bureau.")),
)  # fmt: skip
