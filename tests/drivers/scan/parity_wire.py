"""The simulated bus in memory, with parity: a device drops characters whose parity is wrong, as UARTs report them."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.profile import LineSettings
from hil.characters import Characters, HasBaud, as_heard
from hil.memory import LineStream
from hil.wire import Line, Reply, Station


def accepts(data: bytes, sent: Characters, heard: Characters) -> bool:
    """Tell whether a receiver set to ``heard`` finds no error in what is sent with ``sent``, or a break."""
    if sent.baud != heard.baud:
        return sent.baud < heard.baud and not any(data)  # a break is none of a character
    if (sent.data_bits, heard.data_bits, sent.parity) == (8, 7, "N"):  # the eighth bit stands where parity does
        return all((byte.bit_count() % 2 == 1) is (heard.parity == "O") for byte in data)
    if sent.data_bits != heard.data_bits:
        return False
    for byte in data:
        ones = byte.bit_count()
        ninth = 1 if sent.parity == "N" else (ones + (sent.parity == "O")) % 2
        wanted = 1 if heard.parity == "N" else (ones + (heard.parity == "O")) % 2
        if ninth != wanted:
            return False
    return heard.parity == "N" or sent.parity != "N" or sent.stop_bits >= 2


class ParityLine(Line):
    """A ``Line`` whose stations check parity, and on which all who are meant answer, at once or one after the other.

    Where two characters meet, the receiver has the low bits of both.
    """

    def _answer(self, frame: bytes, client: Characters, now_ns: int) -> tuple[Station | None, Reply | None]:
        found: list[tuple[Station, Reply]] = []
        for station in self.stations:
            if not accepts(frame, client, station.settings):
                continue
            reply = station.hear(as_heard(frame, client, station.settings), now_ns)
            if reply is not None:
                found.append((station, reply))
        if not found:
            return None, None
        for station, reply in found[1:]:
            self._transmit(reply.data, now_ns + reply.delay_ns, reply.settings or station.settings)
        return found[0]


class ParityStream(LineStream):
    """The client's end; its parity counts."""

    async def set_line(self, settings: HasBaud) -> None:
        assert isinstance(settings, LineSettings)
        self._settings = characters(settings)
        self.line.settings = self._settings  # the silence that ends a request is counted in the sender's characters
        self.line.client_changed(self._settings)


def characters(settings: LineSettings) -> Characters:
    return Characters(
        baud=settings.baud,
        parity=settings.parity.value,
        stop_bits=settings.stop_bits,
        data_bits=settings.data_bits,
    )


def parity_line(stations: Sequence[Station], *, echo: bool = False) -> ParityLine:
    return ParityLine(stations, settings=Characters(), echo=echo)
