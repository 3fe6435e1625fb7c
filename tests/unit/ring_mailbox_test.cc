// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <thread>

#include "culvert/mailbox.h"
#include "support/data_path.h"

namespace {

using namespace culvert;
using culvert::test::Place;

struct Note final : Message {
  explicit Note(std::function<void()> what) : action(std::move(what)) {}
  void deliver() override { action(); }
  std::function<void()> action;
};

std::unique_ptr<Mailbox> make_mailbox() {
  auto mailbox = Mailbox::create();
  ENSURE(mailbox.has_value());
  return std::move(*mailbox);
}

void shut(Place &place, Mailbox &mailbox) {
  mailbox.close(*place.ring);
  REQUIRE(place.turn_until([&] { return mailbox.settled(); }));
}

TEST_CASE("mailbox: a message that is never delivered, deleted with the mailbox") {
  const auto witness = std::make_shared<int>(1);
  auto mailbox = make_mailbox();
  mailbox->post(std::make_unique<Note>([witness] { ++*witness; }));
  CHECK(witness.use_count() == 2);
  mailbox.reset();
  CHECK(witness.use_count() == 1);
  CHECK(*witness == 1);
}

TEST_CASE("mailbox: posted before it is opened, delivered") {
  Place place;
  auto mailbox = make_mailbox();
  int delivered = 0;
  mailbox->post(std::make_unique<Note>([&] { ++delivered; }));
  mailbox->open(*place.ring);
  CHECK(place.turn_until([&] { return delivered == 1; }));
  shut(place, *mailbox);
}

TEST_CASE("mailbox: a message posts another, both are delivered") {
  Place place;
  auto mailbox = make_mailbox();
  mailbox->open(*place.ring);
  int delivered = 0;
  mailbox->post(std::make_unique<Note>([&] {
    ++delivered;
    mailbox->post(std::make_unique<Note>([&] { ++delivered; }));
  }));
  CHECK(place.turn_until([&] { return delivered == 2; }));
  shut(place, *mailbox);
}

TEST_CASE("mailbox: many threads post, all arrive, each thread's in its order") {
  Place place;
  auto mailbox = make_mailbox();
  mailbox->open(*place.ring);
  constexpr int threads = 8, each = 2000;
  std::array<int, threads> next{};
  int delivered = 0;
  bool in_order = true;
  std::vector<std::jthread> posters;
  for (std::size_t thread = 0; thread < threads; ++thread) {
    posters.emplace_back([&, thread] {
      for (int i = 0; i < each; ++i) {
        mailbox->post(std::make_unique<Note>([&, thread, i] {
          in_order = in_order && next[thread] == i;
          ++next[thread];
          ++delivered;
        }));
      }
    });
  }
  CHECK(place.turn_until([&] { return delivered == threads * each; }));
  CHECK(in_order);
  posters.clear();
  shut(place, *mailbox);
}

}  // namespace
