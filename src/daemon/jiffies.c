/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A BPF program of six instructions that returns one half of jiffies64: the result of a test run has 32 bits. */
#include "jiffies.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stddef.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "clock.h"

static int load(void)
{
	const struct bpf_insn program[] = {
		/* r6 = skb->mark */
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = 6,
		  .src_reg = 1,
		  .off = offsetof(struct __sk_buff, mark) },
		/* r0 = bpf_jiffies64() */
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_jiffies64 },
		/* if (r6 != 0) r0 >>= 32 */
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 6, .off = 1, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = 0, .imm = 32 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bauta_jiffies", "GPL", program,
			     sizeof(program) / sizeof(program[0]), NULL);
}

static int run(int fd, __u32 high, __u32 *ret_half)
{
	char frame[ETH_HLEN] = {};
	struct __sk_buff skb = { .mark = high };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .repeat = 1);
	int err = bpf_prog_test_run_opts(fd, &opts);

	if (!err)
		*ret_half = opts.retval;
	return err;
}

int jiffies_read(__u64 *ret_jiffies, __u64 *ret_mono_ns, struct fault *fault)
{
	__u32 low = 0, high = 0, again = 0;
	__u64 mono_ns;
	int err, fd;

	fd = load();
	if (fd < 0)
		return fault_set_errno(
			fault, -fd,
			"cannot load a BPF program (needed: root, kernel 6.1 or later with CONFIG_BPF_SYSCALL "
			"and CONFIG_NET_CLS_BPF)");
	do {
		err = run(fd, 1, &high);
		if (!err)
			err = run(fd, 0, &low);
		mono_ns = clock_read_mono_ns();
		if (!err)
			err = run(fd, 1, &again);
	} while (!err && high != again);
	close(fd);
	if (err)
		return fault_set_errno(fault, -err, "cannot run a BPF program");
	*ret_jiffies = (__u64)high << 32 | low;
	*ret_mono_ns = mono_ns;
	return 0;
}
