# SPDX-License-Identifier: Apache-2.0
"""Writes the metrics of a host to a file, again and again.

The file is for the textfile collector of Prometheus' node_exporter, which
each host of a cloud has: so nothing of this project listens on a network.
Whoever asks the processes of the pairs reads what they say, and those read
what guests and clients wrote; this is why it is not the host service, from
which all processes of the pairs are forked and which reads nothing of them.
"""

import logging
import time
from collections.abc import Iterator

import prometheus_client
from prometheus_client import core

from nova_dmore.channel import text
from nova_dmore.client import host_service
from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore.metrics import families
from nova_dmore.metrics import figures
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: How long one process, and all of them, may take to answer, in seconds.
_ANSWER_S = 1.0
_ALL_S = 10.0


class Exporter:
    """The exporter of one host; a collector, as prometheus_client knows one.

    :param service: the host service.
    :param figures_path: what nova-compute counts.
    """

    def __init__(self, service: host_service.HostService, figures_path: str
                 ) -> None:
        self._service = service
        self._figures_path = figures_path
        #: What is wrong with them, and was said.
        self._figures_trouble = ''
        #: Who did not answer when asked last: these are asked last, or a few
        #: would take the time of all who would answer.
        self._silent: set[str] = set()
        #: They keep their connections.
        self._clients: dict[str, shadow_client.ShadowClient] = {}

    def write(self, path: str) -> None:
        """Write all of it, whole or not at all.

        :raises OSError: it cannot be written.
        """
        registry = prometheus_client.CollectorRegistry(auto_describe=False)
        registry.register(self)
        prometheus_client.write_to_textfile(path, registry)

    def close(self) -> None:
        """End its connections."""
        for each in self._clients.values():
            each.close()

    def collect(self) -> Iterator[families.Family]:
        """Called by prometheus_client for each :meth:`write`."""
        yield from families.of_figures(self._figures())
        up = core.GaugeMetricFamily(
            families.PREFIX + 'host_service_up',
            'Whether nova-dmore-hostd answers')
        try:
            instances = self._service.instances()
        except exception.HostServiceError:
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        yield from families.of_pairs(self._statuses(instances))

    def _figures(self) -> figures.Kept:
        """Nothing, where the file is of no use: nova-compute makes it anew."""
        try:
            kept = figures.read(self._figures_path)
            self._figures_trouble = ''
        except (OSError, ValueError) as e:
            kept = figures.Kept()
            trouble = text.printable(e)
            if trouble != self._figures_trouble:
                LOG.warning('What nova-compute counts is missing in the '
                            'metrics: %s is of no use: %s',
                            self._figures_path, trouble)
            self._figures_trouble = trouble
        return kept

    def _statuses(self, instances: list[str]
                  ) -> dict[str, wire.Status | None]:
        for gone in set(self._clients) - set(instances):
            self._clients.pop(gone).close()
        deadline = time.monotonic() + _ALL_S
        statuses: dict[str, wire.Status | None] = {}
        for instance in sorted(instances, key=self._silent.__contains__):
            client = self._clients.setdefault(
                instance, shadow_client.ShadowClient(
                    self._service, instance, _ANSWER_S))
            statuses[instance] = None
            if time.monotonic() < deadline:
                try:
                    statuses[instance] = client.status()
                    self._silent.discard(instance)
                except exception.ShadowProcessError:
                    self._silent.add(instance)
        self._silent.intersection_update(instances)
        return statuses
