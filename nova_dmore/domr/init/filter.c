/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The packet filter: what comes in is for a service, from a network that may
 * use it, and what goes out answers that. No state is kept: there is nothing
 * to fill up, and a session goes on when Domain R arrives on another host.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include "init.h"

#define INPUT "input"
#define OUTPUT "output"
#define FORWARD "forward"

/* Of <linux/icmpv6.h>, which does not go with netinet's. */
#define MLD2_REPORT 143

#define SYN_ACK 0x12
#define SYN 0x02

/* A list of rules that grows; ``broken``: there was no memory for one. */
struct list {
	struct nftnl_rule **rules;
	int count, broken;
};

/* -- parts of a rule: each one that does not hold ends it */

static struct nftnl_expr *add(struct list *list, const char *name)
{
	struct nftnl_expr *expression = nftnl_expr_alloc(name);

	if (expression && list->count && !list->broken) {
		nftnl_rule_add_expr(list->rules[list->count - 1], expression);
		return expression;
	}
	if (expression)
		nftnl_expr_free(expression);
	list->broken = 1;
	return NULL;
}

static void compare(struct list *list, int operation, const void *data,
		    size_t size)
{
	struct nftnl_expr *expression = add(list, "cmp");

	if (!expression)
		return;
	nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_OP, operation);
	nftnl_expr_set(expression, NFTNL_EXPR_CMP_DATA, data, size);
}

static void is_meta(struct list *list, int key, uint8_t value)
{
	struct nftnl_expr *expression = add(list, "meta");

	if (!expression)
		return;
	nftnl_expr_set_u32(expression, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expression, NFTNL_EXPR_META_DREG, NFT_REG_1);
	compare(list, NFT_CMP_EQ, &value, sizeof(value));
}

static void load(struct list *list, int header, int offset, size_t size)
{
	struct nftnl_expr *expression = add(list, "payload");

	if (!expression)
		return;
	nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_BASE, header);
	nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_LEN, size);
	nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

static void mask(struct list *list, const void *bits, size_t size)
{
	static const uint8_t none[16];
	struct nftnl_expr *expression = add(list, "bitwise");

	if (!expression)
		return;
	nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_LEN, size);
	nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_OP,
			   NFT_BITWISE_BOOL);
	nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_MASK, bits, size);
	nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_XOR, none, size);
}

static void accept_it(struct list *list)
{
	struct nftnl_expr *expression = add(list, "immediate");

	if (!expression)
		return;
	nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
}

/* -- rules */

static void begin(struct list *list, const char *chain, int family,
		  uint8_t protocol)
{
	struct nftnl_rule *rule;

	if (list->broken || list->count == RULES_MAX ||
	    !(rule = nftnl_rule_alloc())) {
		list->broken = 1;
		return;
	}
	list->rules[list->count++] = rule;
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, FILTER_TABLE);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	is_meta(list, NFT_META_NFPROTO,
		family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	is_meta(list, NFT_META_L4PROTO, protocol);
}

/* The packet's source (coming in) or destination is in a network. */
static void is_in(struct list *list, const struct ip_prefix *network, int source)
{
	size_t size = ip_size(network->family);
	int offset = network->family == 4 ? 12 : 8;
	uint8_t bits[16] = { 0 };

	if (!network->prefix)
		return;
	for (unsigned int bit = 0; bit < network->prefix; bit++)
		bits[bit / 8] |= 0x80 >> bit % 8;
	load(list, NFT_PAYLOAD_NETWORK_HEADER,
	     source ? offset : offset + (int)size, size);
	if (network->prefix < 8 * size)
		mask(list, bits, size);
	compare(list, NFT_CMP_EQ, network->bytes, size);
}

static void service(struct list *list, const struct ip_prefix *network,
		    uint16_t number)
{
	static const uint8_t syn_ack = SYN_ACK, syn = SYN;
	uint16_t port = htons(number);

	begin(list, INPUT, network->family, IPPROTO_TCP);
	load(list, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(port));
	compare(list, NFT_CMP_EQ, &port, sizeof(port));
	is_in(list, network, 1);
	accept_it(list);

	/* It answers, and opens no connection. */
	begin(list, OUTPUT, network->family, IPPROTO_TCP);
	load(list, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(port));
	compare(list, NFT_CMP_EQ, &port, sizeof(port));
	load(list, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
	mask(list, &syn_ack, 1);
	compare(list, NFT_CMP_NEQ, &syn, 1);
	is_in(list, network, 0);
	accept_it(list);
}

static void icmp(struct list *list, const char *chain, int family,
		 const uint8_t *types, size_t count)
{
	for (size_t at = 0; at < count; at++) {
		begin(list, chain, family,
		      family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		load(list, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
		compare(list, NFT_CMP_EQ, &types[at], 1);
		accept_it(list);
	}
}

/* What TCP must be told of the way, and an answer to whoever asks for the
 * machine with ping. No redirects, no timestamps, no masks. */
static const uint8_t icmp_in[] = {
	ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB, ICMP_ECHO,
};
static const uint8_t icmp_out[] = {
	ICMP_DEST_UNREACH, ICMP_PARAMETERPROB, ICMP_ECHOREPLY,
};
/* And who has an address: this is IPv6's ARP. No router advertisements, no
 * redirects. Switches that snoop multicast want reports, or neighbours do
 * not reach us. */
static const uint8_t icmp6_in[] = {
	ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED,
	ICMP6_PARAM_PROB, ICMP6_ECHO_REQUEST, ND_NEIGHBOR_SOLICIT,
	ND_NEIGHBOR_ADVERT, MLD_LISTENER_QUERY,
};
static const uint8_t icmp6_out[] = {
	ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_PARAM_PROB,
	ICMP6_ECHO_REPLY, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT,
	MLD_LISTENER_REPORT, MLD_LISTENER_REDUCTION, MLD2_REPORT,
};

int filter_rules(const struct network_request *request,
		 struct nftnl_rule *rules[RULES_MAX])
{
	struct list list = { .rules = rules };

	if (!request)
		return 0;
	for (int at = 0; at < request->count; at++) {
		const struct allowed *allowed = &request->allowed[at];
		uint16_t port = request->ports[allowed->service];

		if (port && allowed->network.family == request->address.family)
			service(&list, &allowed->network, port);
	}
	if (request->address.family == 4) {
		icmp(&list, INPUT, 4, icmp_in, sizeof(icmp_in));
		icmp(&list, OUTPUT, 4, icmp_out, sizeof(icmp_out));
	} else {
		icmp(&list, INPUT, 6, icmp6_in, sizeof(icmp6_in));
		icmp(&list, OUTPUT, 6, icmp6_out, sizeof(icmp6_out));
	}
	if (!list.broken)
		return list.count;
	while (list.count)
		nftnl_rule_free(rules[--list.count]);
	return -1;
}

/* -- to the kernel, as one transaction */

/* ``broken``: something is missing in it, for want of memory. */
struct batch {
	struct mnl_nlmsg_batch *messages;
	uint32_t sequence;
	int broken;
};

static struct nlmsghdr *message(struct batch *batch, int type, int flags)
{
	return nftnl_nlmsg_build_hdr(
		mnl_nlmsg_batch_current(batch->messages), type, NFPROTO_INET,
		flags, batch->sequence++);
}

static void finish(struct batch *batch)
{
	if (!mnl_nlmsg_batch_next(batch->messages))
		batch->broken = 1;
}

static void put_table(struct batch *batch, int type, int flags)
{
	struct nftnl_table *table = nftnl_table_alloc();

	if (!table) {
		batch->broken = 1;
		return;
	}
	nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, NFPROTO_INET);
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, FILTER_TABLE);
	nftnl_table_nlmsg_build_payload(message(batch, type, flags), table);
	nftnl_table_free(table);
	finish(batch);
}

static void put_chain(struct batch *batch, const char *name, int hook,
		      int flags)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();

	if (!chain) {
		batch->broken = 1;
		return;
	}
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_FAMILY, NFPROTO_INET);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, FILTER_TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_PRIO, 0);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_DROP);
	nftnl_chain_nlmsg_build_payload(
		message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | flags), chain);
	nftnl_chain_free(chain);
	finish(batch);
}

/* Send it, and check the kernel's answer. */
static int commit(struct batch *batch, struct failure *failure)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER,
						     SOCK_CLOEXEC);
	const void *data = mnl_nlmsg_batch_head(batch->messages);
	int size = mnl_nlmsg_batch_size(batch->messages);
	char answer[MNL_SOCKET_BUFFER_SIZE];
	ssize_t got;
	int result = -1;

	/* The kernel refuses a message that does not fit in the buffer. */
	if (socket && setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET,
				 SO_SNDBUFFORCE, &size, sizeof(size)) == 0 &&
	    mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(socket, data, size) >= 0) {
		/* Errors come first, each by itself; the acknowledgement of
		 * the only one that asked for one is the last. */
		got = mnl_socket_recvfrom(socket, answer, sizeof(answer));
		if (got >= 0 &&
		    mnl_cb_run(answer, got, 0, mnl_socket_get_portid(socket),
			       NULL, NULL) >= 0)
			result = 0;
	}
	if (result)
		fail(failure, "packet filter: %s", strerror(errno));
	if (socket)
		mnl_socket_close(socket);
	return result;
}

static void put_all(struct batch *batch, struct nftnl_rule **rules, int count)
{
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch->messages),
			  batch->sequence++);
	finish(batch);
	/* A table must exist to be deleted. */
	put_table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_table(batch, NFT_MSG_DELTABLE, 0);
	put_table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_chain(batch, INPUT, NF_INET_LOCAL_IN, 0);
	put_chain(batch, OUTPUT, NF_INET_LOCAL_OUT, 0);
	for (int at = 0; at < count; at++) {
		nftnl_rule_nlmsg_build_payload(
			message(batch, NFT_MSG_NEWRULE,
				NLM_F_CREATE | NLM_F_APPEND), rules[at]);
		finish(batch);
	}
	put_chain(batch, FORWARD, NF_INET_FORWARD, NLM_F_ACK);
	nftnl_batch_end(mnl_nlmsg_batch_current(batch->messages),
			batch->sequence++);
	finish(batch);
}

int load_filter(const struct network_request *request,
		struct failure *failure)
{
	/* More than a rule ever needs. */
	static const size_t limit = RULES_MAX * 1024;
	static struct nftnl_rule *rules[RULES_MAX];
	int count = filter_rules(request, rules), result = -1;
	/* libmnl wants room for one more message than fits. */
	char *buffer = malloc(limit + MNL_SOCKET_BUFFER_SIZE);
	struct batch batch = { .sequence = 1 };

	if (buffer)
		batch.messages = mnl_nlmsg_batch_start(buffer, limit);
	if (count >= 0 && batch.messages)
		put_all(&batch, rules, count);
	else
		batch.broken = 1;
	if (batch.broken)
		fail(failure, "packet filter: no memory");
	else
		result = commit(&batch, failure);
	if (batch.messages)
		mnl_nlmsg_batch_stop(batch.messages);
	free(buffer);
	while (count > 0)
		nftnl_rule_free(rules[--count]);
	return result;
}
