// SPDX-License-Identifier: Apache-2.0
// The maps of policy sets: full, removed, taken over, read by people.
#include <arpa/inet.h>

#include <catch2/catch_test_macros.hpp>
#include <functional>

#include "policy_world.h"

using namespace culvert;
using namespace culvert::test;

namespace {

constexpr const char *tables[] = {"policy_sets", "policy_identities", "policy_sources",
                                  "policy_ports", "policy_cells"};
constexpr std::uint32_t any = VERDICT_ANY;

// `rows` in each table.
SetBuilder set_of_size(std::uint32_t rows) {
  SetBuilder set(VERDICT_DENY);
  for (std::uint32_t row = 1; row <= rows; ++row) {
    set.identity(row, row);
    const in_addr address{htonl(0x0a000000U + row)};
    set.source((std::string(inet_ntoa(address)) + "/32").c_str(), row);
    set.port(static_cast<std::uint16_t>(row), false, row);
    set.cell(row, any, any, VERDICT_ALLOW);
  }
  return set;
}

void check_entries(const Capture &capture, std::uint64_t sets, std::uint64_t rows) {
  for (const char *table : tables) {
    INFO(table);
    const std::uint64_t expected = table == std::string("policy_sets") ? sets : rows;
    CHECK(entries(capture, table) == expected);
  }
}

std::uint64_t lines_of(const World &world, const char *map) {
  const std::string count =
      output_of("PATH=$PATH:/usr/sbin bpftool map dump pinned " + world.options.bpffs + "/maps/" +
                map + " | grep -c '\"key\"'");
  return std::stoull(count);
}

}  // namespace

TEST_CASE("policy maps: a map that is full is named, and nothing of the set is left") {
  const std::pair<std::uint32_t PolicyMapSizes::*, const char *> sizes[] = {
      {&PolicyMapSizes::sets, "policy_sets"},
      {&PolicyMapSizes::identities, "policy_identities"},
      {&PolicyMapSizes::sources, "policy_sources"},
      {&PolicyMapSizes::ports, "policy_ports"},
      {&PolicyMapSizes::cells, "policy_cells"}};
  for (const auto &[member, name] : sizes) {
    INFO(name);
    const bool of_sets = name == std::string("policy_sets");
    World world;
    world.options.policies.*member = of_sets ? 1 : 7;
    const auto capture = world.capture();
    const std::uint32_t first = add(*capture, set_of_size(5));
    check_entries(*capture, 1, 5);
    const auto full =
        capture->policies().add_set(capture->policies().new_set(), set_of_size(5).contents);
    REQUIRE_FALSE(full);
    INFO(full.error().text);
    CHECK(full.error().text.starts_with(std::string("BPF map ") + name + ": insert: "));
    CHECK(full.error().text.find(of_sets
                                     ? "needs 1 entries, 1 of 1 are in use"
                                     : "needs 5 entries, 5 of 7 are in use") != std::string::npos);
    CHECK(full.error().text.find(std::string("raise ") + name + "_max") != std::string::npos);
    check_entries(*capture, 1, 5);
    CHECK(lines_of(world, name) == (of_sets ? 1 : 5));
    const auto one_too_many = capture->policies().add_identity(first, 100, 1);
    CHECK(one_too_many);
    capture->policies().remove_sets({first});
    check_entries(*capture, 0, 0);
    CHECK(lines_of(world, name) == 0);
  }
}

TEST_CASE("policy maps: 5,000 rows of each kind are written and removed") {
  World world;
  const auto capture = world.capture();
  const std::uint32_t set = add(*capture, set_of_size(5000));
  check_entries(*capture, 1, 5000);
  verdict_question question{set, 4711, {}, 80, 0};
  CHECK(capture->policies().verdict(question)->verdict == VERDICT_ALLOW);
  question.identity = 5001;
  CHECK(capture->policies().verdict(question)->verdict == VERDICT_DENY);
  capture->policies().remove_sets({set, set, 4711});
  check_entries(*capture, 0, 0);
  for (const char *table : tables)
    CHECK(lines_of(world, table) == 0);
}

TEST_CASE("policy maps: an earlier daemon's sets serve until pods have others, then are removed") {
  World world;
  std::uint32_t earlier = 0;
  {
    const auto before = world.meshed_capture();
    earlier = add(*before, set_of_size(5));
    publish(*before, *world.a, earlier);
    publish(*before, *world.b, earlier);
  }
  // One that was killed while it wrote: a cell without a set, number 4096.
  output_of("PATH=$PATH:/usr/sbin bpftool map update pinned " + world.options.bpffs +
            "/maps/policy_cells key hex 00 10 00 00 01 00 00 00 01 00 00 00 01 00 00 00 " +
            "value hex 02 00 00 00 00 00 00 00");
  const Application application(*world.b);
  const auto capture = world.capture();
  CHECK(entries(*capture, "policy_sets") == 2);
  CHECK(entries(*capture, "policy_cells") == 6);
  CHECK(capture->policies().new_identity() == 6);
  const Endpoint to{world.b->addresses.v4, Application::first_port};
  CHECK(reach(*capture, *world.b, AF_INET, to, {.identity = 5}) == 0);
  CHECK(reach(*capture, *world.b, AF_INET, to, {.identity = 6}) == EPERM);

  capture->policies().drop_orphans();
  check_entries(*capture, 1, 5);
  const std::uint32_t set = add(*capture, set_of_size(2));
  CHECK(set == 4097);
  publish(*capture, *world.b, set);
  capture->policies().drop_orphans();
  check_entries(*capture, 2, 7);  // pod a still refers to it
  publish(*capture, *world.a, set);
  capture->policies().drop_orphans();
  check_entries(*capture, 1, 2);
  for (const char *table : tables)
    CHECK(lines_of(world, table) == (table == std::string("policy_sets") ? 1 : 2));
  CHECK(reach(*capture, *world.b, AF_INET, to, {.identity = 5}) == EPERM);
  CHECK(reach(*capture, *world.b, AF_INET, to, {.identity = 2}) == 0);
}

TEST_CASE("policy maps: bpftool shows them with names") {
  World world;
  const auto capture = world.meshed_capture();
  add(*capture, set_of_size(1));
  const auto shows = [&](const char *map, const char *name) {
    INFO(map << " " << name);
    CHECK(output_of("PATH=$PATH:/usr/sbin bpftool map dump pinned " + world.options.bpffs +
                    "/maps/" + map)
              .find(name) != std::string::npos);
  };
  shows("policy_sets", "\"otherwise\": \"VERDICT_DENY\"");
  shows("policy_identities", "\"identity\": 1");
  shows("policy_sources", "\"prefix_bits\": 160");
  shows("policy_ports", "\"port\": 1");
  shows("policy_cells", "\"verdict\": \"VERDICT_ALLOW\"");
  shows("pods", "\"policy_set\": 1");
}
