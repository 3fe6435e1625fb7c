// SPDX-License-Identifier: Apache-2.0
// Which record engine works here, found by behaviour over a loopback pair and never by the kernel's
// version: distributions backport both features and faults.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>

#include "culvert/address.h"
#include "outbox.h"

namespace culvert {
namespace {

struct Pair {
  UniqueFd left, right;
};

Result<Pair> loopback_pair() {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SocketAddress address({Ip::loopback_v4(), 0});
  if (::bind(listener.get(), address.get(), address.size()) != 0 ||
      ::listen(listener.get(), 1) != 0) {
    return fail_os("listen on loopback", errno);
  }
  if (::getsockname(listener.get(), address.get(), address.size_pointer()) != 0) {
    return fail_os("getsockname", errno);
  }
  UniqueFd left(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(left.get(), address.get(), address.size()) != 0) return fail_os("connect", errno);
  const int right = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
  if (right < 0) return fail_os("accept", errno);
  return Pair{std::move(left), UniqueFd(right)};
}

TrafficKeys keys_for_probe() {
  TrafficKeys keys;
  keys.suite = CipherSuite::aes_128_gcm_sha256;
  keys.secret_size = 32;
  keys.secret.fill(0x5a);  // nothing secret passes a probe
  return keys;
}

// Loopback delivers at once: what is not there after this long was lost.
bool wait_readable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, 200) > 0;
}

// Content of one plain record as it would lie on the wire, with `padding` zeros behind the type.
std::vector<std::uint8_t> sealed(RecordCipher &cipher, std::uint64_t sequence,
                                 std::span<const std::uint8_t> content, std::size_t padding) {
  const std::size_t text = content.size() + 1 + padding;
  std::vector<std::uint8_t> record(header_size + text + RecordCipher::tag_size);
  const std::size_t length = text + RecordCipher::tag_size;
  record[0] = 23;
  record[1] = record[2] = 3;
  record[3] = static_cast<std::uint8_t>(length >> 8);
  record[4] = static_cast<std::uint8_t>(length);
  std::ranges::copy(content, record.begin() + header_size);
  record[header_size + content.size()] = 23;
  cipher.seal(std::span(record).subspan(header_size, text),
              std::span<const std::uint8_t, 5>(record.data(), 5), sequence);
  return record;
}

Result<Pair> tls_pair() {
  Pair pair = TRY(loopback_pair());
  for (UniqueFd *fd : {&pair.left, &pair.right}) {
    TRY(prepare_socket(*fd, RecordEngine::kernel));
    TRY(install_key(fd->get(), Side::send, keys_for_probe()));
    TRY(install_key(fd->get(), Side::receive, keys_for_probe()));
  }
  return pair;
}

bool receives(int fd, std::span<const std::uint8_t> expected, std::uint8_t expected_type) {
  std::array<std::uint8_t, 256> into;
  std::size_t got = 0;
  while (got < expected.size()) {
    std::uint8_t type = 0;
    bool whole = false;
    if (!wait_readable(fd)) return false;
    const ssize_t n = receive_record(fd, std::span(into).subspan(got), type, whole);
    if (n <= 0 || type != expected_type) return false;
    got += static_cast<std::size_t>(n);
  }
  return std::equal(expected.begin(), expected.end(), into.begin()) && got == expected.size();
}

// Data, a control record that plain recv refuses without losing it, data again.
Result<bool> keeps_record_types() {
  Pair pair = TRY(tls_pair());
  const std::array<std::uint8_t, 4> data = {'d', 'a', 't', 'a'};
  const std::array<std::uint8_t, 2> message = {4, 2};
  std::size_t sent = 0;
  int error = 0;
  if (send_now(pair.left.get(), data, sent, error) != Flow::done) return false;
  if (!receives(pair.right.get(), data, 23)) return false;
  if (send_record(pair.left.get(), ContentType::control, message) != 2) return false;
  if (!wait_readable(pair.right.get())) return false;
  char byte = 0;
  if (::recv(pair.right.get(), &byte, 1, MSG_DONTWAIT) != -1 || errno != EIO) return false;
  return receives(pair.right.get(), message, 0xCC);
}

// A padded data record behind an unpadded one, in one receive (CVE-2026-74611 corrupted it).
Result<bool> survives_padding() {
  Pair raw = TRY(loopback_pair());
  TRY(prepare_socket(raw.right, RecordEngine::kernel));
  TRY(install_key(raw.right.get(), Side::receive, keys_for_probe()));
  TRY(expect_no_padding(raw.right.get()));
  auto cipher = TRY(RecordCipher::create(keys_for_probe()));
  const std::array<std::uint8_t, 21> content = {'f', 'i', 'r', 's', 't', 's', 'e',
                                                'c', 'o', 'n', 'd', '-', 't', 'h',
                                                'i', 'r', 'd', '-', 'o', 'n', 'e'};
  std::vector<std::uint8_t> wire = sealed(cipher, 0, std::span(content).first(5), 0);
  for (const auto &[sequence, from, size, padding] :
       {std::tuple{1U, 5U, 7U, 10U}, std::tuple{2U, 12U, 9U, 0U}}) {
    const auto record = sealed(cipher, sequence, std::span(content).subspan(from, size), padding);
    wire.insert(wire.end(), record.begin(), record.end());
  }
  std::size_t sent = 0;
  int error = 0;
  if (send_now(raw.left.get(), wire, sent, error) != Flow::done) return false;
  return receives(raw.right.get(), content, 23);
}

// Splice two records through a one-page pipe: kernels before 6.1.189 / 6.12.112 lose bytes.
Result<bool> splices_whole() {
  Pair pair = TRY(tls_pair());
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return fail_os("pipe2", errno);
  const UniqueFd out(ends[0]), in(ends[1]);
  (void)::fcntl(in.get(), F_SETPIPE_SZ, 4096);
  std::vector<std::uint8_t> data(3 * record_max);
  for (std::size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  std::size_t sent = 0;
  int error = 0;
  if (send_now(pair.left.get(), data, sent, error) != Flow::done) return false;
  std::vector<std::uint8_t> got;
  std::array<std::uint8_t, 4096> chunk;
  for (int turn = 0; turn < 200 && got.size() < data.size(); ++turn) {
    bool progress = wait_readable(pair.right.get());
    (void)::splice(pair.right.get(), nullptr, in.get(), nullptr, 65536, SPLICE_F_NONBLOCK);
    // Half a page at a time, so that the pipe is never empty when it is filled again.
    const ssize_t n = ::read(out.get(), chunk.data(), chunk.size() / 2);
    if (n > 0) got.insert(got.end(), chunk.begin(), chunk.begin() + n);
    progress |= n > 0;
    if (!progress) break;
  }
  return got == data;
}

Result<bool> takes_second_key() {
  Pair pair = TRY(tls_pair());
  return install_key(pair.left.get(), Side::send, next_generation(keys_for_probe())).has_value();
}

bool holds(const Result<bool> &result) { return result.has_value() && *result; }

}  // namespace

EngineProbe probe_engines() {
  EngineProbe probe;
  const auto types = keeps_record_types();
  if (!types) {
    probe.reason = describe(types.error());
    if (types.error().code == ENOENT)
      probe.reason += " (the kernel has no tls module: modprobe tls)";
    return probe;
  }
  if (!*types) {
    probe.reason = "kTLS does not keep record types apart";
    return probe;
  }
  probe.kernel = true;
  probe.kernel_rekey = holds(takes_second_key());
  probe.no_pad = holds(survives_padding());
  probe.splice = holds(splices_whole());
  probe.reason = std::string("kTLS works; rekey ") + (probe.kernel_rekey ? "yes" : "no") +
                 ", splice " + (probe.splice ? "yes" : "no") + ", expect-no-pad " +
                 (probe.no_pad ? "yes" : "no");
  return probe;
}

}  // namespace culvert
