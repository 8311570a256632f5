# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-recorder``: records what serial consoles of a host show.

A process of its own, which no other one waits for: it reads the journals of
the pairs (:mod:`nova_dmore.channel.host.tail`) and writes files. When it is
late, or away for too long, something is missing in them, and they say so.
"""
