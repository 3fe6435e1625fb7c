// SPDX-License-Identifier: Apache-2.0
// uring_client ADDRESS PORT TEXT: connect, send, receive by io_uring; prints what comes back of
// "echo\nTEXT" up to the end. Exit 1 names the step that failed.
#include <arpa/inet.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complete(struct io_uring *ring, const char *step) {
  struct io_uring_cqe *cqe;
  if (io_uring_submit(ring) < 0 || io_uring_wait_cqe(ring, &cqe) < 0) {
    fprintf(stderr, "%s: io_uring does not answer\n", step);
    exit(1);
  }
  int result = cqe->res;
  io_uring_cqe_seen(ring, cqe);
  if (result < 0) {
    fprintf(stderr, "%s: %s\n", step, strerror(-result));
    exit(1);
  }
  return result;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
  int is_v4 = inet_pton(AF_INET, argv[1], &v4.sin_addr) == 1;
  if (!is_v4 && inet_pton(AF_INET6, argv[1], &v6.sin6_addr) != 1) return 2;
  struct sockaddr *address = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;

  struct io_uring ring;
  if (io_uring_queue_init(8, &ring, 0) < 0) {
    fprintf(stderr, "io_uring_queue_init failed\n");
    return 1;
  }
  int fd = socket(address->sa_family, SOCK_STREAM, 0);
  io_uring_prep_connect(io_uring_get_sqe(&ring), fd, address, is_v4 ? sizeof v4 : sizeof v6);
  complete(&ring, "connect");
  char message[4096];
  int length = snprintf(message, sizeof message, "echo\n%s", argv[3]);
  io_uring_prep_send(io_uring_get_sqe(&ring), fd, message, (size_t)length, MSG_WAITALL);
  complete(&ring, "send");
  io_uring_prep_shutdown(io_uring_get_sqe(&ring), fd, SHUT_WR);
  complete(&ring, "shutdown");
  for (;;) {
    char answer[4096];
    io_uring_prep_recv(io_uring_get_sqe(&ring), fd, answer, sizeof answer, 0);
    int got = complete(&ring, "receive");
    if (got == 0) return 0;
    fwrite(answer, 1, (size_t)got, stdout);
  }
}
