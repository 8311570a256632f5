# SPDX-License-Identifier: Apache-2.0

from unittest import mock

from keystoneauth1 import loading
from keystoneauth1.identity import generic
from nova import service_auth

from nova_dmore import exception
from nova_dmore.virt.images import credentials
from tests.unit.virt import fakes


class ServiceContextTest(fakes.TestCase):
    """With Nova's own loading of credentials; Keystone is a mock."""

    def setUp(self):
        super().setUp()
        service_auth.reset_globals()
        self.addCleanup(service_auth.reset_globals)
        patch = mock.patch.object(
            generic.Password, 'get_project_id', autospec=True,
            return_value='the-service-project')
        self.get_project_id = patch.start()
        self.addCleanup(patch.stop)

    def _configure(self, group):
        """Credentials in a section of nova.conf."""
        self.conf.register_opts(
            loading.get_auth_plugin_conf_options('password'), group=group)
        self.config.config(
            group=group, auth_type='password', username=group, password='p',
            auth_url='http://keystone.invalid/v3', user_domain_name='d',
            project_name='service', project_domain_name='d')

    def _assert_is(self, group, context):
        self.assertIs(service_auth.get_service_auth_plugin(group),
                      context.get_auth_plugin())
        self.assertEqual(group, context.get_auth_plugin()._username)

    def test_service_user(self):
        self._configure('service_user')
        self._configure('neutron')
        context = credentials.service_context()
        self._assert_is('service_user', context)
        self.assertEqual('the-service-project', context.project_id)
        # No token of a user, and what Nova's client hides without one.
        self.assertIsNone(context.auth_token)
        self.assertTrue(context.is_admin)
        self.get_project_id.assert_called_once_with(
            context.get_auth_plugin(),
            service_auth.get_service_auth_session('service_user'))

    def test_neutrons_user(self):
        self._configure('neutron')
        self._assert_is('neutron', credentials.service_context())

    def test_nobody(self):
        error = self.assertRaises(exception.ConfigurationError,
                                  credentials.service_context)
        self.assertIn('[service_user]', str(error))

    def test_one_token_for_many_calls(self):
        self._configure('service_user')
        self.assertIs(credentials.service_context().get_auth_plugin(),
                      credentials.service_context().get_auth_plugin())
