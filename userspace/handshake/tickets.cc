// SPDX-License-Identifier: Apache-2.0
#include "tickets.h"

#include <openssl/err.h>

namespace culvert {
namespace {

class ClientTickets final : public Tickets {
 public:
  ClientTickets(bssl::UniquePtr<SSL> ssl, std::shared_ptr<Sessions> sessions, const Key &key)
      : ssl_(std::move(ssl)), sessions_(std::move(sessions)), key_(key) {}

  // Messages are type, 24-bit length, body (RFC 8446 section 4). One that continues in another
  // record is refused: tickets fit, and nobody's TLS library cuts them.
  bool accept(std::span<const std::uint8_t> record) override {
    constexpr std::size_t header_size = 4;
    if (record.empty()) return false;  // RFC 8446 section 5.1
    while (!record.empty()) {
      if (record.size() < header_size || record[0] != SSL3_MT_NEW_SESSION_TICKET) return false;
      const std::size_t size =
          header_size + (std::size_t{record[1]} << 16) + (std::size_t{record[2]} << 8) + record[3];
      if (record.size() < size) return false;
      bssl::UniquePtr<SSL_SESSION> session(
          SSL_process_tls13_new_session_ticket(ssl_.get(), record.data(), size));
      if (!session) {
        ERR_clear_error();
        return false;
      }
      sessions_->put(key_, std::move(session));
      record = record.subspan(size);
    }
    return true;
  }

 private:
  bssl::UniquePtr<SSL> ssl_;
  std::shared_ptr<Sessions> sessions_;
  Key key_;
};

}  // namespace

std::unique_ptr<Tickets> keep_tickets(bssl::UniquePtr<SSL> ssl, std::shared_ptr<Sessions> sessions,
                                      const Key &key) {
  return std::make_unique<ClientTickets>(std::move(ssl), std::move(sessions), key);
}

}  // namespace culvert
