// SPDX-License-Identifier: Apache-2.0
// A resources directory of our own and a Source over it; short ways to write manifests.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "culvert/source.h"

namespace culvert {

class ResourcesDirectory {
 public:
  MeshSettings mesh{"cluster.local", "istio-system"};  // until the first snapshot

  ResourcesDirectory() {
    std::string form = (std::filesystem::temp_directory_path() / "culvert-source.XXXXXX").string();
    REQUIRE(::mkdtemp(form.data()) != nullptr);
    base_ = form;
    std::filesystem::create_directory(path());
  }
  ~ResourcesDirectory() { std::filesystem::remove_all(base_); }

  std::filesystem::path base() const { return base_; }  // a place beside the directory
  std::filesystem::path path() const { return base_ / "resources"; }
  std::string file(const std::string &name) const { return path() / name; }

  // Write and rename, as editors and tools do.
  void write(const std::string &name, const std::string &text) const {
    std::ofstream(path() / ("." + name + ".tmp")) << text;
    std::filesystem::rename(path() / ("." + name + ".tmp"), path() / name);
  }
  void write_in_place(const std::string &name, const std::string &text) const {
    std::ofstream(path() / name, std::ios::trunc) << text;
  }
  void remove(const std::string &name) const { std::filesystem::remove(path() / name); }

  // The first call opens the directory. Null: nothing changed within `wait`, which is long enough
  // for a busy machine under a sanitizer.
  SnapshotPtr next(std::chrono::milliseconds wait = std::chrono::seconds(20)) {
    if (source_ == nullptr) {
      auto opened = open_directory(path(), mesh);
      REQUIRE(opened);
      source_ = *std::move(opened);
      return last_ = source_->read();
    }
    const auto end = std::chrono::steady_clock::now() + wait;
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      if (left.count() <= 0) return nullptr;
      pollfd readable{source_->fd(), POLLIN, 0};
      if (::poll(&readable, 1, static_cast<int>(left.count())) == 0) return nullptr;
      if (SnapshotPtr snapshot = source_->read()) return last_ = snapshot;
    }
  }
  // The snapshot of one file that says `text`.
  SnapshotPtr of(const std::string &text) {
    write("all.yaml", text);
    const SnapshotPtr snapshot = next();
    REQUIRE(snapshot != nullptr);
    return snapshot;
  }

 private:
  std::filesystem::path base_;
  std::unique_ptr<Source> source_;
  SnapshotPtr last_;
};

inline WorkloadPtr pod_of(const SnapshotPtr &snapshot, const std::string &key) {
  for (const WorkloadPtr &workload : snapshot->workloads) {
    if (workload->key() == key) return workload;
  }
  return nullptr;
}

inline PolicyPtr policy_of(const SnapshotPtr &snapshot, const std::string &key) {
  for (const PolicyPtr &policy : snapshot->policies) {
    if (policy->key() == key) return policy;
  }
  return nullptr;
}

inline std::string policy_manifest(const std::string &metadata, const std::string &spec) {
  return "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: " + metadata +
         "\nspec: " + spec + "\n";
}

inline std::string namespace_manifest(const std::string &name, const std::string &labels) {
  return "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + ", labels: {" + labels +
         "}}\n";
}

struct PodManifest {
  std::string name = "web", ns = "shop";
  std::string labels;  // of metadata, in flow style without braces
  std::string metadata;  // further members of metadata
  std::string spec = "nodeName: node-a, serviceAccountName: web";
  std::string status = "podIPs: [{ip: 10.0.0.1}]";

  std::string text() const {
    return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: " + ns +
           ", labels: {" + labels + "}" + (metadata.empty() ? "" : ", " + metadata) + "}\nspec: {" +
           spec + "}\nstatus: {" + status + "}\n";
  }
};

inline PodManifest meshed_pod(const std::string &name, const std::string &ip) {
  PodManifest pod;
  pod.name = name;
  pod.labels = "culvert.dev/mesh: enabled, app: " + name;
  pod.status = "podIPs: [{ip: " + ip + "}]";
  return pod;
}

// shop/web, shop/db and other/web in the mesh, shop/plain not.
inline std::string pods_for_policies() {
  return meshed_pod("web", "10.0.0.1").text() + meshed_pod("db", "10.0.0.2").text() +
         "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: other, labels: "
         "{culvert.dev/mesh: enabled, app: web}}\nstatus: {podIP: 10.0.0.3}\n" +
         "---\napiVersion: v1\nkind: Pod\nmetadata: {name: plain, namespace: shop, labels: {app: "
         "web}}\n"
         "status: {podIP: 10.0.0.4}\n";
}

}  // namespace culvert
