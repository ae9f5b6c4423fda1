#!/usr/bin/env bash
# Installs a package of epic on a bare Debian 12, uses it as an ordinary user, and removes it:
#   tests/package/chroot.sh build/epic_VERSION_amd64.deb [DIRECTORY]
# The system is made with debootstrap from the mirrors that this machine's apt uses, in DIRECTORY (by default below build/), in
# namespaces of its own, so that nothing stays mounted and no process is left. As root.
set -euo pipefail

package=$(realpath "${1:?the package}")
system=$(realpath -m "${2:-$(dirname "${BASH_SOURCE[0]}")/../../build/package-system}")

say() { printf '\n=== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2 && exit 1; }

# "deb URI SUITE COMPONENT" for each list of Debian's that apt has here.
debian_lists() {
  apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' \
    'Component: main' | sort -u
}

if [[ ${EPIC_IN_NAMESPACE:-} != 1 ]]; then
  ((EUID == 0)) || fail "debootstrap and chroot need root"
  command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
  EPIC_IN_NAMESPACE=1 exec unshare --mount --pid --fork --kill-child "${BASH_SOURCE[0]}" "$package" "$system"
fi

lists=$(debian_lists)
mirror=$(awk '$3 == "bookworm" { print $2 }' <<<"$lists" | head -n 1)
[[ -n $mirror ]] || fail "this machine's apt has no list of Debian 12: $lists"

say "A bare Debian 12 in $system"
rm -rf --one-file-system "$system"
debootstrap --variant=minbase bookworm "$system" "$mirror" >"$system.log" 2>&1 || fail "see $system.log"
printf '%s\n' "$lists" >"$system/etc/apt/sources.list"
cp /etc/apt/apt.conf.d/*proxy* "$system/etc/apt/apt.conf.d/" 2>/dev/null || true
cp /etc/resolv.conf "$system/etc/resolv.conf"
cp "$package" "$system/epic.deb"
mount -t proc proc "$system/proc"
mount --rbind /dev "$system/dev"

in_system() { chroot "$system" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
  http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" "$@"; }
as_user() { printf '$ %s\n' "$1" && in_system su - somebody -c "cd ${2:-} && $1"; }
quietly() { "$@" >>"$system.log" 2>&1 || { tail -n 30 "$system.log" >&2 && fail "$*"; }; }

say "apt install ./epic.deb"
quietly in_system apt-get update
quietly in_system apt-get install -y --no-install-recommends systemd man-db
quietly in_system apt-get install -y ./epic.deb
in_system getent passwd epic || fail "there is no user epic"
[[ $(in_system stat -c '%U %a' /var/lib/epic) == "epic 750" ]] || fail "/var/lib/epic is not the user's"
in_system systemd-analyze verify --man=yes 'epic@arena.service' || fail "systemd finds mistakes in the unit"

say "An ordinary user"
in_system useradd --create-home --shell /bin/bash somebody
as_user "epic doctor"
as_user "epic new arena --template game"
as_user "epic build" arena
as_user "epic run --nodes 2 --exit-after-setup" arena
as_user "epic run --nodes 2 --detach" arena
as_user "epic ps" arena
as_user "epic call Player/Bob get_score" arena
as_user "epic stop" arena
as_user "epic test" arena
as_user "man epic-run | head -n 4"
as_user "man 5 epic.toml | head -n 4"

say "apt purge epic"
quietly in_system apt-get purge -y epic
# The pages that man has formatted are its own.
left=$(dpkg-deb --fsys-tarfile "$package" | tar -t | sed 's#^\./#/#' | while read -r path; do
  [[ $path == */ ]] || [[ ! -e $system$path ]] || printf '%s\n' "$path"
done)
left+=$(cd "$system" && find . -xdev \( -path ./home -o -path ./var/cache/man -o -path ./proc -o -path ./dev \) -prune -o \
  -iname '*epic*' ! -path ./epic.deb -print)
[[ -z $left ]] || fail "this is left: $left"
running=$(in_system sh -c 'readlink /proc/[0-9]*/exe' | grep epic || true)
[[ -z $running ]] || fail "these processes are left: $running"
umount --recursive "$system/dev" "$system/proc"
rm -rf --one-file-system "$system"
say "All is well"
