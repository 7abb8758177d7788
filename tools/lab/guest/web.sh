#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The bench's servers and their end.  Sourced.

# bench.sh's arguments, with a default for a reader of this file alone
: "${size:=128}"

WWW=/tmp/www
server_pids=()

# web_root DIR: a folder with the file that clients ask for
web_root()
{
	mkdir -p "$1" /tmp/upload
	head -c "$size" /dev/zero | tr '\0' x > "$1/f"
}

# web_root_of CORE [roots]: the folder of a core's server, with "roots" its own
web_root_of()
{
	local root=$WWW

	if [[ ${2:-} == roots ]]; then
		root=$WWW.$1
		web_root "$root"
	fi
	echo "$root"
}

# web_conf ADDRESS PORT WORKERS ROOT [LINE]: print a lighttpd configuration
web_conf()
{
	cat <<-EOF
	server.document-root = "$4"
	server.bind = "$1"
	server.port = $2
	server.errorlog = "/tmp/lighttpd.$2.log"
	server.max-fds = 8192
	server.max-connections = 4096
	server.listen-backlog = 1024
	server.max-keep-alive-requests = 60000
	server.upload-dirs = ( "/tmp/upload" )
	server.max-worker = $3
	${5:-}
	EOF
}

# web_workers N: what lighttpd's max-worker is to be; alone, a worker needs no
# parent
web_workers()
{
	echo "$(($1 > 1 ? $1 : 0))"
}

# web_start COMMAND...: a session of its own, as lighttpd ends by signalling
# its whole process group
web_start()
{
	setsid "$@" &
	server_pids+=($!)
}

# web CPUS ADDRESS PORT WORKERS [ROOT]: a lighttpd on these CPUs
web()
{
	local conf=/tmp/lighttpd.$3.conf

	web_conf "$2" "$3" "$(web_workers "$4")" "${5:-$WWW}" > "$conf"
	web_start taskset -c "$1" lighttpd -D -f "$conf"
}

# web_activated CPU ADDRESS PORT [ROOT]: a lighttpd on this CPU with a listening
# socket of the CPU's own, shared by SO_REUSEPORT
web_activated()
{
	local conf=/tmp/lighttpd.$3-$1.conf

	web_conf "$2" "$3" 0 "${4:-$WWW}" 'server.systemd-socket-activation = "enable"' > "$conf"
	web_start sockexec "$1" "$2" "$3" lighttpd -D -f "$conf"
}

# listening COUNT PORT...: wait until so many sockets listen on each (10 s)
listening()
{
	local count=$1 port i

	shift
	for port; do
		for ((i = 0; i < 100; i++)); do
			[[ $(ss -Htln "sport = :$port" | wc -l) != "$count" ]] || continue 2
			sleep 0.1
		done
		echo "not $count sockets listen on port $port"
		return 1
	done
}

web_stop()
{
	[[ ${#server_pids[@]} == 0 ]] || {
		kill "${server_pids[@]}" 2> /dev/null
		wait "${server_pids[@]}" 2> /dev/null
	}
	server_pids=()
}
