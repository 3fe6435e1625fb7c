// SPDX-License-Identifier: Apache-2.0
// Round trips: on kept connections (run_requests), or one byte on a new one each (run_connects).
#include <deque>
#include <vector>

#include "modes.h"

namespace bench {
namespace {

// Exchange is one connection with at most one request under way.
struct Exchange {
  UniqueFd fd;
  std::uint64_t began_ns = 0;
  std::size_t missing = 0;  // bytes of the answer still to come
  bool connecting = false;
};

void ask(Exchange &exchange, std::span<const char> request) {
  // A request fits any socket buffer, and the previous one was answered.
  if (send_some(exchange.fd.get(), request) != request.size()) die("send a whole request");
  exchange.missing = request.size();
}

bool answered(Exchange &exchange, std::span<char> buffer) {
  std::size_t count = receive_some(exchange.fd.get(), buffer);
  if (count > exchange.missing) die("an answer longer than its request");
  exchange.missing -= count;
  return exchange.missing == 0;
}

void begin_connect(Exchange &exchange, const Target &target, Service service, Poller &poller) {
  exchange.began_ns = now_ns();
  exchange.fd = start_connect(target, service);
  exchange.connecting = true;
  poller.add(exchange.fd.get(), EPOLLOUT, &exchange);
}

}  // namespace

void run_requests(const Target &target, std::size_t connections, std::size_t size,
                  Measurement &measurement) {
  std::vector<char> request(size, 'r');
  std::vector<char> buffer(size + 1);
  std::deque<Exchange> open;
  Poller poller;
  for (std::size_t index = 0; index < connections; ++index) {
    Exchange &exchange = open.emplace_back(connect_now(target, Service::echo));
    set_nodelay(exchange.fd.get());
    poller.add(exchange.fd.get(), EPOLLIN, &exchange);
    exchange.began_ns = now_ns();
    ask(exchange, request);
  }
  while (!measurement.over()) {
    for (const epoll_event &event : poller.wait(10)) {
      auto &exchange = *static_cast<Exchange *>(event.data.ptr);
      if (!answered(exchange, buffer)) continue;
      measurement.count_timed(exchange.began_ns);
      exchange.began_ns = now_ns();
      ask(exchange, request);
    }
  }
}

void run_connects(const Target &target, Service service, std::size_t in_flight,
                  Measurement &measurement) {
  const char request = 'c';
  char buffer[2];
  std::deque<Exchange> open(in_flight);
  Poller poller;
  for (Exchange &exchange : open)
    begin_connect(exchange, target, service, poller);
  while (!measurement.over()) {
    for (const epoll_event &event : poller.wait(10)) {
      auto &exchange = *static_cast<Exchange *>(event.data.ptr);
      if (exchange.connecting) {
        finish_connect(exchange.fd.get());
        exchange.connecting = false;
        ask(exchange, {&request, 1});
        poller.change(exchange.fd.get(), EPOLLIN, &exchange);
      } else if (answered(exchange, buffer)) {
        measurement.count_timed(exchange.began_ns);
        measurement.count_connection();
        exchange.fd.reset();
        begin_connect(exchange, target, service, poller);
      }
    }
  }
}

}  // namespace bench
