#!/usr/bin/python3
"""tidy: every rule fires where it is broken, names the line, and is silent where it is kept."""

import importlib.util
import pathlib
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("tidy", ROOT / "scripts" / "tidy.py")
tidy = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tidy)

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
KERNEL_SPDX = "/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */\n"
CMAKE_SPDX = "# SPDX-License-Identifier: Apache-2.0\n"


class House(unittest.TestCase):
    def findings(self, files, cmake=True):
        """Findings of a house of these files; all sources are named in a CMake file unless told."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            for name, text in files.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            if cmake:
                sources = " ".join(name for name in files if name.endswith((".cc", ".c")))
                (root / "CMakeLists.txt").write_text(CMAKE_SPDX + sources.replace("/", " ") + "\n")
            report, _ = tidy.check(root)
            return report.findings

    def fires(self, rule, name, body, spdx=SPDX, line=2):
        found = self.findings({name: spdx + body})
        self.assertEqual([entry.split(": ")[:2] for entry in found], [[f"{name}:{line}", rule]], found)

    def silent(self, name, body, spdx=SPDX):
        self.assertEqual(self.findings({name: spdx + body}), [])


class Layers(House):
    def test_data_rooms_never_name_one_another(self):
        for room, other in (("relay", "handshake"), ("handshake", "offload"), ("capture", "ring"),
                            ("tunnel", "relay"), ("ring", "identity"), ("offload", "tunnel"),
                            ("crypto", "identity"), ("source", "session"), ("observe", "ring")):
            with self.subTest(room=room, other=other):
                found = self.findings({f"userspace/{room}/a.cc": SPDX + f'#include "culvert/{other}.h"\n'})
                self.assertEqual(len(found), 1, found)
                self.assertIn(f"userspace/{room}/a.cc:2: layer: {room} may not use {other}", found[0])

    def test_nothing_but_node_uses_session(self):
        for room in tidy.MAY_USE:
            if room not in ("session", "values"):
                with self.subTest(room=room):
                    self.fires("layer", f"userspace/{room}/a.cc", '#include "culvert/session.h"\n')
        self.silent("userspace/node.cc", '#include "culvert/session.h"\n')

    def test_a_door_obeys_its_room(self):
        found = self.findings({"include/culvert/relay.h": SPDX + '#include "culvert/handshake.h"\n'})
        self.assertTrue(any(entry.startswith("include/culvert/relay.h:2: layer") for entry in found))

    def test_values_doors_belong_to_no_data_room(self):
        self.fires("layer", "userspace/ring/a.cc", '#include "culvert/snapshot.h"\n')
        self.silent("userspace/session/a.cc", '#include "culvert/snapshot.h"\n')

    def test_another_room_only_through_its_door(self):
        self.fires("layer", "userspace/relay/a.cc", '#include "ring/sqe.h"\n')
        self.fires("layer", "userspace/relay/a.cc", '#include "../ring/sqe.h"\n')

    def test_what_the_kernel_shares_is_for_everyone(self):
        for door in tidy.KERNEL_DOORS:
            self.silent("userspace/relay/a.cc", f'#include "culvert/{door}.h"\n')

    def test_an_unknown_room_needs_a_rule(self):
        self.fires("layer", "userspace/attic/a.cc", '#include "culvert/result.h"\n')

    def test_an_include_in_a_comment_is_none(self):
        self.silent("userspace/relay/a.cc", '/*\n#include "culvert/handshake.h"\n*/\n')


class Libraries(House):
    def test_one_library_one_room(self):
        for room, header in (("relay", "liburing.h"), ("session", "bpf/libbpf.h"),
                             ("relay", "linux/tls.h"), ("identity", "openssl/evp.h"),
                             ("crypto", "openssl/ssl.h"), ("config", "yaml-cpp/yaml.h"),
                             ("observe", "event2/event.h"), ("control", "prometheus/registry.h"),
                             ("ring", "spdlog/spdlog.h"), ("relay", "fmt/format.h"),
                             ("config", "nlohmann/json.hpp"), ("observe", "CLI/CLI.hpp"),
                             ("source", "curl/curl.h"), ("cli", "boost/asio.hpp")):
            with self.subTest(room=room, header=header):
                self.fires("library", f"userspace/{room}/a.cc", f"#include <{header}>\n")

    def test_the_room_of_a_library_may(self):
        for room, header in (("ring", "liburing.h"), ("capture", "bpf/libbpf.h"),
                             ("offload", "linux/tls.h"), ("crypto", "openssl/evp.h"),
                             ("handshake", "openssl/ssl.h"), ("cli", "fmt/format.h"),
                             ("relay", "vector"), ("relay", "sys/socket.h")):
            with self.subTest(room=room, header=header):
                self.silent(f"userspace/{room}/a.cc", f"#include <{header}>\n")


class Bans(House):
    def test_each_ban_fires(self):
        for rule, name, body in (
                ("cout", "userspace/ring/a.cc", "void f() { std::cout << 1; }\n"),
                ("coroutine", "userspace/source/a.cc", "void f() { co_await g(); }\n"),
                ("sleep", "userspace/relay/a.cc", "void f() { sleep(1); }\n"),
                ("sleep", "userspace/relay/a.cc", "void f() { std::this_thread::sleep_for(s); }\n"),
                ("exception", "userspace/tunnel/a.cc", "void f() { g(); } catch (int) {}\n"),
                ("exception", "userspace/tunnel/a.cc", "void f() { throw 1; }\n"),
                ("lock", "userspace/session/a.cc", "std::mutex m;\n"),
                ("system", "userspace/cli/a.cc", 'void f() { system("ls"); }\n'),
                ("SSL_", "userspace/session/a.cc", "void f() { SSL_free(x); }\n"),
                ("rand", "userspace/session/a.cc", "int f() { return rand(); }\n")):
            with self.subTest(rule=rule):
                self.fires(rule, name, body)

    def test_bpf_printk(self):
        self.fires("bpf_printk", "bpf/a.bpf.c", 'int f(void) { bpf_printk("x"); }\n', KERNEL_SPDX)

    def test_using_namespace_in_a_header(self):
        found = self.findings({"userspace/ring/a.h": SPDX + "using namespace std;\n",
                               "userspace/ring/a.cc": SPDX + '#include "a.h"\n'})
        self.assertEqual(len(found), 1, found)
        self.assertIn("a.h:2: using-namespace", found[0])

    def test_comments_and_strings_are_no_code(self):
        self.silent("userspace/relay/a.cc", '// never sleep(1)\nauto x = "system(1) throw";\n')
        self.silent("userspace/session/a.cc", "/* SSL_free is\n handshake's */\n")

    def test_a_todo_names_its_issue(self):
        self.fires("todo", "userspace/ring/a.cc", "// TODO: later\n")
        self.fires("todo", "userspace/ring/a.cc", "// FIXME\n")
        self.silent("userspace/ring/a.cc", "// TODO(#12): later\n")

    def test_paths_of_one_machine(self):
        for text in ("cd /work/main", "see ../shared/design.md", "`/work/x`"):
            with self.subTest(text=text):
                self.assertIn("place", self.findings({"README.md": text})[0])
        self.assertEqual(self.findings({"README.md": "userspace/workload /workloads GET /workers"}), [])

    def test_registry_hosts(self):
        for host in ("deb.debian.org", "crates.io", "pypi.org", "ghcr.io"):
            with self.subTest(host=host):
                self.assertIn(": host:", self.findings({"scripts/a": f"fetch https://{host}/x"})[0])


class Shape(House):
    def test_licence_line(self):
        self.fires("licence", "userspace/ring/a.cc", "int x;\n", spdx="", line=1)
        self.fires("licence", "bpf/a.bpf.c", "int x;\n", line=1)
        self.fires("licence", "userspace/ring/a.cc", "int x;\n", spdx=KERNEL_SPDX, line=1)
        self.silent("bpf/a.bpf.c", "int x;\n", KERNEL_SPDX)
        found = self.findings({"userspace/ring/CMakeLists.txt": "culvert_room(ring)\n"})
        self.assertIn("licence", found[0])

    def test_file_length(self):
        self.fires("file-length", "userspace/ring/a.cc", "int x;\n" * 500, line=1)
        self.silent("userspace/ring/a.cc", "int x;\n" * 499)
        found = self.findings({"userspace/ring/a.h": SPDX + "int x;\n" * 200,
                               "userspace/ring/a.cc": SPDX + '#include "a.h"\n'})
        self.assertIn("a.h:1: file-length", found[0])

    def test_function_length(self):
        for head in ("void f() {\n", "Result<> Ring::run(int a,\n                   int b) const {\n",
                     "Ring::Ring(int a) : a_(a) {\n", "auto f = [](int a) -> int {\n"):
            size = 70 - head.count("\n") - 1
            inner = "  if (x) {\n    g();\n  }\n" + "  g();\n" * (size - 3)
            around = "namespace culvert {\nstruct S {\n  int x;\n};\n"
            with self.subTest(head=head):
                self.silent("userspace/ring/a.cc", f"{around}{head}{inner}}}\n}}\n")
                self.fires("function-length", "userspace/ring/a.cc",
                           f"{around}{head}{inner}  g();\n}}\n}}\n", line=6)

    def test_braces_in_strings_do_not_count(self):
        body = 'void f() {\n  g("}{{");\n  h(\'{\');\n}\n'
        self.silent("userspace/ring/a.cc", body * 30)

    def test_dead_files(self):
        found = self.findings({"userspace/ring/a.cc": SPDX, "userspace/ring/b.h": SPDX}, cmake=False)
        self.assertEqual([entry.split(": ")[1] for entry in found], ["dead-file", "dead-file"])


class Tree(unittest.TestCase):
    def test_the_walk_sees_this_house(self):
        names = {place.name for place in tidy.places_of(ROOT)}
        self.assertTrue({"CMakeLists.txt", "include/culvert/result.h", "scripts/setup"} <= names)
        self.assertFalse(any(name.startswith(("build/", ".git/")) for name in names))


if __name__ == "__main__":
    unittest.main()
