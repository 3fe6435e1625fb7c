// SPDX-License-Identifier: Apache-2.0
#include "listen.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "culvert/address.h"

namespace culvert {
namespace {

constexpr int socket_flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

std::string words(int error) { return std::strerror(error); }

Result<UniqueFd, Problem> open_socket(int family) {
  int fd = ::socket(family, socket_flags, 0);
  if (fd < 0) return problem("cannot open a socket: " + words(errno));
  return UniqueFd(fd);
}

// Removes what a dead daemon left at `path`. Only a socket that refuses is known to be dead.
Result<void, Problem> clear_stale(const std::string &path, const sockaddr_un &address) {
  struct stat file{};
  if (::lstat(path.c_str(), &file) != 0) {
    if (errno == ENOENT) return {};
    return problem("admin socket " + path + ": " + words(errno));
  }
  if (!S_ISSOCK(file.st_mode)) {
    return problem("admin socket " + path +
                   ": the file exists and is no socket; remove it or set runtimeDirectory");
  }
  UniqueFd probe = TRY(open_socket(AF_UNIX));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0 ||
      errno == EAGAIN) {
    return problem("admin socket " + path +
                   ": another daemon answers there; stop it or set another runtimeDirectory");
  }
  if (errno != ECONNREFUSED) {
    return problem("admin socket " + path +
                   ": cannot tell whether a daemon answers there: " + words(errno));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return problem("admin socket " + path + ": cannot remove the stale socket: " + words(errno));
  }
  return {};
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  auto ip = Ip::parse(host);
  Endpoint endpoint;
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (!ip || error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  if (bracketed == ip->is_v4()) return std::nullopt;
  endpoint.ip = *ip;
  return endpoint;
}

}  // namespace

Result<UnixSocket, Problem> UnixSocket::create(const std::string &path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return problem("admin socket " + path + ": the path has to be 1 to " +
                   std::to_string(sizeof address.sun_path - 1) +
                   " bytes long; set a shorter runtimeDirectory");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  TRY(clear_stale(path, address));
  UnixSocket made(TRY(open_socket(AF_UNIX)), path);
  // bind() gives the file the mode of the socket (net/unix/af_unix.c, unix_bind_bsd): no moment in
  // which others may connect.
  if (::fchmod(made.fd(), 0600) != 0 ||
      ::bind(made.fd(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) {
    return problem("admin socket " + path + ": " + words(errno));
  }
  if (::lstat(path.c_str(), &made.file_) != 0 || ::listen(made.fd(), listen_backlog) != 0) {
    return problem("admin socket " + path + ": " + words(errno));
  }
  return made;
}

UnixSocket::~UnixSocket() {
  struct stat now{};
  if (fd_.empty() || ::lstat(path_.c_str(), &now) != 0) return;
  if (now.st_ino == file_.st_ino && now.st_dev == file_.st_dev) ::unlink(path_.c_str());
}

Result<TcpSocket, Problem> listen_at(const std::string &address) {
  auto endpoint = parse_endpoint(address);
  if (!endpoint) {
    return problem("cannot listen on '" + address +
                   "': accepted is IP:PORT, such as 127.0.0.1:15020 or [::1]:15020");
  }
  SocketAddress wanted(*endpoint);
  UniqueFd fd = TRY(open_socket(wanted.family()));
  int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd.get(), wanted.get(), wanted.size()) != 0 ||
      ::listen(fd.get(), listen_backlog) != 0) {
    int error = errno;
    return problem("cannot listen on " + address + ": " + words(error) +
                   (error == EADDRINUSE ? "; another program has it: choose another address" : ""));
  }
  SocketAddress bound = SocketAddress::empty();
  if (::getsockname(fd.get(), bound.get(), bound.size_pointer()) != 0) {
    return problem("cannot listen on " + address + ": " + words(errno));
  }
  return TcpSocket{std::move(fd), bound.endpoint().port};
}

}  // namespace culvert
