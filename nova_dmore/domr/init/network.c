/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The network interface: its address, and the ways to its network and to the
 * gateway.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include "init.h"

/* How long to wait for the interface to appear. */
#define INTERFACE_TRIES 100
#define INTERFACE_PAUSE_NS 50000000

/* More than any of our messages. */
#define MESSAGE_MAX 1024

struct link {
	struct mnl_socket *socket;
	unsigned int index;
	char buffer[MESSAGE_MAX];
};

static int has_mac(const char *name, const uint8_t *mac)
{
	char path[300], text[18] = "", wanted[18];
	int file;
	ssize_t size;

	snprintf(path, sizeof(path), "/sys/class/net/%s/address", name);
	snprintf(wanted, sizeof(wanted), "%02x:%02x:%02x:%02x:%02x:%02x",
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return 0;
	size = read(file, text, sizeof(text) - 1);
	close(file);
	return size == sizeof(text) - 1 && !strcmp(text, wanted);
}

static int find_now(const uint8_t *mac, char name[IF_NAMESIZE])
{
	DIR *directory = opendir("/sys/class/net");
	struct dirent *entry;
	int found = 0;

	while (directory && !found && (entry = readdir(directory)))
		if (entry->d_name[0] != '.' && has_mac(entry->d_name, mac))
			found = snprintf(name, IF_NAMESIZE, "%.15s",
					 entry->d_name) > 0;
	if (directory)
		closedir(directory);
	return found;
}

static int find(const uint8_t *mac, char name[IF_NAMESIZE],
		struct failure *failure)
{
	const struct timespec pause = { .tv_nsec = INTERFACE_PAUSE_NS };

	for (int tries = 0; tries < INTERFACE_TRIES; tries++) {
		if (find_now(mac, name))
			return 0;
		nanosleep(&pause, NULL);
	}
	return fail(failure, "no network interface has the address "
		    "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		    mac[3], mac[4], mac[5]);
}

/* -- messages to the kernel */

static void *begin(struct link *link, int type, int flags, size_t size)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(link->buffer);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = 1;
	return mnl_nlmsg_put_extra_header(header, size);
}

/* Send what is in the buffer, and give each answer to the function. */
static int talk(struct link *link, const char *what, mnl_cb_t function,
		void *data, struct failure *failure)
{
	struct nlmsghdr *header = (struct nlmsghdr *)link->buffer;
	char answer[MNL_SOCKET_BUFFER_SIZE];
	ssize_t size;
	int result;

	if (mnl_socket_sendto(link->socket, header, header->nlmsg_len) < 0)
		return fail(failure, "%s: %s", what, strerror(errno));
	do {
		size = mnl_socket_recvfrom(link->socket, answer,
					   sizeof(answer));
		result = size < 0 ? -1 : mnl_cb_run(
			answer, size, 1, mnl_socket_get_portid(link->socket),
			function, data);
	} while (result > 0);
	return result ? fail(failure, "%s: %s", what, strerror(errno)) : 0;
}

static int change(struct link *link, const char *what,
		  struct failure *failure)
{
	((struct nlmsghdr *)link->buffer)->nlmsg_flags |= NLM_F_ACK;
	return talk(link, what, NULL, NULL, failure);
}

static int open_socket(struct link *link, struct failure *failure)
{
	link->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (link->socket &&
	    mnl_socket_bind(link->socket, 0, MNL_SOCKET_AUTOPID) == 0)
		return 0;
	fail(failure, "netlink: %s", strerror(errno));
	if (link->socket)
		mnl_socket_close(link->socket);
	link->socket = NULL;
	return -1;
}

static int open_link(struct link *link, const char *name,
		     struct failure *failure)
{
	link->index = if_nametoindex(name);
	if (!link->index)
		return fail(failure, "%s: %s", name, strerror(errno));
	return open_socket(link, failure);
}

static int bring_up(struct link *link, uint32_t mtu, struct failure *failure)
{
	struct ifinfomsg *info = begin(link, RTM_NEWLINK, 0, sizeof(*info));

	info->ifi_family = AF_UNSPEC;
	info->ifi_index = link->index;
	info->ifi_flags = info->ifi_change = IFF_UP;
	if (mtu)
		mnl_attr_put_u32((struct nlmsghdr *)link->buffer, IFLA_MTU,
				 mtu);
	return change(link, "interface", failure);
}

int bring_loopback_up(struct failure *failure)
{
	struct link link;
	int result;

	if (open_link(&link, "lo", failure))
		return -1;
	result = bring_up(&link, 0, failure);
	mnl_socket_close(link.socket);
	return result;
}

/* -- what was set before goes */

#define LEFTOVERS_MAX 16
#define DUMP_TRIES 20

/* Messages that delete what was found. */
struct leftovers {
	struct link *link;
	int type, count;
	union {
		struct nlmsghdr header;
		char bytes[512];
	} messages[LEFTOVERS_MAX];
};

static int is_ours(const struct leftovers *found,
		   const struct nlmsghdr *header)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(header);
	const struct rtmsg *route = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute;

	if (found->type == RTM_DELADDR)
		return address->ifa_index == found->link->index &&
			address->ifa_scope == RT_SCOPE_UNIVERSE;
	if (route->rtm_protocol != RTPROT_STATIC)
		return 0;
	mnl_attr_for_each(attribute, header, sizeof(*route))
		if (mnl_attr_get_type(attribute) == RTA_OIF)
			return mnl_attr_get_u32(attribute) ==
				found->link->index;
	return 0;
}

static int collect(const struct nlmsghdr *header, void *data)
{
	struct leftovers *found = data;

	if (found->count < LEFTOVERS_MAX &&
	    header->nlmsg_len <= sizeof(found->messages[0]) &&
	    is_ours(found, header))
		memcpy(&found->messages[found->count++], header,
		       header->nlmsg_len);
	return MNL_CB_OK;
}

/* Delete what we once added: addresses or routes, of both families. */
static int clear(struct link *link, int dump, int delete, size_t header_size,
		 struct failure *failure)
{
	static struct leftovers found;
	int tries = 0;

	for (;;) {
		found.link = link;
		found.type = delete;
		found.count = 0;
		/* All zero: of all families. */
		begin(link, dump, NLM_F_DUMP, header_size);
		if (!talk(link, "dump", collect, &found, failure))
			break;
		/* The kernel changed something meanwhile, as it does when it
		 * begins with IPv6. The rest of its answer is not for us. */
		if (errno != EINTR || ++tries == DUMP_TRIES)
			return -1;
		mnl_socket_close(link->socket);
		if (open_socket(link, failure))
			return -1;
	}
	for (int at = 0; at < found.count; at++) {
		struct nlmsghdr *header = &found.messages[at].header;

		header->nlmsg_type = delete;
		header->nlmsg_flags = NLM_F_REQUEST;
		header->nlmsg_pid = 0;
		memcpy(link->buffer, header, header->nlmsg_len);
		/* An address may have taken another, or a route, along. */
		if (change(link, "delete", failure) &&
		    errno != ESRCH && errno != EADDRNOTAVAIL)
			return -1;
	}
	return 0;
}

/* -- what is asked for */

static int add_address(struct link *link, const struct ip_prefix *ip,
		       struct failure *failure)
{
	struct nlmsghdr *header = (struct nlmsghdr *)link->buffer;
	struct ifaddrmsg *address = begin(
		link, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
		sizeof(*address));
	size_t size = ip_size(ip->family);

	address->ifa_family = ip->family == 4 ? AF_INET : AF_INET6;
	address->ifa_prefixlen = ip->prefix;
	address->ifa_scope = RT_SCOPE_UNIVERSE;
	address->ifa_index = link->index;
	mnl_attr_put(header, IFA_LOCAL, size, ip->bytes);
	mnl_attr_put(header, IFA_ADDRESS, size, ip->bytes);
	/* The kernel's own route to the network would have no metrics. */
	mnl_attr_put_u32(header, IFA_FLAGS,
			 IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE |
			 (ip->family == 6 ? IFA_F_NODAD : 0));
	return change(link, "address", failure);
}

static struct rtmsg *begin_route(struct link *link, unsigned int family,
				 unsigned int scope)
{
	struct rtmsg *route = begin(link, RTM_NEWROUTE,
				    NLM_F_CREATE | NLM_F_REPLACE,
				    sizeof(*route));

	route->rtm_family = family == 4 ? AF_INET : AF_INET6;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = scope;
	route->rtm_type = RTN_UNICAST;
	return route;
}

/* What every route of ours ends with.
 *
 * What comes this way is acknowledged at once. Nova's proxies leave Nagle's
 * algorithm on (nova/console/websocketproxy.py sets no TCP_NODELAY): they
 * keep a key until what they sent before is acknowledged, for which Linux
 * takes 40 ms when it has nothing to send (TCP_DELACK_MIN). */
static int add_route(struct link *link, const char *what,
		     struct failure *failure)
{
	struct nlmsghdr *header = (struct nlmsghdr *)link->buffer;
	struct nlattr *metrics;

	mnl_attr_put_u32(header, RTA_OIF, link->index);
	metrics = mnl_attr_nest_start(header, RTA_METRICS);
	mnl_attr_put_u32(header, RTAX_QUICKACK, 1);
	mnl_attr_nest_end(header, metrics);
	return change(link, what, failure);
}

static int add_network_route(struct link *link, const struct ip_prefix *ip,
			     struct failure *failure)
{
	struct nlmsghdr *header = (struct nlmsghdr *)link->buffer;
	size_t size = ip_size(ip->family);
	uint8_t network[sizeof(ip->bytes)];
	struct rtmsg *route;

	if (ip->prefix == 8 * size)
		return 0;	/* nobody else is in it */
	memcpy(network, ip->bytes, size);
	for (unsigned int bit = ip->prefix; bit < 8 * size; bit++)
		network[bit / 8] &= ~(0x80 >> bit % 8);
	route = begin_route(link, ip->family, RT_SCOPE_LINK);
	route->rtm_dst_len = ip->prefix;
	mnl_attr_put(header, RTA_DST, size, network);
	return add_route(link, "network", failure);
}

static int is_outside(const struct ip_prefix *ip, const struct ip_prefix *network)
{
	for (unsigned int bit = 0; bit < network->prefix; bit++)
		if ((ip->bytes[bit / 8] ^ network->bytes[bit / 8]) &
		    (0x80 >> bit % 8))
			return 1;
	return 0;
}

static int add_gateway_route(struct link *link,
			     const struct network_request *request,
			     struct failure *failure)
{
	struct nlmsghdr *header = (struct nlmsghdr *)link->buffer;
	const struct ip_prefix *gateway = &request->gateway;
	struct rtmsg *route = begin_route(link, gateway->family,
					  RT_SCOPE_UNIVERSE);

	if (is_outside(gateway, &request->address))
		route->rtm_flags = RTNH_F_ONLINK;
	mnl_attr_put(header, RTA_GATEWAY, ip_size(gateway->family),
		     gateway->bytes);
	return add_route(link, "gateway", failure);
}

static int set_addresses(const char *name,
			 const struct network_request *request,
			 struct failure *failure)
{
	struct link link;
	int result;

	/* Not needed, and so not reachable: IPv6 beside an IPv4 address. */
	if (write_ipv6_setting(name, request->address.family == 6, failure) ||
	    open_link(&link, name, failure))
		return -1;
	/* It has the address when it comes up: the kernel tells the network
	 * then. */
	result = clear(&link, RTM_GETROUTE, RTM_DELROUTE,
		       sizeof(struct rtmsg), failure) ||
		clear(&link, RTM_GETADDR, RTM_DELADDR,
		      sizeof(struct ifaddrmsg), failure) ||
		add_address(&link, &request->address, failure) ||
		bring_up(&link, request->mtu, failure) ||
		add_network_route(&link, &request->address, failure) ||
		(request->gateway.family &&
		 add_gateway_route(&link, request, failure));
	if (link.socket)
		mnl_socket_close(link.socket);
	return result ? -1 : 0;
}

int set_up_network(const struct network_request *request,
		   struct failure *failure)
{
	/* What the interface was given last; all but the services. */
	static struct network_request before;
	const size_t addressing = offsetof(struct network_request, ports);
	char name[IF_NAMESIZE];

	if (load_filter(request, failure))
		return -1;
	if (!memcmp(&before, request, addressing))
		return 0;	/* sessions go on, nothing is announced */
	memset(&before, 0, sizeof(before));
	if (find(request->mac, name, failure) ||
	    set_addresses(name, request, failure))
		return -1;
	memcpy(&before, request, addressing);
	return 0;
}
