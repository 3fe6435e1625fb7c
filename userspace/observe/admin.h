// SPDX-License-Identifier: Apache-2.0
// admin: what the admin socket's documents have in common.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "culvert/crypto.h"

namespace culvert {

using Json = nlohmann::ordered_json;  // keys in the order of writing

// Names and details may hold a peer's bytes: what is no UTF-8 is replaced, never an exception.
inline std::string document(const Json &json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

inline double seconds_between(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}

// An empty text is no text: null.
inline Json text_or_null(std::string_view text) {
  return text.empty() ? Json(nullptr) : Json(std::string(text));
}

}  // namespace culvert
