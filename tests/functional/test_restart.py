# SPDX-License-Identifier: Apache-2.0
"""nova-compute dies in the middle of what Nova does to an instance on a host.

The next one has to leave the instance as Nova's own driver leaves it, with its
one pair, or with nothing of a pair. :mod:`tests.functional.test_restart_moves`
has the operations by which it goes to another host.
"""

from tests.functional import restart_case
from tests.functional.restart_case import act
from tests.functional.restart_case import Operation
from tests.functional.restart_case import wait_for


def _delete(case, server, kind):
    case.api.delete_server(server['id'])


def _of_pair(*steps, before):
    """Steps of the plug-in, of which Nova's own driver knows none.

    :param before: the next step of both.
    """
    return [(step, before) for step in steps]


class StopTest(restart_case.TestCase):

    def test_delete(self):
        self.check(
            Operation(_delete), 'domain destroy',
            *_of_pair('shadow stop', 'Domain R destroy', 'shadow remove',
                      'record forget', 'port delete',
                      before='save deleted None'),
            'save deleted None', 'instance destroy')

    def test_resume(self):
        self.check(
            Operation(act('resume'), wait_for('SUSPENDED', act('suspend'))),
            'domain defineXML', 'domain createWithFlags', 'save active None')


class ShelveTest(restart_case.TestCase):

    def test_shelve(self):
        self.check(
            Operation(act('shelve')), 'save active shelving_image_uploading',
            'save shelved shelving_offloading', 'domain undefineFlags',
            *_of_pair('shadow stop', 'Domain R destroy', 'record forget',
                      before='save shelved_offloaded None'),
            'save shelved_offloaded None')
