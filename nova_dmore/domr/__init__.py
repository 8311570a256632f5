# SPDX-License-Identifier: Apache-2.0
"""What runs in Domain R.

Domain R has Debian's Python and asyncssh and nothing of OpenStack: nothing
that runs there may import more than the standard library, asyncssh and what
that needs, ``nova_dmore.wire`` and ``nova_dmore.channel``.
"""
