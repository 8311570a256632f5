# SPDX-License-Identifier: Apache-2.0
"""The live migration of an instance together with its Domain R.

All of it runs in the nova-compute of the source or of the destination. One
live migration passes through the files in this order:

===========================  ===========  ===================================
File                         Host         Part of the live migration
===========================  ===========  ===================================
``driver.py``                both         Nova calls
``early_preparation.py``     destination  port binding, shadow-device process
                                          and tap, while Nova checks
``early_departure.py``       source       then Domain R leaves first
``source_roles.py``          source       Nova's live migration begins
``guest.py``                 source       Nova calls ``Guest.migrate()``
``abort.py``                 source       unless a user has aborted before
``source.py``                source       the instance's migration, in step
``departure.py``             source       asks for *prepare*, starts Domain
                                          R's migration
``../rpc/``                  both         each call to the other host
``destination.py``           destination  answers those calls
``preparation.py``           destination  what *prepare* makes
``arrival.py``               both         what it says of Domain R
``arrivals.py``              destination  what it remembers of them
``domain_r_migration.py``    source       pre-copy of Domain R, held
``wire_wait.py``             source       asks whether Domain R's port is
                                          wired at the destination
``instance_pre_copy.py``     source       the end of the instance's pre-copy
                                          waits for both
``switch_over.py``           source       the instance stops: Domain R
                                          switches over, too
``carry_over.py``            source       then its port and the last offsets
                                          go to the destination
``completion.py``            source       the instance is at the destination
``serial_port.py``           destination  a TCP port is released that a
                                          stock instance would need
``rollback.py``              source       or it stays at the source
``send_back.py``             destination  then Domain R goes back there
``plain_destination.py``     source       a destination without the plug-in
===========================  ===========  ===================================

``phases.py`` has the names of the phases, and ``services.py`` what the source
works with; ``job.py`` (libvirt's migration jobs), ``uris.py`` (how a host is
reached) and ``console_log.py`` are used by several of these.
"""
