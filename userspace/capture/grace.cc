// SPDX-License-Identifier: Apache-2.0
#include "grace.h"

#include <bpf/bpf.h>

#include <cstdint>

#include "problem_text.h"

namespace culvert {

namespace {

Result<UniqueFd, Problem> make_map(bpf_map_type type, const char *name,
                                   const bpf_map_create_opts *options) {
  constexpr std::uint32_t size = sizeof(std::uint32_t);
  const int fd = ::bpf_map_create(type, name, size, size, 1, options);
  if (fd < 0) {
    return problem_with(std::string("BPF map ") + name, "create", -fd,
                        "culvert needs Linux 6.1 or newer: see culvert check");
  }
  return UniqueFd(fd);
}

}  // namespace

Result<GracePeriod, Problem> GracePeriod::create() {
  UniqueFd inner = TRY(make_map(BPF_MAP_TYPE_ARRAY, "grace_inner", nullptr));
  bpf_map_create_opts options{};
  options.sz = sizeof options;
  options.inner_map_fd = static_cast<std::uint32_t>(inner.get());
  UniqueFd outer = TRY(make_map(BPF_MAP_TYPE_ARRAY_OF_MAPS, "grace", &options));
  return GracePeriod(std::move(inner), std::move(outer));
}

void GracePeriod::wait() const {
  const std::uint32_t only = 0;
  const int inner_fd = inner_.get();
  const int error = ::bpf_map_update_elem(outer_.get(), &only, &inner_fd, BPF_ANY);
  ENSURE(error == 0);  // an array's only entry
}

}  // namespace culvert
