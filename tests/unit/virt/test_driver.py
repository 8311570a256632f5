# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import fixtures
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver

from nova_dmore import exception
from nova_dmore.virt import driver
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

XML = '''<domain type="qemu"><name>instance-1</name><devices>
<serial type="pty"><log file="/console.log" append="off"/>
<target port="0"/></serial></devices></domain>'''


class DriverTestCase(fake_host.HostTestCase):
    """The driver over a stock driver of which no method does anything."""

    def setUp(self):
        super().setUp()
        # Nova's constructor asks libvirt and the host for too much.
        self.driver = driver.DMoreDriver.__new__(driver.DMoreDriver)
        self.driver._pairs = self.pairs
        self.driver._comigrations = {}
        self.instance = fakes.make_instance()
        self.saved = self.useFixture(fixtures.MockPatch(
            'nova.objects.Instance.save', autospec=True)).mock
        self.log = self.useFixture(fixtures.FakeLogger())

    def stock(self, name, **behaviour):
        """Replace one of Nova's methods."""
        return self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, name, autospec=True,
            **behaviour)).mock


class CreateTest(DriverTestCase):
    """The instance comes first."""

    def setUp(self):
        super().setUp()
        self.create = self.stock('_create_guest', return_value='guest')

    def _create(self):
        guest = self.driver._create_guest(
            'context', XML, self.instance, power_on=False)
        self.assertEqual('guest', guest)
        (call,) = self.create.call_args_list
        self.assertEqual({'power_on': False, 'pause': False,
                          'post_xml_callback': None}, call.kwargs)
        return call.args[2]

    def _assert_stock(self):
        self.assertEqual(XML, self._create())
        self.assert_nothing_left()
        self.assertIn('stock consoles', self.log.output)

    def test_with_a_pair(self):
        self.assertIn('serial0.sock', self._create())
        self.assertIn(self.domr, self.libvirt.domains)
        self.assertIn('dmore:console_ssh', self.instance.metadata)

    def test_what_can_be_foreseen(self):
        self.images.current.side_effect = exception.ImageError('no image')
        self._assert_stock()
        self.assertIn('no image', self.log.output)
        self.assertNotIn('Traceback', self.log.output)

    def test_what_nobody_expected(self):
        self.images.current.side_effect = TypeError('a bug')
        self._assert_stock()
        self.assertIn('Traceback', self.log.output)

    def test_a_bug_after_the_pair_was_made(self):
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.xml.with_shadow_devices',
            side_effect=KeyError('a bug')))
        self._assert_stock()

    def test_required(self):
        self.config.config(required=True, group='dmore')
        for error, text in ((exception.ImageError('no image'), 'no image'),
                            (TypeError('a bug'), 'a bug'),
                            (AssertionError(), 'AssertionError')):
            self.images.current.side_effect = error
            raised = self.assertRaises(
                nova_exception.BuildAbortException, self._create)
            self.assertIn(text, str(raised))
            self.assert_nothing_left()
        self.create.assert_not_called()

    def test_announcing_it_fails(self):
        self.saved.side_effect = RuntimeError('no conductor')
        self._create()
        self.assertIn(self.domr, self.libvirt.domains)

    def test_novas_error_passes_through(self):
        error = RuntimeError('no memory')
        self.create.side_effect = error
        # Also when the way back fails.
        for refuse in ({}, {'shutdown': TypeError('a bug')}):
            self.shadow.refuse = refuse
            self.assertIs(error, self.assertRaises(
                RuntimeError, self._create))
            self.create.reset_mock()
        self.assertEqual([], self.pairs.records.all())


class LiveMigrationTest(DriverTestCase):

    def test_a_bug_before_it_begins(self):
        self.pairs.ensure(self.instance)
        migrate = self.stock('live_migration')
        # Without migrate_data there is no role.
        self.driver.live_migration('context', self.instance, 'c2', 'post',
                                   'recover')
        migrate.assert_called_once_with(
            self.driver, 'context', self.instance, 'c2', 'post', 'recover',
            False, None)
        self.assertEqual({}, self.driver._comigrations)
