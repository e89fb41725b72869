# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The stage: A, R and B in network namespaces, built anew for each experiment and always removed.
#
#     A 192.168.0.5 ── 192.168.0.1 eth1 [R] eth0 192.0.2.1 ── 192.0.2.8 B

A=192.168.0.5 R=192.0.2.1 B=192.0.2.8
stage="" # the suffix of the namespaces that exist now
stages=0
pids=()

in_host() { # HOST COMMAND...
	local host=$1
	shift
	nsenter --net="/run/netns/bt-$stage-$host" -- "$@"
}

# Not through in_host: then $pid would be a shell that waits for the program, and a signal would end only that.
start_in_host() { # HOST COMMAND..., with the redirections of the caller; sets $pid
	local host=$1
	shift
	nsenter --net="/run/netns/bt-$stage-$host" -- "$@" <&0 & # <&0, else bash may give it /dev/null
	pid=$!
	pids+=("$pid")
}

# The pause between two looks at something.
pause() { sleep 0.004; }

now_ms() { # sets $now, in milliseconds
	now=$((${EPOCHREALTIME/[.,]/} / 1000))
}

until_true() { # LIMIT_MS CONDITION...: waits until the condition (a shell function or test) holds
	local now end
	now_ms
	end=$((now + $1))
	shift
	until "$@"; do
		now_ms
		((now < end)) || return 1
		pause
	done
}

contents() { # FILE: sets $text, without starting a program
	text=""
	[[ -e $1 ]] && read -rd '' text <"$1"
	:
}

has() { # FILE PATTERN
	local text
	contents "$1"
	[[ $text =~ $2 ]]
}

stage_open() {
	local host
	stages=$((stages + 1))
	stage="$$.$stages"
	for host in A R B; do
		ip netns add "bt-$stage-$host"
		in_host "$host" ip link set lo up
	done
	ip link add eth0 netns "bt-$stage-A" type veth peer name eth1 netns "bt-$stage-R"
	ip link add eth0 netns "bt-$stage-R" type veth peer name eth0 netns "bt-$stage-B"
	stage_link A eth0 $A/24
	stage_link R eth1 192.168.0.1/24
	stage_link R eth0 $R/24
	stage_link B eth0 $B/24
	in_host A ip route add default via 192.168.0.1
	set_in_host R net.ipv4.ip_forward 1
	# What arrives at B is counted by tuple: the nearest thing to a capture that every machine with nft has.
	in_host B nft -f - 2>"$work/nft" <<-'END' || cannot "count what arrives at B" "$(<"$work/nft")"
		table inet seen {
			set tcp_tuples { type ipv4_addr . inet_service . inet_service; flags dynamic; size 4096; counter; }
			set udp_tuples { type ipv4_addr . inet_service . inet_service; flags dynamic; size 4096; counter; }
			chain arrivals {
				type filter hook prerouting priority -300;
				tcp flags & (syn | ack) == syn update @tcp_tuples { ip saddr . tcp sport . tcp dport }
				meta l4proto udp update @udp_tuples { ip saddr . udp sport . udp dport }
			}
		}
	END
}

stage_link() { # HOST DEV ADDRESS
	in_host "$1" ip addr add "$3" dev "$2"
	in_host "$1" ip link set "$2" up
}

set_in_host() { # HOST SYSCTL VALUE
	in_host "$1" sh -c "echo '$3' >/proc/sys/${2//.//}"
}

stage_close() {
	local pid host
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	pids=()
	for host in A R B; do
		[[ -n $stage && -e /run/netns/bt-$stage-$host ]] || continue
		for pid in $(ip netns pids "bt-$stage-$host"); do
			kill -9 "$pid" 2>/dev/null
		done
		ip netns del "bt-$stage-$host"
	done
	stage=""
}

seen_at_b() { # PROTO ADDRESS PORT DPORT: sets $seen to the number of packets that arrived with this tuple (TCP: SYNs)
	local line
	line=$(in_host B nft list set inet seen "$1_tuples")
	seen=0
	[[ $line =~ ${2//./\\.}\ \.\ $3\ \.\ $4\ counter\ packets\ ([0-9]+) ]] && seen=${BASH_REMATCH[1]}
	:
}

sources_at_b() { # PROTO DPORT: sets $sources to "ADDRESS:PORT ADDRESS:PORT…", those that B heard of on this port
	local line rest
	line=$(in_host B nft list set inet seen "$1_tuples")
	sources="" rest=$line
	while [[ $rest =~ ([0-9.]+)\ \.\ ([0-9]+)\ \.\ $2\ counter ]]; do
		sources+="${sources:+ }${BASH_REMATCH[1]}:${BASH_REMATCH[2]}"
		rest=${rest#*"${BASH_REMATCH[0]}"}
	done
}

cannot() { # WHAT WHY
	echo "demo: cannot $1: $2" >&2
	exit 1
}
