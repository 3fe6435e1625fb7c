// SPDX-License-Identifier: Apache-2.0
// result: how a fallible call answers. Everyone may use this header; it uses nothing of ours.
//
// Three kinds of failure, three answers: what a peer, the kernel or a file may do to us is a
// Result; a broken invariant is ENSURE (kept in release, aborts); bad start-up input is a Problem
// (a sentence for a person) carried up to main.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <string>
#include <type_traits>
#include <utility>

namespace culvert {

enum class ErrorSource : std::uint8_t { os, bpf, tls, x509, record, protocol, identity };

// Error is 16 bytes and never allocates: `code` is an errno for os and bpf, the library's reason
// for tls and x509, 0 where `what` says it all. `what` is a string literal.
struct Error {
  const char *what;
  std::int32_t code;
  ErrorSource source;
};
static_assert(sizeof(Error) == 16, "Error");

inline Error os_error(const char *what, int code) { return {what, code, ErrorSource::os}; }

// Problem is an error for a person: one sentence that names the object, the cause and the next
// step.
struct Problem {
  std::string text;
};

template <class T = void, class E = Error>
class [[nodiscard]] Result : public std::expected<T, E> {
 public:
  using std::expected<T, E>::expected;
};

using Failure = std::unexpected<Error>;
inline Failure fail(Error error) { return Failure(error); }
inline Failure fail_os(const char *what, int code) { return Failure(os_error(what, code)); }
inline std::unexpected<Problem> problem(std::string text) {
  return std::unexpected(Problem{std::move(text)});
}

// "connect: Connection refused" and the like; for logs.
std::string describe(const Error &error);

namespace detail {
// The value of a Result known to be good, without value()'s throw (data rooms have no exceptions).
template <class R>
auto take(R &&result) {
  if constexpr (!std::is_void_v<typename std::remove_cvref_t<R>::value_type>) {
    return std::move(*result);
  }
}
}  // namespace detail
}  // namespace culvert

// TRY(expression): the value, or return the error to our caller.
#define TRY(expression)                                        \
  __extension__({                                              \
    auto &&try_result = (expression);                          \
    if (!try_result) [[unlikely]] {                            \
      return ::std::unexpected(std::move(try_result).error()); \
    }                                                          \
    ::culvert::detail::take(std::move(try_result));            \
  })

// ENSURE(condition): an invariant of our own. A false one is a bug: stop before it spreads.
#define ENSURE(condition)                                                          \
  do {                                                                             \
    if (!(condition)) [[unlikely]] {                                               \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)
