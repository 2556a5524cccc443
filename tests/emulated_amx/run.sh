#!/usr/bin/env bash
# Builds the ROM and the program, and executes them in the emulator that BOCHS names.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
core=$here/../../cpp/core
out=${1:-build/emulated-amx}
mkdir -p "$out"

options=(-std=c++20 -fno-pie -mno-red-zone -fno-asynchronous-unwind-tables "-I$core")
bare=(-ffreestanding -fno-exceptions -fno-stack-protector)
avx512=(-mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi2)
g++ "${options[@]}" -O3 "${avx512[@]}" -mamx-tile -mamx-int8 -c "$core/kernels/amx.cpp" -o "$out/amx.o"
g++ "${options[@]}" -O3 -mpopcnt -c "$core/kernels/amx_stand_in.cpp" -o "$out/amx_stand_in.o"
g++ "${options[@]}" "${bare[@]}" -O2 -mavx2 -c "$here/program.cpp" -o "$out/program.o"
cat >"$out/program.ld" <<'SCRIPT'
SECTIONS {
  . = 0x400000;
  .text : { *(.text.first) *(.text*) }
  .rodata : { *(.rodata*) *(.eh_frame*) }
  .data : { *(.data*) }
  .bss : { *(.bss*) *(COMMON) }
}
SCRIPT
ld --no-warn-rwx-segments -static -T "$out/program.ld" "$out"/{program,amx,amx_stand_in}.o -o "$out/program.elf"
objcopy -O binary --set-section-flags .bss=alloc,load,contents "$out/program.elf" "$out/program.bin"

gcc -c "$here/boot.S" -o "$out/boot.o"
cat >"$out/boot.ld" <<'SCRIPT'
SECTIONS { . = 0; .text : { *(.text) } . = 0xfff0; .reset : { *(.reset) } . = 0xfffc; .end : { LONG(0) } }
SCRIPT
ld --no-warn-rwx-segments -T "$out/boot.ld" "$out/boot.o" -o "$out/boot.elf"
objcopy -O binary "$out/boot.elf" "$out/boot.bin"
head -c 32768 /dev/zero >"$out/no_screen.bin"  # the emulator wants a ROM of the screen

cat >"$out/bochsrc" <<CONFIGURATION
plugin_ctrl: unmapped=1, biosdev=0, speaker=0, parallel=0, serial=0, iodebug=0
cpu: model=sapphire_rapids, ips=200000000, reset_on_triple_fault=0
memory: guest=64, host=64
romimage: file=$out/boot.bin, address=0xffff0000
vgaromimage: file=$out/no_screen.bin
optramimage1: file=$out/program.bin, address=0x400000
port_e9_hack: enabled=1
display_library: ${BOCHS_DISPLAY:-term}
log: $out/bochs.log
panic: action=fatal
boot: floppy
CONFIGURATION
# Its end is a "panic" of the emulator, whose status says nothing.
TERM=${TERM:-xterm} timeout 300 ${BOCHS:-bochs} -q -f "$out/bochsrc" </dev/null >"$out/console.txt" 2>&1 || true
line=$(grep -a "different from the stand-in" "$out/console.txt" || true)
echo "${line:-the program did not come to its end: see $out/bochs.log}"
[[ $line == *" 0 wrong, 0 different from the stand-in" ]]
