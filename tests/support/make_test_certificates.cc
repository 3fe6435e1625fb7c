// SPDX-License-Identifier: Apache-2.0
// make_test_certificates: writes the cases of certificates.h as PEM files, for end-to-end tests.
//
//   make_test_certificates DIR --authority DIR [--id SPIFFE_ID] [--ttl SECONDS] [--case NAME]
//
// --authority holds ca.crt and ca.key, the root that signs. For each case DIR/NAME/ gets tls.crt
// (leaf first), tls.key and ca.crt (the authority's), and a line "NAME<tab>EXPECTED" goes to
// stdout, EXPECTED being "none" or the name of the refusal.
#include <getopt.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "certificates.h"

namespace {

using namespace culvert;

[[noreturn]] void die(const std::string &text) {
  std::cerr << "make_test_certificates: " << text << '\n';
  std::exit(2);
}

struct Arguments {
  std::string directory, authority, only;
  test::CaseOptions options;
};

std::string read(const std::filesystem::path &path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) die(path.string() + ": " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write(const std::filesystem::path &path, const std::string &text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text << std::flush;
  if (!out) die(path.string() + ": " + std::strerror(errno));
}

std::chrono::seconds parse_seconds(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) {
    die("--ttl '" + std::string(text) + "': a number of seconds, at least 1");
  }
  return std::chrono::seconds(value);
}

Arguments parse(int argc, char **argv) {
  const option known[] = {{"authority", required_argument, nullptr, 'a'},
                          {"id", required_argument, nullptr, 'i'},
                          {"ttl", required_argument, nullptr, 't'},
                          {"case", required_argument, nullptr, 'c'},
                          {nullptr, 0, nullptr, 0}};
  Arguments out;
  for (int letter; (letter = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (letter) {
      case 'a':
        out.authority = optarg;
        break;
      case 'i':
        out.options.spiffe_id = optarg;
        break;
      case 't':
        out.options.ttl = parse_seconds(optarg);
        break;
      case 'c':
        out.only = optarg;
        break;
      default:
        std::exit(2);
    }
  }
  if (optind + 1 != argc || out.authority.empty()) {
    die("usage: DIR --authority DIR [--id SPIFFE_ID] [--ttl SECONDS] [--case NAME]");
  }
  out.directory = argv[optind];
  return out;
}

}  // namespace

int main(int argc, char **argv) {
  const Arguments arguments = parse(argc, argv);
  const std::filesystem::path authority = arguments.authority;
  const std::string root_pem = read(authority / "ca.crt");
  const auto certificates = Certificate::from_pem(root_pem);
  const auto key = PrivateKey::from_pem(read(authority / "ca.key"));
  if (!certificates || !key || !certificates->front().matches(*key)) {
    die(authority.string() + ": ca.crt and ca.key are no pair");
  }
  const test::Signer root{certificates->front(), *key};

  bool found = false;
  for (const auto &one : test::certificate_cases(root, arguments.options)) {
    if (!arguments.only.empty() && one.name != arguments.only) continue;
    found = true;
    const std::filesystem::path directory = std::filesystem::path(arguments.directory) / one.name;
    std::filesystem::create_directories(directory);
    std::string chain;
    for (const Certificate &certificate : one.chain)
      chain += certificate.pem();
    write(directory / "tls.crt", chain);
    write(directory / "tls.key", one.key.pem());
    write(directory / "ca.crt", root_pem);
    std::cout << one.name << '\t' << name(one.expected) << '\n';
  }
  if (!found) die("no case '" + arguments.only + "'");
}
