// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

#include "cli/client.h"
#include "culvert/fd.h"

using namespace culvert;
using namespace culvert::cli;

namespace {

// Whoever listens at the path answers one request with these bytes, whatever it was.
class Answers {
 public:
  explicit Answers(std::string bytes) {
    std::string name = "/tmp/culvert-cli-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path().data(), path().size());
    REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_.get(), 1) == 0);
    thread_ = std::thread([this, bytes = std::move(bytes)] {
      UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
      std::array<char, 4096> request{};
      if (::recv(client.get(), request.data(), request.size(), 0) <= 0) return;
      request_ = request.data();
      static_cast<void>(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    });
  }
  ~Answers() {
    if (thread_.joinable()) thread_.join();
    ::unlink(path().c_str());
    ::rmdir(directory_.c_str());
  }
  std::string path() const { return directory_ + "/s"; }
  const std::string &request() {  // once it has come
    if (thread_.joinable()) thread_.join();
    return request_;
  }

 private:
  UniqueFd listener_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string directory_, request_;
  std::thread thread_;
};

std::string http(std::string_view status, std::string_view body) {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + std::string(body);
}

}  // namespace

TEST_CASE("client: no daemon, the error names the socket and what to do") {
  auto answer = ask("/nonexistent/admin.sock", "/status");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().text ==
        "no culvertd answers at /nonexistent/admin.sock: No such file or directory; start it "
        "(culvertd --config FILE), or give --socket PATH or $CULVERT_SOCKET");
}

TEST_CASE("client: an answer that is no JSON object, or is cut off, or no HTTP, a named problem") {
  for (const std::string &bytes :
       {http("200 OK", "hello"), http("200 OK", "[1]"), http("200 OK", ""),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), std::string("SSH-2.0-x\r\n"),
        std::string()}) {
    INFO(bytes);
    Answers daemon(bytes);
    auto answer = ask(daemon.path(), "/status");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().text.find(daemon.path()) != std::string::npos);
  }
}

TEST_CASE("client: another status than 200, the problem says which") {
  Answers daemon(http("503 Service Unavailable", "{}"));
  auto answer = ask(daemon.path(), "/status");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().text.find("HTTP 503") != std::string::npos);
}

TEST_CASE("client: a refusal with the daemon's own words, they are the problem") {
  Answers daemon(http("404 Not Found", R"({"error": "Pod a/b is not known"})"));
  auto answer = ask(daemon.path(), "/explain");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().text == "Pod a/b is not known");
}

TEST_CASE("client: a document, whatever the environment says of proxies") {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  {
    Answers daemon(http("200 OK", R"({"ready": true})"));
    auto answer = ask(daemon.path(), "/status");
    REQUIRE(answer);
    CHECK((*answer)["ready"] == true);
    CHECK(daemon.request().starts_with("GET /status HTTP/1.1\r\n"));
  }
  ::unsetenv("http_proxy");
}
