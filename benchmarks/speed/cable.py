"""A cable between two network devices, in a thread of its own, that is slow and loses packets."""

from __future__ import annotations

import os
import random
import select
import threading
import time
from collections import deque
from dataclasses import dataclass, field

_BURST = 65_536
"""No packet is longer."""

_LOOKS = 0.1
"""Seconds after which a quiet cable looks whether it was closed."""


@dataclass(frozen=True)
class Conditions:
    """Seconds that a packet is on its way, and the share of packets that are lost."""

    delay: float = 0.0
    loss: float = 0.0


@dataclass
class Line:
    """One direction of a cable: packets leave it in the order in which they came, or never.

    Parameters
    ----------
    chance : random.Random
        Decides which packets are lost.
    """

    chance: random.Random
    carried: int = 0
    lost: int = 0
    _waiting: deque[tuple[float, bytes]] = field(default_factory=deque)

    def put(self, packet: bytes, now: float, conditions: Conditions) -> None:
        if self.chance.random() < conditions.loss:
            self.lost += 1
        else:
            self._waiting.append((now + conditions.delay, packet))

    def due(self) -> float:
        """Return when the next packet leaves; infinity where there is none."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def leaving(self, now: float) -> list[bytes]:
        """Remove and return the packets whose time has come."""
        packets = []
        while self.due() <= now:
            packets.append(self._waiting.popleft()[1])
        self.carried += len(packets)
        return packets


class Cable:
    """Carries packets between two devices until it is closed; it does not close the devices.

    Parameters
    ----------
    ends : tuple of int
        File descriptors, each of which gives and receives one packet a call.
    """

    def __init__(self, ends: tuple[int, int]) -> None:
        self.conditions = Conditions()
        chance = random.Random(0)
        first, second = Line(chance), Line(chance)
        self._ways = ((ends[0], ends[1], first), (ends[1], ends[0], second))
        self._lines = (first, second)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    @property
    def carried(self) -> int:
        return sum(line.carried for line in self._lines)

    @property
    def lost(self) -> int:
        return sum(line.lost for line in self._lines)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _carry(self) -> None:
        while not self._closed.is_set():
            until = min(line.due() for line in self._lines) - time.monotonic()
            ready, _, _ = select.select([way[0] for way in self._ways], [], [], min(max(until, 0.0), _LOOKS))
            for source, target, line in self._ways:
                if source in ready:
                    line.put(os.read(source, _BURST), time.monotonic(), self.conditions)
                for packet in line.leaving(time.monotonic()):
                    os.write(target, packet)
