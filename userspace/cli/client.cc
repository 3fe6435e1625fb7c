// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <curl/curl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

namespace culvert::cli {
namespace {

constexpr long timeout_ms = 10000;

struct CurlFree {
  void operator()(CURL *curl) const { curl_easy_cleanup(curl); }
};

std::size_t append(char *data, std::size_t size, std::size_t count, void *body) {
  static_cast<std::string *>(body)->append(data, size * count);
  return size * count;
}

std::string no_answer(const std::string &socket, CURLcode code, long error) {
  std::string text = "no culvertd answers at " + socket + ": ";
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return text + "it did not answer within 10 s; see its log";
  }
  if (error == EACCES || error == EPERM) return text + "permission denied; only root may ask it";
  text += error == 0 ? curl_easy_strerror(code) : std::strerror(static_cast<int>(error));
  return text + "; start it (culvertd --config FILE), or give --socket PATH or $CULVERT_SOCKET";
}

}  // namespace

Result<Json, Problem> ask(const std::string &socket, const std::string &path) {
  std::unique_ptr<CURL, CurlFree> curl(curl_easy_init());
  if (!curl) return problem("cannot ask " + socket + ": libcurl does not start");
  std::string body, url = "http://culvert" + path;
  std::array<char, CURL_ERROR_SIZE> words{};
  curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");  // whatever $http_proxy says
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, timeout_ms);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, words.data());
  CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) {
    long error = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_OS_ERRNO, &error);
    return problem(no_answer(socket, code, error));
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  Json json = Json::parse(body, nullptr, false);
  if (status >= 400 && json.is_object() && json.contains("error") && json["error"].is_string()) {
    return problem(json["error"].get<std::string>());
  }
  if (status != 200) {
    return problem("culvertd at " + socket + " answered " + path + " with HTTP " +
                   std::to_string(status) + "; is it the version of this command?");
  }
  if (json.is_discarded() || !json.is_object()) {
    return problem("what answers at " + socket + " is no culvertd: " + path + " is no JSON object");
  }
  return json;
}

std::string escaped(std::string_view value) {
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (plain.contains(c)) {
      out += c;
    } else {
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

}  // namespace culvert::cli
