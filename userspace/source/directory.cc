// SPDX-License-Identifier: Apache-2.0
// The directory source: looks at the files that may have changed, reads those that did, builds a
// Snapshot if anything is different.
//
// A file in the middle of an in-place write must not look as if its objects were gone. A writer
// that closes the file tells us so (IN_CLOSE_WRITE); a file found changed in another way (a rescan,
// a link that leads elsewhere) has to be unchanged for `settled` first, if it is one that we know.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>

#include "build.h"
#include "culvert/source.h"
#include "culvert/yaml.h"
#include "file.h"
#include "manifests.h"
#include "watch.h"

namespace culvert {
namespace {

constexpr std::chrono::nanoseconds settled = std::chrono::milliseconds(100);

class DirectorySource final : public Source {
 public:
  DirectorySource(std::string path, MeshSettings mesh, DirectoryWatch watch)
      : path_(std::move(path)), mesh_(mesh), builder_(std::move(mesh)), watch_(std::move(watch)) {}

  int fd() const override { return watch_.fd(); }
  SnapshotPtr read() override;

 private:
  struct File {
    FileSignature signature;
    bool is_symlink = false;
    std::vector<ObjectPtr> good;  // what it said when it last was whole
  };

  SnapshotPtr publish();
  void look_at_all(bool first);
  // The stored text may be old: read if its signature says so.
  void look(const std::string &name, bool wait_until_settled);
  void read_one(const std::string &name);
  void unreadable(const std::string &name, int code);
  void forget(const std::string &name);
  void store(const std::string &name, FileContent content);
  bool any_symlink() const;
  std::vector<ResourceError> own_errors() const;
  std::string full(const std::string &name) const { return path_ + "/" + name; }

  const std::string path_;
  const MeshSettings mesh_;
  Builder builder_;
  DirectoryWatch watch_;
  std::map<std::string, File> files_;  // by name
  Files contents_;  // by path
  std::set<std::string> look_again_;  // unsettled or unreadable
  bool changed_ = false;  // since the last Snapshot
  Changes changes_;  // of contents_
  std::string scan_problem_;
  SnapshotPtr last_;
};

SnapshotPtr DirectorySource::read() {
  const bool was_lost = watch_.lost();
  const bool first = last_ == nullptr;
  DirectoryWatch::Changes changes = watch_.take();
  if (was_lost != watch_.lost()) changed_ = true;
  if (watch_.lost()) return publish();  // `rm -r` deletes files first: keep them
  changes.maybe.merge(look_again_);
  look_again_.clear();
  if (first || changes.everything || !scan_problem_.empty() ||
      (changes.other_names && any_symlink())) {
    look_at_all(first);
  }
  for (const std::string &name : changes.names)
    read_one(name);
  for (const std::string &name : changes.maybe) {
    if (!changes.names.contains(name)) look(name, true);
  }
  watch_.look_soon(!look_again_.empty());
  return publish();
}

SnapshotPtr DirectorySource::publish() {
  const bool first = last_ == nullptr;
  if (!changed_ && !first) return nullptr;
  changed_ = false;
  auto snapshot = builder_.build(contents_, own_errors(), changes_);
  changes_ = {};
  if (snapshot == nullptr) return nullptr;
  snapshot->number = first ? 1 : last_->number + 1;
  snapshot->made = std::chrono::system_clock::now();
  last_ = std::move(snapshot);
  return last_;
}

void DirectorySource::look_at_all(bool first) {
  const auto names = manifest_names(watch_.directory());
  const std::string problem = names ? std::string() : describe(names.error());
  if (problem != scan_problem_) changed_ = true;
  scan_problem_ = problem;
  if (!names) return;
  std::vector<std::string> gone;
  for (const auto &[name, file] : files_) {
    if (!names->contains(name)) gone.push_back(name);
  }
  for (const std::string &name : gone)
    forget(name);
  for (const std::string &name : *names)
    look(name, !first && files_.contains(name));
}

void DirectorySource::look(const std::string &name, bool wait_until_settled) {
  const auto signature = signature_of(watch_.directory(), name);
  if (!signature) return read_one(name);  // which says why
  const auto known = files_.find(name);
  if (known != files_.end() && known->second.signature == *signature) return;
  const std::int64_t now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count();
  const std::int64_t age_ns = now_ns - std::max(signature->modified_ns, signature->changed_ns);
  if (wait_until_settled && age_ns >= 0 && age_ns < settled.count()) {
    look_again_.insert(name);
    return;
  }
  read_one(name);
}

void DirectorySource::read_one(const std::string &name) {
  const bool link = is_symlink(watch_.directory(), name);
  auto file = read_file(watch_.directory(), name, YamlLimits{}.size_bytes);
  if (!file) {
    const bool gone = file.error().code == ENOENT && !link;
    return gone ? forget(name) : unreadable(name, file.error().code);
  }
  File &known = files_[name];
  known.signature = file->signature;
  known.is_symlink = link;
  FileContent content = read_manifests(full(name), file->text, known.good, mesh_);
  if (content.whole) known.good = content.objects;
  store(name, std::move(content));
}

void DirectorySource::store(const std::string &name, FileContent content) {
  FileContent &stored = contents_[full(name)];
  changes_.add(full(name), stored, content);
  stored = std::move(content);
  changed_ = true;
}

void DirectorySource::unreadable(const std::string &name, int code) {
  File &known = files_[name];
  known.signature = {};
  known.is_symlink = is_symlink(watch_.directory(), name);
  FileContent content;
  content.objects = known.good;
  content.whole = false;
  content.errors.push_back({full(name),
                            0,
                            {},
                            std::string("cannot be read: ") + std::strerror(code) +
                                (known.good.empty() ? "" : "; its last good objects are kept")});
  look_again_.insert(name);
  // Else it is the same cause as the last time we looked.
  if (contents_[full(name)].errors != content.errors) store(name, std::move(content));
}

void DirectorySource::forget(const std::string &name) {
  if (files_.erase(name) == 0) return;
  store(name, {});
  contents_.erase(full(name));
}

bool DirectorySource::any_symlink() const {
  for (const auto &[name, file] : files_) {
    if (file.is_symlink) return true;
  }
  return false;
}

std::vector<ResourceError> DirectorySource::own_errors() const {
  if (watch_.lost()) {
    return {{path_, 0, {}, "the directory is gone: the last good state is kept; make it again"}};
  }
  if (!scan_problem_.empty()) return {{path_, 0, {}, scan_problem_}};
  return {};
}

}  // namespace

Result<std::unique_ptr<Source>, Problem> open_directory(const std::string &path,
                                                        const MeshSettings &mesh) {
  auto watch = DirectoryWatch::open(path);
  if (!watch) {
    return problem("resources.directory " + path + ": " + describe(watch.error()) +
                   "; make the directory, or change the configuration");
  }
  return std::make_unique<DirectorySource>(path, mesh, *std::move(watch));
}

}  // namespace culvert
