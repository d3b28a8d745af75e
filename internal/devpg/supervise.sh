# Keeps one throw-away server: sh -c "$script" devpg BIN DIR PORT [-c name=value]...
#
# Standard input is a pipe that the owner holds open. Its end, for whatever
# reason (Stop, exit, kill -9), is the order to stop and to remove everything.
# Standard error is a pipe that reports: what is written to it went wrong
# before there was a log, and its end says that no server lives any more.
bin=$1 dir=$2 port=$3
shift 3
trap : HUP INT TERM # a signal ends the read below, so it is the same order
umask 077

# C.UTF-8 is not everywhere; C sorts the same.
locale=C
case $(locale -a 2>/dev/null) in *C.UTF-8* | *C.utf8*) locale=C.UTF-8 ;; esac

server=
if mkdir "$dir" && exec 3>&2 2>"$dir/log" &&
	IFS= read -r password && printf '%s\n' "$password" >"$dir/password" &&
	"$bin/initdb" -D "$dir/data" --no-sync --username=postgres --pwfile="$dir/password" \
		--auth=scram-sha-256 --encoding=UTF8 --locale="$locale" </dev/null >&2; then
	rm "$dir/password"
	"$bin/postgres" -D "$dir/data" -p "$port" "$@" </dev/null >&2 &
	server=$!
fi
exec 2>/dev/null 3>&-

while read -r _; do :; done

trap '' HUP INT TERM
status=0
if [ -n "$server" ]; then
	# INT is the fast shutdown, but a background job ignores it until it has
	# come far enough to install its handlers; up to there TERM kills.
	kill -TERM "$server"
	kill -INT "$server"
	wait "$server"
	status=$? # 0 after a shutdown, anything else when it had died before
fi
# The last backends of a killed server may still be writing.
rm -rf "$dir" || { sleep 1 && rm -rf "$dir"; }
exit "$status"
