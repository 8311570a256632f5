/* Prints the rules for the request that it reads, and the settings. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <libnftnl/rule.h>
#include "init.h"

static int print_setting(const char *name, const char *value, void *data)
{
	(void)data;
	printf("setting %s %s\n", name, value);
	return 0;
}

int main(void)
{
	static struct nftnl_rule *rules[RULES_MAX];
	static char text[8192], request[NETWORK_REQUEST_MAX];
	struct failure failure;
	size_t size = fread(request, 1, sizeof(request), stdin);
	int count;

	each_kernel_setting(print_setting, NULL);
	each_network_setting(print_setting, NULL);
	each_interface_setting("eth0", print_setting, NULL);
	if (!size)
		return filter_rules(NULL, rules);
	if (check_network_request(request, size, &failure)) {
		puts(failure.text);
		return 1;
	}
	count = filter_rules((struct network_request *)request, rules);
	for (int at = 0; at < count; at++) {
		nftnl_rule_snprintf(text, sizeof(text), rules[at],
				    NFTNL_OUTPUT_DEFAULT, 0);
		printf("rule %s\n", text);
	}
	return count < 0;
}
