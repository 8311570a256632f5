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

_RESCUE = act('rescue', rescue_image_ref=restart_case.IMAGE)


def _create(case, server, kind):
    case.fields = {}
    return case.api.post_server({'server': case._build_server(
        flavor_id=base.FLAVOR, networks='none', host=f'{kind}1')})


def _delete(case, server, kind):
    case.api.delete_server(server['id'])


def _unshelve(case, server, kind):
    # The scheduler knows no kinds.
    case.admin_api.post_server_action(
        server['id'], {'unshelve': {'host': f'{kind}1'}})


def _resize(case, server, kind):
    flavor = case._create_flavor(memory_mb=256)
    case.flags(allow_resize_to_same_host=True)
    case.api.post_server_action(
        server['id'], {'resize': {'flavorRef': flavor}})


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

    def test_stop(self):
        self.check(Operation(act('os-stop')), 'save stopped None')

    def test_pause(self):
        self.check(Operation(act('pause')), 'save paused None')

    def test_unpause(self):
        self.check(
            Operation(act('unpause'), wait_for('PAUSED', act('pause'))),
            'save active None')

    def test_suspend(self):
        self.check(Operation(act('suspend')), 'save suspended None')

    def test_resume(self):
        self.check(
            Operation(act('resume'), wait_for('SUSPENDED', act('suspend'))),
            'domain defineXML', 'domain createWithFlags', 'save active None')


class OtherDisksTest(restart_case.TestCase):

    def test_rescue(self):
        self.check(Operation(_RESCUE), 'domain destroy', 'domain defineXML',
                   'save rescued None')

    def test_unrescue(self):
        self.check(
            Operation(act('unrescue'), wait_for('RESCUE', _RESCUE)),
            'domain destroy', 'domain defineXML', 'save active None')

    def test_snapshot(self):
        self.check(
            Operation(act('createImage', name='copy')),
            'save active image_uploading', 'save active None')

    def test_shelve(self):
        self.check(
            Operation(act('shelve')), 'save active shelving_image_uploading',
            'save shelved shelving_offloading', 'domain undefineFlags',
            *_of_pair('shadow stop', 'Domain R destroy', 'record forget',
                      before='save shelved_offloaded None'),
            'save shelved_offloaded None')

    def test_unshelve(self):
        self.check(
            Operation(_unshelve, wait_for('SHELVED_OFFLOADED', act('shelve'))),
            *_of_pair('record save', 'Domain R createXML',
                      before='domain defineXML'),
            'domain defineXML', 'save active None')


class ResizeTest(restart_case.TestCase):
    """To another flavor on the same host."""

    def make(self, operation, hostname):
        # The scheduler knows no kinds.
        for name, service in self.computes.items():
            self.admin_api.put_service(service.service_ref.uuid, {
                'status': 'enabled' if name == hostname else 'disabled'})
        return super().make(operation, hostname)

    def test_resize(self):
        self.check(
            Operation(_resize),
            'domain shutdown', 'domain defineXML', 'save resized None')

    def test_confirm(self):
        self.check(
            Operation(act('confirmResize'),
                      wait_for('VERIFY_RESIZE', _resize)),
            'migration save confirmed', 'save active None')

    def test_revert(self):
        self.check(
            Operation(act('revertResize'),
                      wait_for('VERIFY_RESIZE', _resize)),
            'domain destroy', 'domain defineXML', 'save active None')
