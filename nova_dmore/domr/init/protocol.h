/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the agent asks of init, the process 1 of Domain R.
 *
 * Two socket pairs of type SOCK_SEQPACKET, one for each kind of request, so
 * that neither has to wait for the other's answer. The agent sends one
 * message and gets one answer. nova_dmore/domr/supervisor.py is the other
 * end. All integers are little-endian; addresses and ports of the network
 * are in its own order only where it says so.
 */
#ifndef NOVA_DMORE_PROTOCOL_H
#define NOVA_DMORE_PROTOCOL_H

#include <stdint.h>

/* Descriptors that the agent is started with. */
#define NETWORK_FD 3
#define VNC_FD 4

/* Descriptors that the VNC process is started with: its end of a
 * SOCK_SEQPACKET pair, the other end of which the agent has, and the region's
 * device, for reading. */
#define VNC_CHANNEL_FD 3
#define VNC_DEVICE_FD 4

/* Most networks that a request may name, for all services together:
 * NETWORKS_MAX of nova_dmore/wire/control.py. */
#define ALLOWED_MAX 256

#define MTU_MIN 576
#define MTU_MIN_IPV6 1280

enum service { SERVICE_SSH, SERVICE_SERIAL, SERVICE_VNC, SERVICES };

/* On NETWORK_FD: set the network up like this, whatever it was before. */
#define REQUEST_NETWORK 1
/* On VNC_FD, nothing follows: end the VNC process if there is one, and start
 * it anew. Its end of the channel comes with the answer, by SCM_RIGHTS. */
#define REQUEST_VNC 2

/* An address or network; that of IPv4 has 4 bytes and then zeros. */
struct ip_prefix {
	uint8_t family;		/* 4, 6, or 0: none, and all is zero */
	uint8_t prefix;		/* in bits */
	uint8_t bytes[16];	/* in the network's order */
} __attribute__((packed));

/* Who may connect to a service. */
struct allowed {
	uint8_t service;
	struct ip_prefix network;	/* bits after the prefix are zero */
} __attribute__((packed));

struct network_request {
	uint32_t kind;
	uint8_t mac[6];		/* of the interface */
	uint16_t mtu;
	struct ip_prefix address;	/* with the prefix of its network */
	struct ip_prefix gateway;	/* its prefix is 32 or 128 */
	uint16_t ports[SERVICES];	/* 0: there is no such service */
	uint16_t count;		/* of what follows */
	struct allowed allowed[];
} __attribute__((packed));

#define NETWORK_REQUEST_MAX (sizeof(struct network_request) + \
			     ALLOWED_MAX * sizeof(struct allowed))

/* The answer to either: done, or printable ASCII that says what is wrong. */
#define ANSWER_DONE 0
#define ANSWER_FAILED 1
#define ANSWER_TEXT_MAX 240

struct answer {
	uint32_t status;
	char text[ANSWER_TEXT_MAX];	/* what is used of it is sent */
} __attribute__((packed));

#endif
