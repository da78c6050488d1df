# Shared by the labs' `up` and `down` scripts; sourced, not run. Caller sets $dir.

# Some server answers on address $1, port $2.
answers() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# Takes the name $1 for as long as this shell and the server it starts live (the server inherits descriptor 9), so
# that two labs starting at the same moment never choose the same address or port.
claim() {
  local claims="${TMPDIR:-/tmp}/muster-lab-claims.$(id -u)"
  mkdir -p -m 700 "$claims"
  exec 9>>"$claims/$1"
  flock -n 9
}

# When the process $1 began; a pid together with this is never another process.
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Notes the server's pid $1 as this lab's.
own() { echo "$1 $(began "$1")" >"$dir/pid"; }

# Prints the pid of this lab's server if it lives: the very process that was noted, not one that got its number later.
owned() {
  local pid start
  [ -f "$dir/pid" ] && read -r pid start <"$dir/pid" || return 1
  [ -n "$start" ] && [ "$(began "$pid")" = "$start" ] || return 1
  echo "$pid"
}

# With MUSTER_LAB_OWNER set to a pid: purges the lab when that process ends, however it ends.
follow_owner() {
  [ -n "${MUSTER_LAB_OWNER:-}" ] || return 0
  MUSTER_LAB_DIR=$dir setsid bash -c 'tail --pid="$1" -f /dev/null; exec "$2/down" --purge' follow "$MUSTER_LAB_OWNER" "$1" \
    </dev/null >/dev/null 2>&1 9>&- &
}

# Sends signal $1 to the server, waits up to $2 tenths of a second, then kills what is left of its process group.
stop() {
  local pid
  if pid=$(owned); then
    kill "-$1" "$pid" 2>/dev/null || true
    for _ in $(seq "$2"); do kill -0 -- "-$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null || true
  fi
  rm -f "$dir/pid"
}
