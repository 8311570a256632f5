# SPDX-License-Identifier: Apache-2.0
"""What the plug-in needs of a host and of its cloud, and may lack.

Each check is a small function that changes nothing and returns a
:class:`result.Result`. ``table.py`` has them all. They run in
``nova-dmore-status``, which makes every one of them, and in nova-compute,
which makes those that ``start.py`` says when it starts.

=====================  ========================================================
File                   Checks
=====================  ========================================================
``configuration.py``   options, and the files that they name
``host.py``            libvirt, QEMU, the host service, AppArmor
``accelerator.py``     whether a guest runs with KVM
``network.py``         the management network, its quota, its proxies
``image.py``           the image of Domain R in Glance
``other_hosts.py``     whether all hosts have the same
=====================  ========================================================
"""
