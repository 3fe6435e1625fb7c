// SPDX-License-Identifier: Apache-2.0
// loader: what every use of a skeleton needs: libbpf's own words when something fails, and file
// descriptors that outlive the skeleton (its memory is given back once the programs run).
#pragma once

#include <bpf/libbpf.h>

#include <string>

#include "culvert/fd.h"
#include "culvert/result.h"

namespace culvert {

// Has libbpf's messages collected instead of printed. Control thread only.
void collect_bpf_messages();
// The last warning since then, one line, or nothing.
std::string last_bpf_message();

// "BPF programs node: load: Invalid argument (libbpf: ...): NEXT"
std::unexpected<Problem> bpf_problem(const std::string &object, const char *what, int code);

Result<UniqueFd, Problem> own_fd(const bpf_map *map);
Result<UniqueFd, Problem> own_fd(const bpf_program *program);

}  // namespace culvert
