// SPDX-License-Identifier: Apache-2.0
#include "render.h"
#include "table.h"

namespace culvert::cli {
namespace {

std::string line(std::string_view key, const std::string &value) {
  std::string out = "  " + std::string(key);
  out.append(13 - key.size(), ' ');
  return out + value + "\n";
}

std::string snapshot_of(const Json &snapshot) {
  if (snapshot.is_null()) return "none yet";
  return std::to_string(snapshot.at("number").get<std::uint64_t>()) + ", " +
         human_duration(snapshot.at("ageSeconds").get<double>()) + " old";
}

std::string missing_pods(const Json &pods, const Palette &palette) {
  std::string out;
  for (const Json &pod : pods.at("notCaptured")) {
    bool failed = text_of(pod, "state") == "failed";
    out += "  " + palette.paint(failed ? Colour::red : Colour::yellow, text_of(pod, "state")) +
           " " + printable(text_of(pod, "pod")) + ": " + printable(text_of(pod, "reason")) + "\n";
  }
  return out.empty() ? out : "not captured:\n" + out;
}

std::string resource_errors(const Json &errors) {
  std::string out;
  for (const Json &error : errors) {
    std::string where = text_of(error, "file");
    if (error.at("line").is_number()) where += ":" + std::to_string(error["line"].get<int>());
    std::string object = text_of(error, "object");
    if (!object.empty()) where += ": " + object;
    out += "  " + printable(where + ": " + text_of(error, "error")) + "\n";
  }
  return out.empty() ? out : "resource errors:\n" + out;
}

std::string warnings_of(const Json &warnings) {
  std::string out;
  for (const Json &warning : warnings)
    out += "  " + printable(warning.get<std::string>()) + "\n";
  return out.empty() ? out : "warnings:\n" + out;
}

}  // namespace

std::string render_status(const Json &status, const Palette &palette) {
  bool ready = status.at("ready").get<bool>();
  const Json &pods = status.at("pods"), &records = status.at("records");
  std::string reason = text_of(records, "reason");
  std::string out =
      "culvertd " + text_of(status, "version") + " on " + printable(text_of(status, "node")) +
      ": " +
      (ready ? palette.paint(Colour::green, "ready") : palette.paint(Colour::red, "not ready")) +
      "\n";
  out += line("uptime", human_duration(status.at("uptimeSeconds").get<double>()));
  out += line("snapshot", snapshot_of(status.at("snapshot")));
  out += line("pods", std::to_string(pods.at("captured").get<std::uint64_t>()) + " of " +
                          std::to_string(pods.at("meshed").get<std::uint64_t>()) +
                          " meshed pods captured");
  out += line("records",
              text_of(records, "engine") + (reason.empty() ? "" : " (" + printable(reason) + ")"));
  const Json &identity = status.at("identity");
  out += line("identity", printable(text_of(identity, "source") + ", trust domain " +
                                    text_of(identity, "trustDomain")));
  out += line("connections", std::to_string(status.at("connections").get<std::uint64_t>()));
  out += missing_pods(pods, palette);
  out += resource_errors(status.at("resourceErrors"));
  return out + warnings_of(status.at("warnings"));
}

}  // namespace culvert::cli
