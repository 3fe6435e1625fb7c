// SPDX-License-Identifier: Apache-2.0
// Private to session: a handshake on a socket.
//
//   waiting --readable--> stepping --needs input--> waiting
//                         stepping --paused--> queued (its next slice runs when others had theirs)
//                         stepping --socket full--> waiting for room
//                         stepping --done, output out--> done      --refused--> refused
//   any --timeout--> refused
//
// Bytes are peeked, and only what the handshake took is removed: what follows the peer's Finished
// stays in the socket for the record engine, whichever it is.
#pragma once

#include <memory>

#include "data_thread.h"

namespace culvert {

class Dialogue final : public Mortal, public Slice {
 public:
  struct Established {
    UniqueFd socket;
    Authenticated authenticated;
  };
  class Owner {
   public:
    virtual void on_established(Established established) = 0;
    virtual void on_handshake_refused(Refusal refusal, std::string detail) = 0;

   protected:
    ~Owner() = default;
  };
  // `server` null: we are the server.
  Dialogue(DataThread &thread, Owner &owner, UniqueFd socket,
           std::shared_ptr<const TlsIdentity> identity, const Handshake::Server *server);
  ~Dialogue() override;
  bool settled() const override { return !readable_.in_flight() && !writable_.in_flight(); }

  void start();
  static void close(std::unique_ptr<Dialogue> dialogue);  // the socket, if still here, is reset
  void run_slice() override;

 private:
  void on_readable(const Event &event);
  void on_writable(const Event &event);
  void on_timeout();
  void wait();
  void step(std::span<const std::uint8_t> input);
  bool make_handshake();
  enum class Read : std::uint8_t { bytes, nothing, over };
  Read peek(std::span<const std::uint8_t> &input);
  bool open_follows() const;
  bool send_output();  // false: wait for room
  void finish();
  void refuse(Refusal refusal, std::string detail);

  DataThread &thread_;
  Owner &owner_;
  UniqueFd socket_;
  const std::shared_ptr<const TlsIdentity> identity_;
  std::unique_ptr<Handshake::Server> server_;
  std::unique_ptr<Handshake> handshake_;
  Handshake::Progress progress_ = Handshake::Progress::needs_input;
  Clock::time_point begun_;
  bool over_ = false;
  Timer timer_;
  Completion readable_, writable_;
};

// The step after a handshake, on either side: the record engine takes the socket and its keys.
Result<std::unique_ptr<Tunnel>> make_tunnel(DataThread &thread, Dialogue::Established established,
                                            const SpiffeId &local);

}  // namespace culvert
