#!/bin/sh
# Makes small.deb for the tests of src/data/deb.rs by Debian's own dpkg-deb.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir -p "$work/DEBIAN" "$work/usr"
chmod 755 "$work"
printf 'one\n' > "$work/usr/a"
printf 'three\n' > "$work/usr/b"
printf 'Package: small\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: two files\n' > "$work/DEBIAN/control"
SOURCE_DATE_EPOCH=1600000000 dpkg-deb --root-owner-group -Zxz --build "$work" "$here/small.deb"
