"""The cable between two imitated machines, on which benchmarks/speed/two_machines.py measures."""

from __future__ import annotations

import random
import socket

import numpy as np
import pytest

from benchmarks.speed.cable import Cable, Conditions, Line
from ray_cluster import eventually

SECONDS = 60


@pytest.fixture
def line():
    return Line(random.Random(0))


@pytest.fixture
def cable_and_devices():
    """Give a cable, and what is at the far side of each end of it; a packet a call, as devices do."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    cable = Cable((pairs[0][0].fileno(), pairs[1][0].fileno()))
    for _, device in pairs:
        device.settimeout(SECONDS)
    yield cable, (pairs[0][1], pairs[1][1])
    cable.close()
    for pair in pairs:
        for end in pair:
            end.close()


def test_packets_leave_when_the_delay_is_over_and_not_before(line):
    line.put(b"first", 10.0, Conditions(delay=2.0))
    line.put(b"second", 11.0, Conditions(delay=2.0))
    assert line.due() == 12.0
    assert line.leaving(11.9) == []
    assert line.leaving(12.0) == [b"first"]
    assert line.leaving(20.0) == [b"second"]
    assert line.due() == float("inf")
    assert (line.carried, line.lost) == (2, 0)


def test_a_shorter_delay_lets_no_packet_overtake_another(line):
    line.put(b"slow", 0.0, Conditions(delay=5.0))
    line.put(b"fast", 1.0, Conditions(delay=0.1))
    assert line.leaving(4.9) == []
    assert line.leaving(5.0) == [b"slow", b"fast"]


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.3, 1.0])
def test_the_share_of_lost_packets_is_the_one_asked_for_and_the_others_keep_their_order(line, loss):
    count = 20_000
    for number in range(count):
        line.put(number.to_bytes(4, "big"), 0.0, Conditions(loss=loss))
    numbers = [int.from_bytes(packet, "big") for packet in line.leaving(0.0)]
    assert numbers == sorted(set(numbers))
    assert (len(numbers), line.lost) == (line.carried, count - line.carried)
    # Five standard deviations; none at all where all or no packets are lost.
    assert abs(line.lost - count * loss) <= 5 * np.sqrt(count * loss * (1 - loss))


@pytest.mark.parametrize("delay", [0.0, 0.01])
def test_a_cable_carries_every_packet_whole_and_both_ways(cable_and_devices, delay):
    cable, devices = cable_and_devices
    cable.conditions = Conditions(delay=delay)
    rng = np.random.default_rng(0)
    packets = [rng.bytes(size) for size in (1, 1500, 40, 60_000, 7)]
    for near, far in (devices, devices[::-1]):
        for packet in packets:
            near.send(packet)
        assert [far.recv(1 << 16) for _ in packets] == packets
    cable.close()
    assert (cable.carried, cable.lost) == (2 * len(packets), 0)


def test_a_cable_that_loses_everything_carries_again_when_it_is_mended(cable_and_devices):
    cable, (near, far) = cable_and_devices
    cable.conditions = Conditions(loss=1.0)
    near.send(b"lost")
    assert eventually(lambda: cable.lost == 1)
    cable.conditions = Conditions()
    near.send(b"carried")
    assert far.recv(1 << 16) == b"carried"
    cable.close()
    assert (cable.carried, cable.lost) == (1, 1)
