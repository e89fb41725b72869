# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Who talks: nc as client and as service, dig as client, dnsmasq as name server; and what each of them saw.
# A talk has a name; what is known of it stands in these tables.

declare -A from_of to_of talk_host outcome took_ms server_of peer_of query_of says_fd served idle
talks=0

# One nc serves one connection, but goes on listening. The first on a port listens on any address, the next on B's own,
# which the kernel prefers, so that each connection finds the nc that was started for it.
serve() { # PORT: a fresh nc listens on B; sets $server
	local log address=0.0.0.0
	# One that nobody reached is still waiting, and would be found as well.
	server=${idle[$stage:$1]-}
	unset "idle[$stage:$1]"
	[[ -z $server ]] || return 0
	[[ -z ${served[$stage:$1]-} ]] || address=$B
	served[$stage:$1]=yes
	server=$((talks += 1))
	log="$work/server.$server"
	mkfifo "$log.in"
	exec {fd}<>"$log.in"
	says_fd[$server]=$fd
	start_in_host B nc -l -n -v "$address" "$1" <"$log.in" >"$log.out" 2>"$log.err"
	until_true 5000 has "$log.err" "Listening" || cannot "listen on B:$1" "$(<"$log.err")"
}

# The idle limit of nc (-w) also ends connections in which nobody speaks: LIMIT is short only for who may hang.
dial() { # NAME HOST SOURCE_PORT PORT LIMIT_S: nc connects from HOST to B, from any port if SOURCE_PORT is "any"; returns
	# when nc knows the outcome
	local name=$1 host=$2 log="$work/$1" now start text pattern='succeeded!|failed|nc: '
	local -a from=(-p "$3")
	[[ $3 != any ]] || from=()
	serve "$4"
	server_of[$name]=$server talk_host[$name]=$host
	from_of[$name]="${!host}:$3" to_of[$name]="$B:$4"
	rm -f "$log.in" # of the other half's talk of this name
	mkfifo "$log.in"
	exec {fd}<>"$log.in"
	says_fd[$name]=$fd
	now_ms
	start=$now
	start_in_host "$host" nc -n -v -w "$5" "${from[@]}" "$B" "$4" <"$log.in" >"$log.out" 2>"$log.err"
	until_true 30000 has "$log.err" "$pattern" || cannot "learn what became of nc" "$(<"$log.err")"
	now_ms
	took_ms[$name]=$((now - start))
	contents "$log.err"
	if [[ $text == *succeeded!* ]]; then
		outcome[$name]=connected
		until_true 5000 has "$work/server.$server.err" "received on" || :
		contents "$work/server.$server.err"
		peer_of[$name]=""
		[[ $text =~ received\ on\ ([0-9.]+)\ ([0-9]+) ]] && peer_of[$name]="${BASH_REMATCH[1]}:${BASH_REMATCH[2]}"
		exchange "$name" "hello from $host" "hello from B" ||
			outcome[$name]="connected, but the data did not arrive"
	else
		wait "$pid"
		idle[$stage:$4]=$server
		text=${text##*(tcp) failed: } text=${text##*nc: }
		[[ $text == *"timed out"* ]] && outcome[$name]=hung || outcome[$name]="failed: ${text%%$'\n'*}"
	fi
}

exchange() { # NAME TO_B FROM_B: one line in each direction; fails unless both arrive
	local name=$1 server=${server_of[$1]}
	echo "$2" >&"${says_fd[$name]}"
	echo "$3" >&"${says_fd[$server]}"
	until_true 3000 has "$work/server.$server.out" "$2" && until_true 3000 has "$work/$name.out" "$3"
}

lookup() { # NAME HOST SOURCE_PORT QUERY: dig asks B's name server from this source port, or from "any"
	local name=$1 host=$2 address=${!2} now start text
	local -a from=(-b "$address#$3")
	[[ $3 != any ]] || from=()
	talk_host[$name]=$host from_of[$name]="$address:$3" to_of[$name]="$B:53"
	now_ms
	start=$now
	start_in_host "$host" dig "${from[@]}" "@$B" "$4" A +short +tries=1 +time=2 >"$work/$name.out" 2>&1
	wait "$pid"
	now_ms
	took_ms[$name]=$((now - start))
	contents "$work/$name.out"
	if [[ $text =~ ^192\.0\.2\.[0-9]+ ]]; then
		outcome[$name]=answered
	elif [[ $text == *"timed out"* ]]; then
		outcome[$name]=hung
	else
		text=${text%%$'\n'*}
		text=${text##*failed: } text=${text##*communications error to *: }
		outcome[$name]="failed: ${text#;; }"
	fi
	query_of[$name]=$4
}

name_server() { # dnsmasq on B, which knows printer.example and mail.example
	start_in_host B dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --no-daemon \
		--user=root --pid-file= --listen-address="$B" --bind-interfaces \
		--host-record=printer.example,192.0.2.53 --host-record=mail.example,192.0.2.25 \
		>"$work/dnsmasq.$stage" 2>&1
	until_true 5000 has "$work/dnsmasq.$stage" "started, version" || cannot "start dnsmasq" "$(<"$work/dnsmasq.$stage")"
}

listen_on_r() { # NAME PORT: nc wants to listen on R; says in $outcome what came of it
	local log="$work/$1" pattern='Listening|nc: ' text
	start_in_host R nc -l -n -v "$2" </dev/null >"$log.out" 2>"$log.err"
	until_true 5000 has "$log.err" "$pattern" || cannot "learn what became of nc -l" "$(<"$log.err")"
	contents "$log.err"
	if [[ $text == *Listening* ]]; then
		outcome[$1]=listens
		kill "$pid" 2>/dev/null
	else
		outcome[$1]="failed: ${text##*nc: }"
	fi
	wait "$pid" 2>/dev/null
}

told_at_once() { # NAME: it failed with an error, in less than a second, or than the emulated machine needs for that
	[[ ${outcome[$1]} == failed* ]] && ((${took_ms[$1]} < ${DEMO_AT_ONCE_MS:-1000}))
}

connected() { [[ ${outcome[$1]} == connected ]]; }
answered() { [[ ${outcome[$1]} == answered ]]; }

duration() { # MILLISECONDS
	if (($1 < 1000)); then
		echo "$1 ms"
	else
		printf '%d.%d s\n' $(($1 / 1000)) $(($1 % 1000 / 100))
	fi
}
