// SPDX-License-Identifier: Apache-2.0
// culvert: the command line. Exit 0: yes, fine; 1: the answer is no; 2: wrong use, or no daemon.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <optional>
#include <thread>

#include "check.h"
#include "client.h"
#include "human.h"
#include "render.h"

namespace culvert::cli {
namespace {

constexpr int fine = 0, answer_is_no = 1, cannot_answer = 2;
constexpr auto poll_interval = std::chrono::milliseconds(100);

struct Options {
  std::string socket;
  std::string output = "table";
  std::string wait;  // status --wait
  std::string source, destination;  // explain
  bool json() const { return output == "json"; }
};

int complain(const std::string &text) {
  std::cerr << "culvert: " << printable(text) << "\n";
  return cannot_answer;
}

void print(const std::string &text) {
  std::cout << text << std::flush;
  if (!std::cout) throw std::runtime_error("cannot write to standard output");
}

using Render = std::string (*)(const Json &, const Palette &);

void show(const Json &document, Render render, const Options &options) {
  print(options.json() ? document.dump(2) + "\n"
                       : render(document, Palette::of_terminal(STDOUT_FILENO)));
}

int list(const Options &options, const std::string &path, Render render) {
  auto document = ask(options.socket, path);
  if (!document) return complain(document.error().text);
  show(*document, render, options);
  return fine;
}

int check(const Options &options) {
  auto checks = check_machine();
  print(options.json() ? checks_json(checks).dump(2) + "\n"
                       : render_checks(checks, Palette::of_terminal(STDOUT_FILENO)));
  return passed(checks) ? fine : answer_is_no;
}

bool ready(const Result<Json, Problem> &status) { return status && status->value("ready", false); }

int status(const Options &options) {
  std::chrono::milliseconds wait{};
  if (!options.wait.empty()) wait = *parse_duration(options.wait);  // checked by the parser
  auto until = std::chrono::steady_clock::now() + wait;
  auto answer = ask(options.socket, "/status");
  while (!ready(answer) && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(poll_interval);
    answer = ask(options.socket, "/status");
  }
  if (!answer) return complain(answer.error().text);
  show(*answer, render_status, options);
  if (ready(answer)) return fine;
  if (!options.wait.empty()) std::cerr << "culvert: not ready after " << options.wait << "\n";
  return answer_is_no;
}

// Yes: the connection may be made, and the maps do not say otherwise.
int explain(const Options &options) {
  auto answer = ask(options.socket, "/explain?source=" + escaped(options.source) +
                                        "&destination=" + escaped(options.destination));
  if (!answer) return complain(answer.error().text);
  show(*answer, render_explain, options);
  const Json &agree = answer->at("agree");
  const bool disagree = agree.is_boolean() && !agree.get<bool>();
  return answer->at("allowed").get<bool>() && !disagree ? fine : answer_is_no;
}

std::string default_socket() {
  const char *set = std::getenv("CULVERT_SOCKET");
  return set == nullptr || *set == '\0' ? "/run/culvert/admin.sock" : set;
}

// The commands and what runs them; -o and --socket may stand before or behind the command.
class CommandLine {
 public:
  CommandLine() {
    app_.set_version_flag("--version", "culvert " CULVERT_VERSION);
    app_.add_option("--socket", options_.socket, "the daemon's admin socket")
        ->envname("CULVERT_SOCKET")
        ->type_name("PATH");
    app_.add_option("-o,--output", options_.output, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->type_name("FORMAT");
    app_.require_subcommand(0, 1);  // none is our own complaint: CLI11's would hide a misspelt one
    app_.fallthrough();
    app_.footer("Exit status: 0 yes or fine, 1 the answer is no, 2 wrong use or no daemon.");
    add("check", "can this machine run culvertd? needs no daemon", check);
    auto *status_command = add("status", "the daemon: ready or not, and why", status);
    status_command->add_option("--wait", options_.wait, "wait until it is ready, at most TIME")
        ->type_name("TIME")
        ->check([](const std::string &text) {
          return parse_duration(text) ? std::string()
                                      : "'" + text + "': accepted is a time such as 30s, 2m, 500ms";
        });
    add_list("workloads", "every workload known; captured, or why not", render_workloads);
    add_list("certificates", "certificates held and roots trusted", render_certificates);
    add_list("connections", "live connections", render_connections);
    add_list("policies", "every policy; what of it cannot be judged, and what was refused",
             render_policies);
    auto *explain_command = add(
        "explain", "may SRC connect to DST? which policy decides, and do the maps agree?", explain);
    explain_command->add_option("SRC", options_.source, "NAMESPACE/POD or an IP address")
        ->required();
    explain_command
        ->add_option("DST", options_.destination,
                     "NAMESPACE/POD or an IP address, then perhaps :PORT ([v6]:PORT); without it, "
                     "a port that no policy names")
        ->required();
    explain_command->footer(
        "Exit status: 0 allowed, 1 denied or the maps disagree, 2 wrong use or no daemon.");
  }

  int run(int argc, char **argv) {
    options_.socket = default_socket();
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
      return app_.exit(error) == 0 ? fine : cannot_answer;
    }
    if (!chosen_) return complain("which command? culvert --help lists them");
    return chosen_(options_);
  }

 private:
  using Command = std::function<int(const Options &)>;

  CLI::App *add(const std::string &name, const std::string &about, Command command) {
    CLI::App *made = app_.add_subcommand(name, about);
    made->callback([this, command = std::move(command)] { chosen_ = command; });
    return made;
  }
  void add_list(const std::string &name, const std::string &about, Render render) {
    add(name, about,
        [name, render](const Options &options) { return list(options, "/" + name, render); });
  }

  Options options_;
  Command chosen_;
  CLI::App app_{"culvert: what the node's mTLS daemon, culvertd, does", "culvert"};
};

}  // namespace
}  // namespace culvert::cli

int main(int argc, char **argv) {
  using namespace culvert::cli;
  try {
    return CommandLine().run(argc, argv);
  } catch (const Json::exception &error) {
    return complain(std::string("the daemon's answer is not what this version expects: ") +
                    error.what());
  } catch (const std::exception &error) {
    return complain(error.what());
  }
}
