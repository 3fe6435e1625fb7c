// SPDX-License-Identifier: Apache-2.0
// client: asks the daemon on its admin socket (HTTP over a Unix socket, libcurl).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "culvert/result.h"

namespace culvert::cli {

using Json = nlohmann::ordered_json;

// GET `path` ("/status"). Problem: nobody answers (and what to do), or the answer makes no sense.
// {"error": TEXT} with a status of 400 and more is the daemon's own Problem.
Result<Json, Problem> ask(const std::string &socket, const std::string &path);
std::string escaped(std::string_view value);  // to stand in a query: "a%2Fb"

}  // namespace culvert::cli
