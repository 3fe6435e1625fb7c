// SPDX-License-Identifier: Apache-2.0
#include "render.h"
#include "table.h"

namespace culvert::cli {
namespace {

using Align = Table::Align;

std::string yes_no(bool yes) { return yes ? "yes" : "no"; }

// "shop/web 10.0.0.1:80"; without a known pod the address alone.
std::string end_of(const Json &end) {
  std::string workload = text_of(end, "workload");
  std::string address = text_of(end, "address");
  return workload.empty() ? address : text_of(end, "namespace") + "/" + workload + " " + address;
}

std::string joined(const Json &list) {
  std::string out;
  for (const Json &item : list)
    out += (out.empty() ? "" : ",") + item.get<std::string>();
  return out;
}

Cell state_cell(const std::string &state) {
  if (state == "available") return {state, Colour::green};
  return {state, state == "initializing" ? Colour::yellow : Colour::red};
}

std::string remaining(const Json &json) {
  auto found = json.find("remainingSeconds");
  return found == json.end() ? "" : human_duration(found->get<double>());
}

Cell captured_cell(const Json &workload) {
  if (workload.at("captured").get<bool>()) return {"yes", Colour::green};
  std::string reason = text_of(workload, "reason");
  bool wrong = workload.at("local").get<bool>() && workload.at("meshed").get<bool>();
  return {reason.empty() ? "no" : "no: " + reason, wrong ? Colour::red : Colour::none};
}

}  // namespace

std::string render_connections(const Json &document, const Palette &palette) {
  const Json &connections = document.at("connections");
  if (connections.empty()) return "no connections\n";
  Table table({{"DIRECTION"},
               {"SOURCE"},
               {"DESTINATION"},
               {"SERVICE"},
               {"AGE", Align::right},
               {"TO-DST", Align::right},
               {"TO-SRC", Align::right},
               {"ENGINE"},
               {"CIPHER"},
               {"GROUP"},
               {"RESUMED"},
               {"SOURCE IDENTITY"},
               {"DESTINATION IDENTITY"}});
  for (const Json &each : connections) {
    const Json &source = each.at("source"), &destination = each.at("destination");
    const Json &tunnel = each.at("tunnel");
    table.add({text_of(each, "direction"), end_of(source), end_of(destination),
               text_of(destination, "service"), human_duration(each.at("ageSeconds").get<double>()),
               human_bytes(each.at("bytesToDestination").get<std::uint64_t>()),
               human_bytes(each.at("bytesToSource").get<std::uint64_t>()),
               text_of(tunnel, "engine"), text_of(tunnel, "cipher"), text_of(tunnel, "group"),
               tunnel.is_null() ? "" : yes_no(tunnel.at("resumed").get<bool>()),
               text_of(source, "identity"), text_of(destination, "identity")});
  }
  return table.text(palette);
}

std::string render_workloads(const Json &document, const Palette &palette) {
  const Json &workloads = document.at("workloads");
  if (workloads.empty()) return "no workloads\n";
  Table table({{"NAMESPACE"},
               {"NAME"},
               {"ADDRESSES"},
               {"NODE"},
               {"MESHED"},
               {"MODE"},
               {"CAPTURED"},
               {"IDENTITY"}});
  for (const Json &each : workloads) {
    table.add({text_of(each, "namespace"), text_of(each, "name"), joined(each.at("addresses")),
               text_of(each, "node"), yes_no(each.at("meshed").get<bool>()), text_of(each, "mode"),
               captured_cell(each), text_of(each, "identity")});
  }
  return table.text(palette);
}

std::string render_certificates(const Json &document, const Palette &palette) {
  const Json &certificates = document.at("certificates");
  Table table({{"IDENTITY"},
               {"STATE"},
               {"SERIAL"},
               {"ISSUER"},
               {"NOT BEFORE"},
               {"NOT AFTER"},
               {"REMAINING", Align::right},
               {"ERROR"}});
  for (const Json &each : certificates) {
    table.add({text_of(each, "identity"), state_cell(text_of(each, "state")),
               text_of(each, "serial"), text_of(each, "issuer"), text_of(each, "notBefore"),
               text_of(each, "notAfter"), remaining(each), text_of(each, "error")});
  }
  std::string out = certificates.empty() ? "no certificates\n" : table.text(palette);
  Table roots({{"TRUST DOMAIN"},
               {"ROOT"},
               {"SERIAL"},
               {"NOT BEFORE"},
               {"NOT AFTER"},
               {"REMAINING", Align::right},
               {"SHA-256"}});
  for (const Json &bundle : document.at("bundles")) {
    for (const Json &root : bundle.at("roots")) {
      roots.add({text_of(bundle, "trustDomain"), text_of(root, "subject"), text_of(root, "serial"),
                 text_of(root, "notBefore"), text_of(root, "notAfter"), remaining(root),
                 text_of(root, "sha256")});
    }
  }
  return out + "\n" + roots.text(palette);
}

}  // namespace culvert::cli
