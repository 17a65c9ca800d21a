"""The Java program of the bench: compiled once against the jar and Jedis, started for each process that is needed."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from systems import Missing

ROOT = Path(__file__).resolve().parents[1]
JAR = ROOT / "java-bindings" / "target" / "syncbridge.jar"
SOURCES = ROOT / "benches" / "java"
#: scripts/bench lets Maven put Jedis and what it needs here.
LIBRARIES = ROOT / "target" / "bench" / "libraries"
CLASSES = ROOT / "target" / "bench" / "classes"


def command(system: str, address: str) -> list[str]:
    """What starts a process that uses that system."""
    return ["java", "-cp", _class_path(), "Peer", system, address]


@functools.cache
def _class_path() -> str:
    for tool in ("javac", "java"):
        if shutil.which(tool) is None:
            raise Missing(f"{tool} is not on the PATH")
    if not JAR.exists():
        raise Missing(f"{JAR.relative_to(ROOT)} has not been built")
    libraries = sorted(LIBRARIES.glob("*.jar"))
    if not libraries:
        raise Missing("Jedis could not be had from Maven")
    class_path = ":".join(map(str, [JAR, *libraries, CLASSES]))
    options = ["-Xlint:all,-path,-classfile", "-Werror", "-d", str(CLASSES), "-cp", class_path]
    subprocess.run(["javac", *options, *sorted(SOURCES.glob("*.java"))], check=True)
    return class_path
