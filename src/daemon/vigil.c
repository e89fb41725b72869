/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vigil.h"

#include <linux/neighbour.h>
#include <string.h>

static __u32 pause_ms(const struct vigil *vigil)
{
	return vigil->pause_ms > vigil->share_ms ? vigil->pause_ms : vigil->share_ms;
}

enum vigil_step vigil_step(struct vigil *vigil, __u32 num, __u64 now_ms)
{
	if (!vigil->pause_ms)
		vigil->pause_ms = VIGIL_MS;
	vigil->share_ms = num * 1000 / VIGIL_ASKS_PER_S;
	if (now_ms < vigil->next_ms)
		return VIGIL_WAIT;
	if (!vigil->known || vigil->neighbour.kept || !neighbour_is_valid(&vigil->neighbour)) {
		vigil->tries = 0;
		vigil->next_ms = now_ms + VIGIL_MS;
		return VIGIL_WAIT;
	}
	if (vigil->tries < VIGIL_TRIES) {
		vigil->tries++;
		vigil->next_ms = now_ms + VIGIL_PATIENCE_MS;
		return VIGIL_ASK;
	}
	vigil->tries = 0;
	vigil->next_ms = now_ms + pause_ms(vigil);
	vigil->given_up_ms = now_ms;
	memcpy(vigil->given_up_mac, vigil->neighbour.mac, MAC_LEN);
	return VIGIL_GIVE_UP;
}

/* Who was given up: was he there all the time? */
static void judge(struct vigil *vigil, const struct neighbour *neighbour, __u64 now_ms)
{
	bool same = memcmp(neighbour->mac, vigil->given_up_mac, MAC_LEN) == 0;

	vigil->pause_ms = same && now_ms - vigil->given_up_ms < VIGIL_SOON_MS ? vigil->pause_ms * 2 : VIGIL_MS;
	if (vigil->pause_ms > VIGIL_MAX_MS)
		vigil->pause_ms = VIGIL_MAX_MS;
	vigil->given_up_ms = 0;
}

void vigil_hear(struct vigil *vigil, const struct neighbour *neighbour, __u64 now_ms)
{
	bool answers = neighbour->state & NUD_REACHABLE;

	if (answers && vigil->given_up_ms) {
		judge(vigil, neighbour, now_ms);
		vigil->next_ms = now_ms + pause_ms(vigil);
	} else if (answers && vigil->tries) {
		vigil->tries = 0;
		vigil->next_ms = now_ms + pause_ms(vigil);
		vigil->pause_ms = vigil->pause_ms / 2 > VIGIL_MS ? vigil->pause_ms / 2 : VIGIL_MS;
	}
	vigil->neighbour = *neighbour;
	vigil->known = true;
}
