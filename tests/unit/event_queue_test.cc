// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "culvert/report.h"

using namespace culvert;

namespace {
ConnectionRecord numbered(std::uint64_t id) {
  ConnectionRecord record;
  record.id = id;
  return record;
}
}  // namespace

TEST_CASE("event queue: full, push refuses and the record stays with the caller") {
  EventQueue queue(2);
  REQUIRE(queue.push(numbered(1)));
  REQUIRE(queue.push(numbered(2)));
  ConnectionRecord third = numbered(3);
  third.detail = "kept";
  CHECK_FALSE(queue.push(std::move(third)));
  CHECK(third.detail == "kept");
  CHECK(queue.pop()->id == 1);
  CHECK(queue.push(std::move(third)));
}

TEST_CASE("event queue: empty, pop answers nothing") {
  EventQueue queue(4);
  CHECK_FALSE(queue.pop());
  REQUIRE(queue.push(numbered(1)));
  CHECK(queue.pop());
  CHECK_FALSE(queue.pop());
}

TEST_CASE("event queue: a popped slot, keeps nothing of the record alive") {
  EventQueue queue(4);
  auto workload = std::make_shared<const Workload>();
  ConnectionRecord record;
  record.source = workload;
  REQUIRE(queue.push(std::move(record)));
  record = {};
  CHECK(workload.use_count() == 2);
  queue.pop();
  CHECK(workload.use_count() == 1);
}

TEST_CASE("event queue: a writer and a reader at once, every record in order and whole") {
  constexpr std::uint64_t count = 200000;
  EventQueue queue(64);
  std::uint64_t refused = 0;
  std::thread writer([&] {
    for (std::uint64_t id = 0; id < count; ++id) {
      ConnectionRecord record = numbered(id);
      record.detail = std::to_string(id);  // memory made by one thread, freed by the other
      while (!queue.push(std::move(record))) {
        ++refused;
        std::this_thread::yield();
      }
    }
  });
  std::uint64_t next = 0;
  bool whole = true;
  while (next < count) {
    auto record = queue.pop();
    if (!record) {
      std::this_thread::yield();
      continue;
    }
    whole = whole && record->id == next && record->detail == std::to_string(next);
    ++next;
  }
  writer.join();
  CHECK(whole);
  CHECK_FALSE(queue.pop());
  INFO("pushes refused: " << refused);
}
