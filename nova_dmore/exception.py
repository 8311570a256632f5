# SPDX-License-Identifier: Apache-2.0
"""Errors of nova-dmore.

Raised in nova-compute and in the programs of a host: the host service, the
recorder, the exporter, the gateway and the commands. Keepers, workers and
Domain R have :mod:`nova_dmore.channel.errors` instead. Each message names the
option, file or value that is wrong and what to do.
"""


class DMoreError(Exception):
    """Base of all errors raised by this package."""


class ConfigurationError(DMoreError):
    """An option, or something an option names, cannot be used."""


class ImageError(DMoreError):
    """The Domain R image is missing, damaged or of another layout version."""


class AddressError(DMoreError):
    """Domain R's port cannot be created, bound or plugged."""


class ServiceAwayError(DMoreError):
    """Neutron, Glance or Keystone does not answer: try again later."""


class NeutronAwayError(AddressError, ServiceAwayError):
    """Neutron, or Keystone, does not answer."""


class GlanceAwayError(ImageError, ServiceAwayError):
    """Glance, or Keystone, does not answer."""


class PlacementAwayError(ServiceAwayError):
    """Placement does not answer, or changes all the time."""


class NoRoomError(ConfigurationError):
    """The host has no memory for one Domain R more."""


class ShadowProcessError(DMoreError):
    """The shadow-device process of a pair is of no use now; why is told by
    which of the next two it is."""


class ShadowAnswerError(ShadowProcessError):
    """It is gone, does not answer, answers wrongly or refuses."""


class HostServiceError(ShadowProcessError):
    """The host service is not there, or does not do what it is asked: nobody
    can tell what has become of the process of a pair."""


class ProcessChangesError(HostServiceError):
    """The process of a pair is just beginning, or ending, for longer than
    anybody waits; the host service answers for others."""


class PairError(DMoreError):
    """Domain R could not be started, found or moved."""


class NobodyThereError(PairError):
    """A host has no nova-compute with the plug-in."""


class NoAnswerError(PairError):
    """Nobody can tell whether a host has a nova-compute with the plug-in."""
