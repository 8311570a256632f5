# SPDX-License-Identifier: Apache-2.0
"""What is measured of one migration. Pure."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class User:
    """One user's part of it. ``None``: the guest could not be asked any more.

    :param sent: keys that were typed
    :param silent: those lost keys that a session had taken
    :param received: keys that the guest read
    :param output_bytes_missing, output_bytes_duplicated: of what it printed
    :param break_s: seconds without a session
    :param max_response_ms: from a key to its answer, the longest
    :param responses: how the others were, see :func:`figures.distribution`
    :param echoes: how they were when no migration was under way
    :param wrong_pixels: after it, of a picture that had settled
    """

    sent: int
    received: int | None
    lost: int | None
    silent: int | None
    duplicated: int | None
    reordered: int | None
    output_bytes_missing: int
    output_bytes_duplicated: int
    disconnects: int
    break_s: float
    max_response_ms: float
    tcp_retransmits: int
    responses: dict[str, float] = dataclasses.field(default_factory=dict)
    wrong_pixels: int | None = None
    echoes: dict[str, float] = dataclasses.field(default_factory=dict)

    def faults(self) -> int:
        """All that a console without a fault has none of."""
        return sum(value or 0 for value in (
            self.lost, self.duplicated, self.reordered, self.disconnects,
            self.output_bytes_missing, self.output_bytes_duplicated,
            self.wrong_pixels))


@dataclasses.dataclass(frozen=True)
class Entry:
    """One live migration.

    :param users: by the kind of the client: ``ssh``, ``serial``, ``vnc``
    :param corrupted: what shows that the emulator corrupted a guest's kernel;
        nothing in ``users`` means anything then
    :param output_bytes_per_s: what came to the first user of a text console
        with Domain R while no migration was under way
    """

    source: str
    destination: str
    users: dict[str, User]
    migration_s: float
    instance_downtime_ms: float | None
    domr_downtime_ms: float | None = None
    stop_skew_ms: float | None = None
    corrupted: str | None = None
    output_bytes_per_s: float | None = None


#: Trials by name, ``stock`` and ``dmore``, to their migrations.
Results = dict[str, list[Entry]]


def allowed_corrupted(migrations: int) -> int:
    """How many migrations may be repeated: 2 in 10, and 1 in fewer than 6."""
    return -(-2 * migrations // 10)
