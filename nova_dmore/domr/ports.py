# SPDX-License-Identifier: Apache-2.0
"""What the console asks of its two sides: the instance, and a client."""

from typing import Protocol


class Line(Protocol):
    """The channel to the instance's serial port, as the console sees it."""

    def sendable(self) -> int:
        """How many bytes ``send`` takes now."""

    def send(self, data: bytes) -> None:
        """Send input; it is kept until the device has taken it."""

    def send_break(self) -> bool:
        """Send a break after all input sent so far; whether it could be."""

    def pause_output(self, on: bool) -> None:
        """Take no more output, so that the guest is slowed; or go on."""

    def poll_freeze(self) -> None:
        """Do what cannot wait; called before each piece of work."""


class Port(Protocol):
    """A client's connection, as the console sees it."""

    def write(self, data: bytes) -> None:
        """Hand output to the client; afterwards it may pause its client."""

    def tell(self, text: str) -> None:
        """Show a notice of the console's own, now."""

    def pause_input(self, on: bool) -> None:
        """Read no more from the client; or go on."""

    def progress(self) -> object:
        """Some value that changes when the client takes output."""

    def taken(self) -> int:
        """How many bytes the client's machine has acknowledged."""

    def bound(self, size: int) -> None:
        """Let no more than so many bytes wait in the connection."""
