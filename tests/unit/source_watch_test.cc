// SPDX-License-Identifier: Apache-2.0
// Changes of the directory, by every way a file can change.
#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>
#include <set>
#include <thread>

#include "source_directory.h"

using namespace culvert;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::string pod(const std::string &name, const std::string &ip = "10.0.0.1") {
  return meshed_pod(name, ip).text();
}

// Waits until the snapshots say that exactly `keys` are there.
bool becomes(ResourcesDirectory &directory, const std::set<std::string> &keys) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (std::chrono::steady_clock::now() < end) {
    const SnapshotPtr snapshot = directory.next();
    if (snapshot == nullptr) return false;
    std::set<std::string> found;
    for (const WorkloadPtr &workload : snapshot->workloads)
      found.insert(workload->name);
    if (found == keys) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("source: a directory that is not there is a Problem that names it") {
  const auto source = open_directory("/nonexistent/resources", {"cluster.local", "istio-system"});
  REQUIRE_FALSE(source);
  CHECK(source.error().text.starts_with("resources.directory /nonexistent/resources: "));
  CHECK_FALSE(open_directory("/dev/null", {"cluster.local", "istio-system"}));
}

TEST_CASE("source: the first read always answers, the next only if something changed") {
  ResourcesDirectory directory;
  const SnapshotPtr first = directory.next();
  REQUIRE(first);
  CHECK(first->number == 1);
  CHECK(first->workloads.empty());
  CHECK(directory.next(100ms) == nullptr);
  directory.write("a.yaml", pod("a"));
  CHECK(directory.next()->number == 2);
  directory.write("a.yaml", pod("a"));  // the same again
  CHECK(directory.next(700ms) == nullptr);
}

TEST_CASE("source: write and rename, in-place write, append, delete, rename away, hard link") {
  ResourcesDirectory directory;
  directory.next();
  directory.write("a.yaml", pod("a"));
  CHECK(becomes(directory, {"a"}));
  directory.write_in_place("a.yaml", pod("b"));
  CHECK(becomes(directory, {"b"}));
  std::ofstream(directory.file("a.yaml"), std::ios::app) << pod("c", "10.0.0.2");
  CHECK(becomes(directory, {"b", "c"}));
  directory.write_in_place("new.yml", pod("d", "10.0.0.3"));
  CHECK(becomes(directory, {"b", "c", "d"}));
  fs::rename(directory.file("a.yaml"), directory.base() / "away.yaml");
  CHECK(becomes(directory, {"d"}));
  fs::rename(directory.file("new.yml"), directory.file("other.yaml"));
  fs::create_hard_link(directory.base() / "away.yaml", directory.file("linked.yaml"));
  CHECK(becomes(directory, {"b", "c", "d"}));
  directory.remove("linked.yaml");
  directory.remove("other.yaml");
  CHECK(becomes(directory, {}));
}

TEST_CASE("source: a file in the middle of an in-place write does not lose its objects") {
  ResourcesDirectory directory;
  directory.write("a.yaml", pod("a"));
  REQUIRE(becomes(directory, {"a"}));
  std::ofstream writer(directory.file("a.yaml"), std::ios::trunc);
  writer << "# still writing\n" << std::flush;
  directory.write("b.yaml", pod("b", "10.0.0.2"));  // makes the source look at the directory
  CHECK(becomes(directory, {"a", "b"}));
  writer << pod("a2");
  writer.close();
  CHECK(becomes(directory, {"a2", "b"}));
}

TEST_CASE("source: other names, hidden files and folders are not read") {
  ResourcesDirectory directory;
  directory.next();
  directory.write_in_place("a.yaml.bak", pod("x"));
  directory.write_in_place(".a.yaml", pod("x"));
  directory.write_in_place("a.json", "{}");
  fs::create_directory(directory.file("sub.yaml"));
  std::ofstream(directory.file("sub.yaml") + "/b.yaml") << pod("x");
  std::this_thread::sleep_for(200ms);
  SnapshotPtr snapshot = directory.next(300ms);
  if (snapshot != nullptr) CHECK(snapshot->workloads.empty());
}

TEST_CASE("source: links swapped as the kubelet does, all files at one moment") {
  ResourcesDirectory directory;
  const auto version = [&](const std::string &name, const std::string &first,
                           const std::string &second) {
    fs::create_directory(directory.path() / name);
    std::ofstream(directory.path() / name / "a.yaml") << first;
    std::ofstream(directory.path() / name / "b.yaml") << second;
  };
  version("..v1", pod("a1", "10.0.0.1"), pod("b1", "10.0.0.2"));
  fs::create_symlink("..v1", directory.path() / "..data");
  fs::create_symlink("..data/a.yaml", directory.path() / "a.yaml");
  fs::create_symlink("..data/b.yaml", directory.path() / "b.yaml");
  REQUIRE(becomes(directory, {"a1", "b1"}));
  version("..v2", pod("a2", "10.0.0.1"), pod("b2", "10.0.0.2"));
  std::this_thread::sleep_for(150ms);
  fs::create_symlink("..v2", directory.path() / "..data_tmp");
  fs::rename(directory.path() / "..data_tmp", directory.path() / "..data");
  fs::remove_all(directory.path() / "..v1");
  CHECK(becomes(directory, {"a2", "b2"}));
}

TEST_CASE("source: a file that cannot be read keeps its objects, with an error") {
  ResourcesDirectory directory;
  directory.write("a.yaml", pod("a"));
  REQUIRE(becomes(directory, {"a"}));
  directory.remove("a.yaml");
  fs::create_symlink("nowhere", directory.file("a.yaml"));
  SnapshotPtr snapshot = directory.next();
  while (snapshot != nullptr && snapshot->errors.empty())
    snapshot = directory.next();
  REQUIRE(snapshot);
  CHECK(snapshot->errors[0].file == directory.file("a.yaml"));
  CHECK(snapshot->errors[0].text.starts_with("cannot be read: No such file or directory"));
  CHECK(directory.next(300ms) == nullptr);  // the same error again is no news
  // the target appears where nobody watches: seen all the same
  std::ofstream(directory.path() / "nowhere") << pod("b");
  CHECK(becomes(directory, {"b"}));
  directory.remove("a.yaml");
  REQUIRE(::mkfifo(directory.file("a.yaml").c_str(), 0600) == 0);
  snapshot = directory.next();
  while (snapshot != nullptr && snapshot->errors.empty())
    snapshot = directory.next();
  REQUIRE(snapshot);
  CHECK(snapshot->errors[0].text.starts_with("cannot be read: "));
}

TEST_CASE("source: the directory goes and comes back, the last good state stays meanwhile") {
  ResourcesDirectory directory;
  directory.write("a.yaml", pod("a"));
  REQUIRE(becomes(directory, {"a"}));
  fs::rename(directory.path(), directory.base() / "moved");
  SnapshotPtr snapshot = directory.next();
  REQUIRE(snapshot);
  CHECK(snapshot->workloads.size() == 1);
  REQUIRE(snapshot->errors.size() == 1);
  CHECK(snapshot->errors[0].file == directory.path());
  CHECK(snapshot->errors[0].text.starts_with("the directory is gone: the last good state is kept"));
  // another directory takes its place: its files count, and it is watched
  fs::create_directory(directory.base() / "new");
  std::ofstream(directory.base() / "new" / "b.yaml") << pod("b");
  fs::rename(directory.base() / "new", directory.path());
  CHECK(becomes(directory, {"b"}));
  directory.write("c.yaml", pod("c", "10.0.0.2"));
  CHECK(becomes(directory, {"b", "c"}));
  // what happens in the old one is nobody's business
  std::ofstream(directory.base() / "moved" / "d.yaml") << pod("d", "10.0.0.3");
  CHECK(directory.next(300ms) == nullptr);
}

TEST_CASE("source: a directory removed as a whole keeps its last good state") {
  ResourcesDirectory directory;
  directory.write("a.yaml", pod("a"));
  REQUIRE(becomes(directory, {"a"}));
  fs::remove_all(directory.path());
  const SnapshotPtr snapshot = directory.next();
  REQUIRE(snapshot);
  CHECK(snapshot->errors.size() == 1);
  CHECK(snapshot->workloads.size() == 1);
  fs::create_directory(directory.path());
  CHECK(becomes(directory, {}));
}

TEST_CASE("source: a path through a link follows the link") {
  ResourcesDirectory directory;
  fs::create_directory(directory.base() / "one");
  fs::create_directory(directory.base() / "two");
  std::ofstream(directory.base() / "one" / "a.yaml") << pod("a");
  std::ofstream(directory.base() / "two" / "a.yaml") << pod("b");
  std::this_thread::sleep_for(150ms);
  fs::remove(directory.path());
  fs::create_symlink("one", directory.path());
  REQUIRE(becomes(directory, {"a"}));
  fs::create_symlink("two", directory.base() / "next");
  fs::rename(directory.base() / "next", directory.path());
  CHECK(becomes(directory, {"b"}));
  fs::remove(directory.path());
  fs::create_directory(directory.path());  // so that the fixture ends as it began
}

TEST_CASE("source: events that were lost cost nothing but a look at everything") {
  ResourcesDirectory directory;
  directory.next();
  // more events than the queue holds (fs.inotify.max_queued_events, 16384 by default)
  std::ifstream limit("/proc/sys/fs/inotify/max_queued_events");
  int events = 16384;
  limit >> events;
  if (events > 100'000) events = 100'000;
  for (int i = 0; i < events / 2 + 100; ++i) {
    directory.write_in_place(i % 2 == 0 ? "x.tmp" : "y.tmp", "");
  }
  directory.write("a.yaml", pod("a"));
  directory.write("b.yaml", pod("b", "10.0.0.2"));
  CHECK(becomes(directory, {"a", "b"}));
}

TEST_CASE("source: ten thousand files, and a change of one is cheap") {
  ResourcesDirectory directory;
  for (int i = 0; i < 10'000; ++i) {
    const std::string number = std::to_string(i);
    directory.write_in_place(
        number + ".yaml",
        pod("p" + number, "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1)));
  }
  const SnapshotPtr first = directory.next();
  REQUIRE(first->workloads.size() == 10'000);
  CHECK(first->by_ip->size() == 10'000);
  directory.write("1.yaml", pod("changed", "10.2.0.1"));
  const std::clock_t begin = std::clock();  // time of ours, however busy the machine is
  const SnapshotPtr second = directory.next();
  REQUIRE(second);
  CHECK(std::clock() - begin < CLOCKS_PER_SEC);
  CHECK(pod_of(second, "shop/p2") == pod_of(first, "shop/p2"));
  CHECK(pod_of(second, "shop/changed"));
}
