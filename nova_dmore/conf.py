# SPDX-License-Identifier: Apache-2.0
"""The ``[dmore]`` options of nova-compute.

Every option is read by nova-compute alone; Domain R gets what it needs over
the channel (:data:`nova_dmore.wire.CONFIG`).
"""

import copy

from oslo_config import cfg
from oslo_config import types

from nova_dmore import conf_file
from nova_dmore import wire

GROUP = cfg.OptGroup(
    'dmore', title='Consoles that survive live migration (nova-dmore)')

OPTIONS = [
    cfg.BoolOpt(
        'enabled', default=True,
        help='Give new instances a Domain R. With false, instances are '
             'created with the stock consoles; pairs that exist are kept. '
             'A flavor (extra spec dmore:domain_r=disabled) or an image '
             '(property dmore_domain_r=disabled) opts out by itself.'),
    cfg.BoolOpt(
        'required', default=False,
        help='Fail a boot, and any later start (power on, hard reboot, '
             'resume), when the instance cannot have a Domain R, with the '
             'reason in the fault of the instance; and keep a live migration '
             'from a host without the secret of its Domain R. One that had a '
             'Domain R is powered on, or rebooted, all the same while '
             'Neutron, Glance, Keystone or Placement does not answer, and '
             'has its Domain R when they do. With false, '
             'the instance runs with the stock consoles and a warning is '
             'logged.'),
    cfg.StrOpt(
        'management_network',
        help='Name or id of the Neutron network on which each Domain R gets '
             'a port. SSH clients and the console proxies must reach it, and '
             'users must not be able to create ports on it. No default: '
             'without it no instance gets a Domain R.'),
    cfg.BoolOpt(
        'release_ports_when_off', mutable=True, default=False,
        help='Give back the port of a Domain R within a minute after its '
             'instance was stopped, or found shut off; its Domain R ends. '
             'The next start makes another one, whose address is another, as '
             'a rule. With false, an instance that is off keeps its Domain R '
             'and its address.'),
    cfg.ListOpt(
        'security_groups', default=[],
        help='Ids of the Neutron security groups of the Domain R ports. '
             'Empty: the plug-in makes and keeps one in the project of '
             '[neutron], which lets in what ssh_networks, '
             'serial_proxy_networks, vnc_proxy_networks and '
             'vnc_direct_networks say.'),
    cfg.BoolOpt(
        'replies_after_migration', default=True,
        help='Let the plug-in\'s security group pass what Domain R sends to '
             'the ports that its clients connect from: TCP, to 32768 and '
             'above, but not to the ports on which QEMU takes migrations or '
             'another Domain R listens. A host\'s packet filter does not '
             'know the connections of a Domain R that has just arrived, and '
             'takes its replies for connections of its own. With false they '
             'are dropped until the client sends something: a session in '
             'which somebody only watches stands still after each '
             'migration.'),
    cfg.StrOpt(
        'image', default='nova-dmore-domr',
        help='Name or id of the Glance image that holds Domain R, as '
             'uploaded by "nova-dmore-image upload". It is read with the '
             'credentials of [service_user], else of [neutron]. By its name '
             'only an image is found that is public, that is owned by the '
             'project of those credentials, or, where image_digest is set, '
             'whose bytes have that digest: every user may give a private '
             'image any name and any property. Images are tried in turn, '
             'those of the project first, then the public ones; no more than '
             '256 MiB of one are fetched, and one that cannot be used is '
             'logged once.'),
    cfg.StrOpt(
        'image_digest',
        regex='^[0-9a-f]{64}$',
        help='SHA-256 of the image file, in lower-case hexadecimal, as '
             'printed by "nova-dmore-image digest". If set, no other image '
             'is used for new pairs. No default: the digest that Glance '
             'holds is trusted.'),
    cfg.Opt(
        'image_cache_dir', type=conf_file.AbsolutePath(),
        default='/var/lib/nova-dmore/images',
        help='Directory that holds unpacked Domain R images, one '
             'sub-directory per digest. It must have the same path on all '
             'hosts. It and the directories that lead to it must belong to '
             'root or to the user of nova-compute, and nobody else may be '
             'able to write them.'),
    cfg.Opt(
        'run_dir', type=conf_file.AbsolutePath(),
        default='/run/nova-dmore',
        help='Directory of the host service, nova-dmore-hostd: [hostd] '
             'run_dir of its own configuration. It must have the same path '
             'on all hosts. Where AppArmor confines QEMU, its rules name this '
             'directory, too: change it also in '
             '/etc/apparmor.d/local/abstractions/libvirt-qemu and in '
             '/etc/apparmor.d/nova-dmore-hostd.'),
    cfg.Opt(
        'record_dir', type=conf_file.AbsolutePath(),
        default='/run/nova-dmore-records',
        help='Directory in which nova-compute keeps what it knows of its '
             'pairs. It must belong to the user of nova-compute, be local to '
             'the host, and should be emptied at a boot.'),
    cfg.StrOpt(
        'qemu_group',
        deprecated_for_removal=True,
        deprecated_reason='The host service makes the sockets of the pairs: '
                          'see [hostd] qemu_group of its configuration.',
        help='Ignored. No default: nothing is set that is ignored.'),
    cfg.Opt(
        'log_dir', type=conf_file.AbsolutePath(),
        default='/var/log/nova-dmore',
        help='Directory for what the kernels of Domain Rs say: a file for '
             'each, domr-UUID.log, which libvirt writes and rotates.'),
    cfg.IntOpt(
        'memory_mib', min=48, max=1024,
        help='Guest memory of Domain R, in MiB. No default: what the image '
             'asks for in its manifest.'),
    cfg.IntOpt(
        'memory_overhead_mib', min=16, max=4096,
        help='What a Domain R takes of the memory of its host beside '
             'memory_mib, in MiB: the rest of its QEMU, and the processes of '
             'its shadow devices. Together with memory_mib it is part of '
             'what Placement shows as reserved of MEMORY_MB. No default: 64, '
             'and 32 more where [libvirt] virt_type is qemu.'),
    cfg.StrOpt(
        'large_pictures', default='auto',
        choices=[('auto', 'where all compute hosts of the cell say in '
                          'Nova\'s database that they can take them in'),
                 ('always', 'for every Domain R'),
                 ('never', 'for none')],
        help='Whether Domain Rs that start from now on show pictures above '
             '2560x1600 pixels, up to 3840x2160, whole; else the upper left '
             'part is shown. Such a Domain R cannot be migrated to a host of '
             'the release before: it is built anew there, and its sessions '
             'end. With "auto" a host without the plug-in counts as one that '
             'cannot: set "always" where there are some.'),
    cfg.IntOpt(
        'spare_domain_rs', default=2, min=0, max=256,
        help='For how many Domain Rs more than there are the memory and the '
             'processors are reserved in Placement: so many may start or '
             'arrive at the same time on a host that is nearly full. One that '
             'finds no room is not made, and its instance has the stock '
             'consoles.'),
    cfg.IntOpt(
        'cpu_reserved_percent', default=2, min=0, max=400,
        help='How much of a processor of the host is reserved in Placement '
             'for each Domain R, in percent; the sum for all of them is '
             'rounded up, and part of what is reserved of VCPU. The default '
             'is what one takes that nobody uses. 0: nothing.'),
    cfg.IntOpt(
        'cpu_limit_percent', default=200, min=0, max=1000,
        help='How much of the processors of its host all threads of a Domain '
             'R may take together, in percent of one; not where libvirt has '
             'no control group for processors. 0: no limit.'),
    cfg.StrOpt(
        'cpu_set',
        help='Processors of the host that Domain Rs may run on, with all '
             'threads of their QEMUs, as in [compute] cpu_shared_set, for '
             'instance "0-1,8"; none of [compute] cpu_dedicated_set. No '
             'default: those of [compute] cpu_shared_set; without it all '
             'but those of cpu_dedicated_set.'),
    cfg.StrOpt(
        'secret_file', mutable=True, default='/etc/nova/dmore.secret',
        help='File with at least 32 random bytes (for instance made by '
             '"openssl rand -hex 32"), readable by nova-compute alone and '
             'the same on all hosts. The SSH host key and the VNC passwords '
             'of each instance are derived from it, so they stay the same '
             'wherever the instance runs. To change it, write "id:secret" '
             'lines, with a number as id; the old one gets the id 0, and new '
             'instances take that of the last line.'),
    cfg.BoolOpt(
        'ssh_metadata', mutable=True, default=False,
        help='Show the address of an instance\'s SSH console to its user in '
             'a property of the server, dmore:console_ssh. The plug-in does '
             'not read it: a user may delete or change it, and it counts as '
             'one of his [quota] metadata_items. With false no property is '
             'added to what a user gave; the address is that of the Neutron '
             'port "domr-" and the uuid of the instance, which is also its '
             'name in DNS where the management network has a domain.'),
    cfg.StrOpt(
        'console_authorized_keys', mutable=True,
        help='File in the format of sshd\'s authorized_keys: keys that may '
             'log in to every console, beside the key pair of the instance. '
             'No default: the key pair of the instance alone.'),
    cfg.PortOpt(
        'ssh_port', mutable=True, default=22, min=1,
        help='TCP port of the SSH server in Domain R.'),
    cfg.ListOpt(
        'ssh_networks', mutable=True, default=['0.0.0.0/0', '::/0'],
        item_type=types.String(),
        help='Networks (CIDR) from which the SSH server in Domain R may be '
             'reached. The default is everywhere; name the networks of your '
             'clients where you can, or the address of the SSH gateway '
             'alone: with replies_after_migration they also bound what a '
             'Domain R that was broken into may connect to.'),
    cfg.StrOpt(
        'console_escape', mutable=True, default='ctrl-]',
        regex=r'^(none|ctrl-[a-ikln-z\]\\^_])$',
        help='Key that escapes begin with at the SSH console, at the start '
             'of a line: "ctrl-" and a small letter other than j and m, or '
             'one of ] \\ ^ _. With "none" there are no escapes. Those of '
             'the SSH client (OpenSSH\'s "~") are its own.'),
    cfg.BoolOpt(
        'serial_escape', mutable=True, default=False,
        help='Have the raw serial port, too, send a serial break when '
             'console_escape and "b" are typed at the start of a line, for '
             'users of a web page. With false every byte reaches the '
             'instance, as a program that uses the port may need.'),
    cfg.BoolOpt(
        'record_serial', mutable=True, default=False,
        help='With true, what instances print at their serial port is '
             'recorded by nova-dmore-recorder, which has to run on the host; '
             'what is typed is not. Everybody at the serial console is told '
             'so. Nothing is recorded where Domain R cannot tell them, as '
             'its image is of an earlier release.'),
    cfg.PortOpt(
        'serial_port', mutable=True, default=6083, min=1,
        help='TCP port of the raw serial server in Domain R, to which '
             'nova-serialproxy connects.'),
    cfg.ListOpt(
        'serial_proxy_networks', mutable=True, default=[],
        item_type=types.String(),
        help='Networks (CIDR) from which the raw serial port may be '
             'reached: the addresses that the hosts of nova-serialproxy '
             'have on the management network. Empty: from nowhere.'),
    cfg.PortOpt(
        'vnc_port', mutable=True, default=5900, min=1,
        help='TCP port of the VNC server in Domain R, to which '
             'nova-novncproxy connects. There is one if Nova\'s [vnc] enabled '
             'is true.'),
    cfg.ListOpt(
        'vnc_proxy_networks', mutable=True, default=[],
        item_type=types.String(),
        help='Networks (CIDR) whose VNC clients need no password: the '
             'addresses that the hosts of nova-novncproxy have on the '
             'management network. Empty: none.'),
    cfg.ListOpt(
        'vnc_direct_networks', mutable=True, default=[],
        item_type=types.String(),
        help='Networks (CIDR) whose VNC clients may connect with a password. '
             'Each instance has its own, and one for view-only clients; '
             '"nova-dmore-manage vnc-password" prints them. Such a '
             'session is not encrypted. Empty: none.'),
    cfg.StrOpt(
        'vnc_keymap', mutable=True,
        default=wire.KEYMAP_DEFAULT, choices=wire.KEYMAPS,
        help='Keymap that guests have set, by QEMU\'s name, '
             'where an image (property hw_keymap) or a flavor (extra spec '
             'dmore:keymap) names none. It counts for VNC clients that tell '
             'symbols and not keys, and for what is typed from a clipboard.'),
    cfg.StrOpt(
        'vnc_paste', mutable=True, default='key',
        choices=[('key', 'when the user presses Control, Alt and V'),
                 ('at-once', 'whenever a client\'s clipboard changes: only '
                  'good if all clients send it on request, as older noVNC'),
                 ('off', 'never; nor are keys let go with Control, Alt, U')],
        help='When the text of a VNC client\'s clipboard is typed into the '
             'instance as keys.'),
    cfg.StrOpt(
        'vnc_exclusive', mutable=True, default='share',
        choices=[('share', 'it is let in, and nobody is cut off'),
                 ('refuse', 'it is let in only if nobody else is there'),
                 ('cut', 'it is let in, and the others are cut off'),
                 ('control', 'it is let in, and types alone: the others '
                  'only see the picture until it leaves, or one of them '
                  'presses Control, Alt and O. A Domain R whose image is of '
                  'an earlier release cuts the others off')],
        help='What becomes of a VNC client that asks to be alone, as '
             'TigerVNC\'s viewer does unless told otherwise.'),
    cfg.BoolOpt(
        'vnc_state_banner', mutable=True, default=True,
        help='Say in a corner of the picture what the instance does while it '
             'is paused, rebooting, crashed, or being migrated. With false, '
             'that is said only where there is no picture.'),
    cfg.StrOpt(
        'vnc_password_file',
        deprecated_for_removal=True,
        deprecated_reason='Its password opened the consoles of all '
                          'instances, so it is ignored: each instance has '
                          'passwords of its own, see vnc_direct_networks.',
        help='Ignored. No default: nothing is set that is ignored.'),
    cfg.StrOpt(
        'vnc_tls_dir', mutable=True,
        help='Directory with server-ca-cert.pem and server-ca-key.pem, the '
             'authority that issues a certificate for each Domain R, and '
             'client-ca-cert.pem, the certificate of another authority, that '
             'of the proxies. The key is readable by nova-compute alone. If '
             'set, clients of vnc_proxy_networks must speak VeNCrypt with '
             'X509None and show a certificate of client-ca-cert.pem: Nova\'s '
             '[vnc] auth_schemes = vencrypt, with server-ca-cert.pem as '
             'vencrypt_ca_certs. A certificate is good for 30 days, and '
             'replaced after 7. No default: no encryption (auth_schemes = '
             'none).'),
    cfg.IntOpt(
        'scrollback_kib', mutable=True,
        default=wire.SCROLLBACK_DEFAULT >> 10, min=64,
        max=wire.SCROLLBACK_MAX >> 10,
        help='How much of the serial output a new client is shown, in KiB.'),
    cfg.IntOpt(
        'serial_stall_ms', mutable=True,
        default=wire.STALL_MS_DEFAULT, min=0, max=600000,
        help='How long a client that reads nothing, or too little, may hold '
             'up the serial output of the instance, in milliseconds. The '
             'time adds up, and what the client reads makes up for it: 480 '
             'bytes, what a line of 4800 baud carries, for a second. So a '
             'client that is slow but reads as much goes on for ever. '
             'Output is dropped for one that does not, and it is told how '
             'much.'),
    cfg.IntOpt(
        'precopy_timeout', default=60, min=1,
        help='How long the pre-copy of Domain R may take before its '
             'instance is moved without it, in seconds. A new Domain R is '
             'then built at the destination: sessions end, which is '
             'reported.'),
    cfg.IntOpt(
        'rpc_timeout', default=30, min=1,
        help='How long a source waits for an answer of the destination\'s '
             'nova-compute, in seconds.'),
    cfg.IntOpt(
        'hold_bandwidth_mib', default=1, min=1,
        help='Bandwidth of Domain R\'s pre-copy while it waits for its '
             'instance to converge, in MiB/s. The lower it is, the fewer '
             'passes QEMU makes over the memory meanwhile.'),
    cfg.BoolOpt(
        'hold', default=True, advanced=True,
        help='Keep Domain R from leaving before its instance. With false it '
             'leaves as soon as it was copied, and the console stands still '
             'until its instance has moved too; nothing is lost. Only good '
             'for testing and measuring that.'),
    cfg.BoolOpt(
        'synchronise', default=True, advanced=True,
        help='Move Domain R in step with its instance. With false it is '
             'moved beside it, and the console loses what is under way: only '
             'good for measuring what the synchronisation costs and gives.'),
    cfg.FloatOpt(
        'watch_interval', default=60.0, min=0.1,
        help='How often nova-compute checks a pair of which it hears nothing, '
             'in seconds. It is told at once of the end of a Domain R or of a '
             'shadow-device process, and of gaps; this is for what it could '
             'not be told, for instance while libvirt was restarted.'),
]


def register(conf: cfg.ConfigOpts) -> None:
    """Register the options; called by the driver and by the generator."""
    # A copy, since oslo.config keeps what is set in the group: two
    # configurations with the same group would see each other's values.
    conf.register_group(copy.deepcopy(GROUP))
    conf.register_opts(OPTIONS, group=GROUP.name)


def check(conf: cfg.ConfigOpts) -> None:
    """Look at the value of each option, which oslo.config does when it is
    read, perhaps much later.

    Called by nova-compute and by each program that reads its files, when it
    starts.

    :raises nova_dmore.exception.ConfigurationError: one cannot be used.
    """
    conf_file.values(conf, GROUP.name, [
        each for each in OPTIONS if not each.deprecated_for_removal])


def warn_of_ignored(conf: cfg.ConfigOpts) -> None:
    """Have oslo.config warn, once, of options that have no effect.

    Called at the start of nova-compute. It warns of a deprecated option when
    that is read, and nobody else reads these.
    """
    for option in OPTIONS:
        if option.deprecated_for_removal:
            conf[GROUP.name][option.dest]


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Entry point ``oslo.config.opts``: what oslo-config-generator prints."""
    return [(GROUP, OPTIONS)]
