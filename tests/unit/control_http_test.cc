// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "culvert/control.h"
#include "culvert/fd.h"

using namespace culvert;
using std::chrono::milliseconds;

namespace {

struct TemporaryDirectory {
  std::string path;
  TemporaryDirectory() {
    std::string name = "/tmp/culvert-control-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

UniqueFd connect_unix(const std::string &path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) return {};
  return fd;
}

UniqueFd connect_tcp(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) return {};
  return fd;
}

// The descriptor by which this process has the server's end of a connection to `port`; -1: none.
int accepted_at(std::uint16_t port) {
  for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_in local{}, peer{};
    socklen_t local_size = sizeof local, peer_size = sizeof peer;
    if (::getsockname(fd, reinterpret_cast<sockaddr *>(&local), &local_size) == 0 &&
        ::getpeername(fd, reinterpret_cast<sockaddr *>(&peer), &peer_size) == 0 &&
        local.sin_port == htons(port)) {
      return fd;
    }
  }
  return -1;
}

// Does an epoll of this process wait for `fd`, or for what was open there?
bool is_polled(int fd) {
  for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream lines(entry.path());
    for (std::string word; lines >> word;) {
      if (word == "tfd:" && lines >> word && std::stoi(word) == fd) return true;
    }
  }
  return false;
}

// Sends `request` and reads until the server closes.
std::string talk(const UniqueFd &fd, std::string_view request) {
  if (fd.empty()) return "no connection";
  static_cast<void>(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL));
  std::string all;
  std::array<char, 4096> buffer{};
  for (ssize_t n; (n = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
    all.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return all;
}

std::string get(const std::string &target) {
  return "GET " + target + " HTTP/1.1\r\nHost: culvert\r\nConnection: close\r\n\r\n";
}

struct Server {
  std::unique_ptr<Loop> loop = std::move(*Loop::create());
  std::unique_ptr<HttpServer> http = std::move(*HttpServer::create(*loop));

  // Runs the loop while `client` runs in a thread of its own.
  void run(std::function<void()> client) {
    std::atomic<bool> over = false;
    std::thread other([&] {
      client();
      over = true;
    });
    Watch poll = loop->every(milliseconds(2), [&] {
      if (over) loop->stop();
    });
    loop->run();
    other.join();
  }
};

}  // namespace

TEST_CASE("http: a socket that answers, it is not replaced") {
  TemporaryDirectory directory;
  std::string path = directory.path + "/admin.sock";
  Server first, second;
  REQUIRE(first.http->listen_unix(path));
  auto refused = second.http->listen_unix(path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find(path) != std::string::npos);
  CHECK(refused.error().text.find("another daemon answers") != std::string::npos);
  CHECK_FALSE(connect_unix(path).empty());
}

TEST_CASE("http: a file that is no socket, it is not replaced") {
  TemporaryDirectory directory;
  std::string path = directory.path + "/admin.sock";
  std::ofstream(path) << "precious";
  Server server;
  auto refused = server.http->listen_unix(path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("is no socket") != std::string::npos);
  CHECK(std::filesystem::file_size(path) == 8);
}

TEST_CASE("http: a path that is too long or has no directory, a named problem") {
  Server server;
  CHECK_FALSE(server.http->listen_unix("/tmp/" + std::string(120, 'x')));
  auto refused = server.http->listen_unix("/nonexistent/culvert/admin.sock");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("/nonexistent/culvert/admin.sock") != std::string::npos);
}

TEST_CASE("http: a bad or taken tcp address, a named problem") {
  Server server, second;
  for (const char *bad : {"", "15020", "localhost:15020", "127.0.0.1", "127.0.0.1:", "::1:80",
                          "127.0.0.1:70000", "127.0.0.1:80x", "[127.0.0.1]:80", "[::1:80"}) {
    INFO(bad);
    CHECK_FALSE(server.http->listen_tcp(bad));
  }
  auto port = server.http->listen_tcp("127.0.0.1:0");
  REQUIRE(port);
  auto taken = second.http->listen_tcp("127.0.0.1:" + std::to_string(*port));
  REQUIRE_FALSE(taken);
  CHECK(taken.error().text.find("another program has it") != std::string::npos);
}

TEST_CASE("http: the socket of a dead daemon, it is replaced; mode 0600; removed at the end") {
  TemporaryDirectory directory;
  std::string path = directory.path + "/admin.sock";
  {
    UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(dead.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
  }
  REQUIRE(std::filesystem::exists(path));
  {
    Server server;
    REQUIRE(server.http->listen_unix(path));
    struct stat file{};
    REQUIRE(::stat(path.c_str(), &file) == 0);
    CHECK((file.st_mode & 07777) == 0600);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("http: a socket that another process put in our place, it is left alone") {
  TemporaryDirectory directory;
  std::string path = directory.path + "/admin.sock";
  {
    Server server;
    REQUIRE(server.http->listen_unix(path));
    std::filesystem::remove(path);
    std::ofstream(path) << "theirs";
  }
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("http: unknown pages, other methods, bodies and long headers, they are refused") {
  Server server;
  auto port = server.http->listen_tcp("127.0.0.1:0");
  REQUIRE(port);
  int called = 0;
  server.http->route("/page", [&](const Query &) {
    ++called;
    return Response{.body = "{}"};
  });
  std::string unknown, prefix, query, post, put, body, long_header, garbage;
  server.run([&] {
    unknown = talk(connect_tcp(*port), get("/other"));
    prefix = talk(connect_tcp(*port), get("/page/more"));
    query = talk(connect_tcp(*port), get("/page?no-value"));
    post = talk(connect_tcp(*port),
                "POST /page HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    put = talk(connect_tcp(*port), "DELETE /page HTTP/1.1\r\nConnection: close\r\n\r\n");
    body = talk(connect_tcp(*port),
                "POST /page HTTP/1.1\r\nConnection: close\r\nContent-Length: 9\r\n\r\nxxxxxxxxx");
    long_header = talk(connect_tcp(*port), "GET /page HTTP/1.1\r\nConnection: close\r\nX: " +
                                               std::string(20000, 'x') + "\r\n\r\n");
    garbage = talk(connect_tcp(*port), "\x16\x03\x01\r\n\r\n");
  });
  CHECK(unknown.starts_with("HTTP/1.1 404 "));
  CHECK(prefix.starts_with("HTTP/1.1 404 "));
  CHECK(query.starts_with("HTTP/1.1 400 "));
  CHECK(post.starts_with("HTTP/1.1 405 "));
  CHECK(post.find("Allow: GET") != std::string::npos);
  CHECK(put.starts_with("HTTP/1.1 405 "));
  CHECK_FALSE(body.starts_with("HTTP/1.1 200"));
  CHECK_FALSE(long_header.starts_with("HTTP/1.1 200"));
  CHECK_FALSE(garbage.starts_with("HTTP/1.1 200"));
  CHECK(called == 0);
}

TEST_CASE("http: a handler that throws, 500 and the server lives on") {
  Server server;
  auto port = server.http->listen_tcp("127.0.0.1:0");
  server.http->route("/throws",
                     [](const Query &) -> Response { throw std::runtime_error("on purpose"); });
  server.http->route("/fine", [](const Query &) { return Response{.body = "fine"}; });
  std::string throws, fine;
  server.run([&] {
    throws = talk(connect_tcp(*port), get("/throws"));
    fine = talk(connect_tcp(*port), get("/fine"));
  });
  CHECK(throws.starts_with("HTTP/1.1 500 "));
  CHECK(throws.find("on purpose") == std::string::npos);
  CHECK(fine.ends_with("\r\n\r\nfine"));
}

TEST_CASE("http: a page over the unix socket, its type, body and decoded query") {
  TemporaryDirectory directory;
  std::string path = directory.path + "/admin.sock";
  Server server;
  REQUIRE(server.http->listen_unix(path));
  Query seen;
  server.http->route("/page", [&](const Query &query) {
    seen = query;
    return Response{.content_type = "text/plain; version=0.0.4", .body = "hello\n"};
  });
  std::string answer;
  server.run([&] { answer = talk(connect_unix(path), get("/page?pod=shop%2Fweb&a=1&a=2")); });
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(answer.find("Content-Type: text/plain; version=0.0.4\r\n") != std::string::npos);
  CHECK(answer.ends_with("\r\n\r\nhello\n"));
  CHECK(seen["pod"] == "shop/web");
  CHECK(seen["a"] == "2");
}

TEST_CASE("http: several requests on one connection, each is answered") {
  Server server;
  auto port = server.http->listen_tcp("127.0.0.1:0");
  server.http->route("/page", [](const Query &) { return Response{.body = "one"}; });
  std::string answer;
  server.run(
      [&] { answer = talk(connect_tcp(*port), "GET /page HTTP/1.1\r\n\r\n" + get("/page")); });
  CHECK(answer.find("one") != answer.rfind("one"));
}

TEST_CASE("http: a connection ends, its descriptor is closed only after it has left the epoll") {
  Server server;
  auto port = server.http->listen_tcp("127.0.0.1:0");
  REQUIRE(port);
  int accepted = -1;
  UniqueFd kept;  // the socket lives on, and so would its place in an epoll
  server.http->route("/page", [&](const Query &) {
    accepted = accepted_at(*port);
    kept = UniqueFd(::dup(accepted));
    return Response{.body = "one"};
  });
  server.run([&] { talk(connect_tcp(*port), get("/page")); });
  server.run([] {});  // the client knew of the end within a turn; libevent ends it in the next
  REQUIRE_FALSE(kept.empty());
  CHECK(::fcntl(accepted, F_GETFD) < 0);
  CHECK_FALSE(is_polled(accepted));
}

TEST_CASE("http: a deferred answer, it comes later and once") {
  Server server;
  auto port = server.http->listen_tcp("127.0.0.1:0");
  Watch later;
  server.http->route_deferred("/slow", [&](const Query &, const HttpServer::Reply &reply) {
    later = server.loop->after(milliseconds(20), [reply] {
      reply({.body = "late"});
      reply({.body = "again"});
    });
  });
  std::string answer;
  server.run([&] { answer = talk(connect_tcp(*port), get("/slow")); });
  CHECK(answer.ends_with("\r\n\r\nlate"));
}

TEST_CASE("http: a Reply that is dropped, 503") {
  Server server;
  auto port = server.http->listen_tcp("127.0.0.1:0");
  server.http->route_deferred("/lost", [](const Query &, const HttpServer::Reply &) {});
  std::string answer;
  server.run([&] { answer = talk(connect_tcp(*port), get("/lost")); });
  CHECK(answer.starts_with("HTTP/1.1 503 "));
}

TEST_CASE("http: a client that left, and a server that ended, the late Reply is harmless") {
  HttpServer::Reply kept;
  std::atomic<int> asked = 0;
  const auto wait_for = [&](int questions) {
    while (asked < questions)
      std::this_thread::sleep_for(milliseconds(1));
  };
  {
    Server server;
    auto port = server.http->listen_tcp("127.0.0.1:0");
    server.http->route_deferred("/slow", [&](const Query &, const HttpServer::Reply &reply) {
      kept = reply;
      ++asked;
    });
    server.run([&] {
      UniqueFd client = connect_tcp(*port);
      std::string request = get("/slow");
      REQUIRE(::send(client.get(), request.data(), request.size(), 0) > 0);
      wait_for(1);
      linger reset{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    });
    server.run([&] { std::this_thread::sleep_for(milliseconds(30)); });
    if (kept) kept({.body = std::string(100000, 'x')});
    kept = nullptr;
    server.run([&] {
      UniqueFd client = connect_tcp(*port);
      std::string request = get("/slow");
      REQUIRE(::send(client.get(), request.data(), request.size(), 0) > 0);
      wait_for(2);
    });
  }
  REQUIRE(kept);
  kept({.body = "too late"});
}
