# SPDX-License-Identifier: Apache-2.0
"""A host's shadow-device processes, in memory."""

import functools
import inspect
import os
import socket
import threading
from unittest import mock

import fixtures

from nova_dmore.client import host_service
from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore import wire


def status(**changes) -> wire.Status:
    """An answer of a process that has nothing to say."""
    vm = wire.VmStatus(connected=True, status='running', attached=True)
    return wire.Status(**{
        'state': wire.PairState.LIVE, 'epoch': 5, 'migration_id': None,
        'instance': vm, 'domain_r': vm, 'streams': {},
        'serving': {'ssh': 0, 'serial': 0, 'vnc': 0}, 'devices': {},
        'gaps': (), 'worker_starts': 1, 'pid': 10, 'worker_pid': 11,
        **changes})


class ShadowProcesses(fixtures.Fixture):
    """The processes, behind the signatures of ShadowClient and HostService.
    """

    def _setUp(self):
        #: Folders of pairs with a living process.
        self.alive = set()
        self.log = []
        self.clients = {}
        self._lock = threading.Lock()
        self.refuse_start = None
        #: The host service does not answer. Connections that clients have
        #: lead to the workers all the same.
        self.service_away = False
        self.refuse = {}        # method name: raised by it
        #: Of these, those whose process an earlier release has started.
        self.earlier = set()
        #: Folders of pairs that were made, and are not removed.
        self.folders = set()
        #: Whether processes of release 0.2 are started.
        self.is_old = False
        for name in ('start', 'end', 'remove', 'instances', 'is_earlier',
                     'knows_large_regions'):
            self.useFixture(fixtures.MonkeyPatch(
                f'nova_dmore.client.host_service.HostService.{name}',
                _method(getattr(self, f'_{name}'),
                        getattr(host_service.HostService, name))))
        #: Worker's ends of the connections on which gaps are waited for.
        self.gaps_requests = {}
        self.addCleanup(self._close_gaps_requests)
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.client.shadow_client.ShadowClient', self._client))

    def _ask_service(self):
        if self.service_away:
            raise exception.HostServiceError('hostd.sock: no answer')

    def _knows_large_regions(self, service, instance):
        self._ask_service()
        if self.is_old:
            raise exception.HostServiceError('bad request')
        return _folder(service, instance) in self.alive

    def _start(self, service, instance, arrives=False, large=False,
               timeout=20.0):
        self._ask_service()
        if self.refuse_start is not None:
            raise self.refuse_start
        directory = _folder(service, instance)
        if directory not in self.alive:
            self.log.append('start')
        self.alive.add(directory)
        self.folders.add(directory)
        self.arrives = arrives
        self.large = large
        return 10

    def _is_earlier(self, service, instance):
        self._ask_service()
        return _folder(service, instance) in self.earlier

    def _end(self, service, instance):
        self._ask_service()
        self.log.append('end')
        self.alive.discard(_folder(service, instance))
        self.earlier.discard(_folder(service, instance))

    def _remove(self, service, instance):
        self._ask_service()
        directory = _folder(service, instance)
        if directory in self.alive:
            raise exception.HostServiceError('it lives')
        self.folders.discard(directory)

    def _instances(self, service):
        self._ask_service()
        return [os.path.basename(each) for each in sorted(self.alive)
                if os.path.dirname(each) == service.run_dir]

    def kill(self, instance_uuid):
        """As ``kill -9`` of the keeper."""
        self.alive = {directory for directory in self.alive
                      if not directory.endswith(instance_uuid)}
        self.end_worker(instance_uuid)

    def end_worker(self, instance_uuid):
        """Its connections end with it; the keeper starts another one."""
        for directory in list(self.gaps_requests):
            if directory.endswith(instance_uuid):
                self.gaps_requests.pop(directory).close()

    def _close_gaps_requests(self):
        for sock in self.gaps_requests.values():
            sock.close()

    def _is_gone(self, directory):
        self._ask_service()
        return directory not in self.alive

    def _wait_for_gaps(self, directory):
        self._ask_service()
        if directory not in self.alive:
            raise exception.ShadowAnswerError('it is gone')
        ours, theirs = socket.socketpair()
        if directory in self.gaps_requests:
            self.gaps_requests[directory].close()
        self.gaps_requests[directory] = theirs
        return shadow_client.GapsRequest(ours)

    def _client(self, service, instance, timeout=5.0):
        directory = _folder(service, instance)
        # Threads of several hosts ask at once, also for the same pair: what
        # one of them has must go on to stand for the same pair.
        with self._lock:
            if directory not in self.clients:
                self.clients[directory] = self._new_client(
                    directory, len(self.clients))
            return self.clients[directory]

    def _new_client(self, directory, number):
        client = _shadow_client(number)
        client.reset_mock(side_effect=True)

        def answer(name, result):
            def call(*args, **kwargs):
                if name in self.refuse:
                    raise self.refuse[name]
                if name == 'shutdown':
                    self._ask_service()
                    self.alive.discard(directory)
                    self.end_worker(directory)
                    self.earlier.discard(directory)
                elif directory not in self.alive:
                    self._ask_service()
                    raise exception.ShadowAnswerError('it is gone')
                if name != 'status':
                    self.log.append(name)
                return result
            getattr(client, name).side_effect = call

        for name, result in {
                'status': status(), 'configure': None, 'arm': None,
                'adopt': None, 'shutdown': None, 'forget_gaps': None,
                'hold': None, 'forget_session_events': None,
                'carry_over': wire.CarryOverAnswer(True, '')}.items():
            answer(name, result)
        client.wait_for_gaps.side_effect = lambda: self._wait_for_gaps(
            directory)
        client.is_gone.side_effect = lambda: self._is_gone(directory)
        return client


def _method(fake, real):
    """A function in the place of a method, with the same signature."""
    def call(service, *arguments, **keywords):
        inspect.signature(real).bind(service, *arguments, **keywords)
        return fake(service, *arguments, **keywords)
    return call


def _folder(service, instance):
    return os.path.join(service.run_dir, instance)


_CLIENT = shadow_client.ShadowClient


@functools.cache
def _shadow_client(number):
    """As ``fake_neutron._neutron_client``; tests have one each at a time."""
    return mock.create_autospec(_CLIENT, instance=True)
