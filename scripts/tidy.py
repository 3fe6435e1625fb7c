#!/usr/bin/python3
"""The house rules as a test: layers, one foreign library in one room, lengths, bans, licence lines,
dead files. STYLE.md says why; each finding names file, line, rule and reason.

    scripts/tidy.py [ROOT]      exit 1 if a rule is broken
"""

import pathlib
import re
import sys

# ---- layers: which room (or door) may name which. A room always may name itself and KERNEL_DOORS. -

KERNEL_DOORS = {"abi", "verdict", "verdict_lookup"}  # shared with bpf/: free for all, and under its licence
DOOR_ROOM = {  # doors that are not named like their room
    "result": "base", "fd": "base", "address": "base", "log": "base", "refusal": "base",
    "snapshot": "values", "report": "values", "policy_set": "values", "inbound_modes": "values", "compiled_policy": "policy",
    "identity_numbers": "policy", "policy_maps": "capture", "pool": "tunnel", "timer": "ring",
    "mailbox": "ring", "buffer": "ring", "pipe": "relay",
    "observe_policies": "observe",
}
MAY_USE = {
    "base": "values",  # the functions of refusal.h and report.h live here
    "values": "base crypto identity",  # no room: what rooms hand to one another
    "crypto": "base",
    "ring": "base",
    "identity": "base crypto",
    "policy": "base identity values",
    "capture": "base",
    "handshake": "base crypto identity",
    "offload": "base crypto ring values",
    "tunnel": "base ring offload handshake values",  # handshake: where session tickets go
    "relay": "base ring offload tunnel policy values",
    "session": "base crypto ring identity policy capture handshake offload tunnel relay values",
    "yaml": "base",
    "config": "base crypto identity yaml values",
    "source": "base identity policy yaml values",
    "evaluator": "base identity values",
    "control": "base",
    "observe": "base crypto identity capture evaluator values",
    "cli": "base crypto ring capture offload config control yaml values",
}
MAY_USE = {room: set(uses.split()) | {room} for room, uses in MAY_USE.items()}
DATA_ROOMS = {"base", "crypto", "ring", "identity", "policy", "capture", "handshake", "offload",
              "tunnel", "relay", "session"}
NODE = "node"  # userspace/*.cc: uses everything

# ---- one foreign library, one room. First match decides; None: a system header, free for all. -----

NOT_DATA = set(MAY_USE) - DATA_ROOMS | {NODE}
LIBRARIES = [
    (r"(bpf/.*|.*\.skel\.h)", {"capture"}),
    (r"linux/bpf\.h", {"capture", "cli"}),  # cli: `culvert check` asks the kernel by bare system calls
    (r"(liburing\.h|liburing/.*)", {"ring"}),
    (r"linux/io_uring\.h", {"ring", "cli"}),
    (r"openssl/ssl\.h", {"handshake"}),
    (r"openssl/.*", {"crypto", "handshake"}),
    (r"linux/tls\.h", {"offload"}),
    (r"yaml-cpp/.*", {"yaml"}),
    (r"(event2/.*|event\.h|evhttp\.h)", {"control"}),
    (r"prometheus/.*", {"observe"}),
    (r"spdlog/.*", {"base"}),
    (r"fmt/.*", NOT_DATA),
    (r"nlohmann/.*", {"observe", "cli"}),
    (r"CLI/.*", {"cli", NODE}),
    (r"curl/.*", {"cli"}),
    (r"(sys|linux|netinet|arpa|net|asm|asm-generic)/.*", None),
    (r"[a-z_0-9]+(\.h)?", None),  # <vector>, <unistd.h>
]

# ---- bans: (name, where, pattern, reason). In code, without comments and strings. -----------------


def in_rooms(rooms):
    return lambda place: place.room in rooms


def ours(place):
    return place.top in ("userspace", "include")


BANS = [
    ("cout", lambda place: ours(place) and place.room != "cli", r"std::c(out|err)\b",
     "events go through log.h; only cli prints"),
    ("bpf_printk", lambda place: place.top == "bpf", r"\bbpf_printk\b",
     "a trace of the developer; count an event instead"),
    ("coroutine", ours, r"\bco_(await|return|yield)\b",
     "g++ 12 miscompiles them: explicit states, STYLE.md"),
    ("sleep", in_rooms(DATA_ROOMS), r"\b(u|nano)?sleep(_for|_until)?\s*\(",
     "a data thread never waits but in its ring: use a timer"),
    ("exception", in_rooms(DATA_ROOMS), r"\b(catch\s*\(|throw\b|try\s*\{)",
     "data rooms are built without exceptions: return a Result"),
    ("lock", in_rooms(DATA_ROOMS - {"base"}),
     r"std::(recursive_|shared_|timed_)?(mutex|condition_variable|lock_guard|unique_lock|scoped_lock)",
     "no locks in data rooms: a session never leaves its thread; message the ring"),
    ("system", ours, r"(?<![.>\w])(std::)?(system|popen)\s*\(",
     "no shell: arguments of others would be run"),
    ("SSL_", lambda place: ours(place) and place.room != "handshake", r"\bSSL_[a-zA-Z]\w*",
     "the TLS library has one room: handshake"),
    ("rand", ours, r"(?<![.>\w])(std::)?s?rand\s*\(", "not random enough for anything here"),
    ("using-namespace", lambda place: ours(place) and place.path.suffix == ".h", r"\busing\s+namespace\b",
     "a header must not open a namespace for its readers"),
]
# In every text file, comments included.
TEXT_BANS = [
    ("todo", r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", "name the issue: TODO(#12), or do it now"),
    ("place", r"(?<![\w.\-})/])/work(?![\w-])|\.\./shared\b", "a path of one machine"),
    ("host", r"\b(deb|security|snapshot|ftp)\.debian\.org|\b(static\.|index\.)?crates\.io(?!-index)"
     r"|\bpypi\.org|\bpythonhosted\.org|\bproxy\.golang\.org|\bregistry\.(npmjs|k8s|hub)\b"
     r"|\b(ghcr|quay|gcr|docker)\.io\b",
     "registries are the machine's own business (mirrors, proxies)"),
]
TEXT_BANS_EXEMPT = {"scripts/tidy.py", "tests/unit/tidy_test.py", "LICENSE"}

# ---- lengths --------------------------------------------------------------------------------------

LENGTHS = {".cc": (300, 500), ".c": (300, 500), ".h": (150, 200), ".py": (300, 500)}
FUNCTION_LINES, TEST_FUNCTION_LINES = 70, 100

SKIPPED = {".git", "build", "target", "__pycache__", "results", "node_modules", ".cache"}
CODE = {".cc", ".c", ".h"}
TEXT = CODE | {".py", ".sh", ".md", ".txt", ".cmake", ".yaml", ".yml", ".json", ".toml", ""}


class Place:
    """A file, and where in the house it lies."""

    def __init__(self, root, path):
        self.path = path
        self.name = path.relative_to(root).as_posix()
        parts = self.name.split("/")
        self.top = parts[0]
        self.room = None
        if self.top == "userspace":
            self.room = parts[1] if len(parts) > 2 else NODE
        elif self.name.startswith("include/culvert/"):
            self.room = DOOR_ROOM.get(path.stem, path.stem)
        self.text = path.read_text(errors="replace")
        self.code = blank_comments(self.text) if path.suffix in CODE else self.text


class Report:
    def __init__(self):
        self.findings = []
        self.warnings = []

    def broken(self, place, line, rule, reason):
        self.findings.append(f"{place.name}:{line}: {rule}: {reason}")

    def long(self, place, line, rule, reason):
        self.warnings.append(f"{place.name}:{line}: {rule}: {reason}")


def blank_comments(text):
    """The same text, same length and lines, with comments and the inside of strings blanked."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\s]*)\(.*?\)(?P=mark)"'
        r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)

    def blank(match):
        found = match.group()
        kept = re.sub(r"[^\n]", " ", found)
        return kept if found[0] == "/" else '"' + kept[1:-1] + '"'
    lines = token.sub(blank, text).split("\n")
    originals = text.split("\n")
    for number, line in enumerate(originals):  # the names of included files are no strings
        if re.match(r"\s*#\s*include\b", lines[number]):
            lines[number] = line
    return "\n".join(lines)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


# ---- the rules ------------------------------------------------------------------------------------

def check_includes(place, report):
    if place.room is None:
        return
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', place.code, re.M):
        line, quoted, wanted = line_of(place.code, match.start()), match[1] == '"', match[2]
        if wanted.startswith("culvert/"):
            check_door(place, line, pathlib.PurePath(wanted).stem, report)
        elif quoted and not wanted.endswith(".skel.h"):
            if "/" in wanted:
                report.broken(place, line, "layer",
                              f"'{wanted}': another room is reached through include/culvert/ only")
        else:
            check_library(place, line, wanted, report)


def check_door(place, line, door, report):
    wanted = DOOR_ROOM.get(door, door)
    if door in KERNEL_DOORS or place.room == NODE:
        return
    if place.room not in MAY_USE:
        report.broken(place, line, "layer", f"room '{place.room}' has no rule in scripts/tidy.py")
    elif wanted not in MAY_USE[place.room]:
        report.broken(place, line, "layer", f"{place.room} may not use {wanted} ({door}.h)")


def check_library(place, line, header, report):
    for pattern, rooms in LIBRARIES:
        if re.fullmatch(pattern, header):
            if rooms is not None and place.room not in rooms:
                report.broken(place, line, "library",
                              f"<{header}> belongs to {', '.join(sorted(rooms))}")
            return
    report.broken(place, line, "library", f"<{header}> belongs to no room; name one in scripts/tidy.py")


def check_bans(place, report):
    if place.path.suffix in CODE:
        for name, where, pattern, reason in BANS:
            if where(place):
                for match in re.finditer(pattern, place.code):
                    report.broken(place, line_of(place.code, match.start()), name, reason)
    if place.name in TEXT_BANS_EXEMPT or place.path.name == "Cargo.lock":
        return
    for name, pattern, reason in TEXT_BANS:
        for match in re.finditer(pattern, place.text):
            report.broken(place, line_of(place.text, match.start()), name, reason)


def check_licence(place, report):
    cmake = place.path.name == "CMakeLists.txt" or place.path.suffix == ".cmake"
    if place.path.suffix not in CODE and not cmake or generated(place):
        return
    door = place.name.startswith("include/culvert/") and place.path.stem in KERNEL_DOORS
    kernel = place.top == "bpf" and not cmake or door
    wanted = "GPL-2.0 OR BSD-2-Clause" if kernel else "Apache-2.0"
    if f"SPDX-License-Identifier: {wanted}" not in place.text.split("\n", 1)[0]:
        report.broken(place, 1, "licence", f"first line must have SPDX-License-Identifier: {wanted}")


def generated(place):
    return place.path.name.startswith("vmlinux")


def check_lengths(place, report):
    if place.path.suffix not in LENGTHS or generated(place):
        return
    lines = place.text.count("\n")
    soft, hard = LENGTHS[place.path.suffix]
    if lines > hard:
        report.broken(place, 1, "file-length", f"{lines} lines, at most {hard}: split it")
    elif lines > soft:
        report.long(place, 1, "file-length", f"{lines} lines, better below {soft}")
    if place.path.suffix in CODE:
        most = TEST_FUNCTION_LINES if place.top == "tests" else FUNCTION_LINES
        for start, count in functions(place.code):
            if count > most:
                report.broken(place, start, "function-length", f"{count} lines, at most {most}")


def functions(code):
    """(first line, number of lines) of each outermost function body, by counting braces."""
    code = re.sub(r"^[ \t]*#.*(?:\\\n.*)*$", lambda match: re.sub(r"[^\n]", " ", match.group()), code,
                  flags=re.M)
    depth, inside, head = 0, None, 0
    for match in re.finditer(r"[{};]", code):
        symbol, at = match.group(), match.start()
        if symbol == "{":
            if inside is None and is_function(code[head:at]):
                first = head + len(code[head:at]) - len(code[head:at].lstrip())
                inside = (depth, line_of(code, first))
            depth += 1
        elif symbol == "}":
            depth -= 1
            if inside is not None and depth == inside[0]:
                yield inside[1], line_of(code, at) - inside[1] + 1
                inside = None
        head = at + 1


def is_function(head):
    head = head.strip()
    if not re.search(r"\)[^()=]*$", head) or re.match(r"(if|for|while|switch|else|do)\b", head):
        return False
    return not re.search(r"(^|\s)(namespace|enum)\b[^()]*$|=\s*$", head)


def check_dead(places, report):
    """A source nobody builds, a private header nobody includes."""
    builds = "\n".join(place.text for place in places
                       if place.path.name == "CMakeLists.txt" or place.path.suffix == ".cmake")
    others = "\n".join(place.text for place in places
                       if place.top in ("tests", "bench", "scripts") and place.path.suffix not in CODE)
    includes = "\n".join(place.code for place in places if place.path.suffix in CODE)
    for place in places:
        file = re.escape(place.path.name)
        stem = re.escape(place.path.stem)
        if place.path.suffix in (".cc", ".c"):
            named = re.search(rf"(?<![\w.]){file}(?!\w)", builds) or (
                place.top == "bpf" and re.search(rf"(?<![\w.]){re.escape(place.path.name.split('.')[0])}"
                                                 r"(?!\w)", builds)) or (
                place.top in ("tests", "bench") and re.search(rf"(?<!\w){stem}(?!\w)", others))
            if not named:
                report.broken(place, 1, "dead-file", "no CMake file names it")
        elif place.path.suffix == ".h" and not generated(place):
            if not re.search(rf'include\s*["<]([^">]*/)?{file}[">]', includes):
                report.broken(place, 1, "dead-file", "nothing includes it")


def places_of(root):
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root).parts
        if SKIPPED & set(inner) or not path.is_file() or path.is_symlink():
            continue
        if path.suffix in TEXT and path.stat().st_size < 4_000_000:
            place = Place(root, path)
            if "\0" not in place.text:
                yield place


def check(root):
    report = Report()
    places = list(places_of(root))
    for place in places:
        check_includes(place, report)
        check_bans(place, report)
        check_licence(place, report)
        check_lengths(place, report)
    check_dead(places, report)
    return report, len(places)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    report, count = check(root.resolve())
    for line in report.warnings:
        print(f"warning: {line}")
    for line in report.findings:
        print(line)
    print(f"tidy: {count} files, {len(report.findings)} findings, {len(report.warnings)} warnings")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
