/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Internet checksum (RFC 1071) and its change when a field changes (RFC 1624 equation 3). */
#ifndef BAUTA_CHECKSUM_H
#define BAUTA_CHECKSUM_H

#include "platform.h"

/* Sums are of 16-bit words in network order, kept in a wider word until folded. */
static __always_inline __u16 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* HC' = ~(~HC + ~m + m') */
static __always_inline void checksum_replace16(__u16 *checksum, __u16 from, __u16 to)
{
	__u32 sum = (__u16) ~*checksum + (__u16)~from + to;

	*checksum = ~checksum_fold(sum);
}

static __always_inline void checksum_replace32(__u16 *checksum, __u32 from, __u32 to)
{
	checksum_replace16(checksum, from, to);
	checksum_replace16(checksum, from >> 16, to >> 16);
}

/* Of a sum of less than 2^48. */
static __always_inline __u16 checksum_fold64(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Sum of an IPv4 header of `num_words` 32-bit words, 5 to 15, that starts at `header`; 0xffff when its checksum is
 * right. 0, which is never right, when it does not fit before `end`.
 */
static __always_inline __u16 checksum_ip_header(const void *header, const void *end, __u32 num_words)
{
	const __u32 *word = header;
	__u64 sum;

	if ((const void *)(word + 5) > end)
		return 0;
	sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];
	word += 5;
	for (__u32 i = 5; i < 15; i++) {
		if (i >= num_words)
			break;
		OPTIMIZER_HIDE_VAR(word);
		if ((const void *)(word + 1) > end)
			return 0;
		sum += *word++;
	}
	return checksum_fold64(sum);
}

/* The sum of `len` octets, not complemented (RFC 1071). Octet by octet: for user space. */
static __always_inline __u16 checksum_sum(const void *data, __u32 len)
{
	const __u8 *octet = data;
	__u64 sum = 0;

	for (__u32 i = 0; i < len; i++)
		sum += cpu_to_be16(i % 2 ? octet[i] : octet[i] << 8);
	return checksum_fold64(sum);
}

#endif
