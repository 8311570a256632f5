# SPDX-License-Identifier: Apache-2.0
"""Where the single words of the two pages are, as indices of words."""

from nova_dmore.channel.region import word
from nova_dmore import wire

HOST_EPOCH = word(wire.HOST_PAGE + wire.HOST_EPOCH)
HOST_FREEZE = word(wire.HOST_PAGE + wire.HOST_FREEZE)
HOST_FLAGS = word(wire.HOST_PAGE + wire.HOST_FLAGS)
HOST_RESUME_FROM = word(wire.HOST_PAGE + wire.HOST_RESUME_FROM)
HOST_EXPECTED = word(wire.HOST_PAGE + wire.HOST_EXPECTED)

MAGIC = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_MAGIC)
LAYOUT_VERSION = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_LAYOUT_VERSION)
INCARNATION = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_INCARNATION)
ACK_BY = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_ACK_BY)
EPOCH_ACK = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_EPOCH_ACK)
FREEZE_ACK = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_FREEZE_ACK)
GAVE_UP = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_GAVE_UP)
VIEWERS = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_VIEWERS)
DAMAGE_SEEN = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_DAMAGE_SEEN)

DISPLAY_EPOCH = word(wire.DISPLAY_PAGE + wire.DISPLAY_EPOCH)
DISPLAY_MODE = word(wire.DISPLAY_PAGE + wire.DISPLAY_MODE)
DISPLAY_CURSOR = word(wire.DISPLAY_PAGE + wire.DISPLAY_CURSOR)
DISPLAY_PUBLISHED = word(wire.DISPLAY_PAGE + wire.DISPLAY_PUBLISHED)
DISPLAY_DAMAGE = word(wire.DISPLAY_PAGE + wire.DISPLAY_DAMAGE)
