// SPDX-License-Identifier: Apache-2.0
// A Worker is the other threads' handle of a data thread: everything goes through its mailbox.
#include <pthread.h>

#include <thread>

#include "culvert/mailbox.h"
#include "data_thread.h"
#include "unnumbered.h"

namespace culvert {

namespace {

constexpr std::size_t event_queue_capacity = 4096;

template <class Action>
class Post final : public Message {
 public:
  explicit Post(Action action) : action_(std::move(action)) {}
  void deliver() override { action_(); }

 private:
  Action action_;
};

}  // namespace

struct Worker::State {
  Settings settings;
  Counters counters;
  EventQueue events{event_queue_capacity};
  std::unique_ptr<Mailbox> mailbox;
  std::unique_ptr<Unnumbered> unnumbered;
  DataThread *data = nullptr;  // lives on the thread's stack; touched by messages only
  std::thread thread;

  template <class Action>
  void post(Action action) {
    mailbox->post(std::make_unique<Post<Action>>(std::move(action)));
  }
  void run(const FlowTable &flows, const Announcer &announcer, std::promise<Result<>> &started);
};

void Worker::State::run(const FlowTable &flows, const Announcer &announcer,
                        std::promise<Result<>> &started) {
  const std::string name = "culvert-data-" + std::to_string(settings.index);
  (void)pthread_setname_np(pthread_self(), name.c_str());
  auto ring = Ring::create({});  // here: SINGLE_ISSUER belongs to the thread that creates it
  if (!ring) {
    started.set_value(fail(ring.error()));
    return;
  }
  auto thread_state =
      std::make_unique<DataThread>(settings, std::move(*ring), flows, announcer,
                                   DataThread::Reports{counters, events, *unnumbered});
  data = thread_state.get();
  mailbox->open(*data->ring);
  started.set_value({});
  data->run();
  mailbox->close(*data->ring);
  while (!mailbox->settled())
    data->ring->run_once(std::nullopt);
}

Worker::Worker(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Worker>, Problem> Worker::start(const Settings &settings, FlowTable flows,
                                                       Announcer announcer) {
  auto mailbox = Mailbox::create();
  if (!mailbox) return problem("data thread: " + describe(mailbox.error()));
  auto unnumbered = Unnumbered::create();
  if (!unnumbered) return problem("data thread: " + describe(unnumbered.error()));
  auto state = std::make_unique<State>();
  state->settings = settings;
  state->mailbox = std::move(*mailbox);
  state->unnumbered = std::move(*unnumbered);
  std::promise<Result<>> started;
  std::future<Result<>> answer = started.get_future();
  State *raw = state.get();
  state->thread = std::thread(
      [raw, flows, announcer, &started]() noexcept { raw->run(flows, announcer, started); });
  if (auto result = answer.get(); !result) {
    state->thread.join();
    return problem("data thread: " + describe(result.error()) +
                   "; io_uring is needed: check kernel.io_uring_disabled and the seccomp profile");
  }
  return std::unique_ptr<Worker>(new Worker(std::move(state)));
}

Worker::~Worker() {
  State *state = state_.get();
  state->post([state] { state->data->stop(); });
  state->thread.join();
}

void Worker::apply(std::shared_ptr<const NodeView> view) {
  state_->post([state = state_.get(), view = std::move(view)]() mutable {
    state->data->apply(std::move(view));
  });
}

void Worker::add_listeners(std::uint64_t cookie, PodListeners listeners) {
  state_->post([state = state_.get(), cookie, listeners = std::move(listeners)]() mutable {
    state->data->add_listeners(cookie, std::move(listeners));
  });
}

void Worker::remove_listeners(std::uint64_t cookie) {
  state_->post([state = state_.get(), cookie] { state->data->remove_listeners(cookie); });
}

void Worker::drain() {
  state_->post([state = state_.get()] { state->data->drain(); });
}

std::future<ThreadReport> Worker::report() {
  std::promise<ThreadReport> promise;
  std::future<ThreadReport> answer = promise.get_future();
  state_->post([state = state_.get(), promise = std::move(promise)]() mutable {
    promise.set_value(state->data->report());
  });
  return answer;
}

const Counters &Worker::counters() const { return state_->counters; }
EventQueue &Worker::events() { return state_->events; }
int Worker::unnumbered_fd() const { return state_->unnumbered->fd(); }
std::vector<SpiffeId> Worker::take_unnumbered() { return state_->unnumbered->take(); }

}  // namespace culvert
