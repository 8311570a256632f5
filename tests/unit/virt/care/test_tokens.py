# SPDX-License-Identifier: Apache-2.0

import fixtures
from nova import exception as nova_exception
from nova.objects import console_auth_token
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt.care import tokens
from tests.unit.virt import fakes


class ForgetTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.clean = self.useFixture(fixtures.MockPatchObject(
            console_auth_token.ConsoleAuthToken,
            'clean_console_auths_for_instance')).mock

    def test_all_of_the_instance(self):
        tokens.forget('context', fakes.UUID)
        self.clean.assert_called_once_with('context', fakes.UUID)

    def test_no_conductor(self):
        for error in (messaging.MessagingTimeout('no answer'),
                      nova_exception.NovaException('no database')):
            self.clean.side_effect = error
            raised = self.assertRaises(exception.PairError, tokens.forget,
                                       'context', fakes.UUID)
            self.assertIn(fakes.UUID, str(raised))
            self.assertIn(str(error), str(raised))


class RemotableTest(fakes.TestCase):

    def test_the_conductor_does_it(self):
        # nova-compute has no database.
        calls = []

        class Conductor:

            def object_class_action_versions(self, context, name, method,
                                             versions, args, kwargs):
                calls.append((name, method, args, kwargs))

        self.useFixture(fixtures.MonkeyPatch(
            'nova.objects.base.NovaObject.indirection_api', Conductor()))
        tokens.forget('context', fakes.UUID)
        self.assertEqual(
            [('ConsoleAuthToken', 'clean_console_auths_for_instance',
              (fakes.UUID,), {})], calls)
