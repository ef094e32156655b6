"""A systemctl that notes its calls and does as it is told, and a power supply that fails on cue."""

from __future__ import annotations

from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Starts fail for the versions in `broken`; in `short-lived` ones the process changes. What settles
# an upgrade runs as its unit has it: when it is waited for, and beside it where `at-once` is there.
SYSTEMCTL = """#!/bin/sh
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/step"
echo "$*" >>"$here/calls"
version="$(basename "$(readlink "$opt/current")")"
version="${version%%-*}"
unit="${*##* }"
bring_up() {
    rm -f "$here/active"
    grep -qs "^$version$" "$here/broken" && exit 1
    touch "$here/active"
}
case " $* " in
*" enable "*) touch "$here/enabled.$unit" ;;
*" disable "*) rm -f "$here/enabled.$unit" ;;
*" is-enabled "*) [ -e "$here/enabled.$unit" ] ;;
*" is-active "*) [ -e "$here/active" ] ;;
*" stop "*) rm -f "$here/active" ;;
*" --no-block "*)
    [ ! -e "$here/at-once" ] || own_power=yes setsid "$0" start "$unit" >/dev/null 2>&1 9<&- &
    ;;
*" start edge-runtime-settle.service "*)
    [ -d "$opt/unproven" ] || exit 0
    set -- $(sed -n 's/^ExecStart=//p' "$root/etc/systemd/system/$unit")
    exec "$1" "$root$2" "$3" --root "$root"
    ;;
*" start edge-runtime.service "*) [ -e "$here/active" ] || bring_up ;;
*" restart "*) bring_up ;;
*" show --property Version "*) [ ! -e "$here/dying" ] ;;
*" show "*) if grep -qs "^$version$" "$here/short-lived"; then date +%s%N; else echo 42; fi ;;
esac
"""
# Before any step of an upgrade the power may fail, which ends every process at once.
STEP = """
root="${here%/*}/root" opt="${here%/*}/root/opt/edge-runtime"
if [ -z "${own_power:-}" ] && [ -e "$here/power-for" ] &&
    { [ -e "$opt/unproven" ] || [ -e "$opt/.unproven" ]; }; then
    read -r left <"$here/power-for"
    case "$left" in
    *[!0-9]*) case "$0 $*" in *"/$left"*) kill -KILL 0 ;; esac ;;
    0) kill -KILL 0 ;;
    *) echo $((left - 1)) >"$here/power-for" ;;
    esac
fi
"""
PROGRAM_OF_SYSTEM = f"""#!/bin/sh
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/step"
PATH={SYSTEM_PATH} exec "${{0##*/}}" "$@"
"""
JOURNALCTL = "#!/bin/sh\necho 'the reason in the journal'\n"


def write_stubs(folder: Path) -> None:
    """Write the programs into a folder that comes first in PATH."""
    stubs = {"step": STEP, "systemctl": SYSTEMCTL, "journalctl": JOURNALCTL}
    stubs |= dict.fromkeys(("cp", "ln", "mv", "rm", "sync", "install"), PROGRAM_OF_SYSTEM)
    for name, text in stubs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
