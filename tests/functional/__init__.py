# SPDX-License-Identifier: Apache-2.0

import os

# Native threads, as nova-compute has them by default. Nova's tests want to be
# asked before anything else of Nova is imported.
os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')

import nova.tests.functional  # noqa: E402,F401
