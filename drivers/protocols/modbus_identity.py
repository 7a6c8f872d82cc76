"""Whether the device behind a port that was opened again is still of the model that answered before.

Only a profile whose fingerprint names values can tell, and only the model: Modbus has no serial number that every
device offers, so another device of the same model at the same address cannot be told from the one before.
"""

from __future__ import annotations

from typing import Final

from drivers.codec.modbus_pdu import EXCEPTION_FLAG, read_request
from drivers.profile import Fingerprint


class Identity:
    """What is known of one device.

    Attributes:
        request: PDU that reads the fingerprint, empty if the profile offers none that tells models apart.
        due: it has to be read before anything else: the port was opened, or another device answered.
    """

    def __init__(self, fingerprint: Fingerprint | None) -> None:
        at = None if fingerprint is None or not fingerprint.values else fingerprint.location
        self.request: Final = b"" if at is None else read_request(at.table, at.address, at.count)
        self.due = False
        self._fingerprint = fingerprint
        self._recognised: bool | None = None

    def reopened(self) -> None:
        """The port was opened: who is behind it?"""
        self.due = bool(self.request) and self._recognised is not False

    def fits(self, reply: bytes) -> bool:
        """Judge the reply to ``request``; False if this was another model before.

        What did not show the fingerprint when it was first asked is never asked again: a firmware may lack it.
        """
        right = self._shows(reply)
        if self._recognised is None:
            self._recognised = right
        self.due = self._recognised and not right
        return not self.due

    def _shows(self, reply: bytes) -> bool:
        mark = self._fingerprint
        if mark is None or len(reply) < 3 or reply[0] & EXCEPTION_FLAG:
            return False
        every = (1 << 8 * (len(reply) - 2)) - 1
        raw = int.from_bytes(reply[2:], "big") & (every if mark.mask is None else mark.mask)
        return raw in {value & every for value in mark.values}
