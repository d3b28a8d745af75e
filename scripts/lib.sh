# shellcheck shell=bash
# What setup-test and setup-demo share. To be sourced, by scripts with set -euo pipefail.

say() { printf 'setup: %s\n' "$*" >&2; }

die() {
	say "$@"
	exit 1
}

is_debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# server_bin prints the directory of the PostgreSQL server programs that the
# tests and the demo will use; it fails when there are none. The places are
# those of internal/devpg, which has the last word.
server_bin() {
	local dir
	if [ -n "${PGQUEUE_PG_BIN:-}" ]; then
		[ -x "$PGQUEUE_PG_BIN/postgres" ] || die "PGQUEUE_PG_BIN is $PGQUEUE_PG_BIN, which has no postgres"
		printf '%s\n' "$PGQUEUE_PG_BIN"
		return
	fi
	while read -r dir; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
			printf '%s\n' "$dir"
			return
		fi
	done < <(
		if dir=$(command -v initdb); then dirname "$(readlink -f "$dir")"; fi
		printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
		printf '%s\n' /usr/pgsql-*/bin | sort -rV
		printf '%s\n' /usr/local/pgsql/bin
		printf '%s\n' /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin | sort -rV
		pg_config --bindir 2>/dev/null
	)
	return 1
}

# missing prints those of the given Debian packages that are not installed.
missing() {
	local package
	for package; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
	done
}

# install installs Debian packages, without the default cluster and the
# services that some of them bring: each test starts what it needs.
install() {
	local lib=${BASH_SOURCE[0]} command="apt-get install --no-install-recommends $*"
	if [ "$(id -u)" = 0 ]; then
		bash "$lib" as-root "$@"
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo -n bash "$lib" as-root "$@"
	else
		die "these packages are missing, and only root can install them. Try: sudo $command"
	fi || die "the packages could not be installed. Try: $command"
}

install_as_root() {
	export DEBIAN_FRONTEND=noninteractive
	local policy=/usr/sbin/policy-rc.d conf=/etc/postgresql-common/createcluster.conf undo=:
	say "installing $*"
	apt-get -q update || say "no fresh package lists; going on with what is there"
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod +x $policy
		undo="rm -f $policy"
	fi
	# A fresh postgresql-common would make a cluster for each new server.
	if [ ! -e $conf ] && apt-get install -q -y --no-install-recommends postgresql-common &&
		sed -i 's/^#create_main_cluster.*/create_main_cluster = false # set while pgqueue installs/' $conf; then
		undo="$undo; sed -i 's/^create_main_cluster = false # set while.*/#create_main_cluster = true/' $conf"
	fi
	# shellcheck disable=SC2064 # expanded now on purpose
	trap "$undo" EXIT
	apt-get install -q -y --no-install-recommends "$@"
}

if [ "${1:-}" = as-root ] && [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -euo pipefail
	shift
	install_as_root "$@" >&2
fi
