// SPDX-License-Identifier: Apache-2.0
// One turn of a data thread: submit what was prepared and wait (one system call), take every
// completion, run its owner's callback, delete the buried. Buffers of a receive go back to their
// ring as soon as the callback returns: owners copy what they keep.
#include "culvert/ring.h"

#include <liburing.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace culvert {

namespace {

constexpr std::array<std::size_t, 2> group_sizes = {16384, 16640};

struct ProvidedBuffers {
  std::unique_ptr<std::uint8_t[]> memory;
  io_uring_buf_ring *ring = nullptr;
  std::size_t mapped_bytes = 0;
  std::size_t stride = 0;
  std::size_t length = 0;
  unsigned count = 0;  // there is room for
  unsigned provided = 0;

  std::uint8_t *at(unsigned id) const { return memory.get() + id * stride + Ring::headroom; }
  void provide(unsigned id, int offset) const {
    io_uring_buf_ring_add(ring, at(id), static_cast<unsigned>(length),
                          static_cast<unsigned short>(id),
                          io_uring_buf_ring_mask(static_cast<unsigned>(count)), offset);
  }
  void provide_more(unsigned number) {
    number = std::min(number, count - provided);
    for (unsigned i = 0; i < number; ++i)
      provide(provided + i, static_cast<int>(i));
    io_uring_buf_ring_advance(ring, static_cast<int>(number));
    provided += number;
  }
};

// Since the epoch of Clock, which is CLOCK_MONOTONIC.
__kernel_timespec timespec_of(Clock::time_point time) {
  const auto all = std::chrono::nanoseconds(time.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(all);
  __kernel_timespec out{};
  out.tv_sec = seconds.count();
  out.tv_nsec = (all - seconds).count();
  return out;
}

// Its success is no event, which would end the turn's wait; dispatch() passes its failure over.
void nobody_waits_for(io_uring_sqe *sqe) {
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data(sqe, nullptr);
}

}  // namespace

struct Ring::State {
  io_uring ring{};
  std::array<ProvidedBuffers, 2> buffers;
  std::vector<std::unique_ptr<Mortal>> buried;
  // One timeout in flight serves many turns: deadlines mostly move away, and a timer of the kernel
  // started and cancelled at each wait costs more than the wait. One that rings early costs a turn.
  std::optional<Clock::time_point> alarm;
  __kernel_timespec alarm_time{};  // read at submission; its address is the operation's name

  ~State() {
    if (ring.ring_fd != 0) io_uring_queue_exit(&ring);
    for (auto &group : buffers) {
      if (group.ring != nullptr) munmap(group.ring, group.mapped_bytes);
    }
  }
  Result<> provide(unsigned group, const Options &options);
};

Result<> Ring::State::provide(unsigned group, const Options &options) {
  ProvidedBuffers &buffer = buffers[group];
  const unsigned count = options.buffers_max;
  buffer.count = count;
  buffer.length = group_sizes[group];
  buffer.stride = headroom + buffer.length + tailroom;
  buffer.memory = std::make_unique_for_overwrite<std::uint8_t[]>(buffer.stride * count);
  buffer.mapped_bytes = count * sizeof(io_uring_buf);
  void *memory = mmap(nullptr, buffer.mapped_bytes, PROT_READ | PROT_WRITE,
                      MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) return fail_os("mmap of a buffer ring", errno);
  buffer.ring = static_cast<io_uring_buf_ring *>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer.ring);
  registration.ring_entries = count;
  registration.bgid = static_cast<unsigned short>(group);
  const int error = io_uring_register_buf_ring(&ring, &registration, 0);
  if (error != 0) return fail_os("io_uring_register_buf_ring", -error);
  io_uring_buf_ring_init(buffer.ring);
  buffer.provide_more(options.buffers);
  return {};
}

Ring::Ring(std::unique_ptr<State> state) : state_(std::move(state)) {}

Ring::~Ring() {
  for (auto &mortal : state_->buried)
    ENSURE(mortal->settled());
}

Result<std::unique_ptr<Ring>> Ring::create(const Options &options) {
  auto state = std::make_unique<State>();
  // Best first; what a kernel does not know it answers with EINVAL.
  constexpr std::array<unsigned, 3> flag_sets = {
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN, 0};
  int error = -EINVAL;
  for (const unsigned flags : flag_sets) {
    io_uring_params parameters{};
    parameters.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    parameters.cq_entries = options.entries * 4;
    error = io_uring_queue_init_params(options.entries, &state->ring, &parameters);
    if (error != -EINVAL) break;
  }
  if (error != 0) {
    state->ring.ring_fd = 0;
    return fail_os("io_uring_setup", -error);
  }
  for (unsigned group = 0; group < group_sizes.size(); ++group) {
    TRY(state->provide(group, options));
  }
  (void)io_uring_register_ring_fd(&state->ring);  // saves a lookup per call; absent before 5.18
  return std::unique_ptr<Ring>(new Ring(std::move(state)));
}

io_uring_sqe *Ring::prepare(Completion *completion) {
  io_uring_sqe *sqe = io_uring_get_sqe(&state_->ring);
  if (sqe == nullptr) {
    io_uring_submit(&state_->ring);
    sqe = io_uring_get_sqe(&state_->ring);
    ENSURE(sqe != nullptr);
  }
  if (completion != nullptr) {
    ENSURE(!completion->in_flight_ && completion->call_ != nullptr);
    completion->in_flight_ = true;
  }
  return sqe;
}

void Ring::accept(Completion &completion, int listener) {
  io_uring_sqe *sqe = prepare(&completion);
  io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
  io_uring_sqe_set_data(sqe, &completion);
}

void Ring::receive(Completion &completion, int fd, BufferGroup group) {
  io_uring_sqe *sqe = prepare(&completion);
  io_uring_prep_recv(sqe, fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = static_cast<unsigned short>(group);
  completion.group_ = static_cast<std::uint8_t>(group);
  sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;  // we come here when a read found nothing more
  io_uring_sqe_set_data(sqe, &completion);
}

void Ring::poll(Completion &completion, int fd, unsigned events) {
  io_uring_sqe *sqe = prepare(&completion);
  io_uring_prep_poll_add(sqe, fd, events);
  io_uring_sqe_set_data(sqe, &completion);
}

void Ring::connect(Completion &completion, int fd, const SocketAddress &address) {
  io_uring_sqe *sqe = prepare(&completion);
  io_uring_prep_connect(sqe, fd, address.get(), address.size());
  io_uring_sqe_set_data(sqe, &completion);
}

void Ring::cancel(Completion &completion) {
  ENSURE(completion.in_flight_);
  io_uring_sqe *sqe = prepare(nullptr);
  io_uring_prep_cancel(sqe, &completion, 0);
  nobody_waits_for(sqe);
}

void Ring::bury(std::unique_ptr<Mortal> mortal) { state_->buried.push_back(std::move(mortal)); }

void Ring::sweep() {
  std::erase_if(state_->buried, [](auto &mortal) { return mortal->settled(); });
}

void Ring::wake_at(Clock::time_point deadline) {
  if (state_->alarm && *state_->alarm <= deadline) return;
  io_uring_sqe *sqe = prepare(nullptr);
  state_->alarm_time = timespec_of(deadline);
  if (state_->alarm) {  // should it ring meanwhile: this fails, and the next turn sets another
    io_uring_prep_timeout_update(sqe, &state_->alarm_time,
                                 reinterpret_cast<std::uintptr_t>(&state_->alarm_time),
                                 IORING_TIMEOUT_ABS);
    nobody_waits_for(sqe);
  } else {
    io_uring_prep_timeout(sqe, &state_->alarm_time, 0, IORING_TIMEOUT_ABS);
    io_uring_sqe_set_data(sqe, &state_->alarm_time);
  }
  state_->alarm = deadline;
}

void Ring::run_once(std::optional<Clock::time_point> deadline) {
  sweep();  // what timers and slices buried since: its sockets must not wait for the next event
  int error = 0;
  if (deadline && *deadline <= now_) {
    error = io_uring_submit_and_get_events(&state_->ring);
  } else {
    if (deadline) wake_at(*deadline);
    error = io_uring_submit_and_wait(&state_->ring, 1);
  }
  ENSURE(error >= 0 || error == -EINTR || error == -EAGAIN || error == -EBUSY);
  now_ = Clock::now();
  dispatch();
  sweep();
}

void Ring::dispatch() {
  // Only what is there now: what callbacks cause belongs to the next turn, so no turn is endless.
  unsigned left = io_uring_cq_ready(&state_->ring);
  io_uring_cqe *cqe = nullptr;
  while (left-- > 0 && io_uring_peek_cqe(&state_->ring, &cqe) == 0) {
    void *const name = io_uring_cqe_get_data(cqe);  // null: nobody waits for it, and it failed
    const int result = cqe->res;
    const unsigned flags = cqe->flags;
    io_uring_cqe_seen(&state_->ring, cqe);
    if (name == &state_->alarm_time) {
      state_->alarm.reset();
    } else if (name != nullptr) {
      deliver(*static_cast<Completion *>(name), result, flags);
    }
  }
}

void Ring::deliver(Completion &completion, int result, unsigned flags) {
  Event event{.result = result, .more = (flags & IORING_CQE_F_MORE) != 0, .data = {}};
  ProvidedBuffers &group = state_->buffers[completion.group_];  // ids are per group
  completion.in_flight_ = event.more;
  if (result == -ENOBUFS) group.provide_more(1);
  if ((flags & IORING_CQE_F_BUFFER) == 0) return completion.call_(completion.owner_, event);
  const unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
  event.data = {group.at(id), static_cast<std::size_t>(std::max(result, 0))};
  completion.call_(completion.owner_, event);
  group.provide(id, 0);
  io_uring_buf_ring_advance(group.ring, 1);
}

}  // namespace culvert
