# SPDX-License-Identifier: Apache-2.0
"""Nova's own tests of its libvirt driver, of this driver.

``tools/test nova`` runs them. Those that cannot hold are in ``expected.txt``,
with the reason; one of these that passes fails the run.
"""

import os

# Native threads, as nova-compute has them by default.
os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')
