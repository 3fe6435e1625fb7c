// SPDX-License-Identifier: Apache-2.0
// The command as a person runs it, against an admin socket that serves what the daemon would.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "culvert/control.h"
#include "unit/observe_fixture.h"

using namespace culvert;
using observe_fixture::noon;

namespace {

struct Outcome {
  int exit_code;
  std::string out;
};

// Standard output and error together.
Outcome run(const std::string &arguments) {
  FILE *pipe = ::popen((CULVERT_COMMAND " " + arguments + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  Outcome outcome{};
  std::array<char, 4096> buffer{};
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    outcome.out.append(buffer.data(), n);
  }
  int status = ::pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

bool has(const Outcome &outcome, std::string_view text) {
  return outcome.out.find(text) != std::string::npos;
}

// A daemon's admin socket with one connection, one pod and one broken file behind it.
class Daemon {
 public:
  explicit Daemon(int not_ready_answers) : not_ready_(not_ready_answers) {
    REQUIRE(::mkdtemp(directory_.data()) != nullptr);
    REQUIRE(http_->listen_unix(path()));
    http_->route("/status", [this](const Query &) { return Response{.body = status()}; });
    http_->route("/connections", [](const Query &) {
      ThreadReport report;
      report.live.push_back(observe_fixture::outbound());
      return Response{.body = connections_json(std::span(&report, 1), noon)};
    });
    http_->route("/workloads", [](const Query &) {
      WorkloadStatus web{observe_fixture::workload("web", "10.0.1.1", "node-b"), false, "STRICT",
                         false, "on node-b"};
      return Response{.body = workloads_json(std::span(&web, 1))};
    });
    http_->route("/certificates", [](const Query &) {
      CertificatesInput input;
      input.entries.push_back(
          {*SpiffeId::workload("cluster.local", "shop", "web"), nullptr, noon, "no authority"});
      return Response{.body = certificates_json(input)};
    });
    http_->route("/policies", [](const Query &) {
      return Response{.body = policies_json({.snapshot = observe_fixture::policies()})};
    });
    http_->route("/explain", [](const Query &query) { return explain(query); });
    stop_ = loop_->every(std::chrono::milliseconds(2), [this] {
      if (over_) loop_->stop();
    });
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~Daemon() {
    over_ = true;
    thread_.join();
    stop_ = Watch();
    http_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string path() const { return directory_ + "/admin.sock"; }
  std::string socket() const { return "--socket " + path() + " "; }

 private:
  std::string status() {
    std::array<ResourceError, 1> errors = {{{"pods.yaml", 3, "", "not YAML"}}};
    std::array<PodStatus, 1> pods = {{{"shop/web", PodStatus::State::captured, ""}}};
    StatusInput input;
    input.version = "0.1.0";
    input.node = "node-a";
    input.ready = not_ready_ == 0;
    if (not_ready_ > 0) --not_ready_;
    input.snapshot = 1;
    input.pods = pods;
    input.resource_errors = errors;
    return status_json(input);
  }
  // The client may reach web on port 80, and nobody port 81; on port 82 the maps say otherwise.
  static Response explain(const Query &query) {
    const std::string &to = query.at("destination");
    if (query.at("source") != "shop/client" || !to.starts_with("shop/web:8")) {
      return {.status = 404, .body = error_json("Pod " + to + " is not known")};
    }
    const WorkloadPtr web = observe_fixture::policies().workloads.front();
    const WorkloadPtr client = observe_fixture::workload("client", "10.0.0.1", "node-a");
    const auto port = static_cast<std::uint16_t>(std::stoi(to.substr(to.find(':') + 1)));
    const bool live = port == 80;
    return {.body = explain_json({.source = client,
                                  .source_address = client->ips[0],
                                  .peer = &client->id,
                                  .destination = web,
                                  .destination_address = {web->ips[0], port},
                                  .mode = "STRICT",
                                  .live = verdict_answer{live ? VERDICT_ALLOW : VERDICT_DENY, 0, 0},
                                  .live_reason = ""})};
  }
  std::string directory_ = "/tmp/culvert-command-XXXXXX";
  std::unique_ptr<Loop> loop_ = std::move(*Loop::create());
  std::unique_ptr<HttpServer> http_ = std::move(*HttpServer::create(*loop_));
  Watch stop_;
  std::atomic<bool> over_ = false;
  int not_ready_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("culvert: wrong use, exit 2 and the error names what was wrong") {
  CHECK(run("").exit_code == 2);
  Outcome unknown = run("conections");
  CHECK(unknown.exit_code == 2);
  CHECK(has(unknown, "conections"));
  CHECK(run("status check").exit_code == 2);
  CHECK(run("check -o yaml").exit_code == 2);
  Outcome wait = run("status --wait soon");
  CHECK(wait.exit_code == 2);
  CHECK(has(wait, "'soon': accepted is a time such as 30s"));
  CHECK(run("verify").exit_code == 2);  // of a later version
  for (const char *few : {"explain", "explain shop/a"}) {
    Outcome outcome = run(few);
    CHECK(outcome.exit_code == 2);
    CHECK(has(outcome, "is required"));
  }
  CHECK(run("explain shop/a shop/b shop/c").exit_code == 2);
  CHECK(run("policies shop").exit_code == 2);
}

TEST_CASE("culvert: no daemon, exit 2, the socket and the next step are named") {
  for (const char *command : {"status", "connections", "workloads", "certificates", "policies",
                              "explain shop/a shop/b", "status --wait 150ms"}) {
    Outcome outcome = run(std::string("--socket /nonexistent/s ") + command);
    INFO(command << ": " << outcome.out);
    CHECK(outcome.exit_code == 2);
    CHECK(has(outcome, "no culvertd answers at /nonexistent/s"));
    CHECK(has(outcome, "start it"));
  }
}

TEST_CASE("culvert: a daemon that is not ready, status answers no") {
  Daemon daemon(1000000);
  Outcome now = run(daemon.socket() + "status");
  CHECK(now.exit_code == 1);
  CHECK(has(now, "culvertd 0.1.0 on node-a: not ready\n"));
  Outcome waited = run("status --wait 300ms " + daemon.socket());
  CHECK(waited.exit_code == 1);
  CHECK(has(waited, "not ready after 300ms"));
}

TEST_CASE("culvert: status --wait, it waits until the daemon is ready") {
  Daemon daemon(3);
  Outcome outcome = run("status --wait 20s " + daemon.socket());
  CHECK(outcome.exit_code == 0);
  CHECK(has(outcome, "culvertd 0.1.0 on node-a: ready\n"));
  CHECK(has(outcome, "1 of 1 meshed pods captured"));
  CHECK(has(outcome, "pods.yaml:3: not YAML"));
  CHECK(outcome.out.find('\x1b') == std::string::npos);
}

TEST_CASE("culvert: tables of what the daemon serves, the socket from the environment") {
  Daemon daemon(0);
  ::setenv("CULVERT_SOCKET", daemon.path().c_str(), 1);
  Outcome connections = run("connections");
  CHECK(connections.exit_code == 0);
  CHECK(has(connections, "shop/client-1 10.0.0.1:40000"));
  CHECK(has(connections, "X25519MLKEM768"));
  Outcome workloads = run("workloads");
  CHECK(workloads.exit_code == 0);
  CHECK(has(workloads, "no: on node-b"));
  Outcome certificates = run("certificates");
  CHECK(certificates.exit_code == 0);
  CHECK(has(certificates, "unavailable"));
  ::unsetenv("CULVERT_SOCKET");
}

TEST_CASE("culvert explain: refused by the daemon 2, denied 1, disagreement 1, allowed 0") {
  Daemon daemon(0);
  Outcome unknown = run(daemon.socket() + "explain shop/client shop/nobody:80");
  CHECK(unknown.exit_code == 2);
  CHECK(unknown.out == "culvert: Pod shop/nobody:80 is not known\n");
  Outcome denied = run(daemon.socket() + "explain shop/client shop/web:81");
  CHECK(denied.exit_code == 1);
  CHECK(has(denied, "denied: no ALLOW policy matches"));
  CHECK(has(denied, "agree        yes"));
  Outcome disagree = run(daemon.socket() + "explain shop/client shop/web:82");
  CHECK(disagree.exit_code == 1);
  CHECK(has(disagree, "agree        no: "));
  Outcome allowed = run(daemon.socket() + "explain shop/client shop/web:80");
  CHECK(allowed.exit_code == 0);
  CHECK(has(allowed, "allowed by AuthorizationPolicy shop/web, spec.rules[0]\n"));
  Outcome json = run("-o json explain shop/client shop/web:80 " + daemon.socket());
  CHECK(json.exit_code == 0);
  CHECK(nlohmann::json::parse(json.out)["agree"] == true);
}

TEST_CASE("culvert policies: the table") {
  Daemon daemon(0);
  Outcome outcome = run(daemon.socket() + "policies");
  CHECK(outcome.exit_code == 0);
  CHECK(has(outcome, "namespace shop (1 pod)"));
  CHECK(has(outcome, "shop/web spec.rules[0]: to destination.port is 80 or 82\n"));
}

TEST_CASE("culvert: -o json before or behind the command, the daemon's document") {
  Daemon daemon(0);
  for (const char *line : {"-o json connections", "connections -o json"}) {
    Outcome outcome = run(daemon.socket() + line);
    CHECK(outcome.exit_code == 0);
    auto document = nlohmann::json::parse(outcome.out);
    CHECK(document["connections"][0]["bytesToSource"] == 5000);
    CHECK(document["connections"][0]["openedAt"] == "2026-01-02T03:04:05Z");
  }
}

TEST_CASE("culvert check: without a daemon, its exit code is its answer") {
  Outcome outcome = run("check -o json");
  auto document = nlohmann::json::parse(outcome.out);
  CHECK(outcome.exit_code == (document["success"] == true ? 0 : 1));
  CHECK(document["checks"].size() == 10);
}
