// SPDX-License-Identifier: Apache-2.0
// Private to session: what the sessions of one data thread share.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "culvert/pipe.h"
#include "culvert/pool.h"
#include "culvert/relay.h"
#include "culvert/session.h"

namespace culvert {

class DataThread;
class Unnumbered;

// Session is one accepted socket's life, inbound or outbound. Owned by its DataThread.
class Session : public Mortal {
 public:
  explicit Session(DataThread &thread, std::uint64_t cookie) : thread_(thread), cookie_(cookie) {}
  std::uint64_t cookie() const { return cookie_; }
  virtual void start() = 0;  // once, when it is in its thread's list
  // Cuts it off, whatever it does; the session is over afterwards.
  virtual void cut(Refusal refusal) = 0;
  // A new view is in force: what it no longer allows ends here.
  virtual void on_view() = 0;
  // Fills `record` and answers true if an application connection is live.
  virtual bool describe(ConnectionRecord &record) const = 0;
  std::list<std::unique_ptr<Session>>::iterator place;

 protected:
  DataThread &thread_;
  const std::uint64_t cookie_;
};

// Slice is work that waits for its turn on the thread: one step of a handshake.
class Slice {
 public:
  virtual void run_slice() = 0;

 protected:
  ~Slice() = default;
};

// Listening sockets of one pod on this thread.
class PodAccept;

class DataThread {
 public:
  // What the control thread reads.
  struct Reports {
    Counters &counters;
    EventQueue &events;
    Unnumbered &unnumbered;
  };
  DataThread(const Worker::Settings &its_settings, std::unique_ptr<Ring> its_ring,
             FlowTable flow_table, Announcer its_announcer, const Reports &reports);
  ~DataThread();

  void run();  // until stop()
  void stop();
  void apply(std::shared_ptr<const NodeView> next);
  void add_listeners(std::uint64_t cookie, PodListeners listeners);
  void remove_listeners(std::uint64_t cookie);
  void drain();
  ThreadReport report();

  // For sessions.
  const PodView *pod(std::uint64_t cookie) const;
  // The number of a peer's identity. nullopt: it has been asked for; a view brings it.
  std::optional<std::uint32_t> number_of(const SpiffeId &id);
  void accept(Direction direction, std::uint64_t cookie, UniqueFd socket);
  // Resets what was accepted, before there is a session.
  void turn_away(Direction direction, std::uint64_t cookie, UniqueFd socket, Refusal refusal,
                 std::string detail);
  void keep_spare();
  void bury(Session &session);  // out of the list, deleted when settled
  void later(Slice &slice) { slices_.push_back(&slice); }
  void forget(Slice &slice);
  bool handshake_begins(const Ip &source);  // false: too many
  void handshake_ends(const Ip &source);
  void refuse(Direction direction, Refusal refusal, ConnectionRecord record);
  void log(ConnectionRecord record);
  std::uint64_t next_id() { return settings.index + (next_id_++ << 8); }
  bool full() const;
  bool draining() const { return draining_; }
  Relay::Place relay_place() { return {*ring, buffers, settings.splice ? &pipes : nullptr}; }

  const Worker::Settings settings;
  const std::unique_ptr<Ring> ring;
  const FlowTable flows;
  const Announcer announcer;
  Counters &counters;
  EventQueue &events;
  BufferPool buffers;
  PipePool pipes{counters};
  HandshakeMemory memory;
  TimerList silence_timers;  // of tunnels whose peer owes an answer
  TunnelPool pool;
  TimerList handshake_timers;
  TimerList answer_timers;  // to OPEN: the peer may need its whole limit for the application
  TimerList accept_timers{std::chrono::milliseconds(100)};
  // For the first byte to a PERMISSIVE port from outside the mesh; then the server speaks first.
  TimerList greeting_timers{std::chrono::milliseconds(200)};
  UniqueFd spare;  // given up to accept, and turn away, what there is no descriptor for
  std::shared_ptr<const NodeView> view;
  std::unordered_map<std::uint64_t, std::uint32_t> round_robin;  // service → last pick

  struct TrafficHash {
    std::size_t operator()(const TrafficKey &key) const noexcept;
  };
  std::unordered_map<TrafficKey, Traffic, TrafficHash> traffic;
  std::unordered_map<std::string, PolicyHits> policy_hits, dry_run_hits;  // by policy's key()

 private:
  std::optional<Clock::time_point> deadline() const;
  void begin(std::unique_ptr<Session> session);
  void run_slices();
  void trim_buffers();

  std::list<std::unique_ptr<Session>> sessions_;
  std::deque<Slice *> slices_;
  std::unordered_map<Ip, std::uint32_t> handshakes_by_source_;
  std::unordered_map<std::uint64_t, std::unique_ptr<PodAccept>> accepts_;
  Unnumbered &unnumbered_;
  std::unordered_set<std::string> asked_;  // for a number
  std::uint64_t next_id_ = 1;
  bool draining_ = false;
  bool stopping_ = false;
  Clock::time_point trim_at_{};
};

}  // namespace culvert
