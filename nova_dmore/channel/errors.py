# SPDX-License-Identifier: Apache-2.0
"""Errors of the channel, by which process raises them.

======================================  =======================================
Error                                   Raised in
======================================  =======================================
StateError, JournalError,               the worker
InputEventError
IvshmemError                            the keeper
StaleError                              Domain R's agent
RegionError, RingError, NoRoomError     both ends: the worker and the agent
ControlError, CarryOverError            these, and nova-compute
======================================  =======================================
"""


class ChannelError(Exception):
    """Base of all errors of the channel."""


class RegionError(ChannelError):
    """The region's header or geometry cannot be used."""


class RingError(ChannelError):
    """The other end wrote a position that cannot be true.

    Inside the two ends this leads to their BROKEN (host) or WAITING
    (Domain R) state; it does not leave ``poll``.
    """


class StaleError(RingError):
    """What the region says was published is not what is in the ring."""


class NoRoomError(ChannelError):
    """More data than ``room`` or ``sendable`` allowed; nothing was kept."""


class StateError(ChannelError):
    """The call is not allowed in the state the end is in."""


class JournalError(ChannelError):
    """The journal's memory is too small or of another version."""


class CarryOverError(ChannelError):
    """A carry-over message is malformed or beyond its limits."""


class ControlError(ChannelError):
    """A control message is too long or cannot be written as JSON."""


class IvshmemError(ChannelError):
    """The connection to Domain R's QEMU failed during the greeting."""


class InputEventError(ChannelError):
    """A record of input that Domain R wrote makes no sense."""
