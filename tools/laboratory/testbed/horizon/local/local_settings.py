# SPDX-License-Identifier: Apache-2.0
"""Horizon's local settings.

``openstack_dashboard.settings`` imports ``local.local_settings``; the folder
above this one is on ``PYTHONPATH``. What depends on the cloud comes from the
environment, see :func:`laboratory.testbed.dashboard.environment`.
"""

import os

DEBUG = False
ALLOWED_HOSTS = ['*']
SECRET_KEY = os.environ['DMORE_HORIZON_SECRET']
STATIC_ROOT = os.environ['DMORE_HORIZON_STATIC']
OPENSTACK_KEYSTONE_URL = os.environ['DMORE_HORIZON_KEYSTONE']

#: Made once, when the test cloud is set up; one theme, to be quick.
COMPRESS_OFFLINE = True
AVAILABLE_THEMES = [('default', 'Default', 'themes/default')]

#: One process serves all, so its own memory will do.
SESSION_ENGINE = 'django.contrib.sessions.backends.cache'
CACHES = {
    'default': {'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}}

#: What a user of Horizon sees who changed nothing.
CONSOLE_TYPE = 'AUTO'
