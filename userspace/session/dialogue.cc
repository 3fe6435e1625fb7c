// SPDX-License-Identifier: Apache-2.0
#include "dialogue.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "sockets.h"

namespace culvert {

namespace {

// Peeked bytes of the handshake being stepped; one at a time on a thread.
thread_local std::array<std::uint8_t, 32 * 1024> scratch;

}  // namespace

Dialogue::Dialogue(DataThread &thread, Owner &owner, UniqueFd socket,
                   std::shared_ptr<const TlsIdentity> identity, const Handshake::Server *server)
    : thread_(thread),
      owner_(owner),
      socket_(std::move(socket)),
      identity_(std::move(identity)),
      server_(server != nullptr ? std::make_unique<Handshake::Server>(*server) : nullptr),
      begun_(thread.ring->now()) {
  thread_.counters.handshakes_in_progress.add();
}

Dialogue::~Dialogue() = default;

void Dialogue::start() {
  thread_.handshake_timers.arm<&Dialogue::on_timeout>(timer_, this, thread_.ring->now());
  if (auto prepared = prepare_socket(socket_, thread_.settings.engine); !prepared) {
    const bool gone = prepared.error().code == ENOTCONN;
    return refuse(gone ? Refusal::handshake_closed : Refusal::offload_failed,
                  culvert::describe(prepared.error()));
  }
  // A server keeps no TLS state before the first byte: a silent peer costs a socket and a timer.
  if (server_ == nullptr) return wait();
  thread_.later(*this);
}

void Dialogue::close(std::unique_ptr<Dialogue> dialogue) {
  Dialogue &self = *dialogue;
  self.over_ = true;
  self.timer_.disarm();
  self.thread_.forget(self);
  self.thread_.counters.handshakes_in_progress.subtract();
  for (Completion *completion : {&self.readable_, &self.writable_}) {
    if (completion->in_flight()) self.thread_.ring->cancel(*completion);
  }
  if (!self.socket_.empty()) close_with_reset(std::move(self.socket_));
  self.thread_.ring->bury(std::move(dialogue));
}

void Dialogue::wait() {
  readable_.bind<&Dialogue::on_readable>(this);
  thread_.ring->poll(readable_, socket_.get(), POLLIN);
}

void Dialogue::on_readable(const Event &event) {
  if (over_) return;
  if (event.result < 0) return refuse(Refusal::handshake_closed, "poll failed");
  thread_.later(*this);
}

void Dialogue::on_writable(const Event &event) {
  if (over_) return;
  if (event.result < 0) return refuse(Refusal::handshake_closed, "poll failed");
  if (!send_output()) return;
  if (progress_ == Handshake::Progress::done) return finish();
  thread_.later(*this);
}

void Dialogue::on_timeout() {
  refuse(Refusal::handshake_timeout, handshake_ == nullptr ? "no byte came" : "");
}

bool Dialogue::make_handshake() {
  auto made = server_ != nullptr ? Handshake::connect(identity_, *server_, thread_.memory)
                                 : Handshake::accept(identity_, thread_.memory);
  if (!made) {
    refuse(Refusal::no_resources, culvert::describe(made.error()));
    return false;
  }
  handshake_ = std::move(*made);
  return true;
}

Dialogue::Read Dialogue::peek(std::span<const std::uint8_t> &input) {
  const ssize_t n = ::recv(socket_.get(), scratch.data(), scratch.size(), MSG_PEEK | MSG_DONTWAIT);
  if (n > 0) {
    input = {scratch.data(), static_cast<std::size_t>(n)};
    return Read::bytes;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Read::nothing;
  refuse(Refusal::handshake_closed, n == 0 ? "closed by the peer" : "reset by the peer");
  return Read::over;
}

void Dialogue::run_slice() {
  if (over_) return;
  std::span<const std::uint8_t> input;
  const bool first_of_client = server_ != nullptr && handshake_ == nullptr;
  if (progress_ != Handshake::Progress::paused && !first_of_client) {
    const Read read = peek(input);
    if (read == Read::over) return;
    if (read == Read::nothing) return wait();
  }
  if (handshake_ == nullptr && !make_handshake()) return;
  step(input);
}

void Dialogue::step(std::span<const std::uint8_t> input) {
  const Handshake::Step step = handshake_->advance(input);
  progress_ = step.progress;
  if (step.consumed > 0) {
    // MSG_TRUNC on TCP drops the bytes without copying them.
    const ssize_t n =
        ::recv(socket_.get(), scratch.data(), step.consumed, MSG_TRUNC | MSG_DONTWAIT);
    ENSURE(n == static_cast<ssize_t>(step.consumed));
  }
  // A flight leaves as a whole: what is ready before a pause waits for the rest of it.
  if (progress_ == Handshake::Progress::paused) return thread_.later(*this);
  const bool sent = send_output();
  if (over_) return;
  if (progress_ == Handshake::Progress::refused) {
    return refuse(handshake_->refusal(), handshake_->detail());
  }
  if (!sent) return;
  switch (progress_) {
    case Handshake::Progress::done:
      return finish();
    case Handshake::Progress::needs_input:
      return wait();
    case Handshake::Progress::paused:
    case Handshake::Progress::refused:
      return;
  }
}

// The client's last flight leaves in one segment with OPEN. Not with kTLS: it takes the socket
// over.
bool Dialogue::open_follows() const {
  return server_ != nullptr && progress_ == Handshake::Progress::done &&
         thread_.settings.engine == RecordEngine::userspace;
}

bool Dialogue::send_output() {
  while (!handshake_->output().empty()) {
    const auto output = handshake_->output();
    const ssize_t n = ::send(socket_.get(), output.data(), output.size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL | (open_follows() ? MSG_MORE : 0));
    if (n > 0) {
      handshake_->output_sent(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      writable_.bind<&Dialogue::on_writable>(this);
      if (!writable_.in_flight()) thread_.ring->poll(writable_, socket_.get(), POLLOUT);
      return false;
    } else if (errno != EINTR) {
      if (progress_ != Handshake::Progress::refused) {
        refuse(Refusal::handshake_closed, "reset by the peer");
      }
      return false;
    }
  }
  return true;
}

void Dialogue::finish() {
  timer_.disarm();
  Authenticated authenticated = handshake_->finish();
  const Direction direction = server_ != nullptr ? Direction::outbound : Direction::inbound;
  auto &counted = thread_.counters.handshakes[static_cast<std::size_t>(direction)];
  (authenticated.resumed ? counted.resumed : counted.full).add();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun_);
  std::size_t bucket = 0;
  while (bucket < Counters::handshake_bounds_us.size() &&
         took.count() > Counters::handshake_bounds_us[bucket]) {
    ++bucket;
  }
  thread_.counters.handshake_buckets[bucket].add();
  thread_.counters.handshake_sum_us.add(static_cast<std::uint64_t>(took.count()));
  handshake_.reset();
  over_ = true;
  owner_.on_established({std::move(socket_), std::move(authenticated)});
}

void Dialogue::refuse(Refusal refusal, std::string detail) {
  if (over_) return;
  over_ = true;
  timer_.disarm();
  const Direction direction = server_ != nullptr ? Direction::outbound : Direction::inbound;
  thread_.counters.handshakes[static_cast<std::size_t>(direction)].failed.add();
  // A peer that spoke TLS gets its alert and FIN; who did not is reset.
  if (handshake_ != nullptr && refusal != Refusal::plaintext &&
      refusal != Refusal::handshake_timeout) {
    (void)::shutdown(socket_.get(), SHUT_WR);
    socket_.reset();
  }
  owner_.on_handshake_refused(refusal, std::move(detail));
}

Result<std::unique_ptr<Tunnel>> make_tunnel(DataThread &thread, Dialogue::Established established,
                                            const SpiffeId &local) {
  Authenticated &peer = established.authenticated;
  auto records = TRY(Records::create(established.socket, peer.send, peer.receive,
                                     thread.settings.records, thread.buffers));
  auto facts = std::make_shared<const TunnelFacts>(TunnelFacts{.local = local,
                                                               .peer = peer.peer,
                                                               .suite = peer.suite,
                                                               .group = peer.group,
                                                               .resumed = peer.resumed,
                                                               .bare = !peer.tunnel,
                                                               .engine = records->engine()});
  return std::make_unique<Tunnel>(*thread.ring, thread.silence_timers, thread.counters,
                                  Tunnel::Parts{.socket = std::move(established.socket),
                                                .records = std::move(records),
                                                .facts = std::move(facts),
                                                .tickets = std::move(peer.tickets)});
}

}  // namespace culvert
