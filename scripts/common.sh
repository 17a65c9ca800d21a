# Sourced by the scripts beside it: where things are, how to say what is going on, one clock per stage.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export PROFILE=${PROFILE:-dev}
profile=$PROFILE
case $profile in dev) out=$root/target/debug ;; *) out=$root/target/$profile ;; esac
export PATH="$root/.venv/bin:$root/.tools/node_modules/.bin:$PATH:$HOME/.cargo/bin"
export VIRTUAL_ENV="$root/.venv" PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
unset CARGO_TARGET_DIR PYTHONPATH
maven="mvn --batch-mode --no-transfer-progress -Dstyle.color=never --file java-bindings/pom.xml"

say() { printf '\n=== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# quiet COMMAND...: shows what it says only if it fails.
quiet() {
  local said
  said=$("$@" 2>&1) || { printf '%s\n' "$said" >&2; return 1; }
}

# stage NAME COMMAND...: runs it, says how long it took, and remembers a failure instead of stopping.
failed=()
stage() {
  local name=$1 began=$SECONDS status=0
  shift
  say "$name"
  "$@" || status=$?
  if [ $status -ne 0 ]; then failed+=("$name"); fi
  printf '=== %s: %s, %d s\n' "$name" "$([ $status -eq 0 ] && echo ok || echo FAILED)" $((SECONDS - began))
}

# finish: the end of a script made of stages.
finish() {
  if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[*]}" >&2
    exit 1
  fi
}
