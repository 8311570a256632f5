# SPDX-License-Identifier: Apache-2.0
"""A pair on one host: its record, its domains, its processes.

Runs in nova-compute. Two programs of an operator, ``nova-dmore-manage`` and
``nova-dmore-status``, make the same objects (``factory.py``) to read a host
and its pairs; the first also changes some.

======================  =======================================================
File                    Called in
======================  =======================================================
``starting.py``,        Nova's thread that starts, resumes or removes an
``instance_pair.py``,   instance, by ``../driver.py``
``saved.py``
``known.py``,           these, the roles of a co-migration, and the threads of
``pairs.py``            the watch (``../care/``)
``incoming.py``         the destination's role: its threads, and those of calls
                        from the source
``parts.py``,           by the three above, which have locked the pair
``shadow_process.py``,
``domain_r.py``
``record.py``,          any thread: small files and dictionaries, with a lock
``lock.py``             where one is needed; ``record.py`` also by
                        ``nova-dmore-manage``
``blueprint.py``,       any thread: pure functions
``host_side.py``,
``policy.py``,
``xml.py``
``kernel_log.py``       whoever makes or removes a Domain R
``sessions.py``         whoever reads a pair: a renewal (``../care/``), and
                        ``nova-dmore-manage``
``factory.py``          the driver's constructor (``../assembly.py``); its
                        ``make_pairs`` also by ``nova-dmore-manage`` and
                        ``nova-dmore-status``
======================  =======================================================
"""
