# SPDX-License-Identifier: Apache-2.0
"""The channel of a pair: region, rings, doorbells, what is carried over.

Its two ends run in the worker (``host/``) and in Domain R (``domr/``). Others
on the host use some of it, too: the keeper the region's memory, its doorbells
and the journal, the recorder the journal, nova-compute what is carried over,
what Domain R is told and its sessions, and all of them ``text.py``. It imports
only the standard library and :mod:`nova_dmore.wire`.
"""
