# SPDX-License-Identifier: Apache-2.0
"""What nova-compute does for pairs without being asked, now and then.

Runs in nova-compute; ``orphans.py`` also, and ``leftovers.py`` only, in
``nova-dmore-manage``.

=====================  ========================================================
File                   Thread of nova-compute
=====================  ========================================================
``watch.py``,          ``dmore-watch``: waits for all pairs, and never blocks
``service_wait.py``,
``gap_wait.py``,
``aside.py``
``pair_care.py``,      ``dmore-watch-aside``: made by the watch for each thing
``reconcile.py``,      that is to be done, where it may block
``renewal.py``,
``late_pairs.py``,
``changed_options.py``,
``port_search.py``,
``lost_ports.py``,
``astray_ports.py``,
``off_ports.py``,
``port_quota.py``,
``shutdown.py``,
``orphans.py``,
``domain_r_renewal.py``
``reporter.py``,       its own one sends; whoever has something to report calls
``notifications.py``
``tokens.py``          that of whoever changes a pair
``operator.py``        that of the server of the calls
``leftovers.py``       none: ``nova-dmore-manage host clean``, as
                       ``nova-dmore-manage orphans`` uses ``orphans.py``
=====================  ========================================================
"""
