// SPDX-License-Identifier: Apache-2.0
#include "transport.h"

#include <algorithm>

#include "culvert/result.h"

namespace culvert {
namespace {

Transport &transport_of(BIO *bio) { return *static_cast<Transport *>(BIO_get_data(bio)); }

int read(BIO *bio, char *out, int size) {
  auto &input = transport_of(bio).input;
  BIO_clear_retry_flags(bio);
  const std::size_t taken = std::min(input.size(), static_cast<std::size_t>(std::max(size, 0)));
  if (taken == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::copy_n(input.begin(), taken, out);
  input = input.subspan(taken);
  return static_cast<int>(taken);
}

int write(BIO *bio, const char *data, std::size_t size, std::size_t *written) {
  auto &output = transport_of(bio).output;
  output.insert(output.end(), data, data + size);
  *written = size;
  return 1;
}

long control(BIO * /*bio*/, int command, long /*number*/, void * /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD *method() {
  static const BIO_METHOD *const made = [] {
    BIO_METHOD *out = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "culvert");
    ENSURE(out != nullptr && BIO_meth_set_read(out, read) && BIO_meth_set_write_ex(out, write) &&
           BIO_meth_set_ctrl(out, control));
    return out;
  }();
  return made;
}

}  // namespace

bssl::UniquePtr<BIO> Transport::bio() {
  bssl::UniquePtr<BIO> out(BIO_new(method()));
  ENSURE(out);
  BIO_set_data(out.get(), this);
  BIO_set_init(out.get(), 1);
  return out;
}

}  // namespace culvert
