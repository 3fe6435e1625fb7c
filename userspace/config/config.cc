// SPDX-License-Identifier: Apache-2.0
// The file as a whole: read it, one document, every key known, what must be there is there.
#include "culvert/config.h"

#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

#include "culvert/fd.h"
#include "fields.h"
#include "sections.h"

namespace culvert {
namespace {

constexpr std::size_t size_bytes_max = std::size_t{1} << 20;
// The admin socket's path has to fit sockaddr_un.
constexpr std::size_t runtime_directory_max = sizeof(sockaddr_un::sun_path) - sizeof "/admin.sock";

std::string sentence(const std::string &file, const YamlError &error) {
  return file + ":" + std::to_string(error.line) + ": " +
         (error.path.empty() ? "" : error.path + ": ") + error.text;
}

Field<void> read_root(const YamlNode &root, Config &config) {
  const auto path = [](std::size_t size_max) {
    return [size_max](const YamlNode &node) { return read_path(node, size_max); };
  };
  const auto threads = [](const YamlNode &node) -> Field<unsigned> {
    return static_cast<unsigned>(TRY(read_integer(node, 0, 256)));
  };
  return read_map(
      root, {{"node", into(config.node, read_name)},
             {"trustDomain", into(config.trust_domain, read_trust_domain)},
             {"trustDomainAliases", into(config.trust_domain_aliases, read_trust_domains)},
             {"rootNamespace", into(config.root_namespace, read_namespace)},
             {"cgroup", into(config.cgroup, path(PATH_MAX - 256))},
             {"bpffs", into(config.bpffs, path(PATH_MAX - 256))},
             {"runtimeDirectory", into(config.runtime_directory, path(runtime_directory_max))},
             {"resources", [&](const YamlNode &node) { return read_resources(node, config); }},
             {"identity", [&](const YamlNode &node) { return read_identity(node, config); }},
             {"tunnel", [&](const YamlNode &node) { return read_tunnel(node, config.tunnel); }},
             {"defaultMode", into(config.default_mode, read_default_mode)},
             {"dataThreads", into(config.data_threads, threads)},
             {"metrics", [&](const YamlNode &node) { return read_metrics(node, config); }},
             {"log", [&](const YamlNode &node) { return read_log(node, config.log); }}});
}

Field<void> check_required(const YamlNode &root) {
  struct Required {
    std::string_view key, accepted;
  };
  static constexpr Required required[] = {
      {"node", "node: NAME, as in the pods' spec.nodeName"},
      {"cgroup", "cgroup: PATH, the cgroup2 directory that holds the pods' processes"},
      {"resources", "resources: {directory: PATH}"},
      {"identity", "identity: {authority: {directory: PATH}}"},
  };
  for (const Required &key : required) {
    if (root.find(key.key) != nullptr) continue;
    return std::unexpected(
        YamlError{root.line(), std::string(key.key),
                  "this key is missing; accepted: " + std::string(key.accepted)});
  }
  return {};
}

// Half the cores: the other half belongs to the applications.
unsigned default_threads() {
  const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  return static_cast<unsigned>(std::clamp(cores / 2, 1L, 4L));
}

Field<void> read_document(const YamlNode &root, Config &config) {
  TRY(read_root(root, config));
  TRY(check_required(root));
  const auto &aliases = config.trust_domain_aliases;
  if (std::ranges::find(aliases, config.trust_domain) != aliases.end()) {
    return refuse(*root.find("trustDomainAliases"), "the trust domain itself is among them",
                  "other trust domains");
  }
  if (config.bpffs.empty()) config.bpffs = "/sys/fs/bpf/culvert/" + config.node;
  if (config.runtime_directory.empty()) config.runtime_directory = "/run/culvert";
  if (config.data_threads == 0) config.data_threads = default_threads();
  return {};
}

}  // namespace

Result<Config, Problem> parse_config(const std::string &file, const std::string &text) {
  Config config;
  config.file = file;
  unsigned documents = 0;
  Field<void> outcome;
  const auto parsed =
      parse_yaml(text, {.size_bytes = size_bytes_max, .nodes_max = 10'000}, [&](auto &root) {
        if (++documents == 1) outcome = read_document(root, config);
        if (documents == 2) outcome = refuse(root, "a second document", "one document");
      });
  if (!parsed) return problem(sentence(file, parsed.error()));
  if (!outcome) return problem(sentence(file, outcome.error()));
  if (documents == 0) {
    return problem(file +
                   ":1: the file is empty; accepted: a configuration with at least node, "
                   "cgroup, resources and identity");
  }
  return config;
}

Result<Config, Problem> load_config(const std::string &file) {
  const auto cannot = [&](const char *what) {
    return problem(file + ": cannot " + what + ": " + std::strerror(errno) +
                   "; give a readable file with --config");
  };
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return cannot("open");
  const UniqueFd owner(fd);
  std::string text(size_bytes_max + 1, '\0');  // one more than parse_config takes
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(fd, text.data() + size, text.size() - size);
    if (n < 0) return cannot("read");
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  text.resize(size);
  return parse_config(file, text);
}

}  // namespace culvert
