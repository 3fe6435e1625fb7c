// SPDX-License-Identifier: Apache-2.0
// culvertd: the daemon of one node. Options, then the node, then until it is told to stop.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "culvert/config.h"
#include "culvert/log.h"
#include "culvert/node.h"
#include "culvert/version.h"

namespace {

int stop(const culvert::Problem &problem, int code) {
  std::fprintf(stderr, "culvertd: %s\n", problem.text.c_str());
  return code;
}

}  // namespace

int main(int argc, char **argv) {
  // What we were asked to do.
  CLI::App app("culvert's node daemon: mutual TLS for the pods of one node", "culvertd");
  std::string file;
  bool check = false;
  app.add_option("--config", file, "configuration file (docs/configuration.md)")->required();
  app.add_flag("--check", check, "read the configuration, say what is wrong with it, and stop");
  app.set_version_flag("--version", culvert::version);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  // The configuration, checked as a whole.
  const auto config = culvert::load_config(file);
  if (!config) return stop(config.error(), 2);
  if (check) return 0;
  culvert::set_up_log(culvert::parse_log_level(config->log.level).value_or(culvert::LogLevel::info),
                      config->log.json);

  // The node: capture, identities, data threads, desired state.
  const auto node = culvert::Node::create(*config);
  if (!node) return stop(node.error(), 1);

  // Until SIGTERM.
  (*node)->run();
  return 0;
}
