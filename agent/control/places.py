"""Who is connected, at most a few at once: whoever only sits there makes room for whoever comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.control.protocol import Role

if TYPE_CHECKING:
    from agent.control.server import Lease


class Client:
    """One connection.

    Attributes:
        uid: user id of the other end; ``role`` follows from it.
        leases: what it was lent.
        served: its request is being answered or its answer sent.
    """

    __slots__ = ("leases", "role", "served", "uid", "writer")

    def __init__(self, writer: asyncio.StreamWriter, uid: int, role: Role) -> None:
        self.writer = writer
        self.uid = uid
        self.role = role
        self.leases: list[Lease] = []
        self.served = False

    def hang_up(self, farewell: bytes) -> None:
        """End the connection with a last line; at once where not even that can be sent."""
        self.writer.write(farewell)
        if self.writer.transport.get_write_buffer_size():
            self.writer.transport.abort()
        self.writer.close()


class Places:
    """The clients in the order in which they spoke last: that tells who is idle, with no clock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._clients: dict[Client, None] = {}

    def everyone(self) -> tuple[Client, ...]:
        """Give all, who was quiet for longest first."""
        return tuple(self._clients)

    def spoke(self, client: Client) -> bool:
        """Note that it said something; False for one that had to go."""
        if client not in self._clients:
            return False
        del self._clients[client]
        self._clients[client] = None
        return True

    def leave(self, client: Client) -> None:
        """Take it out; does nothing if it is gone."""
        self._clients.pop(client, None)

    def is_full(self) -> bool:
        """Tell whether somebody has to go before another can come."""
        return len(self._clients) >= self._most

    def in_the_way_of(self, role: Role) -> Client | None:
        """Give the one that has to go for a newcomer of ``role``, None if all are at work.

        A viewer goes first, for a technician even one whose answer is under way. No viewer ends a technician's
        connection, and nobody one that holds a lease.
        """
        technician = role is Role.TECHNICIAN
        viewers = [one for one in self._clients if one.role is Role.VIEWER]
        idle = [one for one in viewers if not one.served]
        if technician:
            idle += viewers
            idle += [one for one in self._clients if not one.served and not one.leases]
        return next(iter(idle), None)

    def enter(self, client: Client) -> None:
        """Take in a client for which there is room."""
        self._clients[client] = None
