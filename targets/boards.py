"""Chips, boards and processors by the names that people have for them, and the profile of each."""

from __future__ import annotations

import re
from collections.abc import Mapping

# core in words -> its profile, and the beginnings of names of chips and boards that have it
CORES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a Cortex-M0+": (
        "cortex_m0plus",
        ("stm32g0", "stm32l0", "stm32f0", "stm32u0", "rp2040", "rp2", "pico", "samd21", "nrf51"),
    ),
    "a Cortex-M3": (
        "cortex_m3",
        ("stm32f1", "stm32f2", "stm32l1", "lpc17", "sam3x", "arduino_due", "bluepill"),
    ),
    "a Cortex-M4": (
        "cortex_m4",
        (
            *("stm32f3", "stm32f4", "stm32g4", "stm32l4", "stm32wb", "nrf52", "samd51", "teensy3"),
            *("k64f", "msp432", "efr32", "arduino_nano_33", "feather", "apollo3", "max32"),
        ),
    ),
    "a Cortex-M7": (
        "cortex_m7",
        ("stm32f7", "stm32h7", "teensy4", "imxrt", "i.mx_rt", "same70", "portenta"),
    ),
    "a Cortex-M33": (
        "cortex_m33",
        ("stm32u5", "stm32l5", "stm32h5", "nrf53", "nrf91", "nrf54", "rp2350", "pico2", "lpc55"),
    ),
    "a Cortex-M55": ("cortex_m55", ("stm32n6", "alif", "ensemble", "corstone", "mps3")),
    "a Cortex-M85": ("cortex_m85", ("ra8d", "ra8e", "ra8m", "ra8p", "ra8t")),
    "a RISC-V core of 32 bits": (
        "riscv32",
        ("esp32c", "esp32_c", "esp32h2", "esp32_h2", "ch32v", "gd32v", "fe310", "rv32"),
    ),
    "a RISC-V core of 64 bits": ("riscv64", ("bl808", "k210", "visionfive", "milkv", "rv64")),
    "a 64-bit ARM": (
        "arm_cpu",
        (
            *("raspberry_pi", "raspberrypi", "rpi", "pi3", "pi4", "pi5", "jetson", "aarch64"),
            *("arm64", "graviton", "neoverse", "cortex_a5", "cortex_a7", "apple"),
        ),
    ),
    "an ARMv6": (
        "arm_cpu_v6",
        ("armv6", "arm1176", "pi1", "pi_zero", "raspberry_pi_zero", "raspberry_pi_1", "rpi_zero"),
    ),
    "an ARMv7": ("arm_cpu_v7", ("armv7", "armhf", "pi2", "beaglebone", "cortex_a8", "cortex_a9")),
    "an x86-64": (
        "x86_64",
        ("amd64", "x64", "x86", "intel", "linux", "pc", "host", "native", "cpu"),
    ),
    "WebAssembly": ("wasm32", ("wasm", "web", "browser", "node", "js")),
    "a GPU of NVIDIA": ("cuda", ("gpu", "nvidia", "a100", "h100", "rtx", "gtx", "orin")),
    "no code of its own here, but a C compiler": (
        "portable_c",
        (
            *(
                "esp32_s2",
                "esp32s2",
                "esp8266",
                "xtensa",
                "avr",
                "arduino",
                "atmega",
                "windows",
                "macos",
                "ios",
            ),
            *("c", "c99", "pic", "stm8"),
        ),
    ),
}
FAMILIES = {
    "stm32": "an STM32 has one of many cores: stm32g0 is cortex_m0plus, stm32f1 cortex_m3, stm32f4 "
    "cortex_m4, stm32f7 and stm32h7 cortex_m7, stm32u5 cortex_m33, stm32n6 cortex_m55",
    "esp": "esp32 and esp32s3 are C text for Xtensa, esp32c3 is a RISC-V",
    "nrf": "an nRF52 is cortex_m4, an nRF53 or nRF91 cortex_m33",
    "teensy": "a Teensy 3 is cortex_m4, a Teensy 4 cortex_m7",
    "cortex_m": "profiles of this name: cortex_m0plus, cortex_m3, cortex_m4, cortex_m7, cortex_m33, "
    "cortex_m55 and cortex_m85",
    "arm": "arm_cpu is a 64-bit ARM with Linux, arm_cpu_v7 and arm_cpu_v6 have 32 bits",
    "riscv": "riscv32 is a chip, riscv64 a processor of 64 bits",
}


def plain(name: str) -> str:
    """The name as profiles are written: `Cortex-M4` as `cortex_m4`."""
    return re.sub(r"[-\s.]+", "_", name.strip().lower())


def alias(name: str, chips: Mapping[str, str]) -> str | None:
    """The profile that a name means exactly, or None. chips: profile by the name of its own chip."""
    own = {plain(chip): profile for chip, profile in chips.items()}
    own |= {profile: profile for profile in chips.values()}
    return own.get(plain(name))


def meant(name: str, known: Mapping[str, str]) -> str | None:
    """What a name that no profile has means, in words; None where nothing is known.

    known: the chip whose memory each profile describes, empty where it has none.
    """
    word = plain(name)
    if word in FAMILIES:
        return FAMILIES[word]
    fits = [
        (len(beginning), core, profile)
        for core, (profile, beginnings) in CORES.items()
        for beginning in beginnings
        if profile in known and _begins(word, beginning)
    ]
    if not fits:
        return None
    _, core, profile = max(fits)
    chip = known[profile]
    own = f", with the memory of {chip}: for another chip copy its profile and set [memory]"
    memory = own if chip else ""
    return f"'{name}' has {core}: take {profile}{memory}"


def _begins(word: str, beginning: str) -> bool:
    """Whether the name is this one, or begins with it where that is no short word."""
    return word == beginning or (len(beginning) > 3 and word.startswith(beginning))
