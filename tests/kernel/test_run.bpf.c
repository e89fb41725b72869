/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Works through the data of a test run, as the sweep does with its candidates. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

enum { HEADER = 16, MAX_WORDS = 1024 };

__u32 num_words;
__u64 sum;
__u32 ifindex;

SEC("tc")
int work(struct __sk_buff *skb)
{
	__u32 word = 0;

	num_words = 0;
	sum = 0;
	ifindex = skb->ifindex;
	for (__u32 i = 0; i < MAX_WORDS; i++) {
		if (bpf_skb_load_bytes(skb, HEADER + i * sizeof(word), &word, sizeof(word)))
			break;
		num_words++;
		sum += word;
	}
	/* the first word after the header carries an answer back */
	if (bpf_skb_store_bytes(skb, HEADER, &num_words, sizeof(num_words), 0))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
