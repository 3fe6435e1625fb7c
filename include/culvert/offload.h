// SPDX-License-Identifier: Apache-2.0
// offload: TLS 1.3 records after the handshake, by one of two engines with the same wire format.
//
//   kernel     kTLS, TX and RX: the socket itself makes and opens records
//   userspace  RFC 8446 section 5.2 with EVP_AEAD, in place, for kernels without the tls module
//
// Records owns the record state of one tunnel socket, in both directions, and its outbox: bytes
// that were protected (or accepted for sending) and that the socket had no room for yet. It never
// waits: Flow::blocked means poll for writing, then flush(). The only room that uses <linux/tls.h>.
//
// Order on the wire is the order of calls. send_* may be called only when the outbox is empty
// (unsent() is false), but for send_control, which queues behind what is there.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "culvert/buffer.h"
#include "culvert/crypto.h"
#include "culvert/fd.h"
#include "culvert/refusal.h"
#include "culvert/report.h"

namespace culvert {

enum class ContentType : std::uint8_t {  // RFC 8446 B.1; control: ours, docs/wire.md
  alert = 21,
  handshake = 22,
  application_data = 23,
  control = 0xCC,
};

// What the engine of this machine can do, found by trying it over a loopback pair.
struct EngineProbe {
  bool kernel = false;  // kTLS TX and RX work, control records and errors behave
  bool kernel_rekey = false;  // a second TLS_RX / TLS_TX is taken (6.14 and newer)
  bool no_pad = false;  // TLS_RX_EXPECT_NO_PAD is taken, and a padded record survives it
  bool splice = false;  // splice out of kTLS loses nothing
  std::string reason;  // why not kernel, or what was found
};
EngineProbe probe_engines();

// Before the handshake, right after connect or accept: the kernel engine needs its ULP set while
// the connection is ESTABLISHED. os/ENOTCONN: the peer is already gone.
Result<> prepare_socket(const UniqueFd &socket, RecordEngine engine);

enum class Flow : std::uint8_t {
  done,
  blocked,  // poll for writing, then flush()
  failed,  // the socket is broken: error() says why
};

// What next() found.
struct Incoming {
  enum class Kind : std::uint8_t {
    data,  // `runs`: application data in order
    control,  // any other content type: `content`
    nothing,  // no whole record: wait
    end_of_stream,  // FIN
    failed,  // `refusal`: record_invalid, peer_reset, protocol
  } kind;
  ContentType type{};
  std::span<iovec> runs{};
  std::size_t size_bytes = 0;
  std::span<const std::uint8_t> content{};
  Refusal refusal = Refusal::none;
};

class Records {
 public:
  struct Options {
    RecordEngine engine{};
    bool no_pad = false;  // kernel engine: as probed
    bool kernel_rekey = false;  // kernel engine: as probed
    std::uint64_t key_update_records = 1ULL << 23;
  };
  // Takes the socket's record layer over; there is no way back. `keys.sequence` is the number of
  // the next record. Nothing beyond the handshake may have been read from the socket.
  static Result<std::unique_ptr<Records>> create(const UniqueFd &socket, const TrafficKeys &send,
                                                 const TrafficKeys &receive, const Options &options,
                                                 BufferPool &pool);
  // No record layer: for a connection that desired state lets be in plaintext. END is FIN, control
  // records say nothing.
  static std::unique_ptr<Records> plaintext(const UniqueFd &socket, BufferPool &pool);
  virtual ~Records() = default;
  virtual RecordEngine engine() const = 0;

  // ---- sending ----
  // Where plaintext must lie in a Buffer: `count` pieces of `piece` bytes, the first at `offset`,
  // `stride` apart; filled without holes.
  struct Layout {
    std::size_t offset, piece, stride, count;
  };
  virtual Layout layout() const = 0;
  // Sends `size` bytes of application data from `buffer`. Blocked: the records keep the buffer
  // until they are flushed; done: `buffer` is handed back.
  virtual Flow send_buffer(BufferHandle &buffer, std::size_t size_bytes) = 0;
  // Sends at most 16384 bytes with a ring's head- and tailroom around them; copies what is left.
  virtual Flow send_slot(std::span<std::uint8_t> content) = 0;
  // Sends one record of another type, 1 to 32 bytes.
  virtual Flow send_control(ContentType type, std::span<const std::uint8_t> content) = 0;
  // Bytes somebody else wrote to the socket (splice, kernel engine only): the key's share counts
  // them.
  virtual void sent_outside(std::size_t size_bytes) = 0;
  virtual Flow flush() = 0;
  virtual bool unsent() const = 0;
  int error() const { return error_; }  // errno of the last Flow::failed

  // ---- receiving ----
  // True: nothing is held, the next bytes may come through Ring::receive (userspace engine).
  virtual bool takes_slots() const = 0;
  // Bytes the ring received; next() works on them until settle(), which keeps what is left.
  virtual void feed(std::span<std::uint8_t> slot) = 0;
  virtual void settle() = 0;
  // Reads from the socket into a held Buffer. full: as much as there was room for; likely more.
  enum class Fill : std::uint8_t { some, full, blocked, end_of_stream, failed };
  virtual Fill fill() = 0;
  // The next run of content. Spans stay valid until the next call of next(), feed(), fill() or
  // settle(); `stable()` says that they also survive the end of the ring's callback.
  virtual Incoming next() = 0;
  virtual bool stable() const = 0;

  // ---- keys ----
  // True once the send key has protected its share of records (RFC 8446 section 5.5).
  virtual bool send_key_worn() const = 0;
  // True where it has protected all it may and could not be renewed: nothing more may be sent.
  virtual bool send_key_exhausted() const = 0;
  // Sends a KeyUpdate and changes the send key (RFC 8446 section 4.6.3). later: no room just now,
  // nothing happened; impossible: this kernel takes no second key.
  enum class Renewal : std::uint8_t { done, later, impossible };
  virtual Renewal renew_send_key(bool request_peers) = 0;
  // After the peer's KeyUpdate. False: this kernel takes no second key; nothing can be read again.
  [[nodiscard]] virtual bool renew_receive_key() = 0;

 protected:
  int error_ = 0;
};

}  // namespace culvert
