# SPDX-License-Identifier: Apache-2.0
"""The host's end of the channel: it runs in the worker, but for three files.

``ivshmem.py`` and ``unread.py`` run in the keeper, ``tail.py`` in the
recorder, and ``journal.py`` in worker, keeper and recorder.
"""
