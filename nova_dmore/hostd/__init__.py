# SPDX-License-Identifier: Apache-2.0
"""The host service: one process per compute host that starts all others.

:mod:`nova_dmore.hostd.service` is the process, :mod:`~.children` how it starts
the processes of a pair, and :mod:`~.folders` where those keep their files.
What it is asked, and by whom, is :mod:`nova_dmore.link.hostd_protocol`.
"""
