# SPDX-License-Identifier: Apache-2.0
"""``python -m nova_dmore.cmd.manage``."""

import sys

from nova_dmore.cmd import manage

sys.exit(manage.main())
