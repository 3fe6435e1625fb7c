// SPDX-License-Identifier: Apache-2.0
// http.cc: evhttp with bounds. A request is answered at once or later; who asked may have left by
// then, and evhttp frees a request together with its connection: Pending knows which it was.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include <exception>
#include <list>
#include <optional>

#include "culvert/control.h"
#include "culvert/log.h"
#include "listen.h"

namespace culvert {
namespace {

constexpr ev_ssize_t headers_max_bytes = 8192;
constexpr ev_ssize_t body_max_bytes = 0;
constexpr int timeout_s = 10;

const char *reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Answer";
  }
}

void send(evhttp_request *request, const Response &response) {
  evkeyvalq *headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", response.content_type.c_str());
  evhttp_add_header(headers, "Cache-Control", "no-store");
  if (response.status == 405) evhttp_add_header(headers, "Allow", "GET");
  evbuffer *body = evhttp_request_get_output_buffer(request);
  evbuffer_add(body, response.body.data(), response.body.size());
  evhttp_send_reply(request, response.status, reason_of(response.status), nullptr);
}

Response plain(int status, std::string text) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(text)};
}

// Pending is one request that waits for its answer.
class Pending {
 public:
  explicit Pending(evhttp_request *request) : request_(request) {
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), &Pending::on_close, this);
  }
  Pending(const Pending &) = delete;
  ~Pending() { answer(plain(503, "the daemon did not answer\n")); }

  void answer(const Response &response) {
    if (request_ == nullptr) return;  // answered, or nobody waits any more
    evhttp_request *request = std::exchange(request_, nullptr);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), nullptr, nullptr);
    send(request, response);
  }

 private:
  static void on_close(evhttp_connection *, void *pending) {
    static_cast<Pending *>(pending)->request_ = nullptr;
  }
  evhttp_request *request_;
};

std::optional<Query> query_of(evhttp_request *request) {
  Query query;
  const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
  if (text == nullptr) return query;
  evkeyvalq parsed{};
  if (evhttp_parse_query_str(text, &parsed) != 0) return std::nullopt;
  for (evkeyval *pair = parsed.tqh_first; pair != nullptr; pair = pair->next.tqe_next) {
    query[pair->key] = pair->value;
  }
  evhttp_clear_headers(&parsed);
  return query;
}

// Left to itself, evhttp closes a connection's socket before libevent takes it out of its epoll: in
// between the number may be a data thread's new socket. A bufferevent that owns the socket closes
// it afterwards.
bufferevent *make_connection(event_base *base, void *) {
  return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
}

struct Route {
  std::string path;
  HttpServer::DeferredHandler handler;

  static void on_request(evhttp_request *request, void *route) noexcept {
    static_cast<Route *>(route)->handle(request);
  }
  void handle(evhttp_request *request) {
    if (evhttp_request_get_command(request) != EVHTTP_REQ_GET) return send(request, plain(405, ""));
    auto query = query_of(request);
    if (!query) return send(request, plain(400, "the query is not key=value&...\n"));
    auto pending = std::make_shared<Pending>(request);
    try {
      handler(*query, [pending](const Response &response) { pending->answer(response); });
    } catch (const std::exception &error) {
      log_event(LogLevel::error, "cannot answer", {{"path", path}, {"error", error.what()}});
      pending->answer(plain(500, "an internal error; the daemon's log says which\n"));
    }
  }
};

}  // namespace

struct HttpServer::State {
  Loop &loop;
  evhttp *http;
  std::list<Route> routes;  // a Route's address is known to evhttp
  std::optional<UnixSocket> unix_socket;

  State(Loop &l, evhttp *h) : loop(l), http(h) {}
  State(const State &) = delete;
  ~State() { evhttp_free(http); }

  bool listen(int fd, unsigned flags) {
    evconnlistener *listener = evconnlistener_new(loop.native(), nullptr, nullptr, flags, 0, fd);
    if (listener == nullptr) return false;
    if (evhttp_bind_listener(http, listener) == nullptr) {
      evconnlistener_free(listener);
      return false;
    }
    return true;
  }

  static void on_unknown(evhttp_request *request, void *) noexcept {
    send(request, plain(404, "no such page\n"));
  }
};

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>, Problem> HttpServer::create(Loop &loop) {
  evhttp *http = evhttp_new(loop.native());
  if (http == nullptr) return problem("cannot make the HTTP server: out of memory");
  auto state = std::make_unique<State>(loop, http);
  evhttp_set_allowed_methods(http, 0xffff);  // all reach the routes, which answer 405
  evhttp_set_max_headers_size(http, headers_max_bytes);
  evhttp_set_max_body_size(http, body_max_bytes);
  evhttp_set_timeout(http, timeout_s);
  evhttp_set_bevcb(http, &make_connection, nullptr);
  evhttp_set_gencb(http, &State::on_unknown, nullptr);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

Result<void, Problem> HttpServer::listen_unix(const std::string &path) {
  auto made = UnixSocket::create(path);
  if (!made) return std::unexpected(made.error());
  if (!state_->listen(made->fd(), 0)) return problem("admin socket " + path + ": out of memory");
  state_->unix_socket.emplace(std::move(*made));
  return {};
}

Result<std::uint16_t, Problem> HttpServer::listen_tcp(const std::string &address) {
  TcpSocket made = TRY(listen_at(address));
  if (!state_->listen(made.fd.get(), LEV_OPT_CLOSE_ON_FREE)) {
    return problem("cannot listen on " + address + ": out of memory");
  }
  static_cast<void>(made.fd.release());  // the listener's
  return made.port;
}

void HttpServer::route(const std::string &path, Handler handler) {
  route_deferred(path, [handler = std::move(handler)](const Query &query, const Reply &reply) {
    reply(handler(query));
  });
}

void HttpServer::route_deferred(const std::string &path, DeferredHandler handler) {
  Route &route = state_->routes.emplace_back(path, std::move(handler));
  int added = evhttp_set_cb(state_->http, path.c_str(), &Route::on_request, &route);
  ENSURE(added == 0);  // each path once
}

}  // namespace culvert
