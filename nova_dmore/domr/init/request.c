/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Checks what the agent asks for. The agent may be in somebody else's hands.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "init.h"

int fail(struct failure *failure, const char *format, ...)
{
	va_list arguments;
	int number = errno;

	va_start(arguments, format);
	vsnprintf(failure->text, sizeof(failure->text), format, arguments);
	va_end(arguments);
	errno = number;		/* a caller may read it too */
	return -1;
}

size_t ip_size(int family)
{
	return family == 4 ? 4 : 16;
}

static int all_zero(const uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at < size; at++)
		if (bytes[at])
			return 0;
	return 1;
}

static int check_ip(const struct ip_prefix *ip, const char *name,
		    struct failure *failure)
{
	if (ip->family != 4 && ip->family != 6)
		return fail(failure, "%s: family is %u", name, ip->family);
	if (ip->prefix > 8 * ip_size(ip->family))
		return fail(failure, "%s: prefix is %u", name, ip->prefix);
	if (!all_zero(ip->bytes + ip_size(ip->family),
		      sizeof(ip->bytes) - ip_size(ip->family)))
		return fail(failure, "%s: bytes that mean nothing", name);
	return 0;
}

/* An address that one machine on a network can have. */
static int check_host(const struct ip_prefix *ip, const char *name,
		      struct failure *failure)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	if (check_ip(ip, name, failure))
		return -1;
	/* 0.0.0.0/8, 127.0.0.0/8, and multicast and what is above it. */
	if (ip->family == 4 ? ip->bytes[0] == 0 || ip->bytes[0] == 127 ||
	    ip->bytes[0] >= 224 : ip->bytes[0] == 0xff ||
	    all_zero(ip->bytes, 16) || !memcmp(ip->bytes, loopback, 16))
		return fail(failure, "%s: not of one machine", name);
	return 0;
}

static int check_allowed(const struct allowed *allowed,
			 struct failure *failure)
{
	const struct ip_prefix *network = &allowed->network;

	if (allowed->service >= SERVICES)
		return fail(failure, "allowed: service %u", allowed->service);
	if (check_ip(network, "allowed", failure))
		return -1;
	for (unsigned int bit = network->prefix;
	     bit < 8 * ip_size(network->family); bit++)
		if (network->bytes[bit / 8] & (0x80 >> bit % 8))
			return fail(failure, "allowed: bits after the prefix");
	return 0;
}

int check_network_request(const void *message, size_t size,
			  struct failure *failure)
{
	const struct network_request *request = message;

	if (size < sizeof(*request))
		return fail(failure, "request: %zu bytes", size);
	if (request->kind != REQUEST_NETWORK)
		return fail(failure, "request: kind %u", request->kind);
	if (request->count > ALLOWED_MAX ||
	    size != sizeof(*request) +
	    request->count * sizeof(request->allowed[0]))
		return fail(failure, "request: %zu bytes for %u networks",
			    size, request->count);
	if (request->mac[0] & 1 || all_zero(request->mac, 6))
		return fail(failure, "mac: not of one interface");
	if (check_host(&request->address, "address", failure))
		return -1;
	if (request->mtu < (request->address.family == 4 ? MTU_MIN :
			    MTU_MIN_IPV6))
		return fail(failure, "mtu: %u is too small", request->mtu);
	if (request->gateway.family) {
		if (check_host(&request->gateway, "gateway", failure))
			return -1;
		if (request->gateway.family != request->address.family ||
		    request->gateway.prefix !=
		    8 * ip_size(request->gateway.family))
			return fail(failure, "gateway: not like the address");
	} else if (!all_zero((const uint8_t *)&request->gateway,
			     sizeof(request->gateway))) {
		return fail(failure, "gateway: bytes that mean nothing");
	}
	for (int at = 0; at < request->count; at++)
		if (check_allowed(&request->allowed[at], failure))
			return -1;
	return 0;
}
