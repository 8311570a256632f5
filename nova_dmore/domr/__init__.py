# SPDX-License-Identifier: Apache-2.0
"""What runs in Domain R, and (in ``image``) what builds its image.

Domain R has Debian's Python and asyncssh and nothing of OpenStack: nothing
here but ``image`` may import more than the standard library, asyncssh,
``nova_dmore.wire`` and ``nova_dmore.channel``.
"""
