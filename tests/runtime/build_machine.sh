#!/bin/sh
# SPDX-License-Identifier: MIT
# build_machine.sh COMPILER MACHINE RUNTIME TESTS OUTPUT: the runtime without libev, in an archive of
# which test_machine takes what it needs, as a static program for another machine.
set -eu
compiler=$1 machine=$2 runtime=$3 tests=$4 output=$5
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
flags="-std=gnu11 -D_GNU_SOURCE -O2 -g -fno-omit-frame-pointer -fasynchronous-unwind-tables \
    -Wall -Wextra -Werror -I$runtime -I$runtime/arch/$machine"

for source in "$runtime"/*.c "$runtime"/thread/*.c "$runtime/arch/$machine"/*.S; do
    case $source in
    */loop_ev.c) continue ;;
    esac
    # shellcheck disable=SC2086
    "$compiler" $flags -c "$source" -o "$objects/$(basename "$source").o"
done
"${compiler%gcc}ar" rcs "$objects/runtime.a" "$objects"/*.o
# dlopen() in a static program makes the linker warn: rightly, and it does not matter here.
# shellcheck disable=SC2086
"$compiler" $flags -static "$tests/test_machine.c" \
    "$tests/arch/$machine/registers.S" "$objects/runtime.a" -lm -pthread -o "$output" \
    2>"$objects/messages" || {
    cat "$objects/messages" >&2
    exit 1
}
