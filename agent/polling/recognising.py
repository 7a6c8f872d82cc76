"""Who a device says it is: its protocol tells, or points of its profile whose values do."""

from __future__ import annotations

from drivers.batch import Batch
from drivers.nameplate import Nameplate, is_another, merged
from drivers.profile import Profile
from drivers.sanitize import sanitize
from drivers.sources import IdentifiedDevice


class Recogniser:
    """What one device has told of itself in this run.

    Attributes:
        identity: all of it, None before it told anything.
        another: whether the last change of it was that of a part that was known.
    """

    def __init__(self, profile: Profile, device: object) -> None:
        self._device = device if isinstance(device, IdentifiedDevice) else None
        self._parts = {index: point.nameplate for index, point in enumerate(profile.points) if point.nameplate}
        self._plate = Nameplate()
        self._own: str | None = None
        self.identity: str | None = None
        self.another = False

    def look(self, batch: Batch) -> bool:
        """Take a good exchange in; True if ``identity`` is another text now."""
        own = None if self._device is None else self._device.identity
        if is_another(self._own, own):
            self._plate = Nameplate()  # what points told was of the one before
        before = self._plate.text
        if self._parts:
            self._plate.learn(self._told(batch))
        if own == self._own and self._plate.text == before:
            return False
        self._own = own
        known = self.identity
        self.identity = merged(None if own is None else sanitize(own), self._plate.text)
        self.another = is_another(known, self.identity)
        return self.identity not in (known, None)

    def _told(self, batch: Batch) -> dict[str, str | None]:
        rows = zip(batch.points, batch.values, strict=True)
        return {self._parts[point]: _text(value) for point, value in rows if point in self._parts}


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.hex() if isinstance(value, bytes) else str(value)
