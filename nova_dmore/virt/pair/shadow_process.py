# SPDX-License-Identifier: Apache-2.0
"""The shadow-device processes of a host, as nova-compute sees them.

The host service starts them, and outlives nova-compute with them.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore.client import host_service
from nova_dmore.client import shadow_client
from nova_dmore import exception
if TYPE_CHECKING:
    from oslo_config import cfg

LOG = logging.getLogger(__name__)

#: How long a process that was told to end by a signal may take, in seconds.
_END_S = 5.0
_POLL_S = 0.2


class ShadowProcesses:
    """The shadow-device processes of all pairs; thread-safe.

    :param options: the ``[dmore]`` options.
    :param large_regions: returns whether Domain Rs are to have large regions
        now.
    """

    def __init__(self, options: 'cfg.ConfigOpts.GroupAttr',
                 large_regions: Callable[[], bool]) -> None:
        self._options = options
        self._large_regions = large_regions
        self._service = host_service.HostService(options.run_dir)
        self._guard = threading.Lock()
        self._clients: dict[str, shadow_client.ShadowClient] = {}

    def client(self, instance_uuid: str) -> shadow_client.ShadowClient:
        """A client of that of a pair, whether it lives or not."""
        with self._guard:
            if instance_uuid not in self._clients:
                self._clients[instance_uuid] = shadow_client.ShadowClient(
                    self._service, instance_uuid)
            return self._clients[instance_uuid]

    def start(self, instance_uuid: str, arrives: bool = False) -> None:
        """Start that of a pair, if it does not live.

        Also that of an instance that arrives without its pair: its QEMU does
        not start without the FIFOs, and what it prints is taken.

        :param arrives: whether its domains come from another host, or from a
            file, and may be those of an earlier release.
        :raises nova_dmore.exception.DMoreError: it did not start.
        """
        log_dir = self._options.log_dir
        try:
            os.makedirs(log_dir, mode=0o755, exist_ok=True)
        except OSError as error:
            raise exception.ConfigurationError(
                f'[dmore] log_dir: {log_dir} cannot be made: '
                f'{error.strerror}; make it for nova-compute\'s user'
            ) from error
        self._service.start(instance_uuid, arrives, self._large_regions())

    def has_large_region(self, instance_uuid: str) -> bool:
        """Whether a Domain R that starts now is to have a large region: it
        should, and the pair's process knows such."""
        return (self._large_regions()
                and self.knows_large_regions(instance_uuid))

    def knows_large_regions(self, instance_uuid: str) -> bool:
        """Whether a Domain R with a large region can arrive at that of a
        pair: it lives, and is not of a release before."""
        try:
            return self._service.knows_large_regions(instance_uuid)
        except exception.HostServiceError as error:
            LOG.info('The region of instance %s is not a large one: %s',
                     instance_uuid, text.printable(error))
            return False

    def is_service_there(self) -> bool:
        """Whether the host service answers: nobody else can tell which
        processes live."""
        try:
            self._service.instances()
        except exception.HostServiceError:
            return False
        return True

    def instances(self) -> list[str]:
        """The uuids of the instances whose processes live.

        :raises nova_dmore.exception.HostServiceError: nobody can tell.
        """
        return self._service.instances()

    def is_alive(self, instance_uuid: str) -> bool:
        """Whether it is there, and answers.

        :raises nova_dmore.exception.HostServiceError: nobody can tell.
        """
        client = self.client(instance_uuid)
        try:
            return not client.is_gone() and bool(client.status())
        except exception.ShadowAnswerError:
            return False

    def is_earlier(self, instance_uuid: str) -> bool:
        """Whether it is one of a release that had no host service.

        :raises nova_dmore.exception.HostServiceError: nobody can tell.
        """
        return self._service.is_earlier(instance_uuid)

    def stop(self, instance_uuid: str) -> None:
        """End that of a pair; its folders stay, which its instance may use.

        :raises nova_dmore.exception.DMoreError: it may live.
        """
        client = self.client(instance_uuid)
        try:
            client.shutdown()
        except exception.ShadowAnswerError as error:
            LOG.warning('The process of instance %s is ended by a signal: %s',
                        instance_uuid, text.printable(error))
            self._end(instance_uuid, client, error)
        with self._guard:
            self._clients.pop(instance_uuid, None)
        client.close()

    def _end(self, instance_uuid: str, client: shadow_client.ShadowClient,
             error: Exception) -> None:
        deadline = time.monotonic() + _END_S
        while not self._is_gone(client):
            if time.monotonic() > deadline:
                raise error
            self._service.end(instance_uuid)
            time.sleep(_POLL_S)

    @staticmethod
    def _is_gone(client: shadow_client.ShadowClient) -> bool:
        try:
            return client.is_gone()
        except exception.ShadowAnswerError:
            return False    # it accepts nothing

    def remove(self, instance_uuid: str) -> None:
        """Remove the folders of a pair whose process has ended.

        :raises nova_dmore.exception.DMoreError: something is left.
        """
        self._service.remove(instance_uuid)
