# SPDX-License-Identifier: Apache-2.0
"""How nova-compute asks the host service (:mod:`nova_dmore.hostd`)."""

import os
import socket
import time
from typing import Any

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.link import hostd_protocol
from nova_dmore.link import messages

#: How long the service may be away before a request fails, in seconds: it
#: begins anew in less.
TIMEOUT_S = 5.0

#: How soon a service that is away is asked again, in seconds.
_RETRY_INTERVAL_S = 0.05
#: Who finds the service away after so short a while waits no more: an instance
#: that is started would wait in each step of that, in seconds.
_AWAY_S = 5.0
#: And gives it so long to answer, in seconds.
_ANSWER_S = 0.5


class HostService:
    """The one of this host. Thread-safe: each request has a connection.

    :param run_dir: ``[dmore] run_dir``.
    """

    def __init__(self, run_dir: str) -> None:
        self.run_dir = run_dir
        self._away_until = 0.0

    def start(self, instance: str, arrives: bool = False,
              large: bool = False, timeout: float = 20.0) -> int:
        """Have the process of a pair -> its keeper's process id.

        :param arrives: see :attr:`hostd_protocol.Request.START`.
        :param large: likewise.
        :raises exception.HostServiceError: the service is not there, or says
            why not.
        """
        answer, _ = self._ask(
            hostd_protocol.Request.START, instance, timeout,
            arrives=arrives, large=large)
        pid: int = answer['pid']
        return pid

    def open(self, instance: str, timeout: float = TIMEOUT_S
             ) -> socket.socket | None:
        """-> a connection to the worker of a pair, None: it has no process.

        :raises exception.HostServiceError: nobody can tell.
        :raises exception.ShadowAnswerError: its process accepts nothing.
        """
        answer, descriptors = self._ask(
            hostd_protocol.Request.OPEN, instance, timeout)
        if answer.get('failure') == hostd_protocol.Failure.GONE:
            return None
        if len(descriptors) != 1:
            raise self._error('answered without a descriptor')
        return socket.socket(fileno=descriptors[0])

    def end(self, instance: str) -> None:
        """End a process that does not listen; none that is gone is missed."""
        self._ask(hostd_protocol.Request.END, instance)

    def remove(self, instance: str) -> None:
        """Remove the folders of a pair whose process is gone.

        :raises exception.HostServiceError: it lives, or the service is away.
        """
        self._ask(hostd_protocol.Request.REMOVE, instance)

    def instances(self) -> list[str]:
        """-> the uuids of the instances whose pairs have a process here."""
        found: list[str] = []
        while True:
            answer, _ = self._ask(hostd_protocol.Request.LIST,
                                  after=found[-1] if found else '')
            found += answer['instances']
            if len(answer['instances']) < hostd_protocol.LIST_MAX:
                return found

    def qemu_group(self, timeout: float = TIMEOUT_S) -> int | None:
        """-> the number of ``[hostd] qemu_group``, None: it is not set.

        :raises exception.HostServiceError: the service is away, or runs since
            before an upgrade and does not tell.
        """
        answer, _ = self._ask(hostd_protocol.Request.STATUS, timeout=timeout)
        group: int | None = answer['qemu_group']
        return group

    def user(self) -> int:
        """-> the id of the user that the service runs as.

        :raises OSError: it has not been started yet.
        """
        return os.stat(hostd_protocol.path_of(self.run_dir)).st_uid

    def is_earlier(self, instance: str) -> bool:
        """-> whether the process of a pair is that of a release that had no
        host service."""
        answer, _ = self._ask(hostd_protocol.Request.EARLIER, instance)
        found: bool = answer['earlier']
        return found

    def knows_large_regions(self, instance: str) -> bool:
        """-> whether a pair has a process that is not of a release before,
        which knows one size of the region.

        :raises exception.HostServiceError: nobody can tell; so says a service
            of that release.
        """
        answer, _ = self._ask(hostd_protocol.Request.LARGE, instance)
        found: bool = answer['large']
        return found

    def _ask(self, kind: hostd_protocol.Request, instance: str | None = None,
             timeout: float = TIMEOUT_S, **fields: Any
             ) -> tuple[messages.Message, list[int]]:
        """-> (answer, descriptors).

        A service that begins anew closes its connections: it is asked again.
        So it is when a keeper is just beginning, or ending.

        :raises exception.ProcessChangesError: it still is.
        """
        began = time.monotonic()
        deadline = began + (
            timeout if began >= self._away_until else _ANSWER_S)
        message = {'type': kind, **fields}
        if instance is not None:
            message['instance'] = instance
        while True:
            answer = None
            try:
                answer, descriptors = self._exchange(message, deadline)
                self._away_until = 0.0
                if answer is not None and (
                        answer.get('failure') != hostd_protocol.Failure.LIVES):
                    break
                trouble = ('does not answer: it hung up' if answer is None
                           else f'refused {kind}: {answer["error"]}')
            except (OSError, ValueError) as e:
                trouble = (f'does not answer: {e}. Is nova-dmore-hostd '
                           'running?')
                if began < self._away_until:
                    raise self._error(trouble) from e
            if time.monotonic() + _RETRY_INTERVAL_S > deadline:
                if answer is not None:
                    raise exception.ProcessChangesError(
                        f'The shadow-device process of {instance} is just '
                        'beginning or ending')
                self._away_until = time.monotonic() + _AWAY_S
                raise self._error(trouble)
            time.sleep(_RETRY_INTERVAL_S)
        if 'error' in answer and (
                answer.get('failure') != hostd_protocol.Failure.GONE):
            for each in descriptors:
                os.close(each)
            trouble = f'refused {kind}: {text.printable(answer["error"])}'
            if answer.get('failure') == hostd_protocol.Failure.STUCK:
                raise exception.ShadowAnswerError(
                    f'The shadow-device process of {instance} accepts '
                    'nothing')
            raise self._error(trouble)
        return answer, descriptors

    def _exchange(self, message: messages.Message, deadline: float
                  ) -> tuple[messages.Message | None, list[int]]:
        with hostd_protocol.connect(
                self.run_dir, max(0.001, deadline - time.monotonic())) as sock:
            hostd_protocol.send(sock, message)
            return hostd_protocol.receive(sock)

    def _error(self, what: str) -> exception.HostServiceError:
        return exception.HostServiceError(
            'The host service at '
            f'{hostd_protocol.path_of(self.run_dir)} {what}')
