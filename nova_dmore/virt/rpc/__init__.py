# SPDX-License-Identifier: Apache-2.0
"""The calls that a nova-compute answers over the message bus.

===================  ======================  =================================
File                 Who calls               Who answers
===================  ======================  =================================
``destination.py``   the source's role of a  the destination's role
                     live migration
``source.py``        the destination's role  the source's role
``operator.py``      an operator's commands  ``../care/operator.py``
===================  ======================  =================================

``calls.py`` has what these have in common, and ``server.py`` receives them.

In a live migration the source's role (:mod:`nova_dmore.virt.migration.source`,
and ``completion`` or ``rollback`` at its end) calls the methods of
:class:`destination.DestinationAPI`; the destination's role
(:mod:`nova_dmore.virt.migration.destination`) answers. Order: ``prepare``,
``arrival``, again and again, ``carry_over``, ``finish``; or, if the instance
stays, ``send_back`` and ``abort``. Before all of them the destination may call
``leave`` of :class:`source.SourceAPI`, which
:mod:`nova_dmore.virt.migration.early_departure` answers.

Wire format: the names of the calls and of their arguments are sent to hosts of
earlier and later releases, so they do not change. What is added gets a new
:data:`calls.VERSION`, and a caller has to manage without it.

The calls have a topic of their own beside Nova's, since what passes through
Nova's conductor (``migrate_data``) can have no field that the conductor does
not know. Every call of a migration carries the migration's id, but ``leave``,
and does no harm when it is repeated or comes late. None carries a secret: who
reads the message queue learns no key or password of a console.

Whoever may send on the message bus may make these calls. So the server's side
refuses every argument that a host of no version would send; what a call may
do is checked by who answers it.
"""
