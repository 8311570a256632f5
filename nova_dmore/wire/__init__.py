# SPDX-License-Identifier: Apache-2.0
"""Everything that two processes of a pair must agree on, stated once.

There is a module for each conversation:

* ``region``: the memory that the host and Domain R share, its streams,
  epochs and the freeze;
* ``control``: the messages inside the two control streams of the region;
* ``requests``: what nova-compute asks of the shadow-device process;
* ``files``: the names under which they find each other's sockets.

All names are written as ``wire.NAME``, whichever module they are in.
"""

from nova_dmore.wire.control import *
from nova_dmore.wire.files import *
from nova_dmore.wire.region import *
from nova_dmore.wire.requests import *
