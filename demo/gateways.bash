# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What stands in R: the kernel's own masquerade or bauta, and the trace that each leaves for an operator.

gateway="" # stock | bauta
daemon="" daemon_log="" log_shown=0

gateway_start() { # PORTS [OPTIONS of bauta]
	local ports=$1 lines
	shift
	if [[ $gateway == stock ]]; then
		in_host R nft -f - <<-END
			table ip nat {
				chain postrouting {
					type nat hook postrouting priority srcnat
					oifname "eth0" meta l4proto { tcp, udp } masquerade to :$ports
				}
			}
		END
		return
	fi
	daemon_log="$work/bauta.$stage"
	# DEMO_OPTIONS: for tests, where something that is not shown takes long
	# shellcheck disable=SC2086 # words
	start_in_host R "$bauta" run -e eth0 -p "$ports" ${DEMO_OPTIONS:-} "$@" 2>"$daemon_log"
	daemon=$pid
	until_true 20000 daemon_spoke
	has "$daemon_log" "bauta: ready: " || cannot "start bauta" "$(<"$daemon_log")"
	mapfile -t lines <"$daemon_log"
	log_shown=${#lines[@]}
}

daemon_spoke() { has "$daemon_log" "bauta: ready: " || ! kill -0 "$daemon" 2>/dev/null; }

gateway_stop() { # returns how the daemon ended
	local status
	[[ -n $daemon ]] || return 0
	kill "$daemon" 2>/dev/null
	wait "$daemon" 2>/dev/null
	status=$?
	daemon=""
	return $status
}

events_print() { # what the daemon said since the last time
	local line number=0
	[[ $gateway == bauta ]] || return
	while IFS= read -r line; do
		number=$((number + 1))
		((number > log_shown)) && say_folded log "$line"
	done <"$daemon_log"
	log_shown=$number
}

insert_failed() { # sets $lost: what the kernel counted, the only trace that a stock clash leaves
	local header line column
	lost=""
	[[ -e /proc/net/stat/nf_conntrack ]] || return
	lost=0
	while read -r -a line; do
		if [[ ${line[0]} == entries ]]; then
			header=("${line[@]}")
			continue
		fi
		for column in "${!header[@]}"; do
			[[ ${header[$column]} == insert_failed ]] && lost=$((lost + 16#${line[$column]}))
		done
	done < <(in_host R cat /proc/thread-self/net/stat/nf_conntrack)
}
