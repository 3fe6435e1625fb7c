// SPDX-License-Identifier: Apache-2.0
// tunnel: one authenticated TLS 1.3 connection between two pods, after its handshake, as a sequence
// of application connections (docs/wire.md). Frames nothing: data are plain TLS records; what
// begins and ends a connection are control records of content type 0xCC. Towards a bare peer (no
// culvert/1) there is one connection, ended by close_notify.
//
// state of one side              on                        next
//   idle          client: send OPEN                        opening
//   idle          server: receive OPEN                     opening (server connects the
//   application) opening       OPENED                                   open opening       REFUSED
//   idle open          END sent and END received                idle any           RST, truncation,
//   anything out of place   closed (RST) idle          close_notify closed
// The states live in session (who waits for what); Tunnel moves records and judges their form.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "culvert/handshake.h"
#include "culvert/offload.h"
#include "culvert/report.h"
#include "culvert/ring.h"
#include "culvert/timer.h"

namespace culvert {

// Why a server side answers REFUSED; an unknown number is treated as unavailable.
enum class RefusedReason : std::uint8_t {
  denied = 1,  // the verdict
  application_refused = 2,  // nobody listens there
  unavailable = 3,  // the pod is going, no resources, the application does not answer
};
std::string_view name(RefusedReason reason);

struct ControlMessage {
  enum class Kind : std::uint8_t { open = 1, opened = 2, refused = 3, end = 4 };
  Kind kind{};
  std::uint16_t client_port = 0;  // open: the client application's own port; big-endian on the wire
  RefusedReason reason{};  // refused

  // 1 to 3 bytes; decode: nullopt unless exactly the kind's length.
  std::span<const std::uint8_t> encode(std::span<std::uint8_t, 3> into) const;
  static std::optional<ControlMessage> decode(std::span<const std::uint8_t> bytes);
};

class Tunnel final : public Mortal {
 public:
  // Who uses the tunnel now. Callbacks come from the ring's turn, or from resume().
  class User {
   public:
    // Application data. False: pause; nothing more comes before resume(). `stable`: the bytes stay
    // where they are until then, otherwise what is not taken must be copied.
    virtual bool on_tunnel_data(std::span<iovec> runs, std::size_t size_bytes, bool stable) = 0;
    virtual void on_tunnel_message(const ControlMessage &message) = 0;
    virtual void on_tunnel_writable() = 0;  // what was blocked is out
    // The last callback. none: close_notify with nothing wrong, right only while idle.
    virtual void on_tunnel_closed(Refusal refusal) = 0;

   protected:
    ~User() = default;
  };

  struct Parts {
    UniqueFd socket;
    std::unique_ptr<Records> records;
    std::shared_ptr<const TunnelFacts> facts;
    std::unique_ptr<Tickets> tickets;  // client side
  };
  // silence_timers: their duration is how long a peer may leave what we sent without an answer.
  Tunnel(Ring &ring, TimerList &silence_timers, Counters &counters, Parts parts);
  ~Tunnel() override;
  bool settled() const override;

  const TunnelFacts &facts() const { return *parts_.facts; }
  std::shared_ptr<const TunnelFacts> shared_facts() const { return parts_.facts; }
  bool bare() const { return parts_.facts->bare; }
  int socket() const { return parts_.socket.get(); }
  Records &records() { return *parts_.records; }

  void set_user(User *user) { user_ = user; }
  void pause() { paused_ = true; }
  void resume();  // also the first start

  // Sending. blocked: on_tunnel_writable() follows; until then only send() may be called again.
  Flow send_buffer(BufferHandle &buffer, std::size_t size_bytes);
  Flow send_slot(std::span<std::uint8_t> content);
  Flow send(const ControlMessage &message);  // END towards a bare peer: close_notify and FIN
  Refusal send_refusal() const;  // why the last Flow was failed
  bool blocked() const { return writable_.in_flight(); }
  // A user may splice to socket() while nothing is blocked, and from it while paused, once
  // records().settle() has let go of what was read. It says how much it sent, and after it found
  // the socket full on_tunnel_writable() comes when it is not.
  void spliced(std::size_t sent_bytes);
  void wait_writable();

  // The end. clean: close_notify, FIN. reset: RST. The tunnel deletes itself when the kernel let
  // go.
  enum class Close : std::uint8_t { clean, reset };
  static void close(std::unique_ptr<Tunnel> tunnel, Close how);

 private:
  void on_slot(const Event &event);
  void on_readable(const Event &event);
  void on_writable(const Event &event);
  void on_watch(const Event &event);
  void on_silence();
  void drain();
  void rest();  // what is left is kept, the next wait armed
  void take(const Incoming &incoming);
  void take_alert(std::span<const std::uint8_t> alert);
  void take_handshake(std::span<const std::uint8_t> message);
  void end_of_stream();
  void closed(Refusal refusal);
  Flow send_close_notify();
  Flow sent(Flow flow);
  void renew_key_if_worn();
  void flushed();
  void expect_answer();

  Ring &ring_;
  TimerList &silence_timers_;
  Counters &counters_;
  Parts parts_;
  User *user_ = nullptr;
  bool paused_ = true;
  bool draining_ = false;  // resume() from a callback only clears paused_
  bool dead_ = false;  // closed() was called, or close()
  bool peer_finished_ = false;  // close_notify came
  bool finishing_ = false;  // our close_notify is queued or out
  bool finished_ = false;  // and FIN is sent
  bool bulk_ = false;  // the last read was large: wait by poll, read into a Buffer
  Completion receive_, writable_, watch_;
  Timer silence_;  // armed while what was sent may be without an answer
};

}  // namespace culvert
