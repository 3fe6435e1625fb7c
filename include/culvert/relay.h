// SPDX-License-Identifier: Apache-2.0
// relay: the bytes of one application connection, both ways, between an application's socket and an
// open tunnel. Half-close stays half-close, reset stays reset, backpressure is the sockets' own.
//
//   up    application → tunnel    reading --full tunnel--> blocked --writable--> reading
//                                 reading --FIN--> END sent --> ended
//   down  tunnel → application    flowing --full socket--> blocked --writable--> flowing
//                                 flowing --END--> shutdown(WR) --> ended
//   both ended: over, clean. Anything else (reset, error, tunnel closed): over, and both sides
//   reset.
//
// In bulk, with the kernel engine, a direction splices: its bytes go through a pipe and are not
// copied to userspace. It holds a pipe exactly as long as it does.
//
//   messages (the above)   three full bursts in a row                splicing
//   splicing               the sink is full; the pipe is not empty   blocked
//   blocked                the sink is writable                      splicing
//   splicing               the pipe is empty, and little came, or what only recvmsg can read
//                          (a control record, the end)               messages
// The pipe is drained before it is filled again: END never overtakes data. While down splices the
// tunnel is paused, and the relay itself polls its socket.
//
// The application's socket carries SO_LINGER {1, 0} until a clean end, so that a dying daemon
// resets it. At most one Buffer per direction is held, and only while bytes are in flight.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "culvert/buffer.h"
#include "culvert/pipe.h"
#include "culvert/policy.h"
#include "culvert/ring.h"
#include "culvert/tunnel.h"

namespace culvert {

class Relay final : public Mortal, public Tunnel::User {
 public:
  struct Outcome {
    Refusal refusal = Refusal::none;
    bool tunnel_idle = false;  // it may carry the next connection
  };
  class Owner {
   public:
    // Messages other than END: OPENED, REFUSED (client side), or what is out of place.
    virtual void on_relay_message(const ControlMessage &message) = 0;
    virtual void on_relay_over(const Outcome &outcome) = 0;  // last callback; the tunnel is free

   protected:
    ~Owner() = default;
  };
  struct Place {
    Ring &ring;
    BufferPool &buffers;
    PipePool *pipes;  // null: no splice
  };

  // A Permit: no byte is relayed without a verdict.
  Relay(const Permit &permit, const Place &place, Tunnel &tunnel, UniqueFd application,
        Owner &owner);
  ~Relay() override;
  bool settled() const override;

  // opened: OPENED came already (a reused tunnel) or there is none to come (server side, bare
  // peer). Otherwise data go out at once and nothing may come in before opened() is called.
  void start(bool opened);
  void opened() { opened_ = true; }
  // Resets the application's socket (unless the end was clean) and deletes itself.
  static void close(std::unique_ptr<Relay> relay);

  std::uint64_t up_bytes() const { return up_bytes_; }
  std::uint64_t down_bytes() const { return down_bytes_; }

  bool on_tunnel_data(std::span<iovec> runs, std::size_t size_bytes, bool stable) override;
  void on_tunnel_message(const ControlMessage &message) override;
  void on_tunnel_writable() override;
  void on_tunnel_closed(Refusal refusal) override;

 private:
  // up
  void wait_application();
  void on_slot(const Event &event);
  void on_readable(const Event &event);
  void read_burst();
  bool read_once(BufferHandle &buffer);
  void end_up();
  void up_blocked();
  // down
  void on_writable(const Event &event);
  Flow write_runs(std::span<iovec> &runs);
  void keep(std::span<iovec> runs, bool stable);
  void end_down();
  void on_watch(const Event &event);
  // splicing
  PipeHandle pipe_for_bulk(int &full_bursts);
  bool splice_up_begins();
  void splice_up();
  bool splice_down_begins();
  void splice_down();
  void wait_tunnel();
  void on_tunnel_readable(const Event &event);
  // both
  void fail(Refusal refusal);
  void fail_application(int error);
  void finish_if_over();
  void over(const Outcome &outcome);

  const Place place_;
  Tunnel &tunnel_;
  UniqueFd application_;
  Owner &owner_;
  std::uint64_t up_bytes_ = 0, down_bytes_ = 0;
  bool up_ended_ = false;  // FIN read, END sent
  bool up_end_unsent_ = false;  // END waits in the outbox
  bool down_ended_ = false;
  bool opened_ = false;
  bool over_ = false;
  bool clean_ = false;
  bool bulk_ = false;
  int up_full_bursts_ = 0, down_full_bursts_ = 0;  // in a row
  PipeHandle up_pipe_{nullptr, {}}, down_pipe_{nullptr, {}};  // not null: splicing
  std::vector<iovec> runs_;  // down, while blocked: what is not written yet
  BufferHandle copy_{nullptr, {}};
  Completion receive_, writable_, watch_;  // writable_: whatever down waits for
};

}  // namespace culvert
