// SPDX-License-Identifier: Apache-2.0
// Private to session: connections that are, or may be, in plaintext, because the mode of their port
// says so (PeerAuthentication) and for no other reason.
//
//   waiting --a ClientHello that offers culvert/1--> tunnel
//           --anything else, or nothing in time----> plaintext (the server may be to speak first)
#pragma once

#include <memory>

#include "data_thread.h"

namespace culvert {

// Greeting waits for the first bytes of an inbound connection to a PERMISSIVE port. They are
// peeked: whoever takes the socket over reads them.
class Greeting final : public Mortal {
 public:
  class Owner {
   public:
    virtual void on_greeting(Opening opening, UniqueFd socket) = 0;  // tunnel or plaintext

   protected:
    ~Owner() = default;
  };
  // likely_tunnel: it comes from the address of a meshed workload, whose daemon may be slow; for
  // the others a server that speaks first need not wait as long.
  Greeting(DataThread &thread, Owner &owner, UniqueFd socket, bool likely_tunnel)
      : thread_(thread),
        owner_(owner),
        socket_(std::move(socket)),
        timers_(likely_tunnel ? thread.handshake_timers : thread.greeting_timers) {}
  bool settled() const override { return !readable_.in_flight(); }

  void start();
  static void close(std::unique_ptr<Greeting> greeting);  // the socket, if still here, is reset

 private:
  void wait(std::size_t for_bytes);
  void on_readable(const Event &event);
  void on_timeout() { over(Opening::plaintext); }
  void over(Opening opening);

  DataThread &thread_;
  Owner &owner_;
  UniqueFd socket_;
  TimerList &timers_;
  bool over_ = false;
  Timer timer_;
  Completion readable_;
};

// A connection without TLS as a tunnel that was handed over: nobody is proved, it is bare.
std::unique_ptr<Tunnel> make_plaintext_tunnel(DataThread &thread, UniqueFd socket,
                                              const SpiffeId &local);

}  // namespace culvert
