// SPDX-License-Identifier: Apache-2.0
#include "render.h"

namespace culvert::cli {
namespace {

std::string line(std::string_view key, const std::string &value) {
  std::string out = "  " + std::string(key);
  out.append(13 - key.size(), ' ');
  return out + value + "\n";
}

// "shop/web 10.0.0.1"; without a known pod the address alone.
std::string end_of(const Json &end) {
  const std::string pod = text_of(end, "pod"), address = text_of(end, "address");
  return pod.empty() ? address : text_of(end, "namespace") + "/" + pod + " " + address;
}

std::string port_of(const Json &destination) {
  const Json &port = destination.at("port");
  return port.is_null() ? "a port that no policy names"
                        : "port " + std::to_string(port.get<unsigned>());
}

std::string identity_of(const Json &end) {
  const std::string identity = text_of(end, "identity");
  return identity.empty() ? "no identity" : printable(identity);
}

std::string steps_of(const Json &document) {
  std::string out;
  for (const Json &reason : document.at("membership"))
    out += "  " + printable(text_of(reason, "text")) + "\n";
  for (const Json &step : document.at("steps"))
    out += "  " + printable(text_of(step, "text")) + "\n";
  return out.empty() ? out : "steps:\n" + out;
}

std::string dry_run_of(const Json &dry_run) {
  if (dry_run.is_null()) return "";
  const bool changes = dry_run.at("changes").get<bool>();
  return line("dry-run", (changes ? "would change it: " : "would not change it: ") +
                             printable(text_of(dry_run, "text")));
}

std::string live_of(const Json &document) {
  const Json &live = document.at("live");
  if (live.is_null()) return printable(text_of(document, "liveReason"));
  const std::string policy = text_of(live, "policy");
  return std::string(live.at("allowed").get<bool>() ? "allowed" : "denied") +
         (policy.empty() ? ", no policy decides" : ", decided by " + printable(policy));
}

std::string agree_of(const Json &agree, const Palette &palette) {
  if (agree.is_null()) return "unknown";
  if (agree.get<bool>()) return "yes";
  return palette.paint(Colour::red, "no") +
         ": policies and maps say different things; if it lasts, restart culvertd and report it";
}

}  // namespace

std::string render_explain(const Json &document, const Palette &palette) {
  const Json &source = document.at("source"), &destination = document.at("destination");
  const bool allowed = document.at("allowed").get<bool>();
  const std::string mode = text_of(document, "mode");
  const Json &decision = document.at("decision");
  std::string out = "may " + printable(end_of(source)) + " connect to " +
                    printable(end_of(destination)) + ", " + port_of(destination) + "?\n";
  const std::string proven = text_of(document, "provenIdentity");
  out += line("source", proven.empty() ? "no identity" : printable(proven));
  out += line("destination", identity_of(destination));
  out += line("mode", mode.empty() ? "none" : printable(mode));
  out += steps_of(document);
  out += palette.paint(allowed ? Colour::green : Colour::red, printable(text_of(document, "text")));
  out += "\n";
  // What the policies say, where something else decides.
  if (!decision.is_null() && decision.at("text") != document["text"])
    out += line("policies", printable(text_of(decision, "text")));
  out += dry_run_of(document.at("dryRun"));
  out += line("maps", live_of(document));
  return out + line("agree", agree_of(document.at("agree"), palette));
}

}  // namespace culvert::cli
