# Builds the sketch by Arduino's own builder and core, and runs the program in an emulator of the chip.
set -eu
hardware=/usr/share/arduino/hardware
# the preference: Debian's core is newer than its compiler
arduino-builder -hardware $hardware -hardware /usr/share/arduino-builder -tools /usr/bin -libraries libraries \
    -fqbn arduino:avr:mega:cpu=atmega2560 -prefs compiler.cpp.extra_flags=-DDECIMAL_DIG=9 \
    -build-path "$PWD/build" rover/rover.ino
simavr -m atmega2560 -f 16000000 build/rover.ino.elf 2>&1
