# SPDX-License-Identifier: Apache-2.0
"""What runs in nova-compute: the driver and the life of a pair.

``nova-dmore-manage`` and ``nova-dmore-status`` use some of it, too; the
packages say what.
"""
