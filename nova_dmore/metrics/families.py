# SPDX-License-Identifier: Apache-2.0
"""What is known of a host, as families of metrics.

Everything that a worker says goes through here: a name is one of ours, and a
number is a number, whatever it says.
"""

import collections
import itertools
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from prometheus_client import core

from nova_dmore.metrics import figures as figures_module
from nova_dmore import wire

PREFIX = 'nova_dmore_'
#: What each count of nova-compute is.
_COUNTS = {
    'migrations': 'Co-migrations from this host',
    'rebuilds': 'Domain Rs that were built anew, so that sessions ended',
    'stock_fallbacks': 'Instances that were to have a Domain R, or had one, '
                       'and have the stock consoles',
    'gaps': 'Reports of bytes that are missing from a console, or may be',
    'gap_bytes': 'How many bytes these were, as far as anybody knows',
    'sessions_begun': 'Clients that were attached'}
_HISTOGRAMS = {
    'migration_stop_seconds': 'How long instances stood still that arrived '
                              'with their Domain R, as libvirt tells',
    'migration_skew_seconds': 'Between the stops of an instance and of its '
                              'Domain R, at the source'}
_GAUGES = {
    'ports_used': 'Ports that the project of [neutron] has in Neutron',
    'ports_allowed': 'How many it may have; missing: there is no limit'}
_NUMBER_MAX = 1 << 64

#: A family: what Prometheus knows by one name.
Family: TypeAlias = core.Metric


def of_figures(figures: figures_module.Kept) -> Iterator[Family]:
    """What nova-compute has counted since the host was booted."""
    for name, labels in figures_module.COUNTS.items():
        family = core.CounterMetricFamily(
            PREFIX + name, _COUNTS[name], labels=labels)
        # Each is there from the start: Prometheus sees no increase in a
        # series that begins at 1.
        counts = dict.fromkeys(itertools.product(
            *(figures_module.VALUES[label] for label in labels)), 0)
        # A later release may have counted others.
        counts |= {values: number for (counted, values), number
                   in sorted(figures.counts.items()) if counted == name}
        for values, number in counts.items():
            family.add_metric(values, number)
        yield family
    for name, limits in figures_module.HISTOGRAMS.items():
        buckets, total = figures.histograms[name]
        summed = 0
        shown = []
        for limit, number in zip((*map(str, limits), '+Inf'), buckets):
            summed += number
            shown.append((limit, summed))
        yield core.HistogramMetricFamily(
            PREFIX + name, _HISTOGRAMS[name], buckets=shown, sum_value=total)
    for name in figures_module.GAUGES:
        gauge = core.GaugeMetricFamily(PREFIX + name, _GAUGES[name])
        if name in figures.gauges:
            gauge.add_metric((), figures.gauges[name])
        yield gauge


def of_pairs(statuses: Mapping[str, wire.Status | None]) -> Iterator[Family]:
    """What the processes of the pairs tell.

    :param statuses: by the instance's uuid; None: it does not answer.
    """
    states = core.GaugeMetricFamily(
        PREFIX + 'pairs', 'Pairs on this host, by what their process does',
        labels=('state',))
    found = collections.Counter(
        'unanswered' if status is None else status.state.value
        for status in statuses.values())
    for state in (*wire.PairState, 'unanswered'):
        states.add_metric((str(state),), found[str(state)])
    yield states
    families = _Families()
    for instance, status in sorted(statuses.items()):
        if status is not None:
            families.add(instance, status)
    yield from families


class _Families:
    """The families with a metric for each pair."""

    def __init__(self) -> None:
        self._sessions = core.GaugeMetricFamily(
            PREFIX + 'sessions', 'Clients that are attached, as Domain R '
            'says', labels=('instance_uuid', 'server'))
        self._bytes = core.CounterMetricFamily(
            PREFIX + 'stream_bytes', 'Bytes of a stream since the pair '
            'began, on whatever host', labels=('instance_uuid', 'stream'))
        self._events = core.CounterMetricFamily(
            PREFIX + 'input_events', 'Keys and motions that the instance has '
            'taken, likewise', labels=('instance_uuid',))
        self._limits = core.CounterMetricFamily(
            PREFIX + 'limit_hits', 'What was dropped, as a limit of the pair '
            'was reached', labels=('instance_uuid', 'limit'))
        self._unreported = core.GaugeMetricFamily(
            PREFIX + 'unreported_gaps', 'Gaps that nova-compute has not '
            'taken yet', labels=('instance_uuid',))
        self._workers = core.CounterMetricFamily(
            PREFIX + 'worker_starts', 'Workers that the keeper of the pair '
            'has had', labels=('instance_uuid',))

    def __iter__(self) -> Iterator[Family]:
        yield from vars(self).values()

    def add(self, instance: str, status: wire.Status) -> None:
        """Add those of a pair."""
        for server, number in _sessions(status).items():
            self._sessions.add_metric((instance, server), number)
        for stream in (wire.Stream.SERIAL0_IN, wire.Stream.SERIAL0_OUT):
            name = stream.name.lower()
            self._bytes.add_metric((instance, name),
                                   _position(status, name))
        self._events.add_metric(
            (instance,), _position(status, wire.Stream.INPUT0_IN.name.lower())
            // wire.INPUT_RECORD_SIZE)
        self._limits.add_metric(
            (instance, 'session_events'),
            _number(status.session_events_untold))
        self._limits.add_metric(
            (instance, 'input_events'),
            _number(_entry(status.devices, 'input', 'dropped')))
        self._unreported.add_metric((instance,), len(status.gaps))
        self._workers.add_metric((instance,), _number(status.worker_starts))


def _sessions(status: wire.Status) -> dict[str, int]:
    """How many clients each server has."""
    if status.sessions is not None:
        found = collections.Counter(
            each.server for each in status.sessions)
        return {server: found[server] for server in wire.SESSION_SERVERS}
    # A worker of an earlier release tells only how many.
    return {server: _number(_entry(
        {'serving': status.serving}, 'serving', server))
        for server in wire.SESSION_SERVERS}


def _position(status: wire.Status, stream: str) -> int:
    return _number(_entry(status.streams, stream, 'position'))


def _entry(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(value: object) -> int:
    return value if type(value) is int and 0 <= value < _NUMBER_MAX else 0
