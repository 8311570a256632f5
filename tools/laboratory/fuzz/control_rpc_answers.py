# SPDX-License-Identifier: Apache-2.0
"""What another host answers to a nova-compute, and to operators."""

import argparse
import functools
import json
import logging
from typing import Any
from unittest import mock

from nova import rpc as nova_rpc
from oslo_messaging._drivers import common

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.cmd.manage import renew
from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.checks import other_hosts
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.rpc import destination as destination_rpc
from nova_dmore.virt.rpc import operator as operator_rpc

_UUID = '0c2e8ee4-1ab5-4ee5-ae47-5a2e07b5e2b4'
_DESCRIPTION = {'secrets': {'0': '0123456789abcdef'}, 'image': 'd' * 64,
                'run_dir': '/run/x', 'image_cache_dir': '/x',
                'management_network': 'mgmt'}
_ROWS = [{'instance_uuid': _UUID, 'state': 'waits', 'when': 'idle',
          'image': 'd' * 64, 'newest': 'e' * 64, 'error': None}]
_OPTIONS = argparse.Namespace(status=False, server=None, when='idle',
                              no_wait=True)
#: Deeper than anybody likes.
_DEEP = functools.reduce(lambda inner, _: [inner], range(20000), [])
#: How the transport tells of an error of the other side.
_FAILURE = {'class': 'PairError', 'module': 'nova_dmore.exception',
            'message': 'no', 'tb': ['Traceback:\n', 'no\n'], 'args': ['no'],
            'kwargs': {}}
#: Those of which this side has the class, too, are raised as it.
_KINDS = (('PairError', 'nova_dmore.exception'), ('KeyError', 'builtins'),
          ('OSError', 'builtins'), ('UnicodeError', 'exceptions'),
          ('InstanceNotFound', 'nova.exception'),
          ('RemoteError', 'oslo_messaging.rpc.client'))


class _Client:
    """A client of oslo.messaging, whose other side is hostile."""

    def __init__(self, answer: Any, failure: str | None) -> None:
        self._answer = answer
        self._failure = failure

    def prepare(self, **_options: object) -> '_Client':
        return self

    def call(self, _context: object, _method: str, **arguments: object
             ) -> Any:
        json.dumps(arguments)
        if self._failure is not None:
            raise common.deserialize_remote_exception(
                self._failure, nova_rpc.get_allowed_exmods())
        return self._answer


def _prepare() -> None:
    layout = destination_rpc.DestinationAPI(5).prepare(
        mock.sentinel.context, 'c2', 'm1', '{}')
    oracle.check(isinstance(layout, int) and layout >= places.Layout.STOCK,
                 'the layout %.99r', layout)


def _arrival() -> None:
    found = destination_rpc.DestinationAPI(5).arrival(
        mock.sentinel.context, 'c2', 'm1', _UUID)
    oracle.check(type(found.is_wired) is bool, 'wired %.99r', found.is_wired)
    # It is written into the XML of a domain.
    oracle.check(found.cpus is None or len(found.cpus) < 5000
                 and not set(found.cpus) - set('0123456789,-'),
                 'the processors %.99r', found.cpus)
    oracle.check(found == arrival.from_wire(arrival.to_wire(found)),
                 'it became another')


def _abort() -> None:
    oracle.check(type(destination_rpc.DestinationAPI(5).abort(
        mock.sentinel.context, 'c2', 'm1', _UUID)) is bool, 'no boolean')


def _describe() -> None:
    theirs = operator_rpc.OperatorAPI().describe(mock.sentinel.context, 'c2')
    found = other_hosts.compare(_DESCRIPTION, {'c2': theirs})
    oracle.check((found.text or '').isprintable(), 'text %.200a', found.text)


def _pairs_among() -> None:
    found = operator_rpc.pairs_among(mock.sentinel.context, 'c2', [_UUID])
    oracle.check(not set(found) - {_UUID}, 'pairs %.200a', found)


def _rebuild() -> None:
    operator_rpc.OperatorAPI().rebuild(mock.sentinel.context, 'c2', _UUID)


def _renew() -> None:
    _check_table(renew.renewed(operator_rpc.OperatorAPI(), None, 'c2',
                               _OPTIONS))


def _renewals() -> None:
    _check_table(renew.renewed(
        operator_rpc.OperatorAPI(), None, 'c2',
        argparse.Namespace(**{**vars(_OPTIONS), 'status': True})))


def _check_table(table) -> None:
    for line in table.shown(False).splitlines():
        oracle.check(line.isprintable() and len(line) < 6000,
                     'a line of %d: %.200a', len(line), line)
    table.shown(True)


#: What is called, and a good answer.
_CALLS = ((_prepare, 2), (_arrival, {'cpus': '0-3,8', 'wired': True}),
          (_abort, True), (_describe, _DESCRIPTION), (_pairs_among, [_UUID]),
          (_rebuild, None), (_renew, _ROWS), (_renewals, _ROWS))

SEEDS = [bytes([number, kind, 0]) for number in range(len(_CALLS))
         for kind in range(2)] + [
    bytes([number, 1, kind, 0]) for number in (0, 3, 6)
    for kind in range(len(_KINDS))] + [
    bytes([number, 0]) + bytes(range(each, each + 60))
    for number in range(len(_CALLS)) for each in (1, 62, 123)] + [
    # Nothing, and what is too deep, in place of the answer.
    bytes([number, kind, 1, 0, 0]) for number in range(len(_CALLS))
    for kind in (0, 2)]


def run(data: bytes) -> None:
    """One answer, to any of the calls."""
    reader = reader_module.Reader(data)
    call, good = reader.pick(_CALLS)
    failure = answer = None
    kind = reader.byte() % 4
    if kind == 1:
        name, module = reader.pick(_KINDS)
        failure = json.dumps(reader.changed(
            {**_FAILURE, 'class': name, 'module': module}))
    else:
        answer = reader.changed(good)
        if kind == 2 and answer is None:
            answer = _DEEP
    # The transport's own.
    logging.getLogger(common.__name__).disabled = True
    with mock.patch.object(nova_rpc, 'get_client',
                           lambda *_: _Client(answer, failure)):
        try:
            call()
        except exception.PairError as error:
            oracle.check_error(error)
