# SPDX-License-Identifier: Apache-2.0
"""nova-compute dies in the middle of what Nova does to an instance on a host.

The next one has to leave the instance as Nova's own driver leaves it, with its
one pair, or with nothing of a pair. :mod:`tests.functional.test_restart_moves`
has the operations by which it goes to another host.
"""

from tests.functional import base
from tests.functional import restart_case
from tests.functional.restart_case import act
from tests.functional.restart_case import Operation
from tests.functional.restart_case import wait_for


def _create(case, server, kind):
    case.fields = {}
    return case.api.post_server({'server': case._build_server(
        flavor_id=base.FLAVOR, networks='none', host=f'{kind}1')})


def _delete(case, server, kind):
    case.api.delete_server(server['id'])


def _of_pair(*steps, before):
    """Steps of the plug-in, of which Nova's own driver knows none.

    :param before: the next step of both.
    """
    return [(step, before) for step in steps]


class StartTest(restart_case.TestCase):

    def test_create(self):
        self.check(
            Operation(_create, creates=True),
            'save building spawning',
            *_of_pair('port create', 'record save', 'shadow start',
                      'Domain R createXML', before='domain defineXML'),
            'domain defineXML', 'domain createWithFlags',
            *_of_pair('save note', before='save active None'),
            'save active None')

    def test_start(self):
        self.check(
            Operation(act('os-start'), wait_for('SHUTOFF', act('os-stop'))),
            'domain defineXML', 'save active None')

    def test_soft_reboot(self):
        self.check(
            Operation(act('reboot', type='SOFT')),
            'domain createWithFlags', 'save active None')

    def test_hard_reboot(self):
        self.check(
            Operation(act('reboot', type='HARD')),
            'domain defineXML', 'domain createWithFlags', 'save active None')

    def test_rebuild(self):
        self.check(
            Operation(act('rebuild', imageRef=restart_case.IMAGE)),
            'domain destroy',
            *_of_pair('shadow stop', 'Domain R destroy', 'shadow remove',
                      'record forget', before='save active '
                      'rebuild_block_device_mapping'),
            *_of_pair('record save', 'Domain R createXML',
                      before='domain defineXML'),
            'domain defineXML', 'save active None')


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
