#!/usr/bin/env bash
# redoc.sh DIRECTORY: puts ReDoc's script there, so that /redoc works without internet.
set -euo pipefail
VERSION=2.5.4
mkdir -p "$1"
[[ $(cat "$1/redoc.version" 2>/dev/null) != "$VERSION" ]] || exit 0
command -v npm >/dev/null || {
    echo "npm is missing, so ReDoc's script cannot be fetched: install it (on Debian: apt-get install npm)" >&2
    exit 1
}
echo "==> fetching ReDoc $VERSION (npm package redoc)"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npm pack "redoc@$VERSION" --silent --pack-destination "$scratch" >/dev/null 2>"$scratch/log" </dev/null || {
    cat "$scratch/log" >&2
    echo "npm could not fetch redoc $VERSION: see above" >&2
    exit 1
}
tar -xzf "$scratch/redoc-$VERSION.tgz" -C "$scratch" package/bundles/redoc.standalone.js package/bundles/redoc.standalone.js.LICENSE.txt
cp "$scratch"/package/bundles/redoc.standalone.js* "$1/"
echo "$VERSION" >"$1/redoc.version"
