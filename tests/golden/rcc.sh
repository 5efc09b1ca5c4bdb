#!/bin/sh
# Makes rcc-1.rcc, rcc-2.rcc and rcc-3.rcc for the tests of src/data/rcc.rs by Qt's own rcc (5.15.8, built with Zstandard, of
# the Debian package qtbase5-dev-tools). The program to be run may be given as the first argument.
set -eu
rcc=$(realpath "$(command -v "${1:-rcc}")")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"
seq 1 400 > lines.txt
printf 'short\n' > short.txt
: > empty.txt
cat > files.qrc <<'QRC'
<RCC>
  <qresource prefix="/in"><file>lines.txt</file></qresource>
  <qresource prefix="/in/ä"><file>short.txt</file><file>empty.txt</file></qresource>
</RCC>
QRC
export QT_RCC_SOURCE_DATE_OVERRIDE=1600000000 LC_ALL=C.UTF-8
"$rcc" --binary --threshold 1 --format-version 1 --compress-algo zlib files.qrc -o "$here/rcc-1.rcc"
"$rcc" --binary --threshold 1 --format-version 2 --compress-algo zlib files.qrc -o "$here/rcc-2.rcc"
"$rcc" --binary --threshold 1 --format-version 3 --compress-algo zstd files.qrc -o "$here/rcc-3.rcc"
