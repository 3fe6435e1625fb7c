// SPDX-License-Identifier: Apache-2.0
// Files of a directory: their names, whether they changed, their text.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "culvert/fd.h"
#include "culvert/result.h"

namespace culvert {

// Two equal signatures: the same file, not written in between (as far as the clock of the file
// system can tell; a writer that closes the file is seen by inotify in any case).
struct FileSignature {
  std::uint64_t device = 0, inode = 0, size_bytes = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;
  bool operator==(const FileSignature &) const = default;
};

// A manifest's name: *.yaml or *.yml, not hidden.
bool is_manifest(std::string_view name);
Result<std::set<std::string>> manifest_names(const UniqueFd &directory);

// Symbolic links followed.
Result<FileSignature> signature_of(const UniqueFd &directory, const std::string &name);
bool is_symlink(const UniqueFd &directory, const std::string &name);

struct FileText {
  FileSignature signature;
  std::string text;
};
// Errors: os with the errno; EFBIG if it is larger than `size_max`, EINVAL if it is no regular
// file.
Result<FileText> read_file(const UniqueFd &directory, const std::string &name,
                           std::size_t size_max);

}  // namespace culvert
