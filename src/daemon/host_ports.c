/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping the map "host_ports" true.
 *
 * The list of sockets is older than the moment when it is here. What a hook has noted since it was asked for is in `fresh`, which
 * was emptied before that; so a bit is cleared only if it is in neither, and put back if it has come to `fresh` while it was
 * being cleared: the hook, who sets `fresh` first, may have found it set in `held` still.
 */
#include "host_ports.h"

#include <netinet/in.h>
#include <string.h>

#include "platform.h"

static const __u8 proto_of[HOST_PORTS_BOUND] = { [SPACE_TCP] = IPPROTO_TCP, [SPACE_UDP] = IPPROTO_UDP };

static bool is_loopback(__be32 addr)
{
	return be32_to_cpu(addr) >> 24 == IN_LOOPBACKNET;
}

void host_ports_of(const struct sockets *sockets, __u8 proto, bool bound, __u64 ret_word[PORT_WORDS])
{
	memset(ret_word, 0, PORT_WORDS * sizeof(*ret_word));
	for (size_t i = 0; i < sockets->num; i++) {
		const struct host_socket *socket = &sockets->socket[i];
		__u16 port = be16_to_cpu(socket->local.port);

		if (socket->proto == proto && !is_loopback(socket->local.addr) && (!bound || socket->ifindex))
			ret_word[port / 64] |= 1ull << port % 64;
	}
}

static void update(struct host_ports *ports, const __u64 listed[PORT_WORDS])
{
	for (__u32 i = 0; i < PORT_WORDS; i++) {
		__u64 kept = listed[i] | __atomic_load_n(&ports->fresh[i], __ATOMIC_SEQ_CST);

		if (__atomic_load_n(&ports->held[i], __ATOMIC_SEQ_CST) == kept)
			continue;
		__atomic_fetch_and(&ports->held[i], kept, __ATOMIC_SEQ_CST);
		kept |= __atomic_load_n(&ports->fresh[i], __ATOMIC_SEQ_CST);
		__atomic_fetch_or(&ports->held[i], kept, __ATOMIC_SEQ_CST);
	}
}

int host_ports_update(struct host_ports ports[NUM_HOST_PORTS], struct fault *fault)
{
	__u64 listed[PORT_WORDS];
	struct sockets sockets;
	int err;

	for (size_t n = 0; n < NUM_HOST_PORTS; n++)
		for (__u32 i = 0; i < PORT_WORDS; i++)
			if (READ_ONCE(ports[n].fresh[i]))
				__atomic_store_n(&ports[n].fresh[i], 0, __ATOMIC_SEQ_CST);
	err = sockets_read(&sockets, fault);
	if (err)
		return err;
	for (size_t n = 0; n < NUM_HOST_PORTS; n++) {
		host_ports_of(&sockets, proto_of[n % HOST_PORTS_BOUND], n >= HOST_PORTS_BOUND, listed);
		update(&ports[n], listed);
	}
	sockets_free(&sockets);
	return 0;
}
