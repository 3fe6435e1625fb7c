// SPDX-License-Identifier: Apache-2.0
#include "culvert/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>

using namespace culvert;

namespace {

constexpr std::chrono::system_clock::time_point noon{std::chrono::milliseconds(1767323045678)};

std::string text(std::initializer_list<LogField> fields) {
  return format_text({noon, LogLevel::info, "an event", std::span(fields.begin(), fields.size())});
}

std::string json(std::initializer_list<LogField> fields) {
  return format_json({noon, LogLevel::warn, "an event", std::span(fields.begin(), fields.size())});
}

// What log_event writes to stderr meanwhile.
template <class Do>
std::string captured_stderr(Do something) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  int before = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  something();
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(ends[1]);
  std::string all;
  std::array<char, 4096> buffer{};
  for (ssize_t n; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    all.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  return all;
}

}  // namespace

TEST_CASE("log: a value with a newline, it cannot forge a second line") {
  std::string forged = "x\n2026-01-02T03:04:05.678Z ERROR forged";
  CHECK(text({{"peer", forged}}).find('\n') == std::string::npos);
  CHECK(json({{"peer", forged}}).find('\n') == std::string::npos);
  CHECK(text({{"peer", forged}}) ==
        "2026-01-02T03:04:05.678Z INFO an event "
        "peer=\"x\\n2026-01-02T03:04:05.678Z ERROR forged\"");
}

TEST_CASE("log: a value with spaces, quotes or an equals sign, it is quoted") {
  CHECK(text({{"a", "two words"}}).ends_with(" a=\"two words\""));
  CHECK(text({{"a", "b=c"}}).ends_with(" a=\"b=c\""));
  CHECK(text({{"a", R"(say "\")"}}).ends_with(R"( a="say \"\\\"")"));
  CHECK(text({{"a", ""}}).ends_with(" a=\"\""));
}

TEST_CASE("log: bytes that are no UTF-8 and control characters, they are escaped") {
  CHECK(json({{"a", "\xff"}}).ends_with(R"("a":"\u00ff"})"));
  CHECK(json({{"a", "\xc0\x80"}}).ends_with(R"("a":"\u00c0\u0080"})"));          // overlong
  CHECK(json({{"a", "\xed\xa0\x80"}}).ends_with(R"("a":"\u00ed\u00a0\u0080"})"));  // surrogate
  CHECK(json({{"a", "\xe2\x82"}}).ends_with(R"("a":"\u00e2\u0082"})"));          // cut
  CHECK(json({{"a", "\x1b[31m"}}).ends_with(R"("a":"\u001b[31m"})"));
  CHECK(json({{"a", "\xc2\x9b"}}).ends_with(R"("a":"\u009b"})"));  // CSI as one character
  CHECK(json({{"a", std::string_view("a\0b", 3)}}).ends_with(R"("a":"a\u0000b"})"));
  CHECK(json({{"a", "caf\xc3\xa9 \xf0\x9f\x98\x80"}})
            .ends_with("\"a\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\"}"));
}

TEST_CASE("log: plain values, key=value without quotes") {
  CHECK(text({{"pod", "shop/web"}, {"n", 7}, {"ok", true}}) ==
        "2026-01-02T03:04:05.678Z INFO an event pod=shop/web n=7 ok=true");
}

TEST_CASE("log: json, numbers and booleans are raw") {
  CHECK(json({{"pod", "shop/web"}, {"n", std::uint64_t{18446744073709551615U}}, {"ok", false}}) ==
        R"({"time":"2026-01-02T03:04:05.678Z","level":"warn","message":"an event",)"
        R"("pod":"shop/web","n":18446744073709551615,"ok":false})");
}

TEST_CASE("log: level names, only the documented ones") {
  CHECK_FALSE(parse_log_level("verbose"));
  CHECK_FALSE(parse_log_level(""));
  CHECK_FALSE(parse_log_level("Info"));
  CHECK(parse_log_level("warn") == LogLevel::warn);
  CHECK(parse_log_level("debug") == LogLevel::debug);
}

TEST_CASE("log: below the level, nothing is written; at it, one line to stderr") {
  std::string out = captured_stderr([] {
    set_up_log(LogLevel::warn, false);
    log_event(LogLevel::info, "not this", {});
    log_event(LogLevel::warn, "but this", {{"a", 1}});
    set_up_log(LogLevel::info, true);
    log_event(LogLevel::info, "and {} this");
  });
  set_up_log(LogLevel::info, false);
  CHECK(out.find("not this") == std::string::npos);
  CHECK(out.find(" WARN but this a=1\n") != std::string::npos);
  CHECK(out.find(R"("level":"info","message":"and {} this"})"
                 "\n") != std::string::npos);
}
