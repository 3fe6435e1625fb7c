// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace culvert {
namespace {

std::int64_t nanoseconds(const timespec &time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileSignature signature(const struct stat &status) {
  return {status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
          nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

}  // namespace

bool is_manifest(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"));
}

Result<std::set<std::string>> manifest_names(const UniqueFd &directory) {
  // A descriptor of its own: closedir() closes it, and its position is not shared.
  const int fd = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail_os("open the directory", errno);
  const auto close = [](DIR *stream) { ::closedir(stream); };
  const std::unique_ptr<DIR, decltype(close)> stream(::fdopendir(fd), close);
  if (!stream) {
    const int code = errno;
    ::close(fd);
    return fail_os("read the directory", code);
  }
  std::set<std::string> names;
  for (;;) {
    errno = 0;
    const dirent *entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) return fail_os("read the directory", errno);
    if (entry == nullptr) return names;
    if (entry->d_type != DT_DIR && is_manifest(entry->d_name)) names.insert(entry->d_name);
  }
}

Result<FileSignature> signature_of(const UniqueFd &directory, const std::string &name) {
  struct stat status;
  if (::fstatat(directory.get(), name.c_str(), &status, 0) != 0) return fail_os("stat", errno);
  return signature(status);
}

bool is_symlink(const UniqueFd &directory, const std::string &name) {
  struct stat status;
  return ::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISLNK(status.st_mode);
}

Result<FileText> read_file(const UniqueFd &directory, const std::string &name,
                           std::size_t size_max) {
  // O_NONBLOCK: a FIFO of that name does not stop us.
  const int fd = ::openat(directory.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail_os("open", errno);
  const UniqueFd owner(fd);
  struct stat status;
  if (::fstat(fd, &status) != 0) return fail_os("stat", errno);
  if (!S_ISREG(status.st_mode)) return fail_os("open: no regular file", EINVAL);
  FileText file{signature(status), {}};
  std::size_t size = 0;
  for (;;) {
    if (size == file.text.size()) {
      const auto known = static_cast<std::size_t>(status.st_size);
      file.text.resize(size == 0 ? std::min(known, size_max) + 1 : size * 2);
    }
    const ssize_t n = ::read(fd, file.text.data() + size, file.text.size() - size);
    if (n < 0) return fail_os("read", errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
    if (size > size_max) return fail_os("read: too large", EFBIG);
  }
  file.text.resize(size);
  return file;
}

}  // namespace culvert
