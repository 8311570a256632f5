# SPDX-License-Identifier: Apache-2.0
"""A nova-compute that ends as ``kill -9`` ends it, and the next one.

Several nova-computes run in the process of a test. A context variable says to
which of them a thread belongs, and is inherited by the threads that it starts.
What changes something that outlives a nova-compute (libvirt, Nova's database,
the message bus, Neutron, the host service, the pair records) is a *step*. A
thread of a nova-compute that is dead waits at its next step until the test has
ended, so it changes nothing any more, and not one line that would undo what it
did is run: neither an ``except`` nor a ``finally``.
"""

import contextlib
import contextvars
import dataclasses
import functools
import pkgutil
import threading
from concurrent import futures

import fixtures
import futurist
from lxml import etree
from oslo_concurrency import lockutils

from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import domain_r

_PROCESS: contextvars.ContextVar = contextvars.ContextVar(
    'nova_compute', default=None)

#: What libvirt is told to do with a domain.
_DOMAIN_STEPS = (
    'createWithFlags', 'destroy', 'shutdown', 'suspend', 'resume', 'undefine',
    'undefineFlags', 'managedSave', 'managedSaveRemove', 'reset')
#: Neutron's, for Domain R.
_PORT_STEPS = ('create_port', 'update_port', 'delete_port',
               'create_port_binding', 'activate_port_binding',
               'delete_port_binding')


class Released(BaseException):
    """The test has ended: a thread of a dead nova-compute may end, too."""


@dataclasses.dataclass(eq=False)
class Process:
    """A nova-compute."""

    host: str
    #: The names of the steps that it has come to.
    steps: list[str] = dataclasses.field(default_factory=list)
    #: Before the first step of this name it dies; None: it lives.
    dies_at: str | None = None
    dead: threading.Event = dataclasses.field(
        default_factory=threading.Event)


class Deaths(fixtures.Fixture):
    """Nova-computes that can die; used before any is started."""

    def _setUp(self):
        self._released = threading.Event()
        self._guard = threading.Lock()
        start = threading.Thread.start

        def start_with_context(thread):
            thread.run = functools.partial(
                contextvars.copy_context().run, thread.run)
            start(thread)

        self._patch('threading.Thread.start', start_with_context)
        for executor in (futures.ThreadPoolExecutor,
                         futurist.ThreadPoolExecutor):
            self._patch(
                f'{executor.__module__}.{executor.__name__}.submit',
                _submit_with_context(executor.submit))
        self.addCleanup(self.release)

    def _patch(self, name, value):
        self.useFixture(fixtures.MonkeyPatch(name, value))

    # -- what a test does ---------------------------------------------------

    @contextlib.contextmanager
    def process(self, host):
        """What is started meanwhile belongs to a new nova-compute.

        :returns: a context manager; the :class:`Process`.
        """
        process = Process(host)
        token = _PROCESS.set(process)
        try:
            yield process
        finally:
            _PROCESS.reset(token)

    def bury(self, process):
        """Give back what a dead nova-compute had in its memory alone: the
        locks that are those of this test's process."""
        process.dead.set()
        lockutils._semaphores = lockutils.Semaphores()
        lockutils._fair_locks = lockutils.FairLocks()

    def release(self):
        """Let the threads of dead nova-computes end."""
        self._released.set()

    # -- steps --------------------------------------------------------------

    def _come_to(self, name):
        process = _PROCESS.get()
        if process is None:
            return
        with self._guard:
            if not process.dead.is_set():
                process.steps.append(name)
                if name == process.dies_at:
                    process.dead.set()
        if process.dead.is_set():
            self._released.wait()
            raise Released

    def step(self, name, function):
        """A function that is a step.

        :param name: or a function of its arguments that returns it; None: it
            is none this time.
        """
        @functools.wraps(function)
        def call(*arguments, **keywords):
            named = name if isinstance(name, str) else name(
                *arguments, **keywords)
            if named is not None:
                self._come_to(named)
            return function(*arguments, **keywords)
        return call

    def _wrap(self, name, of):
        owner, _dot, attribute = name.rpartition('.')
        self._patch(name, self.step(
            of, getattr(pkgutil.resolve_name(owner), attribute)))

    def wrap_domain(self, *names):
        for name in names:
            self._wrap(f'nova.tests.fixtures.libvirt.Domain.{name}',
                       functools.partial(
                           lambda name, domain, *_, **__: _of_domain(
                               domain.name(), name), name))

    def wrap(self, neutron):
        """Make steps of what is one, in the fakes that are there by now.

        :param neutron: a :class:`tests.unit.virt.fake_neutron.Neutron`.
        """
        self.wrap_domain(*_DOMAIN_STEPS)
        libvirt = 'nova.tests.fixtures.libvirt'
        for name in ('defineXML', 'createXML'):
            self._wrap(f'{libvirt}.Connection.{name}', functools.partial(
                lambda name, connection, xml, *_: _of_domain(
                    etree.fromstring(xml).findtext('name'), name), name))
        self._wrap('nova.objects.instance.Instance.save', _save)
        self._wrap('nova.objects.instance.Instance.destroy',
                   'instance destroy')
        self._wrap('nova.objects.migration.Migration.save',
                   lambda migration, *_, **__:
                   f'migration save {migration.status}')
        self._wrap('oslo_messaging._drivers.impl_fake.FakeDriver.send', _send)
        self._wrap('oslo_messaging._drivers.impl_fake.FakeIncomingMessage.'
                   'reply', lambda message, *_, **__:
                   'reply' if message._reply_q else None)
        for name in ('save', 'forget'):
            self._wrap(f'nova_dmore.virt.pair.record.Records.{name}',
                       f'record {name}')
        for name in ('start', 'stop', 'remove'):
            self._wrap('nova_dmore.virt.pair.shadow_process.'
                       f'ShadowProcesses.{name}', f'shadow {name}')
        for name in _PORT_STEPS:
            method = getattr(neutron.client, name)
            method.side_effect = self.step(
                f'port {name.removesuffix("_port")}', method.side_effect)


def as_a_daemon(function, *arguments):
    """Call it as a daemon does that lives on when nova-compute has died."""
    return contextvars.Context().run(function, *arguments)


def _submit_with_context(submit):
    def call(executor, function, *arguments, **keywords):
        return submit(executor, contextvars.copy_context().run, function,
                      *arguments, **keywords)
    return call


def _of_domain(name, step):
    return ('Domain R ' if domain_r.instance_of_name(name) else 'domain '
            ) + step


def _save(instance, *_, **__):
    """The state that is saved, if it is another one; or what the plug-in tells
    of the pair."""
    changed = instance.obj_what_changed()
    if changed & {'vm_state', 'task_state', 'host'}:
        return f'save {instance.vm_state} {instance.task_state}'
    if ('system_metadata' in changed
            and announcement.NOTE in instance.system_metadata):
        return 'save note'
    return None


def _send(driver, target, context, message, *_, **__):
    return f'rpc {message.get("method")}'
