#!/bin/sh
# Makes sure that there is nasm: on x86, libjpeg-turbo's SIMD code is assembled with it. Takes it from Debian's or
# Ubuntu's package into $VIRTUAL_ENV/bin, which needs no root.
set -eu

case "$(uname -m)" in
x86_64 | amd64) ;;
*) exit 0 ;;
esac
if nasm -v 2>/dev/null; then exit 0; fi

if command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    download() { apt-get -o APT::Sandbox::User=root download nasm; }
    # A fresh container has no list of packages; only root can fetch it.
    (cd "$folder" && { download || { apt-get update && download; }; }) || true
    if dpkg-deb -x "$folder"/nasm_*.deb "$folder"; then cp "$folder/usr/bin/nasm" "$VIRTUAL_ENV/bin/"; fi
    hash -r
fi
if ! nasm -v; then
    echo "torchfeed needs nasm to build libjpeg-turbo: apt install nasm, dnf install nasm or brew install nasm" >&2
    exit 1
fi
