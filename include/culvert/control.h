// SPDX-License-Identifier: Apache-2.0
// control: the control thread's event loop (libevent) and the HTTP server on it, which answers the
// admin socket and the metrics port. One thread; nothing here is called by a data thread and no
// data thread ever waits for it. To wake the loop from another thread, write to an eventfd it
// watches.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "culvert/result.h"

struct event;
struct event_base;

namespace culvert {

// Watch is an interest in a file descriptor, a time or a signal; it ends with the object. A
// callback may destroy its own Watch.
class Watch {
 public:
  Watch() = default;

 private:
  friend class Loop;
  struct State;
  struct Free {
    void operator()(State *state) const;
  };
  std::unique_ptr<State, Free> state_;
};

class Loop {
 public:
  using Task = std::function<void()>;

  static Result<std::unique_ptr<Loop>, Problem> create();
  ~Loop();
  Loop(const Loop &) = delete;
  Loop &operator=(const Loop &) = delete;

  // Keep the Watch as long as the callback is wanted; it must go before the Loop does.
  [[nodiscard]] Watch on_readable(int fd, Task task);  // level-triggered
  [[nodiscard]] Watch on_signal(int signal, Task task);
  [[nodiscard]] Watch after(std::chrono::milliseconds delay, Task task);  // once
  [[nodiscard]] Watch every(std::chrono::milliseconds period, Task task);

  void run();   // until stop(); callbacks run here
  void stop();  // from a callback: run() returns after it

  event_base *native() const { return base_; }

 private:
  explicit Loop(event_base *base) : base_(base) {}
  Watch watch(int fd, short what, std::chrono::milliseconds time, Task task);
  event_base *base_;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";  // or "text/plain; version=0.0.4" for metrics
  std::string body;
};
using Query = std::map<std::string, std::string>;  // decoded; the last of a repeated key

// HttpServer answers GET (and HEAD) on routes with exact paths: anything else is 404 or 405.
// Requests are bounded: 8 KiB of headers, no body, 10 s to come and 10 s to be read.
class HttpServer {
 public:
  using Handler = std::function<Response(const Query &)>;
  // Answers later, from the loop, by calling Reply once. A client that left meanwhile is no error.
  // A Reply that is destroyed without being called answers 503.
  using Reply = std::function<void(Response)>;
  using DeferredHandler = std::function<void(const Query &, Reply)>;

  static Result<std::unique_ptr<HttpServer>, Problem> create(Loop &loop);
  ~HttpServer();

  // Mode 0600; its directory must exist. A socket left by a dead daemon is replaced; one that
  // answers is a Problem (another daemon runs), as is any other file of that name. Removed at the
  // end.
  Result<void, Problem> listen_unix(const std::string &path);
  // "127.0.0.1:15020", "[::1]:15020", port 0: any. Answers the port.
  Result<std::uint16_t, Problem> listen_tcp(const std::string &address);

  void route(const std::string &path, Handler handler);
  void route_deferred(const std::string &path, DeferredHandler handler);

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace culvert
