#!/bin/sh
# Builds the image of the Dockerfile below .tools/image. It needs no registry of images: the base images are made here, of
# Debian's packages, with this machine's Bun and Rust, and get the names that the Dockerfile pulls.
#
# Leaves there: `root`, the image's files, and `config.json`, what the image says of itself. On a machine that can't build it, the
# reason is in `unavailable` and the exit code is 0. A failure on a machine that can ends with 1.
set -eu
PROJECT=$(cd "$(dirname "$0")/../.." && pwd)
FOLDER=$PROJECT/.tools/image
BUN=$PROJECT/node_modules/bun/bin/bun.exe
DEBIAN=bookworm

say() { echo "image test: $*"; }

unavailable() {
	say "can't be run here: $*"
	echo "$*" >"$FOLDER/unavailable"
	exit 0
}

rm -rf "$FOLDER"
mkdir -p "$FOLDER"

[ "$(id -u)" = 0 ] || unavailable "only root can make base images"
for tool in buildah debootstrap crun cargo gcc; do
	command -v "$tool" >/dev/null || unavailable "there is no $tool; on Debian: apt-get install buildah debootstrap crun, and Rust"
done
unshare --mount true 2>/dev/null || unavailable "root may not mount anything"

# All in the folder, so that the machine's own images are left alone, and everything goes with it.
export BUILDAH_ISOLATION=chroot
buildah_here() { buildah --storage-driver vfs --root "$FOLDER/storage" --runroot "$FOLDER/run" "$@"; }
base() { sed -n "s|^FROM \\($1:[^ ]*\\).*|\\1|p" "$PROJECT/Dockerfile"; }

commit() {
	buildah_here umount "$1" >/dev/null
	buildah_here commit --quiet --rm "$1" "$2" >/dev/null
	say "made $2"
}

# The mirror that this machine's apt uses.
MIRROR=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 2>/dev/null | sed -n "s/ $DEBIAN\$//p" | head -n 1)
say "making the base images (a minute)"
debian=$(buildah_here from scratch)
debian_root=$(buildah_here mount "$debian")
debootstrap --variant=minbase "$DEBIAN" "$debian_root" ${MIRROR:+"$MIRROR"} >"$FOLDER/debootstrap.log" 2>&1 ||
	{ tail -n 5 "$FOLDER/debootstrap.log"; unavailable "debootstrap fails"; }
rm -rf "$debian_root"/var/cache/apt/* "$debian_root"/var/lib/apt/lists/*
commit "$debian" "$(base debian)"

# What the build fetches comes from where this machine fetches it, with the certificates that it trusts.
trust() { install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"; }

bun=$(buildah_here from --pull-never "$(base debian)")
bun_root=$(buildah_here mount "$bun")
install -m 0755 "$BUN" "$bun_root/usr/local/bin/bun"
trust "$bun_root"
buildah_here config --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$bun"
if command -v npm >/dev/null; then
	buildah_here config --env BUN_CONFIG_REGISTRY="$(npm config get registry)" "$bun"
fi
commit "$bun" "$(base oven/bun)"

rust=$(buildah_here from --pull-never "$(base debian)")
rust_root=$(buildah_here mount "$rust")
buildah_here run "$rust" sh -c 'apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev' >"$FOLDER/apt.log" 2>&1 ||
	{ tail -n 5 "$FOLDER/apt.log"; unavailable "gcc can't be installed in a base image"; }
trust "$rust_root"
# The toolchain is mounted for the build: it is too large to be copied for nothing.
buildah_here config --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$rust"
mkdir "$rust_root/usr/local/rust"
commit "$rust" "$(base rust)"

say "building the image (some minutes, most of it in Rust)"
buildah_here bud --pull-never --format docker --layers=false --volume "$(rustc --print sysroot):/usr/local/rust:ro" \
	--tag standpipe "$PROJECT" >"$FOLDER/build.log" 2>&1 ||
	{ tail -n 30 "$FOLDER/build.log"; exit 1; }
buildah_here inspect --type image standpipe >"$FOLDER/config.json"
image=$(buildah_here from --pull-never standpipe)
cp -a "$(buildah_here mount "$image")" "$FOLDER/root"
buildah_here umount "$image" >/dev/null
rm -rf "$FOLDER/storage" "$FOLDER/run"
say "built, $(du -sh "$FOLDER/root" | cut -f 1)"
