// SPDX-License-Identifier: Apache-2.0
#include "handshake_ends.h"

#include <openssl/err.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

namespace culvert::test {

Domain::Domain(std::string trust_domain)
    : root(make_root("root of " + trust_domain, std::chrono::system_clock::now())) {
  auto made = TrustBundle::create(std::move(trust_domain), {root.certificate});
  REQUIRE(made);
  bundle = std::make_shared<const TrustBundle>(std::move(*made));
}

std::shared_ptr<const Svid> Domain::svid(const std::string &id, std::chrono::milliseconds life,
                                         KeyKind kind) const {
  const auto now = std::chrono::system_clock::now();
  Recipe recipe;
  recipe.uris = {id};
  recipe.not_before = now - std::chrono::seconds(10);
  recipe.not_after = now + life;
  const PrivateKey key = make_key(kind);
  return std::make_shared<const Svid>(
      Svid{SpiffeId::parse(id).value(), {mint(root, key, recipe)}, key});
}

std::shared_ptr<const TlsIdentity> Domain::identity(std::shared_ptr<const Svid> svid,
                                                    TlsIdentity::Options options) const {
  auto made = TlsIdentity::create(std::move(svid), bundle, options);
  REQUIRE(made);
  return *made;
}

std::shared_ptr<const TlsIdentity> Domain::identity(const std::string &id,
                                                    TlsIdentity::Options options) const {
  return identity(svid(id), std::move(options));
}

CulvertEnd::CulvertEnd(Result<std::unique_ptr<Handshake>> made) {
  ENSURE(made);  // not REQUIRE: Catch2 counts on one thread only
  handshake = std::move(*made);
}

bool CulvertEnd::over() const { return done() || refused(); }

void CulvertEnd::step() {
  const auto before = inbox.size();
  const auto stepped = handshake->advance(inbox);
  ENSURE(stepped.consumed <= before);
  progress = stepped.progress;
  consumed += stepped.consumed;
  if (progress == Handshake::Progress::paused) ++pauses;
  inbox.erase(inbox.begin(), inbox.begin() + static_cast<std::ptrdiff_t>(stepped.consumed));
  // In two parts, as a socket may take them.
  for (std::size_t half = handshake->output().size() / 2; !handshake->output().empty();
       half = handshake->output().size()) {
    const auto part = handshake->output().first(std::max<std::size_t>(half, 1));
    outbox.insert(outbox.end(), part.begin(), part.end());
    handshake->output_sent(part.size());
  }
}

ForeignEnd::ForeignEnd(const ForeignOptions &options)
    : context(SSL_CTX_new(TLS_with_buffers_method())) {
  SSL_CTX *const ctx = context.get();
  REQUIRE(SSL_CTX_set_min_proto_version(ctx, options.min_version));
  REQUIRE(SSL_CTX_set_max_proto_version(ctx, options.max_version));
  if (!options.groups.empty()) {
    REQUIRE(SSL_CTX_set1_group_ids(ctx, options.groups.data(), options.groups.size()));
  }
  if (!options.suites.empty()) {
    REQUIRE(SSL_CTX_set1_tls13_ciphers(ctx, options.suites.data(), nullptr, options.suites.size()));
  }
  const std::uint16_t algorithms[] = {
      SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519, SSL_SIGN_ECDSA_SECP384R1_SHA384,
      SSL_SIGN_ECDSA_SECP521R1_SHA512, SSL_SIGN_RSA_PSS_RSAE_SHA256};
  REQUIRE(SSL_CTX_set_signing_algorithm_prefs(ctx, algorithms, std::size(algorithms)));
  REQUIRE(SSL_CTX_set_verify_algorithm_prefs(ctx, algorithms, std::size(algorithms)));
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_BOTH);
  SSL_CTX_sess_set_new_cb(ctx, [](SSL *from, SSL_SESSION *made) {
    static_cast<ForeignEnd *>(SSL_get_app_data(from))->session.reset(made);
    return 1;
  });
  SSL_CTX_set_custom_verify(
      ctx, SSL_VERIFY_PEER,
      options.accept_peer ? [](SSL *, std::uint8_t *) { return ssl_verify_ok; }
                          : [](SSL *, std::uint8_t *alert) {
                              *alert = SSL_AD_CERTIFICATE_REVOKED;
                              return ssl_verify_invalid;
                            });
  if (!options.chain.empty()) {
    std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
    std::vector<CRYPTO_BUFFER *> chain;
    for (const Certificate &certificate : options.chain) {
      owned.emplace_back(
          CRYPTO_BUFFER_new(certificate.der().data(), certificate.der().size(), nullptr));
      chain.push_back(owned.back().get());
    }
    REQUIRE(
        SSL_CTX_set_chain_and_key(ctx, chain.data(), chain.size(), options.key.native(), nullptr));
  }
  ssl.reset(SSL_new(ctx));
  SSL_set_app_data(ssl.get(), this);
  BIO *const in = BIO_new(BIO_s_mem());
  BIO *const out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(in, -1);
  SSL_set_bio(ssl.get(), in, out);
  if (!options.protocol.empty()) {
    Bytes list = {static_cast<std::uint8_t>(options.protocol.size())};
    list.insert(list.end(), options.protocol.begin(), options.protocol.end());
    REQUIRE(SSL_set_alpn_protos(ssl.get(), list.data(), list.size()) == 0);
  }
  if (options.session != nullptr) SSL_set_session(ssl.get(), options.session);
  options.server ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
}

void ForeignEnd::pump_in() {
  if (!inbox.empty())
    BIO_write(SSL_get_rbio(ssl.get()), inbox.data(), static_cast<int>(inbox.size()));
  inbox.clear();
}

void ForeignEnd::flush() {
  const std::uint8_t *data = nullptr;
  std::size_t size = 0;
  BIO_mem_contents(SSL_get_wbio(ssl.get()), &data, &size);
  outbox.insert(outbox.end(), data, data + size);
  BIO_reset(SSL_get_wbio(ssl.get()));
}

void ForeignEnd::step() {
  pump_in();
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl.get());
  done = result == 1;
  if (!done && SSL_get_error(ssl.get(), result) != SSL_ERROR_WANT_READ) {
    failed = true;
    reason = ERR_GET_REASON(ERR_peek_error());
  }
  ERR_clear_error();
  flush();
}

void ForeignEnd::close() {
  SSL_shutdown(ssl.get());
  ERR_clear_error();
  flush();
}

Bytes ForeignEnd::read() {
  pump_in();
  Bytes out(20000);
  const int size = SSL_read(ssl.get(), out.data(), static_cast<int>(out.size()));
  ERR_clear_error();
  out.resize(static_cast<std::size_t>(std::max(size, 0)));
  return out;
}

void ForeignEnd::write(const Bytes &data) {
  REQUIRE(SSL_write(ssl.get(), data.data(), static_cast<int>(data.size())) >= 0);
  flush();
}

namespace {

bool deliver(Bytes &from, Bytes &to, std::size_t chunk) {
  const std::size_t size = std::min(from.size(), chunk);
  to.insert(to.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(size));
  from.erase(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(size));
  return size > 0;
}

}  // namespace

void run(End &a, End &b, std::size_t chunk) {
  a.step();
  b.step();
  for (bool moved = true; moved;) {
    moved = false;
    for (auto [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      const bool delivered = deliver(from->outbox, to->inbox, chunk);
      if (to->over()) continue;
      if (!delivered && !to->wants_turn()) continue;
      to->step();
      moved = true;
    }
    if (a.over() && b.over()) break;
  }
  // What is still on its way arrives, and stays unread.
  deliver(a.outbox, b.inbox, SIZE_MAX);
  deliver(b.outbox, a.inbox, SIZE_MAX);
}

Pair::Pair(std::shared_ptr<const TlsIdentity> from, std::shared_ptr<const TlsIdentity> to,
           HandshakeMemory &from_memory, HandshakeMemory &to_memory, const std::string &expected,
           std::uint16_t port)
    : client(Handshake::connect(
          std::move(from),
          {SpiffeId::parse(expected).value(), "b/server", {Ip::loopback_v4(), port}}, from_memory)),
      server(Handshake::accept(std::move(to), to_memory)) {}

Bytes seal(TrafficKeys &keys, std::uint8_t type, const Bytes &content) {
  auto cipher = RecordCipher::create(keys);
  ENSURE(cipher);
  const std::size_t size = content.size() + 1 + RecordCipher::tag_size;
  std::array<std::uint8_t, 5> header = {23, 3, 3, static_cast<std::uint8_t>(size >> 8),
                                        static_cast<std::uint8_t>(size)};
  Bytes text = content;
  text.push_back(type);
  text.resize(size);
  cipher->seal(std::span(text).first(content.size() + 1), header, keys.sequence++);
  Bytes out(header.begin(), header.end());
  out.insert(out.end(), text.begin(), text.end());
  return out;
}

Opened open(TrafficKeys &keys, Bytes &records) {
  if (records.size() < 5) return {};
  std::array<std::uint8_t, 5> header;
  std::copy_n(records.begin(), header.size(), header.begin());
  const std::size_t size = (std::size_t{header[3]} << 8) + header[4];
  if (records.size() < 5 + size || size < RecordCipher::tag_size + 1) return {};
  Bytes text(records.begin() + 5, records.begin() + 5 + static_cast<std::ptrdiff_t>(size));
  records.erase(records.begin(), records.begin() + 5 + static_cast<std::ptrdiff_t>(size));
  auto cipher = RecordCipher::create(keys);
  ENSURE(cipher);
  if (!cipher->open(text, header, keys.sequence++)) return {};
  text.resize(text.size() - RecordCipher::tag_size);
  Opened out{.good = true, .type = text.back(), .content = {}};
  text.pop_back();
  out.content = std::move(text);
  return out;
}

Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

}  // namespace culvert::test
