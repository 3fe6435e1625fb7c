// SPDX-License-Identifier: Apache-2.0
// The built-in authority: a root in two files, and SVIDs signed by it in this process.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "culvert/fd.h"
#include "culvert/identity.h"
#include "culvert/log.h"

namespace culvert {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

constexpr seconds root_life = std::chrono::hours(24 * 3650);
constexpr seconds backdating{10};  // a peer's clock may be a little behind ours
constexpr std::size_t file_size_max = 1024 * 1024;

std::unexpected<Problem> file_problem(const std::string &path, const std::string &cause) {
  return problem(path + ": " + cause);
}

std::unexpected<Problem> errno_problem(const std::string &path, const char *call) {
  return file_problem(path, describe(os_error(call, errno)));
}

Result<std::string, Problem> read_file(const std::string &path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno_problem(path, "open");
  const UniqueFd file(fd);
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t size = ::read(file.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno_problem(path, "read");
    if (size == 0) return text;
    text.append(buffer, static_cast<std::size_t>(size));
    if (text.size() > file_size_max) return file_problem(path, "larger than 1 MiB");
  }
}

// Whole or not at all: a reader sees no file or all of it, even after a power failure.
Result<void, Problem> write_file(const std::string &path, std::string_view text, mode_t mode) {
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());  // of a daemon that died here; O_EXCL then gives our mode, no one else's
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return errno_problem(fresh, "open");
  const UniqueFd file(fd);
  while (!text.empty()) {
    const ssize_t size = ::write(file.get(), text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno_problem(fresh, "write");
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  if (::fsync(file.get()) < 0) return errno_problem(fresh, "fsync");
  if (::rename(fresh.c_str(), path.c_str()) < 0) return errno_problem(path, "rename");
  return {};
}

Result<void, Problem> make_directory(const std::filesystem::path &directory) {
  std::error_code error;
  std::filesystem::create_directories(directory.parent_path(), error);  // mkdir names what is wrong
  if (::mkdir(directory.c_str(), 0700) < 0 && errno != EEXIST) {
    return errno_problem(directory.string(), "mkdir");
  }
  return {};
}

// What the two files hold.
struct RootFiles {
  std::string certificate;  // ca.crt
  std::string key;  // ca.key
  std::string lock;  // ca.lock
};

bool exists(const std::string &path) { return ::access(path.c_str(), F_OK) == 0; }

Result<void, Problem> make_root(const RootFiles &files, const std::string &trust_domain) {
  const auto now = system_clock::now();
  auto key = PrivateKey::generate_p256();
  if (!key) return file_problem(files.key, describe(key.error()));
  const CertificateRequest request{.uri_name = "spiffe://" + trust_domain,
                                   .not_before = now - backdating,
                                   .not_after = now + root_life};
  auto root = self_signed_root(*key, request, "culvert " + trust_domain);
  if (!root) return file_problem(files.certificate, describe(root.error()));
  // The certificate last: where it is, its key is.
  TRY(write_file(files.key, key->pem(), 0600));
  TRY(write_file(files.certificate, root->pem(), 0644));
  return {};
}

// Two nodes may start at the same time on an empty directory: one makes the root, both read it.
Result<void, Problem> make_root_once(const RootFiles &files, const std::string &trust_domain) {
  if (exists(files.certificate)) return {};
  const int fd = ::open(files.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return errno_problem(files.lock, "open");
  const UniqueFd lock(fd);  // closing it unlocks
  while (::flock(lock.get(), LOCK_EX) < 0) {
    if (errno != EINTR) return errno_problem(files.lock, "flock");
  }
  if (exists(files.certificate)) return {};
  if (exists(files.key)) {
    return file_problem(files.certificate, "missing, but " + files.key +
                                               " is there: put the certificate back, or remove the "
                                               "key so that a new root is made");
  }
  return make_root(files, trust_domain);
}

void warn_if_others_may_read(const std::string &path) {
  struct stat facts;
  if (::stat(path.c_str(), &facts) < 0 || (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
  log_event(LogLevel::warn, "authority key is open to others than its owner: chmod 600 it",
            {{"file", path}});
}

class Authority : public IdentitySource {
 public:
  Authority(TrustBundle bundle, PrivateKey key, seconds ttl)
      : root_(bundle.certificates.front()),
        key_(std::move(key)),
        ttl_(ttl),
        bundle_(std::make_shared<const TrustBundle>(std::move(bundle))) {}

  std::string_view name() const override { return "authority"; }
  std::shared_ptr<const TrustBundle> bundle() const override { return bundle_; }

  Result<std::shared_ptr<const Svid>, Problem> fetch(const SpiffeId &id) override {
    if (id.trust_domain() != bundle_->trust_domain || id.path().empty()) {
      return problem("the authority of trust domain " + bundle_->trust_domain +
                     " issues no certificate for " + id.text());
    }
    const auto now = system_clock::now();
    if (now >= root_.not_after()) {
      return problem("the authority's root has expired: no certificate for " + id.text() +
                     "; remove ca.crt and ca.key so that a new root is made, then restart");
    }
    auto key = PrivateKey::generate_p256();
    if (!key) return problem(id.text() + ": " + describe(key.error()));
    // Certificates know whole seconds: rounded up, so that a ttl of 1s is a second and not none.
    const Time end = std::chrono::ceil<seconds>(now + ttl_);
    const CertificateRequest request{.uri_name = id.text(),
                                     .not_before = now - backdating,
                                     .not_after = std::min(end, root_.not_after())};
    auto leaf = issue(root_, key_, *key, request);
    if (!leaf) return problem(id.text() + ": " + describe(leaf.error()));
    return std::make_shared<const Svid>(
        Svid{.id = id, .chain = {std::move(*leaf)}, .key = std::move(*key)});
  }

 private:
  Certificate root_;
  PrivateKey key_;
  seconds ttl_;
  std::shared_ptr<const TrustBundle> bundle_;
};

}  // namespace

Result<std::unique_ptr<IdentitySource>, Problem> create_authority(const std::string &directory,
                                                                  seconds ttl,
                                                                  const std::string &trust_domain) {
  if (ttl < seconds(1)) {
    return problem("authority " + directory + ": ttl must be at least 1s");
  }
  if (!SpiffeId::parse("spiffe://" + trust_domain) || trust_domain.find('/') != std::string::npos) {
    return problem("trust domain '" + trust_domain +
                   "' is not legal: lower-case letters, digits, '.', '-' and '_', at most 255");
  }
  std::filesystem::path base = std::filesystem::path(directory).lexically_normal();
  if (!base.has_filename()) base = base.parent_path();  // "dir/" is "dir"
  const RootFiles files{
      .certificate = base / "ca.crt", .key = base / "ca.key", .lock = base / "ca.lock"};
  TRY(make_directory(base));
  TRY(make_root_once(files, trust_domain));

  const std::string certificate_pem = TRY(read_file(files.certificate));
  const std::string key_pem = TRY(read_file(files.key));
  warn_if_others_may_read(files.key);
  auto certificates = Certificate::from_pem(certificate_pem);
  if (!certificates) return file_problem(files.certificate, describe(certificates.error()));
  auto key = PrivateKey::from_pem(key_pem);
  if (!key) return file_problem(files.key, describe(key.error()));
  const Certificate root = certificates->front();
  if (!root.matches(*key)) {
    return file_problem(files.key, "not the key of " + files.certificate +
                                       ": put the right pair back, or remove both so that a new "
                                       "root is made");
  }
  const auto now = system_clock::now();
  if (now >= root.not_after()) {
    return file_problem(files.certificate, "the root has expired: remove it and " + files.key +
                                               " so that a new root is made");
  }
  if (now < root.not_before()) {
    return file_problem(files.certificate, "the root is not valid yet: check this machine's clock");
  }
  auto bundle = TrustBundle::create(trust_domain, std::move(*certificates));
  if (!bundle) return file_problem(files.certificate, describe(bundle.error()));
  return std::make_unique<Authority>(std::move(*bundle), std::move(*key), ttl);
}

}  // namespace culvert
