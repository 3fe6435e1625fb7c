// SPDX-License-Identifier: Apache-2.0
#include "culvert/yaml.h"

#include <catch2/catch_test_macros.hpp>

using namespace culvert;

namespace {

std::string error_of(std::string_view text, const YamlLimits &limits = {}) {
  const auto parsed = parse_yaml(text, limits, [](const YamlNode &) {});
  if (parsed) return "";
  return std::to_string(parsed.error().line) + ": " + parsed.error().path + ": " +
         parsed.error().text;
}

// Gives `use` the root of the only document.
template <class Use>
void with_root(std::string_view text, Use use) {
  int documents = 0;
  const auto parsed = parse_yaml(text, {}, [&](const YamlNode &root) {
    ++documents;
    use(root);
  });
  INFO(text);
  REQUIRE(parsed);
  REQUIRE(documents == 1);
}

}  // namespace

TEST_CASE("yaml: what is not clean YAML is refused, with its line") {
  struct Row {
    std::string text, error;
  };
  const Row rows[] = {
      {"a: 1\nb: [\n", "3: : not YAML: "},
      {"a: 1\n b: 2\n", "2: : not YAML: "},
      {",", "1: : not YAML: "},
      {"a: 1\n---\n, ,", "3: : not YAML: "},
      {"]", "1: : not YAML: "},
      {"}", "1: : not YAML: "},
      {"a: *nowhere\n", "1: : not YAML: "},
      {"a: 1\nb: 2\na: 3\n", "3: : the key 'a' is there twice, first in line 1"},
      {"x:\n- {k: 1, 'k': 2}\n", "2: x[0]: the key 'k' is there twice"},
      {"base: &b {k: 1}\nx:\n  <<: *b\n", "3: x: merge keys"},
      {"[a, b]: 1\n", "1: : a key that is a list or a map"},
      {": 1\n", "1: : a key is missing"},
      {"a: &a [*a]\n", "1: a: an alias to something that contains it"},
      {"a: !ruby/object x\n", "1: : unknown tag '!ruby/object'"},
      {"a: !!binary [x]\n", ""},
      {std::string("a: \0", 4), "1: : a NUL character"},
      {"a: \"\\0\"\n", "1: : a NUL character in a string"},
      {"a: 1\nb: \xff\n", "2: : not UTF-8"},
      {"a: \xed\xa0\x80\n", "1: : not UTF-8"},
      {"a: \xc0\x80\n", "1: : not UTF-8"},
      {"a: \xf4\x90\x80\x80\n", "1: : not UTF-8"},
      {"a: \xe2\x82", "1: : not UTF-8"},
      {"\xff\xfe\x61", "1: : not UTF-8"},
  };
  for (const Row &row : rows) {
    INFO(row.text);
    CHECK(error_of(row.text).substr(0, row.error.size()) == row.error);
    CHECK(error_of(row.text).empty() == row.error.empty());
  }
}

TEST_CASE("yaml: a document has bounds, with its aliases expanded") {
  CHECK(error_of("abcd", {.size_bytes = 3}) == "1: : larger than 3 bytes");
  CHECK(error_of("[[[[]]]]", {.depth_max = 4}).empty());
  CHECK(error_of("[[[[[]]]]]", {.depth_max = 4}).ends_with("nested deeper than 4 levels"));
  CHECK(error_of("[1, 2, 3]", {.nodes_max = 4}).empty());
  CHECK(error_of("[1, 2, 3, 4]", {.nodes_max = 4}).ends_with("more than 4 values in one document"));
  // nodes are counted for each document
  CHECK(error_of("[1, 2, 3]\n---\n[1, 2, 3]\n", {.nodes_max = 4}).empty());
  // depth of an alias: where it stands and what it brings
  CHECK(error_of("a: &a [[1]]\nb: [*a]\n", {.depth_max = 4}).empty() == false);
  CHECK(error_of("a: &a [[1]]\nb: [*a]\n", {.depth_max = 5}).empty());

  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string previous = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + previous;
    for (int k = 1; k < 10; ++k)
      bomb += ", " + previous;
    bomb += "]\n";
  }
  CHECK(error_of(bomb).ends_with("more than 200000 values in one document"));
  std::string text_bomb = "a: &a '" + std::string(1000, 'x') + "'\nb: [*a";
  for (int i = 1; i < 100; ++i)
    text_bomb += ", *a";
  CHECK(error_of(text_bomb + "]\n", {.scalars_bytes = 50'000})
            .ends_with("more than 50000 bytes of text in one document"));
  CHECK_FALSE(error_of(std::string(100'000, '[')).empty());
  CHECK_FALSE(error_of(std::string(100'000, '{')).empty());
}

TEST_CASE("yaml: types are those of the core schema, a quoted scalar is a string") {
  with_root(
      "{s: text, q: '12', t: true, f: False, i: -12, h: 0x1f, o: 0o17, r: 1.5, e: 1e3, "
      "n: ~, inf: .inf, time: 2026-01-01T00:00:00Z, ip: 10.0.0.1, yes: yes, l: [], m: {}, "
      "tagged: !!str 12}",
      [](const YamlNode &root) {
        for (const char *key : {"s", "q", "time", "ip", "yes", "tagged"}) {
          INFO(key);
          CHECK(root.find(key)->as_string());
          CHECK_FALSE(root.find(key)->as_bool());
          CHECK_FALSE(root.find(key)->as_integer(-100, 100));
        }
        for (const char *key : {"t", "f", "i", "h", "o", "r", "e", "n", "inf", "l", "m"}) {
          INFO(key);
          CHECK_FALSE(root.find(key)->as_string());
        }
        CHECK(*root.find("t")->as_bool());
        CHECK_FALSE(*root.find("f")->as_bool());
        CHECK(*root.find("i")->as_integer(-12, 0) == -12);
        CHECK(*root.find("h")->as_integer(0, 31) == 31);
        CHECK(*root.find("o")->as_integer(0, 31) == 15);
        CHECK_FALSE(root.find("i")->as_integer(-11, 0));
        CHECK_FALSE(root.find("r")->as_integer(0, 10));
        CHECK(root.find("n")->is_null());
        CHECK(root.find("nothing") == nullptr);
        CHECK(root.find("s")->find("x") == nullptr);
        CHECK(root.find("t")->as_string().error().text ==
              "expected a string, not the boolean true: put it in quotes");
      });
}

TEST_CASE("yaml: every value knows its line and path") {
  with_root("spec:\n  ports:\n  - port: 80\n  - name: web\n    port: 81\n  'a b': 1\n",
            [](const YamlNode &root) {
              const YamlNode &ports = *root.find("spec")->find("ports");
              CHECK(root.path().empty());
              CHECK(ports.line() == 2);
              const YamlNode &port = *ports.children()[1]->find("port");
              CHECK(port.path() == "spec.ports[1].port");
              CHECK(port.line() == 5);
              CHECK(root.find("spec")->find("a b")->path() == "spec.['a b']");
            });
}

TEST_CASE("yaml: aliases are copies with their own path") {
  with_root("a: &a {k: [v]}\nb: *a\n", [](const YamlNode &root) {
    const YamlNode &copy = *root.find("b")->find("k")->children()[0];
    CHECK(*copy.as_string() == "v");
    CHECK(copy.path() == "b.k[0]");
  });
}

TEST_CASE("yaml: several documents, empty ones left out, those before an error are given") {
  int documents = 0;
  const auto count = [&](const YamlNode &) { ++documents; };
  CHECK(parse_yaml("", {}, count));
  CHECK(parse_yaml("---\n---\n# nothing\n---\n~\n", {}, count));
  CHECK(parse_yaml("---\n---\n---\n...\n...\n---\n", {}, count));
  CHECK(documents == 0);
  CHECK(parse_yaml("a: 1\n---\nb: 2\n...\n---\nc: 3\n", {}, count));
  CHECK(documents == 3);
  CHECK_FALSE(parse_yaml("a: 1\n---\nb: [\n", {}, count));
  CHECK(documents == 4);
}

TEST_CASE("yaml: messages show input on one line, cut") {
  CHECK(quoted("a\nb\x7f") == "'a\\x0ab\\x7f'");
  CHECK(quoted(std::string(100, 'x')) == "'" + std::string(60, 'x') + "'...");
}
